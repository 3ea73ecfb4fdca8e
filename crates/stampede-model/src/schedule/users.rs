//! How many virtual users a closed model has at each moment, and when each of them comes and goes.
//!
//! Invariants: user *k* is there exactly while the curve lies above *k*, so users come in the order of their numbers, leave
//! in the opposite order, and [`UserCurve::users_at`] is the number of users present, to the nanosecond; the same curve
//! gives the same users on any number of generators.
//! `spawn_per_s` bounds how quickly users come, not how quickly they leave: a start costs the server a login, a leave
//! nothing.
//! Absent on purpose: what a user does. One who has left in the plan finishes its iteration; that is the engine's business.

mod follow;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::Schedule;
use super::curve::NS_PER_S;
use follow::{Piece, follow};

/// The number of users goes in a line from where it is to `to_users`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserStage {
    /// How long it takes; zero is a jump.
    #[serde(rename = "over_ns", with = "super::as_ns")]
    pub over: Duration,
    /// Users at its end.
    pub to_users: u32,
}

/// Users over time: from 0 through the stages; the last number holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct UserCurve {
    stages: Vec<UserStage>,
    spawn_per_s: Option<f64>,
    pieces: Vec<Piece>,
}

/// A time in which a user is there, nanoseconds after the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Presence {
    /// When it starts.
    pub from_ns: u64,
    /// When it leaves; `None` when it stays to the end of the run.
    pub until_ns: Option<u64>,
}

/// Users that cannot come.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum BadUsers {
    /// Nobody ever comes.
    #[error("no stage has a user, so nothing would ever be sent: give one at least 1")]
    Nobody,
    /// More users than anybody means.
    #[error("stage {stage}: {users} users are too many: use at most {max}", max = UserCurve::MAX_USERS)]
    TooMany {
        /// Which stage, from 1.
        stage: usize,
        /// How many.
        users: u32,
    },
    /// More stages than anybody means, or too long ones.
    #[error("the stages are too many or too long: use at most {max} within {max_days} days", max = Schedule::MAX_STAGES, max_days = Schedule::MAX_STAGES_END.as_secs() / 86_400)]
    TooLong,
    /// Nobody could come.
    #[error("{spawn_per_s} users per second cannot come: use more than 0.001 and at most {max}", max = Schedule::MAX_RATE_PER_S)]
    Spawn {
        /// The given rate.
        spawn_per_s: f64,
    },
}

impl UserCurve {
    /// A tool for a million users needs more machines than this.
    pub const MAX_USERS: u32 = 1_000_000;
    /// Slower, and the first thousand users would take weeks to come.
    const MIN_SPAWN_PER_S: f64 = 0.001;

    /// Users that go through `stages`, of which at most `spawn_per_s` come each second.
    pub fn new(stages: Vec<UserStage>, spawn_per_s: Option<f64>) -> Result<Self, BadUsers> {
        if stages.iter().all(|stage| stage.to_users == 0) {
            return Err(BadUsers::Nobody);
        }
        Self::checked(stages, spawn_per_s)
    }

    /// The same, and nobody at all is allowed.
    fn checked(stages: Vec<UserStage>, spawn_per_s: Option<f64>) -> Result<Self, BadUsers> {
        for (number, stage) in stages.iter().enumerate() {
            if stage.to_users > Self::MAX_USERS {
                return Err(BadUsers::TooMany { stage: number + 1, users: stage.to_users });
            }
        }
        let length = stages.iter().fold(Duration::ZERO, |sum, stage| sum.saturating_add(stage.over));
        if stages.len() > Schedule::MAX_STAGES || length > Schedule::MAX_STAGES_END {
            return Err(BadUsers::TooLong);
        }
        if let Some(spawn_per_s) = spawn_per_s
            && !(Self::MIN_SPAWN_PER_S..=Schedule::MAX_RATE_PER_S).contains(&spawn_per_s)
        {
            return Err(BadUsers::Spawn { spawn_per_s });
        }
        let pieces = follow(&stages, spawn_per_s.map_or(f64::INFINITY, |per_s| per_s / NS_PER_S));
        Ok(Self { stages, spawn_per_s, pieces })
    }

    /// Always `users`, all from the start.
    pub fn constant(users: u32) -> Result<Self, BadUsers> {
        Self::new(vec![UserStage { over: Duration::ZERO, to_users: users }], None)
    }

    /// The stages.
    pub fn stages(&self) -> &[UserStage] {
        &self.stages
    }

    /// Users that may come per second at most.
    pub fn spawn_per_s(&self) -> Option<f64> {
        self.spawn_per_s
    }

    /// When the last stage ends, nanoseconds after the start.
    pub fn ends_at_ns(&self) -> u64 {
        self.stages.iter().map(|stage| nanos(stage.over)).sum()
    }

    /// Most users at once: the numbers of all users are below it.
    pub fn peak_users(&self) -> u32 {
        self.pieces.iter().map(|piece| piece.from.max(piece.to).ceil() as u32).max().unwrap_or(0)
    }

    /// Users present at `at_ns`.
    pub fn users_at(&self, at_ns: u64) -> u32 {
        let ended = self.pieces.partition_point(|piece| piece.end_ns <= at_ns);
        let Some(piece) = self.pieces.get(ended) else { return self.peak_users() };
        let present =
            |user: u32| piece.span_of(user).is_some_and(|(from_ns, until_ns)| from_ns <= at_ns && at_ns < until_ns);
        let mut users = piece.value_at(at_ns).ceil() as u32;
        while users > 0 && !present(users - 1) {
            users -= 1;
        }
        while present(users) {
            users += 1;
        }
        users
    }

    /// When user number `user` (from 0) is there, in order; empty when it never comes.
    pub fn presence(&self, user: u32) -> Vec<Presence> {
        let mut spans: Vec<Presence> = Vec::new();
        for (from_ns, until_ns) in self.pieces.iter().filter_map(|piece| piece.span_of(user)) {
            let until_ns = (until_ns < u64::MAX).then_some(until_ns);
            match spans.last_mut() {
                Some(before) if before.until_ns == Some(from_ns) => before.until_ns = until_ns,
                _ => spans.push(Presence { from_ns, until_ns }),
            }
        }
        spans
    }

    /// The same users as far as `at_ns`; from there on `users` without further stages: a live change of their number.
    /// `spawn_per_s` still holds. Nobody at all is allowed here.
    pub fn held(&self, at_ns: u64, users: u32) -> Result<Self, BadUsers> {
        let mut stages = Vec::new();
        let (mut start_ns, mut count) = (0, 0);
        for stage in &self.stages {
            let len_ns = nanos(stage.over);
            if start_ns + len_ns > at_ns {
                break;
            }
            stages.push(*stage);
            (start_ns, count) = (start_ns + len_ns, stage.to_users);
        }
        let rest_ns = at_ns.saturating_sub(start_ns);
        if let Some(cut) = self.stages.get(stages.len()) {
            let share = rest_ns as f64 / nanos(cut.over) as f64;
            count = (f64::from(count) + (f64::from(cut.to_users) - f64::from(count)) * share).round() as u32;
        }
        stages.push(UserStage { over: Duration::from_nanos(rest_ns), to_users: count });
        stages.push(UserStage { over: Duration::ZERO, to_users: users });
        Self::checked(stages, self.spawn_per_s)
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// User stages as they stand in a run file.
#[derive(Serialize, Deserialize)]
struct Stored {
    stages: Vec<UserStage>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    spawn_per_s: Option<f64>,
}

impl From<UserCurve> for Stored {
    fn from(curve: UserCurve) -> Self {
        Self { stages: curve.stages, spawn_per_s: curve.spawn_per_s }
    }
}

impl TryFrom<Stored> for UserCurve {
    type Error = BadUsers;

    fn try_from(stored: Stored) -> Result<Self, BadUsers> {
        Self::new(stored.stages, stored.spawn_per_s)
    }
}

#[cfg(test)]
mod tests;
