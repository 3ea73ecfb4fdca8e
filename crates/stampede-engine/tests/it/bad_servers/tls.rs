//! TLS: what it must do, and servers whose certificates are wrong.

use std::io::Write;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;
use stampede_engine::http::once::once;
use stampede_engine::http::{Resumption, TlsSettings, Transport, Trust, Wire};
use stampede_engine::load::{RequestPlan, Reuse};
use stampede_model::failure::FailureKind;
use tempfile::NamedTempFile;

use super::http2::serve as serve_h2;
use super::peer::{Peer, Server};
use super::{BOTH, PATIENT, REQUESTS, all_fail_as, all_succeed, plan};

const ALL: [Transport; 3] = [Transport::Hyper, Transport::Raw, Transport::H2];

/// A certificate for one host, as the server presents it and as a file that trusts it.
struct Identity {
    config: ServerConfig,
    file: NamedTempFile,
}

fn identity(host: &str, alpn: &str) -> Identity {
    let made = rcgen::generate_simple_self_signed([host.to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    config.alpn_protocols = vec![alpn.as_bytes().to_vec()];
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(made.cert.pem().as_bytes()).unwrap();
    Identity { config, file }
}

fn request(url: &str, transport: Transport, trust: Trust, resumption: Resumption) -> RequestPlan {
    let tls = TlsSettings::new(trust, resumption).unwrap();
    RequestPlan::get(url).unwrap().over(Wire { transport: Some(transport), tls: Some(tls), ..Wire::default() })
}

fn serve(peer: &mut Peer) -> std::io::Result<()> {
    while peer.read_request()? {
        peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello")?;
    }
    Ok(())
}

fn start(host: &str, transport: Transport) -> (Server, NamedTempFile) {
    if transport == Transport::H2 {
        let Identity { config, file } = identity(host, "h2");
        return (Server::start_tls(config, serve_h2), file);
    }
    let Identity { config, file } = identity(host, "http/1.1");
    (Server::start_tls(config, serve), file)
}

#[test]
fn a_trusted_server_is_loaded_by_every_transport() {
    for transport in ALL {
        let (server, file) = start("localhost", transport);
        let trust = Trust::File(file.path().to_owned());
        let url = server.url_by("https", "localhost");
        let result = all_succeed(&plan(request(&url, transport, trust, Resumption::On), 2, PATIENT));
        assert_eq!(result.traffic.body_bytes, REQUESTS * 5, "{transport}");
        let connections = if transport == Transport::H2 { 1 } else { 2 };
        assert_eq!((server.connections(), result.traffic.connections), (connections, connections), "{transport}");
        assert!(result.traffic.received_bytes > 500, "{transport}: a handshake travels too");
    }
}

#[test]
fn an_untrusted_certificate() {
    for transport in ALL {
        let (server, _) = start("localhost", transport);
        let request = request(&server.url_by("https", "localhost"), transport, Trust::WebRoots, Resumption::On);
        all_fail_as(&plan(request, 2, PATIENT), FailureKind::TlsUntrusted);
    }
}

#[test]
fn a_certificate_for_another_host() {
    for transport in BOTH {
        let (server, file) = start("other.test", transport);
        let trust = Trust::File(file.path().to_owned());
        all_fail_as(
            &plan(request(&server.url(), transport, trust, Resumption::On), 2, PATIENT),
            FailureKind::TlsWrongHost,
        );
    }
}

#[test]
fn who_trusts_anyone_is_refused_nothing() {
    let (server, _) = start("other.test", Transport::Raw);
    all_succeed(&plan(request(&server.url(), Transport::Raw, Trust::Anyone, Resumption::On), 2, PATIENT));
}

#[test]
fn plain_http_on_a_tls_port() {
    for transport in ALL {
        let server = Server::start(|peer| {
            // The first bytes of a handshake, whatever they are.
            if peer.read_exactly(5)?.is_some() {
                peer.send_and_close(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")?;
            }
            Ok(())
        });
        let request = request(&server.url_by("https", "127.0.0.1"), transport, Trust::Anyone, Resumption::On);
        all_fail_as(&plan(request, 2, PATIENT), FailureKind::TlsHandshake);
    }
}

#[test]
fn a_server_without_http_2_is_not_taken_for_one() {
    let (server, _) = start("localhost", Transport::Raw);
    let request = request(&server.url(), Transport::H2, Trust::Anyone, Resumption::On);
    all_fail_as(&plan(request, 2, PATIENT), FailureKind::TlsHandshake);
}

#[test]
fn sessions_are_resumed_unless_that_is_switched_off() {
    for transport in BOTH {
        for (resumption, resumed) in [(Resumption::On, REQUESTS - 1), (Resumption::Off, 0)] {
            let (server, _) = start("localhost", transport);
            let mut plan = plan(request(&server.url(), transport, Trust::Anyone, resumption), 1, PATIENT);
            plan.reuse = Reuse::PerRequest;
            all_succeed(&plan);
            assert_eq!((server.connections(), server.resumed()), (REQUESTS, resumed), "{transport}");
        }
    }
}

#[test]
fn a_body_that_ends_with_its_connection_ends_with_a_word_of_tls() {
    for transport in BOTH {
        for (farewell, cut) in [(true, false), (false, true)] {
            let Identity { config, .. } = identity("localhost", "http/1.1");
            let server = Server::start_tls(config, move |peer| {
                if !peer.read_request()? {
                    return Ok(());
                }
                let bytes = b"HTTP/1.1 200 OK\r\n\r\nall of it";
                if farewell {
                    return peer.send_and_close(bytes);
                }
                peer.send(bytes)?;
                peer.close()
            });
            let plan = plan(request(&server.url(), transport, Trust::Anyone, Resumption::On), 2, PATIENT);
            if cut {
                all_fail_as(&plan, FailureKind::ClosedEarly);
            } else {
                all_succeed(&plan);
            }
        }
    }
}

#[tokio::test]
async fn the_handshake_is_timed_apart() {
    for transport in ALL {
        let (server, _) = start("localhost", transport);
        let answer = once(&request(&server.url(), transport, Trust::Anyone, Resumption::On), PATIENT).await.unwrap();
        assert_eq!((answer.status, &answer.body[..]), (200, &b"hello"[..]), "{transport}");
        assert!(answer.tls_ns.is_some_and(|took| took > 0), "{transport}");
        let plain = Server::start(serve);
        assert_eq!(once(&RequestPlan::get(&plain.url()).unwrap(), PATIENT).await.unwrap().tls_ns, None);
    }
}
