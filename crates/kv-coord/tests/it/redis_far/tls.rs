//! TLS: with the right authority it works, without it nothing is sent.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use sandbox::{RedisOptions, free_port};

use super::{PASSWORD, all_work, patient, start_with};

/// An authority, and a server's certificate and key in files that the server's user can read.
fn certificates(folder: &Path) -> Vec<u8> {
    let authority_key = KeyPair::generate().expect("a key");
    let mut authority = CertificateParams::new(Vec::new()).expect("no names");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.distinguished_name.push(DnType::CommonName, "an authority for one test");
    let ca = authority.self_signed(&authority_key).expect("a certificate").pem();
    let issuer = Issuer::new(authority, authority_key);
    let key = KeyPair::generate().expect("a key");
    let server = CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("a name");
    let server = server.signed_by(&key, &issuer).expect("a certificate").pem();
    for (name, text) in [("ca.pem", &ca), ("server.pem", &server), ("server.key", &key.serialize_pem())] {
        let path = folder.join(name);
        fs::write(&path, text).expect("a file");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("its mode");
    }
    ca.into_bytes()
}

#[tokio::test]
async fn an_encrypted_connection_is_believed_by_its_authority_alone() {
    let folder = tempfile::Builder::new().prefix("kv-coord-tls-").tempdir_in("/tmp").expect("a folder");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("its mode");
    let ca = certificates(folder.path());
    let file = |name: &str| folder.path().join(name).display().to_string();
    let tls_port = free_port().expect("a port");
    let options = RedisOptions::default()
        .setting("tls-cert-file", file("server.pem"))
        .setting("tls-key-file", file("server.key"))
        .setting("tls-ca-cert-file", file("ca.pem"))
        .setting("tls-auth-clients", "no")
        .setting("tls-port", tls_port.to_string());
    let _redis = start_with(options).await;
    let url = format!("rediss://:{PASSWORD}@127.0.0.1:{tls_port}");
    let settings = patient(&url);
    assert!(settings.is_encrypted());
    let believed = settings.clone().with_authorities(ca);
    all_work(&believed).await;
    assert!(believed.look_for_faults().await.expect("it answers").is_empty());
    // The machine's own authorities do not know it.
    settings.look_for_faults().await.expect_err("the certificate is nobody's");
}
