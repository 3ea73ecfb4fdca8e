//! Somebody between the store and PostgreSQL who strikes words from the statements that pass, and notes which ones are run.
//!
//! The store is the one that is released, its parameters are its own, and only the text that PostgreSQL is asked to prepare is
//! another one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader, copy, split};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio_postgres::config::Host;
use uuid::Uuid;

/// Statement texts that are exchanged for others.
pub(crate) type Exchange = HashMap<String, String>;

/// What all connections share.
#[derive(Default)]
struct Shared {
    exchange: Mutex<Exchange>,
    names: HashMap<&'static str, &'static str>,
    run: Mutex<Vec<&'static str>>,
    composed: Mutex<Vec<String>>,
}

/// The way to a server, with somebody on it.
pub(crate) struct Wire {
    config: tokio_postgres::Config,
    shared: Arc<Shared>,
}

impl Wire {
    /// Listens in place of the server that `config` names.
    pub(crate) async fn to(config: &tokio_postgres::Config, exchange: Exchange) -> Self {
        let names = kv_store::statement::all().map(|statement| (statement.text, statement.name)).collect();
        let shared = Arc::new(Shared {
            exchange: Mutex::new(exchange),
            names,
            run: Mutex::default(),
            composed: Mutex::default(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (target, server_port) = (config.get_hosts()[0].clone(), config.get_ports()[0]);
        let passing = Arc::clone(&shared);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                client.set_nodelay(true).unwrap();
                let (target, shared) = (target.clone(), Arc::clone(&passing));
                tokio::spawn(async move {
                    match target {
                        Host::Tcp(name) => {
                            let server = TcpStream::connect((name, server_port)).await.unwrap();
                            server.set_nodelay(true).unwrap();
                            relay(client, server, &shared).await;
                        }
                        Host::Unix(folder) => {
                            let socket = folder.join(format!(".s.PGSQL.{server_port}"));
                            relay(client, UnixStream::connect(socket).await.unwrap(), &shared).await;
                        }
                    }
                });
            }
        });
        Self { config: through(config, port), shared }
    }

    /// How to connect through it.
    pub(crate) fn config(&self) -> tokio_postgres::Config {
        self.config.clone()
    }

    /// The registered statements that were run since this was last asked, in order; but for the word to the relays, which is said
    /// beside everything else, at its own time.
    pub(crate) fn run(&self) -> Vec<&'static str> {
        let mut run = std::mem::take(&mut *self.shared.run.lock().unwrap());
        run.retain(|name| *name != "CALL_RELAYS");
        run
    }

    /// The texts of statements that are not registered and were asked for since this was last asked, in order.
    pub(crate) fn composed(&self) -> Vec<String> {
        std::mem::take(&mut *self.shared.composed.lock().unwrap())
    }

    /// Exchanges others from now on. What a connection has prepared stays as it was.
    pub(crate) fn exchange(&self, exchange: Exchange) {
        *self.shared.exchange.lock().unwrap() = exchange;
    }
}

/// The same login at another door.
fn through(config: &tokio_postgres::Config, port: u16) -> tokio_postgres::Config {
    let mut other = tokio_postgres::Config::new();
    other.host("127.0.0.1").port(port);
    other.user(config.get_user().unwrap()).password(config.get_password().unwrap());
    other.dbname(config.get_dbname().unwrap());
    other
}

async fn relay<S: AsyncRead + AsyncWrite>(client: TcpStream, server: S, shared: &Shared) {
    let (from_client, mut to_client) = client.into_split();
    let mut from_client = BufReader::new(from_client);
    let (mut from_server, mut to_server) = split(server);
    let asks = async {
        // Either side may leave at any time; the other then learns of it.
        pass_on(&mut from_client, &mut to_server, shared).await.ok();
        to_server.shutdown().await.ok();
    };
    let answers = async {
        copy(&mut from_server, &mut to_client).await.ok();
        to_client.shutdown().await.ok();
    };
    tokio::join!(asks, answers);
}

/// Passes messages on until the client leaves. The first one has no type.
async fn pass_on(
    client: &mut (impl AsyncRead + Unpin),
    server: &mut (impl AsyncWrite + Unpin),
    shared: &Shared,
) -> std::io::Result<()> {
    let mut prepared: HashMap<Vec<u8>, &'static str> = HashMap::new();
    let body = read_body(client).await?;
    write(server, None, &body).await?;
    loop {
        let kind = client.read_u8().await?;
        let mut body = read_body(client).await?;
        match kind {
            b'P' => {
                let (name, rest) = word(&body);
                let (text, types) = word(rest);
                let text = std::str::from_utf8(text).unwrap();
                if let Some(known) = shared.names.get(text) {
                    prepared.insert(name.to_vec(), known);
                } else {
                    // What is not registered is prepared for one use, under whatever name was used before.
                    prepared.remove(name);
                    shared.composed.lock().unwrap().push(text.to_owned());
                }
                if let Some(other) = shared.exchange.lock().unwrap().get(text).cloned() {
                    body = [name, b"\0", other.as_bytes(), b"\0", types].concat();
                }
            }
            b'B' => {
                let (_portal, rest) = word(&body);
                let (name, _) = word(rest);
                if let Some(known) = prepared.get(name) {
                    shared.run.lock().unwrap().push(known);
                }
            }
            _ => {}
        }
        write(server, Some(kind), &body).await?;
    }
}

/// What stands before the first zero, and what follows it.
fn word(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap();
    (&bytes[..end], &bytes[end + 1..])
}

async fn read_body(from: &mut (impl AsyncRead + Unpin)) -> std::io::Result<Vec<u8>> {
    let length = from.read_u32().await?;
    let mut body = vec![0; length as usize - 4];
    from.read_exact(&mut body).await?;
    Ok(body)
}

async fn write(to: &mut (impl AsyncWrite + Unpin), kind: Option<u8>, body: &[u8]) -> std::io::Result<()> {
    let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
    let message: Vec<u8> = kind.into_iter().chain(length).chain(body.iter().copied()).collect();
    to.write_all(&message).await
}

/// The id with which a text begins.
pub(crate) fn id_at(text: &str) -> Option<Uuid> {
    // Most places of a long text are not worth a closer look.
    let is_likely = text.as_bytes().get(8) == Some(&b'-') && text.as_bytes().get(13) == Some(&b'-');
    Uuid::try_parse(text.get(..36).filter(|_| is_likely)?).ok()
}
