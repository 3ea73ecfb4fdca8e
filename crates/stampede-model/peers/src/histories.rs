//! Histories as a server would have made them: clients that think, call, wait and return on one clock, and an object that does
//! one thing at a time at some point of each call.
//!
//! A violating history has one wrong answer, four fifths on, that no order explains.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use stampede_model::check::models::lock::LockOp;
use stampede_model::check::models::stock::{Seen, StockOp};
use stampede_model::check::search::{Call, Duty};

use crate::random::Random;

/// One call, and whose it was.
pub type By<O> = (u32, Call<O>);

/// Whether everything was right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truth {
    /// Every answer has an order.
    Valid,
    /// One answer has none.
    Violating,
}

/// How large a history is.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Clients that are at it all the time.
    pub clients: u32,
    /// Calls.
    pub operations: u64,
    /// Whether it is right.
    pub truth: Truth,
    /// Of all choices.
    pub seed: u64,
}

/// What a client does next: at `effect_ns` the object does it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Turn {
    effect_ns: u64,
    client: u32,
    call_ns: u64,
    return_ns: u64,
}

/// Clients in the order in which the object serves them.
struct Clients {
    random: Random,
    turns: BinaryHeap<Reverse<Turn>>,
    think_ns: u64,
}

impl Clients {
    fn of(shape: Shape, think_ns: u64) -> Self {
        let mut clients = Self { random: Random::of(shape.seed), turns: BinaryHeap::new(), think_ns };
        (0..shape.clients).for_each(|client| clients.call_after(client, 1_000));
        clients
    }

    /// Plans the next call of `client`, who was answered at `time_ns`.
    fn call_after(&mut self, client: u32, time_ns: u64) {
        let call_ns = time_ns + 1 + self.random.below(self.think_ns.max(1));
        let effect_ns = call_ns + 1 + self.random.below(500);
        let return_ns = effect_ns + 1 + self.random.below(500);
        self.turns.push(Reverse(Turn { effect_ns, client, call_ns, return_ns }));
    }

    fn next(&mut self) -> Turn {
        let Some(Reverse(turn)) = self.turns.pop() else { unreachable!("every client always has a next call") };
        turn
    }

    /// When `client` will call next.
    fn next_call_ns(&self, client: u32) -> u64 {
        self.turns.iter().find(|Reverse(turn)| turn.client == client).map_or(u64::MAX, |Reverse(turn)| turn.call_ns)
    }
}

fn answered<O>(id: u64, turn: Turn, op: O) -> By<O> {
    (turn.client, Call { id, call_ns: turn.call_ns, return_ns: turn.return_ns, duty: Duty::Must, op })
}

/// A lock with tokens. Wrong: it is granted once more while its holder is thinking.
pub fn lock(shape: Shape) -> Vec<By<LockOp>> {
    let mut clients = Clients::of(shape, 600);
    let mut history = Vec::new();
    // Who believes to hold it, with which token; the lock itself knows the last.
    let mut held: Vec<Option<u32>> = vec![None; shape.clients as usize];
    let mut holder: Option<(u32, u32)> = None;
    let mut tokens = 0;
    let mut is_wrong_yet = shape.truth == Truth::Valid;
    while (history.len() as u64) < shape.operations {
        let turn = clients.next();
        let mine = &mut held[turn.client as usize];
        let id = history.len() as u64;
        let is_time = id * 5 > shape.operations * 4 && !is_wrong_yet;
        let op = match (mine.take(), holder) {
            (Some(token), _) => {
                holder = holder.filter(|(_, current)| *current != token);
                LockOp::Release(token)
            }
            (None, _) if clients.random.happens(5) => LockOp::Exists(holder.is_some()),
            (None, Some((other, _))) if !is_time || clients.next_call_ns(other) <= turn.return_ns => LockOp::Busy,
            (None, current) => {
                is_wrong_yet |= current.is_some();
                tokens += 1;
                *mine = Some(tokens);
                holder = Some((turn.client, tokens));
                LockOp::Acquire(tokens)
            }
        };
        history.push(answered(id, turn, op));
        clients.call_after(turn.client, turn.return_ns);
    }
    history
}

/// Units of one thing, taken and given back up to `units` at a time, read at the end. Wrong: units that were not there are
/// taken once.
pub fn stock(shape: Shape, units: u64) -> Vec<By<StockOp>> {
    let mut clients = Clients::of(shape, 100);
    let initial = i64::from(shape.clients) * units as i64 / 3;
    let first = Turn { effect_ns: 2, client: 0, call_ns: 1, return_ns: 3 };
    let mut history = vec![answered(0, first, change(initial))];
    let mut level = initial;
    let mut taken: Vec<Vec<i64>> = vec![Vec::new(); shape.clients as usize];
    let mut is_wrong_yet = shape.truth == Truth::Valid;
    let mut end_ns = 0;
    while (history.len() as u64) + 1 < shape.operations {
        let turn = clients.next();
        let id = history.len() as u64;
        let mine = &mut taken[turn.client as usize];
        let op = if !mine.is_empty() && clients.random.happens(45) {
            let back = mine.swap_remove(clients.random.below(mine.len() as u64) as usize);
            level += back;
            change(back)
        } else if clients.random.happens(3) {
            StockOp::Read { seen: Seen { available: Some(level), ..Seen::default() } }
        } else {
            let wanted = 1 + clients.random.below(units) as i64;
            let is_wrong = id * 5 > shape.operations * 4 && !is_wrong_yet && level < wanted;
            is_wrong_yet |= is_wrong;
            if level >= wanted || is_wrong {
                mine.push(wanted);
                level -= if is_wrong { 0 } else { wanted };
                change(-wanted)
            } else {
                StockOp::Insufficient { units: wanted }
            }
        };
        history.push(answered(id, turn, op));
        end_ns = turn.return_ns.max(end_ns);
        clients.call_after(turn.client, turn.return_ns);
    }
    let last = Turn { effect_ns: 0, client: 0, call_ns: end_ns + 10, return_ns: end_ns + 20 };
    let read = StockOp::Read { seen: Seen { available: Some(level), ..Seen::default() } };
    history.push(answered(history.len() as u64, last, read));
    history
}

fn change(available: i64) -> StockOp {
    StockOp::Change { available, reserved: 0, seen: Seen::default() }
}
