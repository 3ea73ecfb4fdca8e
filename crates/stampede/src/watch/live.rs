//! The live view of one run: what its control shows becomes a view, what keys ask for becomes a wish to the control.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use stampede_engine::load::Control;
use stampede_engine::load::control::{LiveSecond, Progress, Rate, Refused, RunPhase};
use stampede_model::histogram::Histogram;
use stampede_model::units::{thousands, trimmed};

use super::shown::{Asked, Heading};
use crate::live::{Help, Now, Quantiles, Screen, Second, State, View, Wish};

/// Looks at the keyboard between two drawings.
const LOOKS: u32 = 5;
/// Drawings for which the answer to a key stays.
const REMARK_STAYS: u32 = 12;

/// The screen and what it shows.
pub(super) struct Live {
    screen: Screen,
    view: View,
    wishes: Wishes,
    /// Statuses of the seconds that have been looked at, and which was the last.
    statuses: Statuses,
    looks: u32,
    remark_left: u32,
}

#[derive(Debug, Default)]
struct Statuses {
    counts: BTreeMap<u16, u64>,
    /// Requests that failed in the same seconds: with counters of another instant the two would not add up.
    failed: u64,
    next_second: u32,
}

impl Live {
    /// How often the keyboard is looked at.
    pub(super) const EVERY: Duration = Duration::from_millis(50);

    /// Takes the terminal over.
    pub(super) fn open(heading: Heading) -> io::Result<Self> {
        let Heading { title, model, of } = heading;
        let view = View { title, model, of, ..View::default() };
        let mut screen = Screen::open()?;
        screen.draw(&view)?;
        let (wishes, statuses) = (Wishes::default(), Statuses::default());
        Ok(Self { screen, view, wishes, statuses, looks: 0, remark_left: 0 })
    }

    /// Says something at the foot of the screen.
    pub(super) fn say(&mut self, text: &str) {
        text.clone_into(&mut self.view.remark);
        self.remark_left = REMARK_STAYS;
    }

    /// Looks at the keyboard, and every few times at the run.
    pub(super) fn tick(&mut self, elapsed: Duration, control: &Control) -> Asked {
        let mut asked = Asked::Nothing;
        // A terminal that has gone away is noticed by its signal; until then there is nobody to tell.
        while let Ok(Some(wish)) = self.screen.wish() {
            self.looks = 0;
            match wish {
                Wish::Stop => asked = Asked::ToStop,
                Wish::Help => {
                    self.view.help = if self.view.help == Help::Shown { Help::Hidden } else { Help::Shown };
                }
                Wish::Redraw => {}
                Wish::Users(_) | Wish::Rate(_) | Wish::PauseOrResume => {
                    let answer = self.wishes.utter(wish, control).unwrap_or_else(|refused| refused.to_string());
                    self.say(&answer);
                }
            }
        }
        if self.looks == 0 {
            self.look(elapsed, control);
            drop(self.screen.draw(&self.view));
        }
        self.looks = (self.looks + 1) % LOOKS;
        asked
    }

    fn look(&mut self, elapsed: Duration, control: &Control) {
        let (progress, recent) = (control.progress(), control.recent());
        self.statuses.add(&recent);
        let view = &mut self.view;
        view.elapsed = elapsed;
        view.state = match progress.phase {
            RunPhase::Paused => State::Paused,
            RunPhase::Draining => State::Stopping,
            RunPhase::Idle | RunPhase::Issuing => State::Running,
        };
        view.now = now(&progress);
        view.seconds = recent.iter().map(second).collect();
        view.total = quantiles(&control.total());
        view.statuses.clone_from(&self.statuses.counts);
        view.failures = failures(&self.statuses);
        self.remark_left = self.remark_left.saturating_sub(1);
        if self.remark_left == 0 && view.state != State::Stopping {
            view.remark.clear();
        }
    }
}

impl Statuses {
    /// Adds the seconds that have not been looked at.
    fn add(&mut self, recent: &[LiveSecond]) {
        for second in recent.iter().filter(|second| second.second >= self.next_second) {
            self.failed += second.failed;
            for (status, count) in &second.statuses {
                *self.counts.entry(*status).or_default() += count;
            }
        }
        self.next_second = recent.last().map_or(self.next_second, |last| self.next_second.max(last.second + 1));
    }
}

fn now(progress: &Progress) -> Now {
    Now {
        sent: progress.sent,
        answered: progress.answered,
        failed: progress.failed,
        not_sent: progress.not_sent,
        in_flight: progress.in_flight,
        queued: progress.queued,
        users: progress.users,
        rate_asked_per_s: (progress.rate_asked_per_s > 0.0).then_some(progress.rate_asked_per_s),
        lag_p99_ns: progress.lag_p99_ns,
        cpu_share: progress.cpu_share,
    }
}

fn second(live: &LiveSecond) -> Second {
    let latency = Quantiles { p50_ns: live.p50_ns, p95_ns: live.p95_ns, p99_ns: live.p99_ns };
    Second { at_s: live.second, succeeded: live.succeeded, failed: live.failed, latency }
}

fn quantiles(histogram: &Histogram) -> Quantiles {
    let of = |share| histogram.quantile(share).map(|figure| figure.ns);
    Quantiles { p50_ns: of(0.5), p95_ns: of(0.95), p99_ns: of(0.99) }
}

/// Failed requests that got an answer, by its class, and those that got none, most frequent first.
fn failures(seen: &Statuses) -> Vec<(String, u64)> {
    let class = |from: u16, to: u16| seen.counts.range(from..to).map(|(_, count)| count).sum::<u64>();
    // Where such a status was expected it is no failure.
    let client = class(400, 500).min(seen.failed);
    let server = class(500, 600).min(seen.failed - client);
    let silent = seen.failed - client - server;
    let kinds = [("status 4xx", client), ("status 5xx", server), ("without a usable answer", silent)];
    let mut kinds: Vec<(String, u64)> =
        kinds.into_iter().filter(|(_, count)| *count > 0).map(|(kind, count)| (kind.to_owned(), count)).collect();
    kinds.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    kinds
}

/// What was wished so far: the counters lag behind the keys by a few milliseconds.
#[derive(Debug, Default)]
struct Wishes {
    users: Option<u32>,
    paused: Paused,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Paused {
    #[default]
    No,
    Yes,
}

impl Wishes {
    /// Passes a wish on and says what became of it.
    fn utter(&mut self, wish: Wish, control: &Control) -> Result<String, Refused> {
        match wish {
            Wish::Users(more) => {
                let before = self.users.unwrap_or_else(|| control.progress().users.try_into().unwrap_or(u32::MAX));
                let users = before.saturating_add_signed(more).max(1);
                control.set_users(users)?;
                self.users = Some(users);
                Ok(format!("users: {}", thousands(users.into())))
            }
            Wish::Rate(factor) => {
                let before = control.progress().rate_asked_per_s;
                control.set_rate(Rate::Factor(factor))?;
                Ok(format!("rate: from {}/s by {}", trimmed(before), trimmed(factor)))
            }
            Wish::PauseOrResume if self.paused == Paused::Yes => {
                control.resume()?;
                self.paused = Paused::No;
                Ok("going on".to_owned())
            }
            Wish::PauseOrResume => {
                control.pause()?;
                self.paused = Paused::Yes;
                Ok("paused: p goes on".to_owned())
            }
            Wish::Stop | Wish::Help | Wish::Redraw => Ok(String::new()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn live(second: u32, statuses: &[(u16, u64)]) -> LiveSecond {
        LiveSecond { second, statuses: statuses.iter().copied().collect(), ..LiveSecond::default() }
    }

    #[test]
    fn a_second_is_counted_once_however_often_it_is_looked_at() {
        let mut statuses = Statuses::default();
        let first = [live(0, &[(200, 5)]), live(1, &[(200, 5), (503, 1)])];
        statuses.add(&first);
        statuses.add(&first);
        statuses.add(&[live(1, &[(200, 5), (503, 1)]), live(2, &[(200, 7)])]);
        assert_eq!(statuses.counts, [(200, 17), (503, 1)].into());
    }

    #[test]
    fn failures_are_those_with_an_answer_and_those_without() {
        let seen = |failed| Statuses { failed, counts: [(200, 95), (404, 2), (503, 3)].into(), next_second: 9 };
        let expected = [("without a usable answer", 4), ("status 5xx", 3), ("status 4xx", 2)];
        assert_eq!(failures(&seen(9)), expected.map(|(kind, count)| (kind.to_owned(), count)));
        assert_eq!(failures(&seen(0)), [], "they were expected");
    }

    #[test]
    fn a_wish_without_a_run_is_refused_in_words() {
        let (mut wishes, control) = (Wishes::default(), Control::new());
        for wish in [Wish::Users(1), Wish::Rate(1.1), Wish::PauseOrResume] {
            assert_eq!(wishes.utter(wish, &control), Err(Refused::NoRun));
        }
        assert_eq!((wishes.users, wishes.paused), (None, Paused::No), "what was refused was not wished");
    }
}
