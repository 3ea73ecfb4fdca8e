//! Bad servers of HTTP/1.

use std::io;

use stampede_engine::http::Transport;
use stampede_engine::load::{Control, LoadError, run};
use stampede_model::failure::FailureKind;

use super::peer::{Peer, Server};
use super::{BOTH, HASTY, PATIENT, REQUESTS, all_fail_as, all_succeed, carried_out, get, plan};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";

/// Sends `bytes` to every request, and closes.
fn says(bytes: &[u8]) -> impl Fn(&mut Peer) -> io::Result<()> + Send + Sync + 'static {
    let bytes = bytes.to_vec();
    move |peer| if peer.read_request()? { peer.send_and_close(&bytes) } else { Ok(()) }
}

/// A server that says `bytes` makes every request fail as `kind`, by both transports.
fn saying_fails_as(bytes: &[u8], kind: FailureKind) {
    for transport in BOTH {
        let server = Server::start(says(bytes));
        all_fail_as(&plan(get(&server.url(), transport), 2, PATIENT), kind);
    }
}

fn chunked(body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{body}").into_bytes()
}

#[test]
fn a_server_that_always_answers_500() {
    for transport in BOTH {
        let server = Server::start(|peer| {
            while peer.read_request()? {
                peer.send(b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 4\r\n\r\noops")?;
            }
            Ok(())
        });
        let plan = plan(get(&server.url(), transport), 2, PATIENT);
        all_fail_as(&plan, FailureKind::Status5xx);
        assert_eq!(server.connections(), 2, "{transport}: an answered connection is used again");
    }
}

#[test]
fn a_server_that_refuses_connections() {
    for transport in BOTH {
        let server = Server::start_for_one();
        let result = carried_out(&plan(get(&server.url(), transport), 1, PATIENT));
        let kinds = [FailureKind::Reset, FailureKind::ConnectRefused].map(|kind| result.failures_of(kind));
        assert_eq!(kinds, [1, REQUESTS - 1], "{transport}: {:?}", result.failures);
    }
}

#[test]
fn a_reset_before_and_in_the_middle_of_a_body() {
    let starts = [
        (&b""[..], FailureKind::Reset),
        (b"HTTP/1.1 200", FailureKind::Reset),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nabc", FailureKind::ResetInBody),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\nabc", FailureKind::ResetInBody),
    ];
    for (transport, (start, kind)) in BOTH.into_iter().flat_map(|transport| starts.map(|start| (transport, start))) {
        let server = Server::start(move |peer| {
            if peer.read_request()? {
                peer.send(start)?;
                peer.reset()?;
            }
            Ok(())
        });
        all_fail_as(&plan(get(&server.url(), transport), 2, PATIENT), kind);
    }
}

#[test]
fn a_body_that_never_ends_times_out() {
    for transport in BOTH {
        let server = Server::start(|peer| {
            if peer.read_request()? {
                peer.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")?;
                // Ends when the client has had enough.
                while peer.send(b"5\r\nagain\r\n").is_ok() {}
            }
            Ok(())
        });
        let result = carried_out(&plan(get(&server.url(), transport), 2, HASTY));
        assert_eq!(result.failures_of(FailureKind::TimeoutInAnswer), REQUESTS, "{transport}: {:?}", result.failures);
        assert_eq!(result.latency.intent.censored(), REQUESTS);
        assert!(result.traffic.received_bytes > 0);
    }
}

#[test]
fn a_silent_server_times_out() {
    for transport in BOTH {
        let server = Server::start(|peer| {
            while peer.read_request()? {}
            Ok(())
        });
        let result = carried_out(&plan(get(&server.url(), transport), 2, HASTY));
        assert_eq!(result.failures_of(FailureKind::Timeout), REQUESTS, "{transport}: {:?}", result.failures);
    }
}

#[test]
fn a_body_shorter_than_announced() {
    saying_fails_as(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc", FailureKind::ClosedEarly);
    saying_fails_as(&chunked("5\r\nhello\r\n"), FailureKind::ClosedEarly);
}

#[test]
fn a_body_longer_than_announced() {
    saying_fails_as(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabcdef", FailureKind::ExtraBytes);
    saying_fails_as(&chunked("3\r\nabc\r\n0\r\n\r\nmore"), FailureKind::ExtraBytes);
}

#[test]
fn what_is_not_http() {
    saying_fails_as(b"SSH-2.0-OpenSSH_9.9\r\n", FailureKind::Protocol);
    saying_fails_as(b"HTTP/1.1 OK 200\r\n\r\n", FailureKind::Protocol);
    saying_fails_as(b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", FailureKind::Protocol);
    saying_fails_as(b"HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n", FailureKind::Protocol);
    saying_fails_as(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\nabcd", FailureKind::Protocol);
}

#[test]
fn two_framings_in_one_head_are_refused_by_the_raw_parser() {
    for head in ["content-length: 3\r\ncontent-length: 3", "content-length: 3\r\ntransfer-encoding: chunked"] {
        let server = Server::start(says(format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n0\r\n\r\n").as_bytes()));
        all_fail_as(&plan(get(&server.url(), Transport::Raw), 2, PATIENT), FailureKind::Protocol);
    }
}

#[test]
fn half_a_status_line_and_nothing_at_all() {
    saying_fails_as(b"HTTP/1.1 20", FailureKind::ClosedEarly);
    saying_fails_as(b"", FailureKind::ClosedEarly);
}

#[test]
fn a_huge_head() {
    // Hyper's bound is a soft one: a head below twice of it may pass.
    let long = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "a".repeat(300_000));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(1_000));
    for head in [long, many] {
        saying_fails_as(head.as_bytes(), FailureKind::HeadTooLarge);
    }
}

#[test]
fn malformed_chunks() {
    for body in ["x\r\nabc\r\n", "3\r\nabcX\r\n0\r\n\r\n", "fffffffffffffffff\r\nabc"] {
        saying_fails_as(&chunked(body), FailureKind::MalformedChunk);
    }
}

#[test]
fn a_connection_closed_between_two_requests_is_no_error() {
    for transport in BOTH {
        // The end comes with the answer, so that the client has it before the next request.
        let server = Server::start(says(OK));
        let result = all_succeed(&plan(get(&server.url(), transport), 2, PATIENT));
        assert_eq!((server.connections(), result.traffic.connections), (REQUESTS, REQUESTS), "{transport}");
    }
}

#[test]
fn a_body_that_drips_byte_by_byte() {
    for transport in BOTH {
        let server = Server::start(|peer| {
            let answer = chunked("3\r\nabc\r\n7;x=y\r\ndefghij\r\n0\r\nx-sum: 1\r\n\r\n");
            while peer.read_request()? {
                for byte in &answer {
                    peer.send(&[*byte])?;
                }
            }
            Ok(())
        });
        let result = all_succeed(&plan(get(&server.url(), transport), 2, PATIENT));
        assert_eq!(result.traffic.body_bytes, REQUESTS * 10, "{transport}");
        assert_eq!(server.connections(), 2, "{transport}");
    }
}

#[test]
fn interim_answers_are_passed_over() {
    for transport in BOTH {
        let server = Server::start(|peer| {
            while peer.read_request()? {
                peer.send(b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n")?;
                peer.send(OK)?;
            }
            Ok(())
        });
        assert_eq!(all_succeed(&plan(get(&server.url(), transport), 2, PATIENT)).statuses[&200], REQUESTS);
    }
}

#[test]
fn answers_of_http_1_0_end_their_connection_unless_they_say_otherwise() {
    for (transport, (line, connections)) in BOTH
        .into_iter()
        .flat_map(|transport| [("", REQUESTS), ("connection: keep-alive\r\n", 2)].map(|expected| (transport, expected)))
    {
        let server = Server::start(move |peer| {
            while peer.read_request()? {
                peer.send(format!("HTTP/1.0 200 OK\r\n{line}content-length: 2\r\n\r\nhi").as_bytes())?;
            }
            Ok(())
        });
        all_succeed(&plan(get(&server.url(), transport), 2, PATIENT));
        assert_eq!(server.connections(), connections, "{transport} {line}");
    }
}

#[test]
fn an_answer_before_the_request_is_read_counts_and_ends_the_connection() {
    let server = Server::start(|peer| {
        if peer.read_request()? {
            peer.send_and_close(b"HTTP/1.1 413 Content Too Large\r\ncontent-length: 2\r\n\r\nno")?;
        }
        Ok(())
    });
    let body = bytes::Bytes::from(vec![b'x'; 8 << 20]);
    let request = get(&server.url(), Transport::Raw).body(body, http::HeaderValue::from_static("text/plain"));
    let result = carried_out(&plan(request, 2, PATIENT));
    assert_eq!(result.failures_of(FailureKind::Status4xx), REQUESTS, "{:?}", result.failures);
    assert_eq!(server.connections(), REQUESTS);
}

#[test]
fn a_name_without_address_is_named_before_the_run() {
    let error =
        run(&plan(get("http://no-such-host.invalid/", Transport::Raw), 1, PATIENT), &Control::new()).unwrap_err();
    let LoadError::Unreachable(unreachable) = error else { panic!("{error}") };
    assert_eq!(unreachable.failure().kind, FailureKind::NameNotResolved);
}
