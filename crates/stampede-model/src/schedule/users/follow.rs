//! The curve that users really follow: the planned stages, climbed no quicker than users may come.
//!
//! Invariants: the pieces touch each other and reach from the start to the end of time; a climb is never steeper than
//! allowed, a fall may be a jump. Pure arithmetic.

use super::{UserStage, nanos};

/// A line of the curve that the users really follow, in force from `start_ns` to before `end_ns`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Piece {
    pub(super) start_ns: u64,
    pub(super) end_ns: u64,
    pub(super) from: f64,
    pub(super) to: f64,
}

impl Piece {
    pub(super) fn value_at(&self, at_ns: u64) -> f64 {
        let share = (at_ns - self.start_ns) as f64 / (self.end_ns - self.start_ns) as f64;
        self.from + (self.to - self.from) * share
    }

    /// When `user` is there within this piece, from and until before; `None` when it is not.
    pub(super) fn span_of(&self, user: u32) -> Option<(u64, u64)> {
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
pub(super) fn follow(stages: &[UserStage], spawn_per_ns: f64) -> Vec<Piece> {
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
