//! Watching a stress run: the first Ctrl-C (or SIGTERM) asks it to end and report, the second leaves at once.

use anyhow::Context;
use stampede_engine::stress::{StressError, Watcher};
use stampede_model::stress::StressRun;
use tokio::sync::watch;

use super::args::Output;
use crate::exit::Exit;
use crate::watch::Stops;
use crate::{Failure, print};

/// Carries out `work` and watches it.
pub(super) fn watched(
    output: &Output,
    work: impl AsyncFnOnce(Watcher<'_>) -> Result<StressRun, StressError>,
) -> Result<StressRun, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("cannot set up the run")
        .map_err(Failure::tool)?;
    let tell: &dyn Fn(&str) = if output.quiet { &|_| {} } else { &|line| print::remark(line) };
    let ended = runtime.block_on(async {
        let mut stops = Stops::new().context("cannot listen for signals").map_err(Failure::tool)?;
        let (stop, stopped) = watch::channel(false);
        let work = work(Watcher { tell, stop: &stopped });
        tokio::pin!(work);
        loop {
            tokio::select! {
                ended = &mut work => return ended.map_err(failure),
                () = stops.next() => {
                    if stop.send_replace(true) {
                        let error = anyhow::anyhow!("left without a report");
                        return Err(Failure { exit: Exit::Interrupted, error });
                    }
                    print::remark("stopping: Ctrl-C again leaves without a report");
                }
            }
        }
    });
    // What a second Ctrl-C left under way is not waited for.
    runtime.shutdown_background();
    ended
}

fn failure(error: StressError) -> Failure {
    match error {
        StressError::Stopped => Failure { exit: Exit::Interrupted, error: error.into() },
        StressError::Url { .. } => Failure::usage(error),
        other => Failure::tool(other),
    }
}
