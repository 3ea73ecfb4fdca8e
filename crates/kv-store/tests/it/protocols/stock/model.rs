//! What may happen next, and what must hold: a stock level and those who want its units.

use kv_store::stock::rule::Table;
use kv_types::stock::ReservationStatus;
use stateright::{Model, Property};

use super::step::{self, product, warehouse};
use super::world::{Answer, Budget, Client, Fault, Hearing, Number, Request, Seen, Sight, World, id_of};
use crate::protocols::check::is_over;

/// A rule that is switched off to see whether anybody notices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mistake {
    /// Requests are not remembered by their keys.
    NoKeys,
    /// The level is not locked between the decision and the write.
    NoRowLock,
    /// A reservation whose time is over, and which nobody swept, can be confirmed.
    ExpiryIgnoredOnConfirm,
    /// The sweeper ends what it found without looking again.
    SweepsBlindly,
    /// Nobody sweeps.
    NoSweeper,
}

/// What a client wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) units: i64,
    pub(super) end: End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Confirm,
    Release,
}

#[derive(Clone, Debug)]
pub(super) struct StockModel {
    pub(super) units: i64,
    pub(super) plans: Vec<Plan>,
    pub(super) budget: Budget,
    pub(super) mistake: Option<Mistake>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The client sends its next request.
    Ask(usize),
    /// The client sends its request again, under the same key.
    AskAgain(usize),
    Crash(usize),
    /// What is asked for is done, and the answer arrives or does not.
    Deliver(Request, Hearing),
    Lose(Request),
    /// The unlocked decision is written.
    WriteLate,
    /// A reservation's time is over.
    TimeIsOver(Number),
    /// The sweeper notes a reservation that is due; in a second transaction it locks and ends it.
    Find(Number),
    Sweep,
}

impl StockModel {
    pub(super) fn makes(&self, mistake: Mistake) -> bool {
        self.mistake == Some(mistake)
    }

    fn client_steps(world: &World, client: usize, steps: &mut Vec<Step>) {
        match &world.clients[client] {
            Client::Idle | Client::Holds(_) => steps.push(Step::Ask(client)),
            Client::Waits(wish) => {
                let request = Request { client, wish: *wish };
                if !world.is_under_way(request) || world.budget.impatience > 0 {
                    steps.push(Step::AskAgain(client));
                }
            }
            Client::Content(_) | Client::Dead => return,
        }
        if world.budget.crashes > 0 && world.clients[client] != Client::Idle {
            steps.push(Step::Crash(client));
        }
    }
}

impl Model for StockModel {
    type State = World;
    type Action = Step;

    fn init_states(&self) -> Vec<World> {
        vec![World {
            table: Table::stocked(product(), warehouse(), self.units),
            keys: Vec::new(),
            promises: Vec::new(),
            unlocked: None,
            found: None,
            clients: vec![Client::Idle; self.plans.len()],
            letters: Vec::new(),
            budget: self.budget,
            seen: Seen::default(),
            fault: None,
        }]
    }

    fn actions(&self, world: &World, steps: &mut Vec<Step>) {
        // The ledger would not go on from rows that are wrong: its own assertion ends the process.
        if world.fault.is_some() || !self.is_conserved(world) {
            return;
        }
        for client in 0..world.clients.len() {
            Self::client_steps(world, client, steps);
        }
        for request in &world.letters {
            steps.push(Step::Deliver(*request, Hearing::Heard));
            if world.budget.losses > 0 {
                steps.extend([Step::Deliver(*request, Hearing::Lost), Step::Lose(*request)]);
            }
        }
        if world.unlocked.is_some() {
            steps.push(Step::WriteLate);
        }
        for number in 0..world.promises.len() {
            if world.is_pending(number) && !world.is_due(number) {
                steps.push(Step::TimeIsOver(number));
            }
            let can_be_found = world.is_pending(number) && world.is_due(number) && world.found.is_none();
            if can_be_found && !self.makes(Mistake::NoSweeper) {
                steps.push(Step::Find(number));
            }
        }
        if world.found.is_some() {
            steps.push(Step::Sweep);
        }
    }

    fn next_state(&self, world: &World, step: Step) -> Option<World> {
        let mut next = world.clone();
        next.seen = Seen::default();
        step::apply(self, &mut next, step);
        next.tidy();
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::<Self>::always(CONSERVED, StockModel::is_conserved),
            Property::<Self>::always(ENDS_ONCE, |_, world| {
                (0..world.promises.len()).all(|number| {
                    let endings = usize::from(!world.is_pending(number));
                    world.table.endings(id_of(number)) == endings
                })
            }),
            Property::<Self>::always(NOT_CONFIRMED, |_, world| world.fault != Some(Fault::ExpiredWasConfirmed)),
            Property::<Self>::always(ONE_EFFECT, |_, world| {
                let made = |client| world.promises.iter().filter(|promise| promise.of == client).count();
                (0..world.clients.len()).all(|client| made(client) <= 1)
            }),
            Property::<Self>::always(ONE_ANSWER, |_, world| world.fault != Some(Fault::TwoAnswers)),
            Property::<Self>::always(SETTLED, |model, world| {
                world.fault.is_some() || !is_over(model, world) || world.is_settled()
            }),
            Property::<Self>::sometimes("the stock is sold out", |_, world| world.is_told(Answer::SoldOut)),
            Property::<Self>::sometimes("a client hears that its time was over", |_, world| {
                world.is_told(Answer::Expired)
            }),
            Property::<Self>::sometimes("a repeated request is answered from its key", |_, world| {
                world.seen.has(Sight::AnsweredFromTheKey)
            }),
            Property::<Self>::sometimes("expired units are sold again", |_, world| world.seen.has(Sight::SoldAgain)),
            Property::<Self>::sometimes("the sweeper comes too late", |_, world| world.seen.has(Sight::SweptInVain)),
            Property::<Self>::sometimes("expiry is seen before it is swept", |_, w| {
                w.seen.has(Sight::RefusedWhileUnswept)
            }),
        ]
    }
}

pub(super) const CONSERVED: &str = "units are conserved, never negative, and held by what is pending";
pub(super) const ENDS_ONCE: &str = "a reservation ends exactly once";
pub(super) const NOT_CONFIRMED: &str = "an expired reservation is never confirmed";
pub(super) const ONE_EFFECT: &str = "a repeated request has one effect";
pub(super) const ONE_ANSWER: &str = "a repeated request has one answer";
pub(super) const SETTLED: &str = "at the end nothing is held and everybody who lives knows";

impl StockModel {
    fn is_conserved(&self, world: &World) -> bool {
        let units = world.table.units();
        let of = |status: ReservationStatus| -> i64 {
            let all = world.table.reservations().filter(|held| held.status == status);
            all.flat_map(|held| &held.items).map(|item| item.quantity).sum()
        };
        units.received == self.units
            && units.available + units.held + units.shipped == units.received
            && [units.available, units.held, units.shipped].iter().all(|sum| 0 <= *sum)
            && units.held == of(ReservationStatus::Pending)
            && units.shipped == of(ReservationStatus::Fulfilled)
    }
}

impl World {
    fn is_told(&self, answer: Answer) -> bool {
        self.clients.contains(&Client::Content(answer))
    }

    fn is_settled(&self) -> bool {
        let knows = |client: &Client| matches!(client, Client::Content(_) | Client::Dead);
        self.table.units().held == 0 && self.clients.iter().all(knows)
    }
}
