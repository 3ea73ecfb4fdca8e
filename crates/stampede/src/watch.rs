//! Watching a run from outside: progress, and what Ctrl-C means.
//!
//! The first Ctrl-C (or SIGTERM) stops issuing, lets what is under way finish and still reports; the second leaves at
//! once.
//! Invariant: watching never delays the generators; they run on threads of their own.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use stampede_engine::load::{Control, LoadError, Progress};
use stampede_model::units::thousands;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;
use tokio::time::interval;

use crate::exit::Exit;
use crate::print::Append;
use crate::{Failure, print};

/// How a run shows that it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Show {
    /// Not at all.
    Nothing,
    /// As a line that changes in a terminal, else as a line now and then.
    Progress {
        /// How long the run should issue, where that is known.
        of: Option<Duration>,
    },
    /// As a line after every so many answers.
    Steps {
        /// How many.
        every: u64,
    },
}

const TERMINAL_EVERY: Duration = Duration::from_millis(250);
const LINES_EVERY: Duration = Duration::from_secs(5);
const STEPS_EVERY: Duration = Duration::from_millis(50);

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
    ticks.tick().await;
    loop {
        tokio::select! {
            ended = &mut running => {
                shown.end(control.progress());
                let ended = ended.context("the run's thread panicked").map_err(Failure::tool)?;
                return ended.map_err(Failure::tool);
            }
            () = stops.next() => {
                if control.is_stopped() {
                    return Err(Failure { exit: Exit::Interrupted, error: anyhow::anyhow!("left without a report") });
                }
                control.stop();
                print::remark("stopping: requests under way may finish; Ctrl-C again leaves without a report");
            }
            _ = ticks.tick() => shown.tick(control.progress()),
        }
    }
}

/// What has been shown so far.
struct Shown {
    show: Show,
    screen: Screen,
    started: Instant,
    steps: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Screen {
    Terminal,
    File,
}

impl Shown {
    fn new(show: Show) -> Self {
        let screen = if print::is_terminal() { Screen::Terminal } else { Screen::File };
        Self { show, screen, started: Instant::now(), steps: 0 }
    }

    fn every(&self) -> Duration {
        match (self.show, self.screen) {
            (Show::Steps { .. }, _) => STEPS_EVERY,
            (_, Screen::Terminal) => TERMINAL_EVERY,
            (_, Screen::File) => LINES_EVERY,
        }
    }

    fn tick(&mut self, progress: Progress) {
        match (self.show, self.screen) {
            (Show::Nothing, _) => {}
            (Show::Progress { of }, Screen::Terminal) => {
                print::replace_line(line(self.started.elapsed(), of, progress));
            }
            (Show::Progress { of }, Screen::File) => print::remark(line(self.started.elapsed(), of, progress)),
            (Show::Steps { every }, _) => {
                while (self.steps + 1) * every <= progress.answered {
                    self.steps += 1;
                    print::remark(format_args!("Completed {} requests", self.steps * every));
                }
            }
        }
    }

    fn end(&mut self, progress: Progress) {
        match (self.show, self.screen) {
            (Show::Progress { .. }, Screen::Terminal) => print::replace_line(""),
            (Show::Steps { .. }, _) => self.tick(progress),
            _ => {}
        }
    }
}

fn line(elapsed: Duration, of: Option<Duration>, progress: Progress) -> String {
    let Progress { sent, answered, failed, not_sent } = progress;
    let of = of.map_or(String::new(), |of| format!("/{}s", of.as_secs_f64().ceil()));
    let mut line = format!(
        "running {}s{of}, {} sent, {} answered, {} failed",
        elapsed.as_secs(),
        thousands(sent),
        thousands(answered),
        thousands(failed)
    );
    if not_sent > 0 {
        line.append(format_args!(", {} not sent", thousands(not_sent)));
    }
    line
}

/// The signals that ask to stop.
pub(crate) struct Stops {
    interrupt: Signal,
    terminate: Signal,
}

impl Stops {
    pub(crate) fn new() -> std::io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_progress_line_names_what_matters() {
        let progress = Progress { sent: 1_234, answered: 1_200, failed: 3, not_sent: 0 };
        let text = line(Duration::from_secs(12), Some(Duration::from_mins(1)), progress);
        assert_eq!(text, "running 12s/60s, 1,234 sent, 1,200 answered, 3 failed");
        let text = line(Duration::from_secs(12), None, Progress { not_sent: 7, ..progress });
        assert!(text.ends_with(", 7 not sent"), "{text}");
    }
}
