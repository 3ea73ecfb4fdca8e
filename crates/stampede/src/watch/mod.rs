//! Watching a run from outside: progress, keys, and what Ctrl-C means.
//!
//! The first Ctrl-C (or SIGTERM) stops issuing, lets what is under way finish and still reports; the second leaves at
//! once.
//! Invariant: watching never delays the generators; they run on threads of their own.

mod live;
mod shown;
mod signals;

use std::sync::Arc;

use anyhow::Context;
use stampede_engine::load::{Control, LoadError};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

use crate::Failure;
use crate::exit::Exit;
use shown::{Asked, Shown};

pub(crate) use shown::{Heading, Show};
pub(crate) use signals::Stops;

/// Carries out `work` on a thread of its own and watches it.
pub(crate) fn watched<T, W>(show: Show, work: W) -> Result<T, Failure>
where
    T: Send + 'static,
    W: FnOnce(&Control) -> Result<T, LoadError> + Send + 'static,
{
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot set up the watching thread")
        .map_err(Failure::tool)?;
    let ended = runtime.block_on(async {
        let control = Arc::new(Control::new());
        let for_work = Arc::clone(&control);
        let running = tokio::task::spawn_blocking(move || work(&for_work));
        watch(running, &control, show).await
    });
    // After a second Ctrl-C the generators may still be draining: nobody waits for them.
    runtime.shutdown_background();
    ended
}

async fn watch<T>(mut running: JoinHandle<Result<T, LoadError>>, control: &Control, show: Show) -> Result<T, Failure> {
    let mut stops = Stops::new().context("cannot listen for signals").map_err(Failure::tool)?;
    let mut shown = Shown::new(show);
    let mut ticks = interval(shown.every());
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.tick().await;
    let mut stopping = Stopping::NotYet;
    loop {
        tokio::select! {
            ended = &mut running => {
                shown.end(control);
                let ended = ended.context("the run's thread panicked").map_err(Failure::tool)?;
                return ended.map_err(Failure::tool);
            }
            () = stops.next() => stopping = stop(stopping, control, &mut shown)?,
            _ = ticks.tick() => if shown.tick(control) == Asked::ToStop {
                stopping = stop(stopping, control, &mut shown)?;
            },
        }
    }
}

/// Whether somebody asked for the end already. A run that ends by itself is not asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stopping {
    NotYet,
    Asked,
}

fn stop(before: Stopping, control: &Control, shown: &mut Shown) -> Result<Stopping, Failure> {
    if before == Stopping::Asked {
        return Err(Failure { exit: Exit::Interrupted, error: anyhow::anyhow!("left without a report") });
    }
    control.stop();
    shown.say("stopping: requests under way may finish; Ctrl-C again leaves without a report");
    Ok(Stopping::Asked)
}
