//! A lock server on a clock of its own, right or with one fault, and the history its clients write.
//!
//! Decisions fall anywhere between call and answer; requests and answers get lost, requests arrive late; leases end late by up to
//! the margin; a waiter may be handed the lock in vain. Everything follows from the seed.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use serde_json::json;

use crate::check::dice::Dice;
use crate::history::{Fields, Heading, Model, Operation, Outcome};

/// Tokens that clients bring begin here.
const OWN: u64 = 1 << 40;
const MS: u64 = 1_000_000;
const MARGIN_MS: u64 = 40;
const DRIFT_PPM: u64 = 10_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    GrantsTwice,
    RepeatsFences,
    LowersFences,
    NeverExpires,
    ExpiresEarly,
    AnyoneReleases,
    AcceptsStale,
    RefusesFree,
    ForgetsHolder,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub(super) seed: u64,
    pub(super) clients: usize,
    pub(super) operations: usize,
    pub(super) ttl_ms: u64,
    /// Requests or answers lost, in a hundred.
    pub(super) lost: u64,
    /// What the clients' clock counts in: calls are noted too early and answers too late by up to that, and many at one instant.
    pub(super) tick_ns: u64,
    /// Whether each client brings a token of its own, always the same.
    pub(super) own_tokens: bool,
    pub(super) fault: Option<Fault>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Begin(usize),
    Arrive(usize),
    GiveUp(usize),
    Expire(u64),
}

#[derive(Clone, Copy)]
struct Held {
    token: u64,
    until: u64,
    /// A waiter that will never claim it.
    in_vain: Option<usize>,
}

#[derive(Clone, Copy, Default)]
struct Client {
    process: u64,
    mine: Option<(u64, i64)>,
    last: Option<u64>,
}

pub(super) struct Simulation {
    plan: Plan,
    dice: Dice,
    now: u64,
    events: BinaryHeap<Reverse<(u64, u64, Event)>>,
    scheduled: u64,
    clients: Vec<Client>,
    operations: Vec<(Operation, usize)>,
    held: Option<Held>,
    queue: VecDeque<usize>,
    tokens: u64,
    fence: i64,
    row: (i64, i64, String),
}

pub(super) fn history(plan: Plan) -> (Heading, Vec<Operation>) {
    let mut simulation = Simulation {
        plan,
        dice: Dice(plan.seed),
        now: 0,
        events: BinaryHeap::new(),
        scheduled: 0,
        clients: (0..plan.clients).map(|at| Client { process: at as u64, ..Client::default() }).collect(),
        operations: Vec::new(),
        held: None,
        queue: VecDeque::new(),
        tokens: 0,
        fence: 0,
        row: (0, 0, "none".into()),
    };
    for client in 0..plan.clients {
        let first = simulation.dice.below(5 * MS);
        simulation.at(first, Event::Begin(client));
    }
    simulation.run();
    let mut operations: Vec<Operation> = simulation.operations.into_iter().map(|(operation, _)| operation).collect();
    for operation in &mut operations {
        operation.call_ns -= operation.call_ns % plan.tick_ns;
        operation.return_ns = operation.return_ns.map(|at| at.next_multiple_of(plan.tick_ns));
    }
    operations.sort_by_key(|operation| (operation.call_ns, operation.id));
    let mut heading = Heading::of(Model::Lock);
    heading.settings = Fields::new().with("margin_ms", MARGIN_MS).with("drift_ppm", DRIFT_PPM).with("fences", true);
    (heading, operations)
}

impl Simulation {
    fn at(&mut self, instant: u64, event: Event) {
        self.scheduled += 1;
        self.events.push(Reverse((instant, self.scheduled, event)));
    }

    fn run(&mut self) {
        while let Some(Reverse((instant, _, event))) = self.events.pop() {
            self.now = instant;
            match event {
                Event::Begin(client) => self.begin(client),
                Event::Arrive(operation) => self.arrive(operation),
                Event::GiveUp(operation) => self.give_up(operation),
                Event::Expire(token) => self.expire(token),
            }
        }
    }

    fn has(&mut self, fault: Fault, percent: u64) -> bool {
        self.plan.fault == Some(fault) && self.dice.percent(percent)
    }

    /// Mostly quick, now and then slow.
    fn delay(&mut self) -> u64 {
        let most = if self.dice.percent(5) { 60 * MS } else { 2 * MS };
        self.dice.below(most)
    }

    fn begin(&mut self, client: usize) {
        if self.operations.len() >= self.plan.operations {
            return;
        }
        if self.dice.percent(20) {
            let idle = self.dice.below(3 * self.plan.ttl_ms * MS / 2);
            self.at(self.now + idle, Event::Begin(client));
            return;
        }
        let (op, input) = self.wish(client);
        let id = self.operations.len();
        let operation = Operation {
            id: id as u64,
            process: self.clients[client].process,
            key: "t/r".into(),
            op: op.into(),
            input,
            call_ns: self.now,
            return_ns: None,
            outcome: Outcome::Info,
            refused: None,
            output: Fields::new(),
            note: String::new(),
            idempotency_key: None,
        };
        self.operations.push((operation, client));
        if self.dice.percent(self.plan.lost) {
            self.lose(id, client);
        } else {
            let arrival = self.now + self.delay();
            self.at(arrival, Event::Arrive(id));
        }
    }

    /// The client gives up and goes on under another number; the request may arrive nevertheless, soon or late.
    fn lose(&mut self, id: usize, client: usize) {
        match self.dice.below(3) {
            0 => {}
            1 => {
                let arrival = self.now + self.delay();
                self.at(arrival, Event::Arrive(id));
            }
            _ => {
                let arrival = self.now + self.dice.below(5 * self.plan.ttl_ms * MS);
                self.at(arrival, Event::Arrive(id));
            }
        }
        self.clients[client].process += 1_000;
        let again = self.now + self.delay();
        // A return means that it was seen to fail; its client is elsewhere then.
        self.operations[id].1 = usize::MAX;
        self.at(again, Event::Begin(client));
    }

    fn wish(&mut self, client: usize) -> (&'static str, Fields) {
        let choice = self.dice.below(100);
        let Client { mine, last, .. } = self.clients[client];
        let ttl = self.plan.ttl_ms / 2 + self.dice.below(self.plan.ttl_ms);
        match (mine, choice) {
            (_, 0..7) => ("exists", Fields::new()),
            (_, 7..12) => ("read-guarded", Fields::new()),
            (_, 12..15) => ("release", Fields::new().with("token", format!("made-up-{choice}")).with("foreign", true)),
            (Some((_, fence)), 15..45) => {
                let value = self.dice.below(1_000_000);
                ("write", Fields::new().with("fence", fence).with("value", value))
            }
            (Some((token, _)), 45..60) => ("renew", Fields::new().with("token", token).with("ttl_ms", ttl)),
            (Some((token, _)), 60..90) => {
                self.clients[client].mine = None;
                ("release", Fields::new().with("token", token))
            }
            (None, 15..20) if last.is_some() => ("release", Fields::new().with("token", last.unwrap_or_default())),
            _ => {
                self.clients[client].mine = None;
                let wait = if self.dice.percent(50) { 0 } else { self.dice.below(2 * ttl) };
                let input = Fields::new().with("ttl_ms", ttl).with("wait_ms", wait);
                ("acquire", if self.plan.own_tokens { input.with("token", OWN + client as u64) } else { input })
            }
        }
    }

    fn input(&self, id: usize, name: &str) -> i64 {
        self.operations[id].0.input.integer(name).ok().flatten().unwrap_or(-1)
    }

    fn arrive(&mut self, id: usize) {
        let op = self.operations[id].0.op.clone();
        let token = self.input(id, "token") as u64;
        match op.as_str() {
            "acquire" => self.acquire(id),
            "exists" => {
                let held = self.held.is_some();
                self.answer(id, None, &[("held", json!(held))]);
            }
            "read-guarded" => {
                let (fence, version, value) = self.row.clone();
                self.answer(id, None, &[("fence", json!(fence)), ("version", json!(version)), ("value", json!(value))]);
            }
            "write" => self.write(id),
            "release" if self.is_holder(token) || self.plan.fault == Some(Fault::AnyoneReleases) => {
                self.answer(id, None, &[]);
                self.free();
            }
            "renew" if self.is_holder(token) => {
                let ttl_ms = self.input(id, "ttl_ms") as u64;
                self.hold(token, ttl_ms, None);
                self.answer(id, None, &[]);
            }
            _ => self.answer(id, Some("not-owner"), &[]),
        }
    }

    fn is_holder(&mut self, token: u64) -> bool {
        self.held.is_some_and(|held| held.token == token) && !self.has(Fault::ForgetsHolder, 20)
    }

    fn acquire(&mut self, id: usize) {
        let is_free = self.held.is_none() && self.queue.is_empty();
        if self.has(Fault::RefusesFree, 15) {
            self.answer(id, Some("busy"), &[]);
        } else if is_free || self.has(Fault::GrantsTwice, 20) {
            self.grant(id);
        } else if self.input(id, "wait_ms") == 0 {
            self.answer(id, Some("busy"), &[]);
        } else {
            self.queue.push_back(id);
            let patience = self.input(id, "wait_ms") as u64 * MS;
            self.at(self.now + patience, Event::GiveUp(id));
        }
    }

    fn grant(&mut self, id: usize) {
        self.tokens += 1;
        match self.plan.fault {
            Some(Fault::RepeatsFences) if self.dice.percent(20) => {}
            Some(Fault::LowersFences) if self.dice.percent(20) => self.fence -= 2,
            _ => self.fence += 1 + self.dice.below(3) as i64,
        }
        let own = self.input(id, "token");
        let (token, fence) = (if own < 0 { self.tokens } else { own as u64 }, self.fence);
        let ttl_ms = self.input(id, "ttl_ms") as u64;
        self.hold(token, ttl_ms, None);
        self.answer(id, None, &[("token", json!(token)), ("fence", json!(fence))]);
        if let Some(client) = self.clients.get_mut(self.operations[id].1) {
            client.mine = Some((token, fence));
            client.last = Some(token);
        }
    }

    fn hold(&mut self, token: u64, ttl_ms: u64, in_vain: Option<usize>) {
        let counted = ttl_ms * MS * self.dice.clock_ppm(DRIFT_PPM) / 1_000_000;
        let lag = if self.dice.percent(50) { 0 } else { self.dice.below(MARGIN_MS * MS) };
        let lasts = match (self.plan.fault, in_vain) {
            (_, Some(_)) => self.dice.below(MARGIN_MS * MS / 2),
            (Some(Fault::ExpiresEarly), _) => counted / 3,
            (Some(Fault::NeverExpires), _) => return self.held = Some(Held { token, until: u64::MAX, in_vain }),
            _ => counted + lag,
        };
        self.held = Some(Held { token, until: self.now + lasts, in_vain });
        self.at(self.now + lasts, Event::Expire(token));
    }

    fn expire(&mut self, token: u64) {
        let Some(held) = self.held.filter(|held| held.token == token && held.until <= self.now) else { return };
        if let Some(id) = held.in_vain {
            self.answer(id, Some("busy"), &[]);
        }
        self.free();
    }

    /// Free again: the next one in the line has it at once, if there is one; perhaps in vain.
    fn free(&mut self) {
        self.held = None;
        let Some(next) = self.queue.pop_front() else { return };
        if self.dice.percent(10) {
            self.tokens += 1;
            self.hold(self.tokens, 0, Some(next));
        } else {
            self.grant(next);
        }
    }

    fn give_up(&mut self, id: usize) {
        if let Some(place) = self.queue.iter().position(|waiting| *waiting == id) {
            self.queue.remove(place);
            self.answer(id, Some("busy"), &[]);
        }
    }

    fn write(&mut self, id: usize) {
        let fence = self.input(id, "fence");
        if fence < self.row.0 && self.plan.fault != Some(Fault::AcceptsStale) {
            return self.answer(id, Some("stale-fence"), &[]);
        }
        self.row = (fence, self.row.1 + 1, self.operations[id].0.input.text("value").unwrap().unwrap());
        let version = self.row.1;
        self.answer(id, None, &[("version", json!(version))]);
    }

    fn answer(&mut self, id: usize, refused: Option<&str>, output: &[(&str, serde_json::Value)]) {
        let client = self.operations[id].1;
        if client == usize::MAX {
            return;
        }
        let back = self.now + self.delay();
        let operation = &mut self.operations[id].0;
        operation.return_ns = Some(back);
        operation.outcome = if refused.is_some() { Outcome::Fail } else { Outcome::Ok };
        operation.refused = refused.map(str::to_owned);
        operation.output = output.iter().cloned().collect();
        self.at(back, Event::Begin(client));
    }
}
