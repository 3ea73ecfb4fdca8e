//! A cluster: services with several replicas behind one address, and the links between them that can be disturbed.
//!
//! Invariants: what every service starts with stands in the file; each replica reaches PostgreSQL, Redis and every named place
//! through a link of its own, so that one replica can be cut off while the others go on.
//! Absent on purpose: an order of dependencies. Services start in the order of the file, each when the one before is ready.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::request::duration;
use super::start::Ready;
use super::template::Template;

/// Most replicas of one service.
pub const MAX_REPLICAS: u32 = 64;

/// Services and links.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cluster {
    /// What runs, in the order in which it starts.
    pub service: Vec<Service>,
    /// Further places that services reach through a link: gives `{link.NAME}`, an address.
    #[serde(default)]
    pub link: BTreeMap<String, LinkedPlace>,
    /// Places beyond this machine that may be reached, as `host:port`. Without the flag that says so too they are not.
    #[serde(default)]
    pub allow: Vec<String>,
}

/// A place at the far end of a link.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinkedPlace {
    /// `host:port`, with slots.
    pub to: Spanned<Template>,
}

/// One program, any number of times.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// Its name; replicas are called `NAME-1`, `NAME-2`, ..
    pub name: Spanned<String>,
    /// Program and arguments; no shell is involved. `{self.port}`, `{self.name}` and `{self.number}` differ between replicas.
    pub command: Spanned<Vec<Spanned<Template>>>,
    /// Environment variables beside the inherited ones.
    #[serde(default)]
    pub env: BTreeMap<String, Spanned<Template>>,
    /// How many at first.
    #[serde(default = "one")]
    pub replicas: Spanned<u32>,
    /// Where the balancer in front of the replicas listens, as `127.0.0.1:{port}`; without it nobody calls the service.
    pub listen: Option<Spanned<Template>>,
    /// What the balancer balances.
    #[serde(default)]
    pub balance: Balance,
    /// How a replica at `{self.port}` says that it is ready; without it a replica that listens there, or just runs, is.
    pub ready: Option<Ready>,
    /// What happens when a replica ends by itself.
    #[serde(default)]
    pub restart: Restart,
    /// How long a replica may take to end after SIGTERM.
    #[serde(deserialize_with = "duration", default = "ten_seconds")]
    pub grace: Duration,
}

/// What a balancer spreads over the replicas.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Balance {
    /// Connections, of any protocol: each stays with its replica.
    #[default]
    Connections,
    /// Requests of HTTP/1, as an ingress does: a new replica gets its share at once, and one that leaves ends what it has.
    Requests,
    /// Requests, by `HAProxy` as this machine has it installed.
    Haproxy,
}

/// What happens to a replica that ends by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Restart {
    /// It is started again, as a pod would be: at once, then with growing pauses.
    #[default]
    Always,
    /// It stays down until somebody asks for it.
    Never,
}

fn one() -> Spanned<u32> {
    Spanned::new(0..0, 1)
}

const fn ten_seconds() -> Duration {
    Duration::from_secs(10)
}

impl Service {
    /// All its templates.
    pub fn templates(&self) -> impl Iterator<Item = &Spanned<Template>> {
        self.command.as_ref().iter().chain(self.env.values())
    }

    /// Which links its replicas have: `postgres`, `standby`, `redis` and the named ones, by the slots they use.
    pub fn links(&self) -> Vec<String> {
        let mut links: Vec<String> = self
            .templates()
            .flat_map(|template| template.as_ref().slots())
            .filter_map(|slot| match slot {
                "postgres_url" | "postgres_address" => Some("postgres".to_owned()),
                "standby_url" | "standby_address" => Some("standby".to_owned()),
                "redis_url" => Some("redis".to_owned()),
                other => other.strip_prefix("link.").map(str::to_owned),
            })
            .collect();
        links.sort();
        links.dedup();
        links
    }
}
