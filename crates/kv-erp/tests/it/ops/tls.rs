//! PostgreSQL behind TLS: whom the service believes, whom it does not, and what it says then.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::Path;

use kv_store::{Server, StoreConfig, admin, advice};
use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use sandbox::testing::eventually;
use sandbox::{Listen, Postgres, PostgresOptions};
use tempfile::TempDir;

use super::{PASSWORD, PATIENCE, Service, ask, run, superuser};

/// An authority of one test.
struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    /// A certificate for a name, and its key.
    fn sign(&self, name: &str, purpose: ExtendedKeyUsagePurpose) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.extended_key_usages = vec![purpose];
        params.distinguished_name.push(DnType::CommonName, name);
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }
}

/// A file that belongs to the server, for its eyes alone.
fn give(server: &Postgres, name: &str, text: &str) {
    let data = server.folder().join("data");
    let owner = fs::metadata(&data).unwrap();
    let path = data.join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    chown(&path, Some(owner.uid()), Some(owner.gid())).unwrap();
}

/// Has a server encrypt, with a certificate of the authority for 127.0.0.1, and take the service's login in no other way. Whoever
/// has a certificate of the authority may come in, too, if `of_clients`.
async fn encrypt(server: &Postgres, authority: &Authority, of_clients: &str) {
    let (certificate, key) = authority.sign("127.0.0.1", ExtendedKeyUsagePurpose::ServerAuth);
    give(server, "server.crt", &certificate);
    give(server, "server.key", &key);
    give(server, "root.crt", &authority.pem);
    let rules = fs::read_to_string(server.folder().join("data/pg_hba.conf")).unwrap();
    let own =
        format!("hostssl all kv_app 127.0.0.1/32 scram-sha-256 {of_clients}\nhost all kv_app 127.0.0.1/32 reject\n");
    let others: Vec<&str> = rules.lines().filter(|line| !line.contains("kv_app")).collect();
    give(server, "pg_hba.conf", &format!("{own}{}\n", others.join("\n")));
    for setting in ["ssl = on", "ssl_ca_file = 'root.crt'"] {
        run(server, &format!("alter system set {setting}")).await;
    }
    run(server, "select pg_reload_conf()").await;
    eventually(PATIENCE, async || ask(server, "current_setting('ssl')").await == "on").await;
}

async fn start() -> Postgres {
    let options = PostgresOptions::ephemeral().listen(Listen::AnyPort).setting("max_connections", "100");
    let server = Postgres::start(options).await.unwrap();
    admin::migrate(&superuser(&server), Some(PASSWORD)).await.unwrap();
    server
}

/// The service's URL, with a name for the server and what is said of encryption.
fn url(server: &Postgres, host: &str, ssl: &str) -> String {
    format!("postgresql://kv_app:{PASSWORD}@{host}:{}/postgres?hostaddr=127.0.0.1&{ssl}", server.port())
}

fn file(folder: &TempDir, name: &str, text: &str) -> String {
    let path = folder.path().join(name);
    fs::write(&path, text).unwrap();
    shown(&path)
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// What is said of a server that is not believed, or does not believe: the words, and what to do.
async fn refused(url: &str) -> (String, String) {
    let server: Server = url.parse().unwrap();
    let error = admin::check_service(&StoreConfig::new(server)).await.expect_err(url);
    let help = advice(&error).unwrap_or_default().to_owned();
    (kv_erp::failure::chain(&error), help)
}

async fn believed(url: &str) {
    let server: Server = url.parse().unwrap();
    admin::check_service(&StoreConfig::new(server.clone())).await.unwrap();
    let client = admin::connect(&server).await.unwrap();
    let is_encrypted = "select ssl from pg_stat_ssl where pid = pg_backend_pid()";
    assert!(client.query_one(is_encrypted, &[]).await.unwrap().get::<_, bool>(0), "{url}");
}

#[tokio::test]
async fn a_server_is_believed_by_its_authority_and_its_name() {
    let (server, folder) = (start().await, tempfile::tempdir().unwrap());
    let (ours, others) = (Authority::new("ours"), Authority::new("another"));
    encrypt(&server, &ours, "").await;
    let (root, wrong) = (file(&folder, "ca.pem", &ours.pem), file(&folder, "other.pem", &others.pem));
    for (host, ssl) in [
        ("127.0.0.1", format!("sslmode=verify-full&sslrootcert={root}")),
        ("db.example", format!("sslmode=verify-ca&sslrootcert={root}")),
        ("db.example", format!("sslmode=require&sslrootcert={root}")),
        ("db.example", "sslmode=require".to_owned()),
        ("db.example", "sslmode=prefer".to_owned()),
    ] {
        believed(&url(&server, host, &ssl)).await;
    }
    for (host, ssl, words, help) in [
        ("127.0.0.1", format!("sslmode=verify-full&sslrootcert={wrong}"), "UnknownIssuer", "sslrootcert"),
        ("db.example", format!("sslmode=verify-ca&sslrootcert={wrong}"), "UnknownIssuer", "sslrootcert"),
        ("db.example", format!("sslmode=require&sslrootcert={wrong}"), "UnknownIssuer", "sslrootcert"),
        ("127.0.0.1", "sslmode=verify-full".to_owned(), "UnknownIssuer", "sslrootcert"),
        ("db.example", format!("sslmode=verify-full&sslrootcert={root}"), "not valid for name", "verify-ca"),
        ("127.0.0.1", "sslmode=disable".to_owned(), "no encryption", "sslmode=verify-full"),
        ("127.0.0.1", String::new(), "no encryption", "sslmode=verify-full"),
    ] {
        let (said, advised) = refused(&url(&server, host, &ssl)).await;
        assert!(said.contains(words) && !said.contains(PASSWORD), "{ssl}: {said}");
        assert!(advised.contains(help), "{ssl}: {said}: {advised}");
    }
    // A server that does not encrypt is not believed because it says so.
    run(&server, "alter system set ssl = off").await;
    run(&server, "select pg_reload_conf()").await;
    eventually(PATIENCE, async || ask(&server, "current_setting('ssl')").await == "off").await;
    let (said, advised) = refused(&url(&server, "127.0.0.1", &format!("sslmode=verify-full&sslrootcert={root}"))).await;
    assert!(said.contains("does not support TLS") && advised.contains("ssl = off"), "{said}: {advised}");
}

#[tokio::test]
async fn a_server_may_want_a_certificate_too() {
    let (server, folder) = (start().await, tempfile::tempdir().unwrap());
    let ours = Authority::new("ours");
    encrypt(&server, &ours, "clientcert=verify-full").await;
    let root = file(&folder, "ca.pem", &ours.pem);
    let (certificate, key) = ours.sign("kv_app", ExtendedKeyUsagePurpose::ClientAuth);
    let (certificate, key) = (file(&folder, "client.crt", &certificate), file(&folder, "client.key", &key));
    let ssl = format!("sslmode=verify-full&sslrootcert={root}");
    believed(&url(&server, "127.0.0.1", &format!("{ssl}&sslcert={certificate}&sslkey={key}"))).await;
    let (said, _) = refused(&url(&server, "127.0.0.1", &ssl)).await;
    assert!(said.contains("client certificate"), "{said}");
}

/// Every connection of a service, and of its replica, is encrypted: the pool's, those of pages, the stock writers', the relay's.
#[tokio::test]
async fn a_whole_service_speaks_to_its_servers_in_no_other_way() {
    let (server, folder) = (start().await, tempfile::tempdir().unwrap());
    let ours = Authority::new("ours");
    encrypt(&server, &ours, "").await;
    let standby = server.standby().await.unwrap();
    let ssl = format!("sslmode=verify-full&sslrootcert={}", file(&folder, "ca.pem", &ours.pem));
    let mut config = StoreConfig::new(url(&server, "127.0.0.1", &ssl).parse().unwrap());
    config.replicas = vec![url(&standby, "127.0.0.1", &ssl).parse().unwrap()];
    admin::check_replicas(&config).await.unwrap();
    let service = Service::on(&config).await;
    let caller = service.caller(&server).await;
    service.until_replica_is(true).await;
    let listening = service.store.listen_for_jobs();
    caller.stocked("p", 3).await;
    caller.get("/customers").await.expect(200);
    caller.get("/customers?sort=-name").await.expect(200);
    listening.heard().await;
    let plain = "(select count(*) from pg_stat_activity a join pg_stat_ssl s using (pid) where a.usename = 'kv_app' and not s.ssl)";
    let encrypted =
        "(select count(*) from pg_stat_activity a join pg_stat_ssl s using (pid) where a.usename = 'kv_app' and s.ssl)";
    for at in [&server, &standby] {
        assert_eq!(ask(at, plain).await, "0");
        assert!(ask(at, encrypted).await.parse::<i64>().unwrap() > 0, "nobody is connected");
    }
}

/// The command line says what to do.
#[tokio::test]
async fn a_command_says_what_to_do_about_a_server_that_it_does_not_believe() {
    let (server, folder) = (start().await, tempfile::tempdir().unwrap());
    encrypt(&server, &Authority::new("ours"), "").await;
    let wrong = file(&folder, "other.pem", &Authority::new("another").pem);
    let command = async |url: String| {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_kv-erp"));
        command.args(["api", "--listen", "127.0.0.1:0"]).env("KV_DATABASE_URL", url);
        let output = command.output().await.unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, said) = command(url(&server, "127.0.0.1", &format!("sslmode=verify-full&sslrootcert={wrong}"))).await;
    assert!(code == Some(1) && said.contains("hint: name the file"), "{said}");
    let (code, said) = command(url(&server, "127.0.0.1", "sslmode=disable")).await;
    assert!(code == Some(1) && said.contains("hint: the server takes encrypted connections alone"), "{said}");
    let (code, said) = command(url(&server, "127.0.0.1", "sslmode=verify-full&sslrootcert=/nowhere/ca.pem")).await;
    assert!(
        code == Some(2) && said.contains("sslrootcert names \"/nowhere/ca.pem\"") && !said.contains(PASSWORD),
        "{said}"
    );
}
