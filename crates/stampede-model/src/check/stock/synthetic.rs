//! Histories of a level made by a simulated system: correct unless a fault is planted.
//!
//! Clients call, the system takes each call at one random moment inside its interval, and answers with what it has then. Calls
//! may get lost: nobody learns whether they took effect, and when they did it may be long after.
//! Invariants: the same plan gives the same history; without a fault every answer is right.
//! Absent on purpose: anything but one level; several are several plans.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::typed::{Fate, Figure, Figures, Kind, Level, Row, StockOp};
use crate::schedule::mix;

/// What is simulated.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Of all choices.
    pub seed: u64,
    /// How many operations, about.
    pub operations: usize,
    /// How many clients, each doing one thing at a time.
    pub clients: usize,
    /// Units at first.
    pub initial: i64,
    /// Most units of one reservation.
    pub most_units: i64,
    /// Of a thousand updates, how many end without an answer.
    pub lost_per_mille: u64,
    /// Of a thousand reservations, how many end by themselves unless something else ends them.
    pub expiring_per_mille: u64,
    /// What answers show.
    pub shows: Shows,
    /// Kinds whose effect makes no version and whose answers name none.
    pub quiet: Vec<Kind>,
    /// Whether the level is read before anything is called.
    pub is_read_at_begin: bool,
    /// Whether the level is read when everything has been answered.
    pub is_read_at_end: bool,
    /// Whether the system keeps a ledger, which is read after the run.
    pub keeps_ledger: bool,
    /// What is wrong with the system.
    pub fault: Option<Fault>,
}

/// What answers show.
#[derive(Clone, Copy, Debug, Default)]
pub struct Shows {
    /// The version, in answers to updates and reads.
    pub versions: bool,
    /// Figures, in answers to updates too.
    pub figures: bool,
    /// Which reservation.
    pub reservations: bool,
}

/// What is wrong with a system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Once, after so many calls, a reservation is granted for which there is no unit.
    Oversells(usize),
    /// Once, after so many calls, a reservation's effect is overwritten with the state before it.
    LosesUpdate(usize),
}

/// A correct level's history of about `operations` operations by `clients` clients, with versions and a read at the end.
pub fn synthetic(seed: u64, operations: usize, clients: usize) -> Level {
    let shows = Shows { versions: true, figures: true, reservations: true };
    Plan::new(seed, operations, clients).showing(shows).level()
}

impl Plan {
    /// A correct system with a hot level: some third of the reservations is refused.
    pub fn new(seed: u64, operations: usize, clients: usize) -> Self {
        Self {
            seed,
            operations,
            clients,
            initial: clients as i64,
            most_units: 2,
            lost_per_mille: 0,
            expiring_per_mille: 0,
            shows: Shows::default(),
            quiet: Vec::new(),
            is_read_at_begin: false,
            is_read_at_end: true,
            keeps_ledger: false,
            fault: None,
        }
    }

    /// With other answers.
    #[must_use]
    pub fn showing(mut self, shows: Shows) -> Self {
        self.shows = shows;
        self
    }

    /// With a fault.
    #[must_use]
    pub fn faulty(mut self, fault: Fault) -> Self {
        self.fault = Some(fault);
        self
    }

    /// The history, as the check takes it.
    pub fn level(&self) -> Level {
        let (ops, rows) = self.history();
        Level::new("synthetic", Some(self.initial), ops, rows)
    }

    /// The history's operations, in the order of their calls.
    pub fn ops(&self) -> Vec<StockOp> {
        self.history().0
    }

    /// The operations, and the ledger if one is kept.
    fn history(&self) -> (Vec<StockOp>, Vec<Row>) {
        let mut simulation = Simulation::new(self);
        simulation.run();
        let mut ops = simulation.ops;
        ops.sort_by_key(|op| (op.span().0, op.id()));
        (ops, simulation.rows)
    }
}

/// A seeded stream of numbers.
#[derive(Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(mix(seed))
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(1);
        ((u128::from(mix(self.0)) * u128::from(end)) >> 64) as u64
    }

    /// True so many times in a thousand.
    pub(crate) fn per_mille(&mut self, share: u64) -> bool {
        self.below(1_000) < share
    }
}

/// Where the ids of the ledger's rows begin.
const LEDGER_IDS: u64 = 1 << 40;

/// A call on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Call {
    /// When the system takes it.
    at_ns: u64,
    number: u64,
    /// Who waits; nobody for an expiry, or for a call that took effect after its client had given up.
    client: Option<usize>,
    begun_ns: u64,
    kind: Kind,
    units: i64,
    reservation: u32,
}

struct Simulation<'a> {
    plan: &'a Plan,
    dice: Dice,
    calls: BinaryHeap<Reverse<Call>>,
    ops: Vec<StockOp>,
    rows: Vec<Row>,
    next: u64,
    figures: [i64; 4],
    version: i64,
    /// What each client holds: reservation and units.
    held: Vec<Vec<(u32, i64)>>,
    /// Whether a reservation, by number, is still active; its units.
    active: Vec<Option<i64>>,
    fault: Option<Fault>,
}

impl<'a> Simulation<'a> {
    fn new(plan: &'a Plan) -> Self {
        Self {
            plan,
            dice: Dice::new(plan.seed),
            calls: BinaryHeap::new(),
            ops: Vec::with_capacity(plan.operations + 2),
            rows: Vec::new(),
            next: 0,
            figures: [plan.initial, 0, 0, plan.initial],
            version: 1,
            held: vec![Vec::new(); plan.clients],
            active: vec![None],
            fault: plan.fault,
        }
    }

    fn run(&mut self) {
        if self.plan.is_read_at_begin {
            let read = self.op(Kind::Read, 0, (1, 2));
            self.ops.push(self.answered(read));
            self.next += 1;
        }
        for client in 0..self.plan.clients {
            let call_ns = 10 + self.dice.below(1_000);
            self.call(client, call_ns);
        }
        let mut last_ns = 0;
        while let Some(Reverse(call)) = self.calls.pop() {
            last_ns = last_ns.max(call.at_ns);
            self.take(call);
        }
        if self.plan.is_read_at_end {
            let last_ns =
                self.ops.iter().map(|op| op.span().1).filter(|end_ns| *end_ns < u64::MAX).fold(last_ns, u64::max);
            let read = StockOp::new(self.next, Kind::Read, 0, (last_ns + 10, last_ns + 20));
            self.ops.push(self.answered(read));
        }
    }

    /// A client's next call.
    fn call(&mut self, client: usize, call_ns: u64) {
        if self.next >= self.plan.operations as u64 {
            return;
        }
        let choice = self.dice.below(100);
        let held = self.held[client].len();
        let (kind, reservation, units) = match choice {
            0..20 => (Kind::Read, 0, 0),
            20..22 => (Kind::Receive, 0, 1 + self.dice.below(self.plan.most_units as u64) as i64),
            22..24 => (Kind::Adjust, 0, if self.dice.per_mille(500) { 1 } else { -1 }),
            24..60 if held > 0 => {
                let at = self.dice.below(held as u64) as usize;
                let (reservation, units) = self.held[client].swap_remove(at);
                (if choice < 28 { Kind::Confirm } else { Kind::Release }, reservation, units)
            }
            _ => (Kind::Reserve, 0, 1 + self.dice.below(self.plan.most_units as u64) as i64),
        };
        let (mut at_ns, mut waits) = (call_ns + self.dice.below(300), Some(client));
        if kind != Kind::Read && self.dice.per_mille(self.plan.lost_per_mille) {
            // The client gives up and goes on under another number; the system may take the call much later, or never.
            let op = self.op(kind, units, (call_ns, u64::MAX)).came_out(Fate::Unknown).about(self.shown(reservation));
            self.ops.push(op);
            self.next += 1;
            at_ns += self.dice.below(20_000);
            waits = None;
            let is_lost = self.dice.per_mille(400);
            self.call(client, call_ns + 500);
            if is_lost {
                return;
            }
        }
        let number = self.next;
        self.next += 1;
        self.calls.push(Reverse(Call { at_ns, number, client: waits, begun_ns: call_ns, kind, units, reservation }));
    }

    fn op(&self, kind: Kind, units: i64, span: (u64, u64)) -> StockOp {
        StockOp::new(self.next, kind, units, span)
    }

    /// The system takes a call, and its client, if there is one, goes on.
    fn take(&mut self, call: Call) {
        let end_ns = call.at_ns + self.dice.below(300);
        let op = StockOp::new(call.number, call.kind, call.units, (call.begun_ns, end_ns));
        let (fate, reservation) = self.decide(&call, &op);
        if call.kind == Kind::Expire {
            if fate == Fate::Done {
                self.ops.push(op.about(self.shown(reservation)));
            }
            return;
        }
        let Some(client) = call.client else { return };
        let op = op.came_out(fate).about(self.shown(reservation));
        self.ops.push(if fate == Fate::Done { self.answered(op) } else { op });
        if call.kind == Kind::Reserve && fate == Fate::Done {
            self.held[client].push((reservation, call.units));
            if self.dice.per_mille(self.plan.expiring_per_mille) {
                self.expire_later(reservation, call.units, end_ns);
            }
        }
        let next_ns = end_ns + self.dice.below(50);
        self.call(client, next_ns);
    }

    /// What a reservation's own end looks like: it is taken somewhere in a window, which the recorded operation names.
    fn expire_later(&mut self, reservation: u32, units: i64, end_ns: u64) {
        let begun_ns = end_ns + 1_000;
        let at_ns = begun_ns + self.dice.below(600);
        let number = self.next;
        self.next += 1;
        self.calls.push(Reverse(Call {
            at_ns,
            number,
            client: None,
            begun_ns,
            kind: Kind::Expire,
            units,
            reservation,
        }));
    }

    /// Changes the state, or refuses to.
    fn decide(&mut self, call: &Call, op: &StockOp) -> (Fate, u32) {
        let mut reservation = call.reservation;
        let mut is_free = true;
        match call.kind {
            Kind::Read => return (Fate::Done, 0),
            Kind::Release | Kind::Confirm | Kind::Expire => {
                if self.active[reservation as usize].take().is_none() {
                    return (Fate::Gone, reservation);
                }
            }
            Kind::Reserve | Kind::Adjust | Kind::Receive => {
                if self.figures[0] + op.delta(Figure::Available) < 0 {
                    if !self.oversells(call) {
                        return (Fate::Insufficient, 0);
                    }
                    is_free = false;
                }
            }
        }
        if call.kind == Kind::Reserve {
            reservation = self.active.len() as u32;
            self.active.push(Some(call.units));
        }
        if is_free && !self.loses(call) {
            for figure in Figure::ALL {
                self.figures[figure as usize] += op.delta(figure);
            }
        }
        if !self.plan.quiet.contains(&call.kind) {
            self.version += 1;
            self.book(op);
        }
        (Fate::Done, reservation)
    }

    fn book(&mut self, op: &StockOp) {
        if self.plan.keeps_ledger {
            let id = LEDGER_IDS + self.rows.len() as u64;
            let deltas = Figure::ALL.into_iter().fold(Figures::NONE, |sum, figure| sum.with(figure, op.delta(figure)));
            self.rows.push(Row { id, version: self.version, deltas });
        }
    }

    fn oversells(&mut self, call: &Call) -> bool {
        let is_due = matches!(self.fault, Some(Fault::Oversells(after)) if call.number >= after as u64);
        let is_now = is_due && call.kind == Kind::Reserve && call.units == 1 && call.client.is_some();
        if is_now {
            self.fault = None;
        }
        is_now
    }

    fn loses(&mut self, call: &Call) -> bool {
        let is_due = matches!(self.fault, Some(Fault::LosesUpdate(after)) if call.number >= after as u64);
        let is_now = is_due && call.kind == Kind::Reserve && call.client.is_some();
        if is_now {
            self.fault = None;
            // Two updates were based on one version.
            self.version -= 1;
        }
        is_now
    }

    fn answered(&self, op: StockOp) -> StockOp {
        let shows = self.plan.shows;
        let mut figures = Figures::NONE;
        let (is_read, is_quiet) = (op.kind() == Kind::Read, self.plan.quiet.contains(&op.kind()));
        if is_read || shows.figures {
            figures = figures.with(Figure::Available, self.figures[0]).with(Figure::Reserved, self.figures[1]);
        }
        if is_read && shows.figures {
            figures = figures.with(Figure::Shipped, self.figures[2]).with(Figure::Received, self.figures[3]);
        }
        op.showing(figures).at_version((shows.versions && !is_quiet).then_some(self.version))
    }

    fn shown(&self, reservation: u32) -> u32 {
        if self.plan.shows.reservations { reservation } else { 0 }
    }
}
