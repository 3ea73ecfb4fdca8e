//! How many virtual users a closed model has at each moment, and when each of them comes and goes.
//!
//! Invariants: user *k* is there exactly while the curve lies above *k*, so users come in the order of their numbers, leave
//! in the opposite order, and [`UserCurve::users_at`] is the number of users present, to the nanosecond; the same curve
//! gives the same users on any number of generators.
//! `spawn_per_s` bounds how quickly users come, not how quickly they leave: a start costs the server a login, a leave
//! nothing.
//! Absent on purpose: what a user does. One who has left in the plan finishes its iteration; that is the engine's business.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::Schedule;
use super::curve::NS_PER_S;

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

/// A line of the curve that the users really follow, in force from `start_ns` to before `end_ns`.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Piece {
    start_ns: u64,
    end_ns: u64,
    from: f64,
    to: f64,
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
        Self::new(stages, self.spawn_per_s)
    }
}

impl Piece {
    fn value_at(&self, at_ns: u64) -> f64 {
        let share = (at_ns - self.start_ns) as f64 / (self.end_ns - self.start_ns) as f64;
        self.from + (self.to - self.from) * share
    }

    /// When `user` is there within this piece, from and until before; `None` when it is not.
    fn span_of(&self, user: u32) -> Option<(u64, u64)> {
        let level = f64::from(user);
        let crossing = || {
            let share = (level - self.from) / (self.to - self.from);
            let ns = share * (self.end_ns - self.start_ns) as f64;
            (self.start_ns + ns as u64).min(self.end_ns)
        };
        let (from_ns, until_ns) = match (self.from > level, self.to > level) {
            (true, true) => (self.start_ns, self.end_ns),
            (false, true) => (crossing(), self.end_ns),
            (true, false) => (self.start_ns, crossing()),
            (false, false) => return None,
        };
        (from_ns < until_ns).then_some((from_ns, until_ns))
    }
}

/// The curve the users really follow: the stages, climbing by at most `spawn_per_ns`.
fn follow(stages: &[UserStage], spawn_per_ns: f64) -> Vec<Piece> {
    let mut path = Path { pieces: Vec::new(), now_ns: 0, users: 0.0, spawn_per_ns };
    let mut goal = 0.0;
    for stage in stages {
        let to = f64::from(stage.to_users);
        let len_ns = nanos(stage.over);
        if len_ns > 0 {
            path.line(goal, to, len_ns);
        }
        goal = to;
    }
    // What still has to come after the last stage comes, however long it takes.
    path.hold(goal);
    path.pieces
}

/// The curve under construction.
struct Path {
    pieces: Vec<Piece>,
    now_ns: u64,
    users: f64,
    spawn_per_ns: f64,
}

impl Path {
    /// Follows a line of the plan that takes `len_ns`.
    fn line(&mut self, from: f64, to: f64, len_ns: u64) {
        let slope = (to - from) / len_ns as f64;
        // An unbounded climb and every fall happen at once.
        self.users = if self.spawn_per_ns.is_infinite() { from } else { self.users.min(from) };
        if self.users >= from && slope <= self.spawn_per_ns {
            self.push(to, len_ns);
            return;
        }
        // Below the plan: climb until the plan is met, if it is met within this line.
        let gain = self.spawn_per_ns - slope;
        let met_ns = if gain > 0.0 { ((from - self.users) / gain).ceil() } else { f64::INFINITY };
        if met_ns >= len_ns as f64 {
            self.push((self.users + self.spawn_per_ns * len_ns as f64).min(to.max(from)), len_ns);
            return;
        }
        let met_ns = met_ns as u64;
        self.push(from + slope * met_ns as f64, met_ns);
        self.push(to, len_ns - met_ns);
    }

    /// Climbs to `goal` and stays there for ever.
    fn hold(&mut self, goal: f64) {
        let missing = goal - self.users;
        if missing > 0.0 && self.spawn_per_ns.is_finite() {
            self.push(goal, (missing / self.spawn_per_ns).ceil() as u64);
        }
        self.users = goal;
        self.push(goal, u64::MAX - self.now_ns);
    }

    fn push(&mut self, to: f64, len_ns: u64) {
        if len_ns > 0 {
            let (start_ns, end_ns) = (self.now_ns, self.now_ns.saturating_add(len_ns));
            self.pieces.push(Piece { start_ns, end_ns, from: self.users, to });
            self.now_ns = end_ns;
        }
        self.users = to;
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
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    const S: u64 = 1_000_000_000;

    fn curve(stages: &[(u64, u32)], spawn_per_s: Option<f64>) -> UserCurve {
        let stages =
            stages.iter().map(|(s, to_users)| UserStage { over: Duration::from_secs(*s), to_users: *to_users });
        UserCurve::new(stages.collect(), spawn_per_s).unwrap()
    }

    #[test]
    fn a_ramp_brings_one_user_after_the_other_and_takes_the_last_first() {
        let ramp = curve(&[(10, 10), (5, 10), (10, 0)], None);
        assert_eq!(ramp.presence(0), [Presence { from_ns: 0, until_ns: Some(25 * S) }]);
        assert_eq!(ramp.presence(9), [Presence { from_ns: 9 * S, until_ns: Some(16 * S) }]);
        assert_eq!(ramp.presence(10), []);
        let seen: Vec<u32> = [0, 1, 5, 12, 16, 20, 25, 30].iter().map(|s| ramp.users_at(s * S)).collect();
        assert_eq!(seen, [1, 2, 6, 10, 9, 5, 0, 0]);
        assert_eq!((ramp.peak_users(), ramp.ends_at_ns()), (10, 25 * S));
    }

    #[test]
    fn a_constant_number_is_there_at_once_and_stays() {
        let users = UserCurve::constant(3).unwrap();
        assert_eq!(users.users_at(0), 3);
        assert_eq!(users.presence(2), [Presence { from_ns: 0, until_ns: None }]);
        assert_eq!(users.users_at(u64::MAX), 3);
    }

    #[test]
    fn users_come_no_quicker_than_they_may() {
        let users = curve(&[(0, 100), (5, 100), (0, 20), (5, 20)], Some(10.0));
        assert_eq!(users.users_at(S - 1), 10);
        assert_eq!(users.users_at(5 * S - 1), 50, "a jump to 100 would take 10 s");
        assert_eq!(users.users_at(5 * S), 20, "leaving is not bounded");
        let late = curve(&[(1, 100)], Some(10.0));
        assert_eq!(late.users_at(20 * S), 100, "they still come after the last stage");
        assert_eq!(late.presence(99)[0].from_ns, 9_900_000_000);
        let caught_up = curve(&[(0, 10), (10, 10)], Some(5.0));
        assert_eq!((caught_up.users_at(S), caught_up.users_at(3 * S)), (6, 10));
    }

    #[test]
    fn a_user_may_come_twice() {
        let waves = curve(&[(2, 2), (2, 0), (2, 2)], None);
        let times: Vec<(u64, Option<u64>)> = waves.presence(1).iter().map(|p| (p.from_ns, p.until_ns)).collect();
        assert_eq!(times, [(S, Some(3 * S)), (5 * S, None)]);
    }

    #[test]
    fn a_live_change_keeps_the_past() {
        let ramp = curve(&[(10, 10)], Some(2.0));
        let changed = ramp.held(5 * S, 8).unwrap();
        for at_ns in [0, 2 * S, 4 * S, 5 * S - 1] {
            assert_eq!(changed.users_at(at_ns), ramp.users_at(at_ns), "at {at_ns}");
        }
        assert_eq!((changed.users_at(5 * S), changed.users_at(60 * S)), (6, 8));
        assert_eq!(changed.held(70 * S, 0).unwrap().users_at(70 * S), 0);
    }

    #[test]
    fn impossible_users_are_named() {
        let stage = |to_users| vec![UserStage { over: Duration::from_secs(1), to_users }];
        assert_eq!(UserCurve::new(stage(0), None), Err(BadUsers::Nobody));
        assert!(matches!(UserCurve::new(stage(2_000_000), None), Err(BadUsers::TooMany { stage: 1, .. })));
        for spawn_per_s in [0.0, -1.0, f64::NAN] {
            assert!(matches!(UserCurve::new(stage(1), Some(spawn_per_s)), Err(BadUsers::Spawn { .. })));
        }
        let long = vec![UserStage { over: Duration::MAX, to_users: 1 }; 2];
        assert_eq!(UserCurve::new(long, None), Err(BadUsers::TooLong));
    }

    proptest! {
        #[test]
        fn the_number_present_is_the_number_of_users_present(
            stages in vec((0_u64..8, 0_u32..30), 1..6),
            eighths in proptest::option::of(4_u16..320),
            moments in vec(0_u64..50 * S, 1..20),
        ) {
            prop_assume!(stages.iter().any(|(_, users)| *users > 0));
            // A number as people type it is read back to the last bit.
            let curve = curve(&stages, eighths.map(|eighths| f64::from(eighths) / 8.0));
            let text = serde_json::to_string(&curve).unwrap();
            prop_assert_eq!(&serde_json::from_str::<UserCurve>(&text).unwrap(), &curve);
            for at_ns in moments {
                let there = |user: &u32| {
                    let spans = curve.presence(*user);
                    spans.iter().any(|span| span.from_ns <= at_ns && span.until_ns.is_none_or(|until| at_ns < until))
                };
                prop_assert_eq!(u32::try_from((0..40).filter(there).count()).unwrap(), curve.users_at(at_ns));
                prop_assert!(curve.users_at(at_ns) <= curve.peak_users());
            }
        }

        #[test]
        fn no_more_come_in_a_second_than_may(
            stages in vec((0_u64..5, 0_u32..60), 1..5), spawn in 1.0_f64..20.0, at_ns in 0_u64..30 * S,
        ) {
            prop_assume!(stages.iter().any(|(_, users)| *users > 0));
            let curve = curve(&stages, Some(spawn));
            let grown = f64::from(curve.users_at(at_ns + S)) - f64::from(curve.users_at(at_ns));
            prop_assert!(grown <= spawn.ceil() + 1.0, "{} came", grown);
        }
    }
}
