//! What a run shows while it goes on: nothing, a line, steps, or the whole terminal.

use std::time::{Duration, Instant};

use stampede_engine::load::{Control, Progress};
use stampede_model::units::{show_duration, thousands};

use super::live::Live;
use crate::live::clock;
use crate::print;
use crate::print::Append;

/// How a run shows that it goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Show {
    /// Not at all.
    Nothing,
    /// As a line that changes in a terminal, else as a line now and then.
    Progress {
        /// How long the run should issue, where that is known.
        of: Option<Duration>,
    },
    /// On the whole terminal with keys; as [`Show::Progress`] where there is none.
    Live(Heading),
    /// As a line after every so many answers.
    Steps {
        /// How many.
        every: u64,
    },
}

/// What stands above the live view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Heading {
    /// What is loaded.
    pub(crate) title: String,
    /// How, in words.
    pub(crate) model: String,
    /// How long the run should issue, where that is known.
    pub(crate) of: Option<Duration>,
}

/// Whether somebody at the keyboard wants the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Nothing,
    ToStop,
}

const TERMINAL_EVERY: Duration = Duration::from_millis(250);
const LINES_EVERY: Duration = Duration::from_secs(5);
const STEPS_EVERY: Duration = Duration::from_millis(50);

/// What has been shown so far.
pub(super) struct Shown {
    kind: Kind,
    started: Instant,
}

enum Kind {
    Nothing,
    /// One line that changes.
    Line(Option<Duration>),
    /// A line now and then.
    Lines(Option<Duration>),
    Steps {
        every: u64,
        done: u64,
    },
    Live(Box<Live>),
}

impl Shown {
    pub(super) fn new(show: Show) -> Self {
        let plain = |of| if print::is_terminal() { Kind::Line(of) } else { Kind::Lines(of) };
        let kind = match show {
            Show::Nothing => Kind::Nothing,
            Show::Steps { every } => Kind::Steps { every, done: 0 },
            Show::Progress { of } => plain(of),
            Show::Live(heading) => {
                let of = heading.of;
                // A terminal that cannot be taken over still shows lines.
                let live = if print::is_terminal() { Live::open(heading).ok() } else { None };
                live.map_or_else(|| plain(of), |live| Kind::Live(Box::new(live)))
            }
        };
        Self { kind, started: Instant::now() }
    }

    pub(super) fn every(&self) -> Duration {
        match self.kind {
            Kind::Steps { .. } => STEPS_EVERY,
            Kind::Live(_) => Live::EVERY,
            Kind::Line(_) => TERMINAL_EVERY,
            Kind::Lines(_) | Kind::Nothing => LINES_EVERY,
        }
    }

    pub(super) fn tick(&mut self, control: &Control) -> Asked {
        let elapsed = self.started.elapsed();
        match &mut self.kind {
            Kind::Nothing => {}
            Kind::Line(of) => print::replace_line(line(elapsed, *of, &control.progress())),
            Kind::Lines(of) => print::remark(line(elapsed, *of, &control.progress())),
            Kind::Steps { every, done } => {
                let answered = control.progress().answered;
                while (*done + 1) * *every <= answered {
                    *done += 1;
                    print::remark(format_args!("Completed {} requests", *done * *every));
                }
            }
            Kind::Live(live) => return live.tick(elapsed, control),
        }
        Asked::Nothing
    }

    /// Says something besides.
    pub(super) fn say(&mut self, text: &str) {
        match &mut self.kind {
            Kind::Live(live) => live.say(text),
            _ => print::remark(text),
        }
    }

    pub(super) fn end(&mut self, control: &Control) {
        match self.kind {
            Kind::Line(_) => print::replace_line(""),
            Kind::Steps { .. } => {
                self.tick(control);
            }
            Kind::Live(_) => self.kind = Kind::Nothing,
            Kind::Lines(_) | Kind::Nothing => {}
        }
    }
}

fn line(elapsed: Duration, of: Option<Duration>, progress: &Progress) -> String {
    let Progress { users, answered, failed, not_sent, .. } = *progress;
    let of = of.map_or(String::new(), |of| format!("/{}", show_duration(of)));
    let mut line = format!(
        "running {}{of}, {} users, {} done, {} failed",
        clock(elapsed),
        thousands(users),
        thousands(answered),
        thousands(failed)
    );
    if not_sent > 0 {
        line.append(format_args!(", {} not sent", thousands(not_sent)));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_progress_line_names_what_matters() {
        let progress = Progress { users: 50, answered: 12_034, failed: 3, ..Progress::default() };
        let text = line(Duration::from_secs(12), Some(Duration::from_mins(1)), &progress);
        assert_eq!(text, "running 0m12s/60s, 50 users, 12,034 done, 3 failed");
        let text = line(Duration::from_secs(72), None, &Progress { not_sent: 7, ..progress });
        assert_eq!(text, "running 1m12s, 50 users, 12,034 done, 3 failed, 7 not sent");
    }
}
