//! A small shop over Redis, in replicas: sound, or with one planted trouble that some row of an acceptance has to name.
//!
//! It is this test program started once more ([`service`]), because a cluster runs programs.

mod http;
mod work;

use std::env;
use std::fmt;
use std::net::TcpListener;
use std::process;
use std::thread;
use std::time::Duration;

/// The planted troubles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bug {
    /// None.
    Nothing,
    /// Every list takes its time.
    Slow,
    /// A replica that was started once is never ready again.
    NeverBack,
    /// Each replica counts calls alone.
    CountsAlone,
    /// A connection of PostgreSQL is left open now and then.
    LeaksConnections,
    /// A job is taken before it is done, and nothing remembers it meanwhile.
    LosesJobs,
    /// Orders are acknowledged before they are written.
    AcknowledgesFirst,
    /// An order that is sent again is answered with 500.
    HatesRepeats,
    /// Every list leaves 500 kB in Redis.
    Hoards,
    /// Every list logs an error.
    Complains,
    /// One answer in five to `/up` is 500.
    ComesAndGoes,
    /// A job takes an hour.
    Idles,
    /// The service ends itself after some lists.
    Dies,
    /// The service takes 200 MB.
    Hungry,
    /// The service keeps a core busy.
    Spins,
}

impl Bug {
    const ALL: [Self; 15] = [
        Self::Nothing,
        Self::Slow,
        Self::NeverBack,
        Self::CountsAlone,
        Self::LeaksConnections,
        Self::LosesJobs,
        Self::AcknowledgesFirst,
        Self::HatesRepeats,
        Self::Hoards,
        Self::Complains,
        Self::ComesAndGoes,
        Self::Idles,
        Self::Dies,
        Self::Hungry,
        Self::Spins,
    ];

    fn of_environment() -> Self {
        let name = env::var("SHOP_BUG").unwrap();
        Self::ALL.into_iter().find(|bug| bug.to_string() == name).unwrap()
    }
}

impl fmt::Display for Bug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// The shop's own program.
#[test]
#[ignore = "this is a service that other tests start, and no test"]
fn service() {
    let Ok(role) = env::var("SHOP_ROLE") else { return };
    let bug = Bug::of_environment();
    let redis = env::var("SHOP_REDIS").unwrap();
    let name = env::var("SHOP_NAME").unwrap();
    if role == "worker" {
        work::forever(&redis, &name, bug);
    }
    let postgres = env::var("SHOP_POSTGRES").ok().filter(|url| !url.is_empty());
    let shop = http::Shop::new(redis, &name, postgres, bug);
    let listener = TcpListener::bind(format!("127.0.0.1:{}", env::var("SHOP_PORT").unwrap())).unwrap();
    for stream in listener.incoming() {
        let (shop, stream) = (shop.clone(), stream.unwrap());
        thread::spawn(move || shop.serve(&stream));
    }
    process::exit(1);
}

/// A pause of the shop's work: what is under way when a replica is killed is under way for so long.
const WORK: Duration = Duration::from_millis(50);
