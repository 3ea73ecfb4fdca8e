//! What may happen next, and what must hold: the lease lock with a guarded write.

use std::array::from_fn;
use std::sync::LazyLock;
use std::time::Duration;

use kv_coord::lock::rule::LockRule;
use kv_coord::lock::{Epoch, Token, Ttl, Wait};
use stateright::{Model, Property};

use super::step;
use super::world::{
    Budget, Client, Death, Fault, Hearing, Letter, Phase, Seen, Server, Sight, Store, Turn, World, Write,
};
use crate::protocols::check::is_over;

/// The shortest lifetime there is.
pub(super) const TTL: Ttl = match Ttl::from_millis(Ttl::MIN_MS) {
    Ok(ttl) => ttl,
    Err(_) => panic!("the ends of the range are in it"),
};
/// Half a lifetime, so that a lock is young, old and over.
pub(super) const TICK: Duration = Duration::from_millis(Ttl::MIN_MS / 2);

const MAX_CLIENTS: usize = 3;
const MAX_TURNS: usize = 2;

static TOKENS: LazyLock<[[Token; MAX_TURNS]; MAX_CLIENTS]> = LazyLock::new(|| {
    let token = |number: usize| format!("{number:032x}").parse().expect("32 digits");
    from_fn(|client| from_fn(|number| token(client * MAX_TURNS + number)))
});

/// A rule that is switched off to see whether anybody notices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mistake {
    /// The store takes every write.
    NoFenceCheck,
    /// The store does not know a write that it has done.
    NoKeyCheck,
    /// A release frees the lock, whoever holds it.
    ReleaseWithoutCompare,
    /// A server that comes back goes on with its old epoch.
    EpochKept,
    /// A holder counts its time from the answer on.
    BeliefFromTheAnswer,
    /// Waiters who live are taken for dead.
    WakeUpsLost,
    /// No waiter looks whether the holder's time is over.
    NobodyLooks,
    /// A waiter that was passed over because its time was over goes on waiting.
    NobodyLeaves,
}

/// What is done under the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Work {
    GuardedWrite,
    Nothing,
}

#[derive(Clone, Debug)]
pub(super) struct LockModel {
    /// How long each client is willing to wait; there are as many clients.
    pub(super) waits: Vec<Wait>,
    /// How often each client wants the lock.
    pub(super) turns: u8,
    /// How often a turn's lock may be renewed.
    pub(super) renewals: u8,
    pub(super) work: Work,
    pub(super) budget: Budget,
    pub(super) mistake: Option<Mistake>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Ask(usize),
    HangUp(usize),
    Write(usize),
    Renew(usize, Hearing),
    Release(usize),
    /// The client sees that its time is over.
    LoseFaith(usize),
    /// No answer came; the client asks again with the same key.
    Repeat(usize),
    Crash(usize, Death),
    /// What the letter asks for is done, and the answer arrives or does not.
    Deliver(Letter, Hearing),
    Lose(Letter),
    /// The server comes back without its memory.
    Restart,
    /// A waiter's timer finds that the holder's time is over.
    Look,
    Tick,
}

impl LockModel {
    pub(super) fn token(turn: Turn) -> Token {
        TOKENS[turn.client][usize::from(turn.number)]
    }

    pub(super) fn turns_of_all(&self) -> impl Iterator<Item = Turn> {
        let numbers = 0..self.turns;
        (0..self.waits.len()).flat_map(move |client| numbers.clone().map(move |number| Turn { client, number }))
    }

    pub(super) fn makes(&self, mistake: Mistake) -> bool {
        self.mistake == Some(mistake)
    }

    fn client_steps(&self, world: &World, client: usize, steps: &mut Vec<Step>) {
        let Client { turn: number, phase } = &world.clients[client];
        let turn = Turn { client, number: *number };
        match phase {
            Phase::Idle if *number < self.turns => steps.push(Step::Ask(client)),
            Phase::Idle | Phase::Dead(_) => return,
            Phase::Asking => {
                let is_overdue = world.line.iter().any(|place| place.turn == turn && place.patience.is_none());
                if is_overdue || world.budget.hang_ups > 0 {
                    steps.push(Step::HangUp(client));
                }
            }
            Phase::PassedOver if self.makes(Mistake::NobodyLeaves) => {}
            Phase::PassedOver => steps.push(Step::HangUp(client)),
            Phase::Holding(hold) => {
                let believes = !hold.believes.is_zero();
                match hold.write {
                    Write::NotYet if believes => steps.push(Step::Write(client)),
                    Write::NotYet => {}
                    Write::UnderWay if world.is_under_way(turn) => {}
                    Write::UnderWay => steps.push(Step::Repeat(client)),
                    Write::Landed | Write::Refused => steps.push(Step::Release(client)),
                }
                if !believes && matches!(hold.write, Write::NotYet | Write::UnderWay) {
                    steps.push(Step::LoseFaith(client));
                }
                if believes && hold.renewals > 0 {
                    steps.extend(world.hearings().map(|hearing| Step::Renew(client, hearing)));
                }
            }
            Phase::Releasing(_) => {
                if !world.is_under_way(turn) {
                    steps.push(Step::Repeat(client));
                }
            }
        }
        if world.budget.crashes > 0 && !matches!(phase, Phase::Idle) {
            steps.extend([Step::Crash(client, Death::Noticed), Step::Crash(client, Death::Unnoticed)]);
        }
    }

    fn server_steps(&self, world: &World, steps: &mut Vec<Step>) {
        let view = world.server.view();
        let is_over = view.holder.is_some_and(|holder| holder.left.is_zero());
        let somebody_looks = world.line.iter().any(|place| world.is_waiting(place.turn) && place.patience.is_some());
        if is_over && somebody_looks && !self.makes(Mistake::NobodyLooks) {
            steps.push(Step::Look);
        }
        if world.budget.restarts > 0 && view.minted > 0 {
            steps.push(Step::Restart);
        }
        let runs_out = view.holder.is_some_and(|holder| !holder.left.is_zero())
            || view.line.iter().any(|(_, patience)| patience.is_some_and(|left| left <= TICK * 4))
            || world.clients.iter().any(|c| matches!(&c.phase, Phase::Holding(hold) if !hold.believes.is_zero()));
        if runs_out {
            steps.push(Step::Tick);
        }
    }
}

impl Model for LockModel {
    type State = World;
    type Action = Step;

    fn init_states(&self) -> Vec<World> {
        let epoch = Epoch::new(1).expect("in range");
        vec![World {
            server: Server { rule: LockRule::new(epoch), at: Duration::ZERO, epoch },
            clients: vec![Client { turn: 0, phase: Phase::Idle }; self.waits.len()],
            letters: Vec::new(),
            store: Store::default(),
            budget: self.budget,
            line: Vec::new(),
            last_fence: None,
            seen: Seen::default(),
            fault: None,
        }]
    }

    fn actions(&self, world: &World, steps: &mut Vec<Step>) {
        if world.fault.is_some() {
            return;
        }
        for client in 0..world.clients.len() {
            self.client_steps(world, client, steps);
        }
        for letter in &world.letters {
            steps.push(Step::Deliver(*letter, Hearing::Heard));
            // A grant that is lost is a client that hangs up.
            if world.budget.losses > 0 && !matches!(letter, Letter::Grant(..)) {
                steps.push(Step::Lose(*letter));
                if !matches!(letter, Letter::Cancel(_)) {
                    steps.push(Step::Deliver(*letter, Hearing::Lost));
                }
            }
        }
        self.server_steps(world, steps);
    }

    fn next_state(&self, world: &World, step: Step) -> Option<World> {
        let mut next = world.clone();
        next.seen = Seen::default();
        step::apply(self, &mut next, step);
        next.tidy();
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![
            Property::<Self>::always(STALE, |_, world| world.fault != Some(Fault::StaleWriteAccepted)),
            Property::<Self>::always(TWICE, |_, world| world.fault != Some(Fault::WrittenTwice)),
            Property::<Self>::always(STRANGER, |_, world| world.fault != Some(Fault::StrangerChangedTheLock)),
            Property::<Self>::always(SKIPPED, |_, world| world.fault != Some(Fault::LiveWaiterSkipped)),
            Property::<Self>::always(FENCES, |_, world| world.fault != Some(Fault::FenceNotHigher)),
            Property::<Self>::always(ONE, |_, world| {
                let epochs: Vec<_> = world.believed_fences().map(|fence| fence.epoch()).collect();
                epochs.iter().all(|epoch| epochs.iter().filter(|other| *other == epoch).count() == 1)
            }),
            Property::<Self>::always(SERVED, |model, world| {
                world.fault.is_some() || !is_over(model, world) || world.clients.iter().all(Client::is_done)
            }),
        ];
        properties.extend(self.sights());
        properties
    }
}

impl LockModel {
    /// What must come about in some run, as far as there is an occasion.
    fn sights(&self) -> impl Iterator<Item = Property<Self>> {
        let Budget { restarts, losses, hang_ups, .. } = self.budget;
        let writes = self.work == Work::GuardedWrite;
        let is_hurried = self.waits.iter().any(|wait| wait.get() < Duration::from_secs(1));
        let sometimes = Property::<Self>::sometimes;
        let sights = [
            (true, sometimes("a lock ends under its holder", |_, world| world.somebody_holds_in_vain())),
            (true, sometimes("a lock is handed over", |_, world| world.seen.has(Sight::HandedOver))),
            (true, sometimes("a stranger is turned away", |_, world| world.seen.has(Sight::StrangerTurnedAway))),
            (writes, sometimes("a stale write is refused", |_, world| world.seen.has(Sight::StaleWriteRefused))),
            (writes && losses > 0, sometimes("a lost write is resolved", |_, w| w.seen.has(Sight::LostWriteResolved))),
            (losses > 0, sometimes("a lost release is resolved", |_, w| w.seen.has(Sight::LostReleaseResolved))),
            (hang_ups > 0, sometimes("a lost grant is given back", |_, w| w.seen.has(Sight::LostGrantGivenBack))),
            (restarts > 0, sometimes("two believe after a restart", |_, w| w.believed_fences().count() > 1)),
            (is_hurried, sometimes("an overdue waiter is passed over", |_, w| w.seen.has(Sight::OverdueSkipped))),
        ];
        sights.into_iter().filter(|(has_occasion, _)| *has_occasion).map(|(_, sight)| sight)
    }
}

pub(super) const STALE: &str = "no accepted write has a lower fence than one before";
pub(super) const TWICE: &str = "a write takes effect once";
pub(super) const STRANGER: &str = "who is not the owner changes nothing";
pub(super) const SKIPPED: &str = "no waiter who lives is passed over";
pub(super) const FENCES: &str = "fences grow with every grant";
pub(super) const ONE: &str = "one believer for each incarnation of the server";
pub(super) const SERVED: &str = "at the end everybody who waited and lives was served";

impl Client {
    /// Whether it wants nothing more.
    fn is_done(&self) -> bool {
        matches!(self.phase, Phase::Idle | Phase::Dead(_))
    }
}
