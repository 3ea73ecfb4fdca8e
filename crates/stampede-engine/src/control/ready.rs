//! Asks a target until it says it is ready, or one of its programs dies, or the time is over.

use std::fmt::Write as _;
use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;

use stampede_model::target::Ready;
use tokio::time::{Instant, sleep, timeout};

use super::error::ControlError;
use super::launch::Launched;
use crate::clock::Clock;
use crate::http::connection::Connection;
use crate::http::origin::{Dialer, Origin};
use crate::http::{BadRequestPlan, RequestPlan};

const ASK_EVERY: Duration = Duration::from_millis(20);
/// One question may take this long; a server that is still starting may accept a connection and leave it.
const ONE_ANSWER: Duration = Duration::from_secs(2);

pub(super) async fn wait(ready: &Ready, url: &str, processes: &mut [Launched]) -> Result<(), ControlError> {
    let asked = format!("{}{}", url.trim_end_matches('/'), ready.path);
    let plan = RequestPlan::get(&asked).map_err(|bad| match bad {
        BadRequestPlan::Url(bad) => ControlError::Url(bad),
        _ => ControlError::Url(crate::http::BadUrl::Syntax { given: asked.clone() }),
    })?;
    let deadline = Instant::now() + ready.within;
    loop {
        let last = match ask(&plan).await {
            Ok(status) if status == ready.status.code() => return Ok(()),
            Ok(status) => format!("the last answer was {status}, not {}", ready.status.code()),
            Err(why) => why,
        };
        if let Some(death) = processes.iter_mut().find_map(Launched::death) {
            return Err(death);
        }
        if Instant::now() >= deadline {
            return Err(ControlError::NotReady { url: asked, within: ready.within, last, log: logs(processes) });
        }
        sleep(ASK_EVERY).await;
    }
}

async fn ask(plan: &RequestPlan) -> Result<u16, String> {
    let endpoint = plan.endpoint();
    let address = (endpoint.host(), endpoint.port()).to_socket_addrs().map_err(|error| error.to_string())?;
    let mut last = "the name has no address".to_owned();
    for address in address {
        match timeout(ONE_ANSWER, ask_at(address, plan)).await {
            Ok(Ok(status)) => return Ok(status),
            Ok(Err(why)) => last = why,
            Err(_) => last = String::from("no answer"),
        }
    }
    Err(last)
}

async fn ask_at(address: SocketAddr, plan: &RequestPlan) -> Result<u16, String> {
    let dialer = Dialer::new(Origin::singly(plan.endpoint(), address), Clock::start());
    let mut connection = Connection::open(&dialer).await.map_err(|failure| failure.to_string())?;
    let answer = connection.exchange(plan, |_| (), |_| ()).await.map_err(|failure| failure.to_string())?;
    Ok(answer.status)
}

fn logs(processes: &[Launched]) -> String {
    let mut text = String::new();
    for process in processes {
        // Writing to a String cannot fail.
        let _infallible = write!(text, "\nthe log of `{}` ends with:\n{}", process.name(), process.log_tail());
    }
    text
}
