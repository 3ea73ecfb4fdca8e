//! Which server to talk to: one by its address, or whichever a Sentinel calls the master at the moment.
//!
//! Invariants: the Sentinels are asked by one task for all connections of the same settings; while none answers, the last answer
//! holds; a change is made known to whoever holds a connection.
//! Absent on purpose: a promise that the old master is gone. A client that has not noticed may still be served by it, so two may hold
//! one lock for a moment; the fence, which PostgreSQL checks, makes that harmless (decision 0005).

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use redis::sentinel::{SentinelClientBuilder, SentinelServerType};
use redis::{
    Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisConnectionInfo, TlsCertificates, TlsMode,
};
use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use crate::error::CoordError;

/// How often the Sentinels are asked who the master is.
const ASK_EVERY: Duration = Duration::from_millis(500);

/// Where Redis is.
#[derive(Clone)]
pub(crate) enum Place {
    /// One server.
    Server(Box<ConnectionInfo>),
    /// Whoever is the master of this name.
    Sentinel(Arc<Sentinels>),
}

/// The Sentinels of one master.
pub(crate) struct Sentinels {
    addresses: Vec<ConnectionAddr>,
    pub(crate) master: String,
    pub(crate) login: RedisConnectionInfo,
    tls: bool,
    sentinel_login: Option<(String, String)>,
    /// The one watch, begun by the first connection.
    watch: OnceLock<Followed>,
}

/// Who is the master, and a way to have that looked up now.
#[derive(Clone)]
struct Followed {
    master: watch::Receiver<Option<ConnectionAddr>>,
    look: Arc<Notify>,
}

/// A server to talk to, with the login and the database of one purpose.
#[derive(Clone)]
pub(crate) struct Endpoint {
    place: Place,
    db: i64,
    ca: Option<Arc<Vec<u8>>>,
    connect_timeout: Duration,
}

impl Place {
    /// Reads `redis://`, `rediss://`, `unix://` and their kin, or `redis+sentinel://[user:password@]host:port,../master`.
    pub(crate) fn parse(url: &str) -> Result<Self, CoordError> {
        let Some((scheme, rest)) = url.split_once("+sentinel://") else {
            return Ok(Self::Server(Box::new(url.into_connection_info().map_err(CoordError::BadUrl)?)));
        };
        let tls = match scheme {
            "redis" => false,
            "rediss" => true,
            _ => {
                return Err(CoordError::BadSentinelUrl(
                    "it begins with neither redis+sentinel:// nor rediss+sentinel://",
                ));
            }
        };
        Sentinels::parse(rest, tls).map(|sentinels| Self::Sentinel(Arc::new(sentinels)))
    }

    /// Host and port, the socket's path, or the Sentinels with the master's name. Never a password.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Server(server) => server.addr().to_string(),
            Self::Sentinel(sentinels) => {
                let addresses: Vec<String> = sentinels.addresses.iter().map(ToString::to_string).collect();
                format!("{} by Sentinel {}", sentinels.master, addresses.join(","))
            }
        }
    }

    /// Whether the connection is encrypted.
    pub(crate) fn is_encrypted(&self) -> bool {
        match self {
            Self::Server(server) => matches!(server.addr(), ConnectionAddr::TcpTls { .. }),
            Self::Sentinel(sentinels) => sentinels.tls,
        }
    }
}

impl Sentinels {
    /// `[user:password@]host:port,host:port/master[?sentinel_user=..&sentinel_password=..]`
    fn parse(rest: &str, tls: bool) -> Result<Self, CoordError> {
        let bad = CoordError::BadSentinelUrl;
        let (rest, parameters) = rest.split_once('?').unwrap_or((rest, ""));
        let (hosts, master) = rest.rsplit_once('/').ok_or(bad("it names no master: end it with /MASTER"))?;
        if master.is_empty() {
            return Err(bad("it names no master: end it with /MASTER"));
        }
        let (login, hosts) = hosts.rsplit_once('@').map_or((None, hosts), |(login, hosts)| (Some(login), hosts));
        // The library's own reader takes the percent-encoding off.
        let login = match login {
            None => RedisConnectionInfo::default(),
            Some(login) => {
                let url = format!("redis://{login}@host");
                let read = url
                    .into_connection_info()
                    .map_err(|_| bad("its login cannot be read: percent-encode what is odd"))?;
                read.redis_settings().clone()
            }
        };
        let addresses = hosts.split(',').map(|host| address(host, tls)).collect::<Option<Vec<_>>>();
        let addresses = addresses.filter(|all| !all.is_empty()).ok_or(bad("each Sentinel must be HOST:PORT"))?;
        let parameter = |name: &str| {
            parameters.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')).map(str::to_owned)
        };
        let sentinel_login = parameter("sentinel_password")
            .map(|password| (parameter("sentinel_user").unwrap_or_else(|| "default".to_owned()), password));
        Ok(Self { addresses, master: master.to_owned(), login, tls, sentinel_login, watch: OnceLock::new() })
    }

    /// Begins to ask, once. Must be called within a tokio runtime.
    fn follow(self: &Arc<Self>, ca: Option<&Arc<Vec<u8>>>, connect_timeout: Duration) -> Followed {
        let begin = || {
            let (found, master) = watch::channel(None);
            let look = Arc::new(Notify::new());
            let asked = Arc::clone(&look);
            // The task holds no strong part of what it serves: it ends with the last connection.
            let (sentinels, ca) = (Arc::downgrade(self), ca.cloned());
            tokio::spawn(async move {
                while let Some(sentinels) = sentinels.upgrade() {
                    let answer = timeout(2 * connect_timeout, sentinels.ask(ca.as_deref())).await;
                    drop(sentinels);
                    match answer {
                        Ok(Ok(address)) => note(&found, address),
                        Ok(Err(error)) => {
                            tracing::debug!(error = &error as &dyn std::error::Error, "no Sentinel knows the master");
                        }
                        Err(_) => tracing::debug!("no Sentinel answers"),
                    }
                    tokio::select! {
                        () = sleep(ASK_EVERY) => {}
                        () = asked.notified() => {}
                    }
                }
            });
            Followed { master, look }
        };
        self.watch.get_or_init(begin).clone()
    }

    async fn ask(&self, ca: Option<&Vec<u8>>) -> Result<ConnectionAddr, redis::RedisError> {
        let kind = SentinelServerType::Master;
        let mut builder = SentinelClientBuilder::new(self.addresses.clone(), &self.master, kind)?;
        if let Some(user) = self.login.username() {
            builder = builder.set_client_to_redis_username(user);
        }
        if let Some(password) = self.login.password() {
            builder = builder.set_client_to_redis_password(password);
        }
        if self.tls {
            builder =
                builder.set_client_to_redis_tls_mode(TlsMode::Secure).set_client_to_sentinel_tls_mode(TlsMode::Secure);
            if let Some(ca) = ca {
                builder = builder
                    .set_client_to_redis_certificates(certificates(ca))
                    .set_client_to_sentinel_certificates(certificates(ca));
            }
        }
        if let Some((user, password)) = &self.sentinel_login {
            builder = builder.set_client_to_sentinel_username(user).set_client_to_sentinel_password(password);
        }
        // The library also asks the server itself whether it is the master.
        let client = builder.build()?.async_get_client().await?;
        Ok(match client.get_connection_info().addr() {
            // Parts of a certificate store cannot be compared, and are added to every connection anyway.
            ConnectionAddr::TcpTls { host, port, .. } => {
                ConnectionAddr::TcpTls { host: host.clone(), port: *port, insecure: false, tls_params: None }
            }
            other => other.clone(),
        })
    }
}

fn note(found: &watch::Sender<Option<ConnectionAddr>>, address: ConnectionAddr) {
    found.send_if_modified(|known| {
        if known.as_ref() == Some(&address) {
            return false;
        }
        match known {
            None => info!(master = %address, "Sentinel names the master"),
            Some(old) => {
                warn!(old = %old, master = %address, "Redis has another master: locks of the old one hold no longer");
            }
        }
        *known = Some(address);
        true
    });
}

fn address(host: &str, tls: bool) -> Option<ConnectionAddr> {
    let (host, port) = host.rsplit_once(':')?;
    let (host, port) = (host.trim_matches(['[', ']']).to_owned(), port.parse().ok()?);
    if host.is_empty() {
        return None;
    }
    Some(if tls {
        ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None }
    } else {
        ConnectionAddr::Tcp(host, port)
    })
}

fn certificates(ca: &[u8]) -> TlsCertificates {
    TlsCertificates { client_tls: None, root_cert: Some(ca.to_vec()) }
}

impl Endpoint {
    pub(crate) fn new(place: Place, db: i64, ca: Option<Arc<Vec<u8>>>, connect_timeout: Duration) -> Self {
        Self { place, db, ca, connect_timeout }
    }

    pub(crate) fn shown(&self) -> String {
        self.place.shown()
    }

    /// A client of the server of this moment; `None` while no Sentinel has named one.
    pub(crate) fn client(&self) -> Result<Option<Client>, CoordError> {
        let server = match &self.place {
            Place::Server(server) => {
                let login = server.redis_settings().clone().set_db(self.db);
                (**server).clone().set_redis_settings(login)
            }
            Place::Sentinel(sentinels) => {
                let followed = sentinels.follow(self.ca.as_ref(), self.connect_timeout);
                let Some(address) = followed.master.borrow().clone() else { return Ok(None) };
                let server = address.into_connection_info().map_err(CoordError::BadUrl)?;
                server.set_redis_settings(sentinels.login.clone().set_db(self.db))
            }
        };
        self.open(server).map(Some)
    }

    fn open(&self, server: ConnectionInfo) -> Result<Client, CoordError> {
        let is_encrypted = matches!(server.addr(), ConnectionAddr::TcpTls { .. });
        match self.ca.as_ref().filter(|_| is_encrypted) {
            Some(ca) => Client::build_with_tls(server, certificates(ca)),
            None => Client::open(server),
        }
        .map_err(CoordError::BadUrl)
    }

    /// Ends when another server became the master since the last call; never for one server.
    pub(crate) async fn moved(&self, seen: &mut Seen) {
        let Place::Sentinel(sentinels) = &self.place else { return std::future::pending().await };
        let mut followed = sentinels.follow(self.ca.as_ref(), self.connect_timeout);
        let known = seen.0.clone();
        // The watch's sender lives as long as its task, and that as long as the Sentinels that are held here.
        match followed.master.wait_for(|now| *now != known).await.map(|now| now.clone()) {
            Ok(now) => seen.0 = now,
            Err(_) => std::future::pending().await,
        }
    }

    /// Whoever was taken for the master says that it is none: has the Sentinels asked at once.
    pub(crate) fn doubt(&self) {
        if let Place::Sentinel(sentinels) = &self.place {
            sentinels.follow(self.ca.as_ref(), self.connect_timeout).look.notify_one();
        }
    }
}

/// The master that somebody has seen last.
#[derive(Debug, Default)]
pub(crate) struct Seen(Option<ConnectionAddr>);

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").field("place", &self.shown()).field("db", &self.db).finish_non_exhaustive()
    }
}

/// Something made for the server of the moment, and made anew for another.
pub(crate) struct ForServer<T> {
    endpoint: Endpoint,
    made: Mutex<Option<(String, T)>>,
}

impl<T: Clone> ForServer<T> {
    pub(crate) fn new(endpoint: Endpoint) -> Self {
        Self { endpoint, made: Mutex::new(None) }
    }

    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// What was made, or `make`s it; `None` while there is no server.
    pub(crate) fn get(&self, make: impl FnOnce(Client) -> Result<T, CoordError>) -> Result<Option<T>, CoordError> {
        let Some(client) = self.endpoint.client()? else { return Ok(None) };
        let address = client.get_connection_info().addr().to_string();
        let mut current = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, known)) = current.as_ref().filter(|(of, _)| *of == address) {
            return Ok(Some(known.clone()));
        }
        let new = make(client)?;
        *current = Some((address, new.clone()));
        Ok(Some(new))
    }

    /// Has it made anew: behind the same address may be another server by now.
    pub(crate) fn forget(&self) {
        *self.made.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.endpoint.doubt();
    }
}
