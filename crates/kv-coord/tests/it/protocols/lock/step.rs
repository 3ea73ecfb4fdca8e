//! Carries one step out: the lock's part by the rule, the rest as the service does it.

use std::time::Duration;

use kv_coord::lock::rule::{Asked, Call, Done, Granted, LockRule};
use kv_coord::lock::{Epoch, Fence, ReleaseOutcome, Token};

use super::model::{LockModel, Mistake, Step, TICK, TTL, Work};
use super::world::{Death, Fault, Hearing, Hold, Letter, Phase, Server, Sight, Try, Turn, Waiting, World, Write};

pub(super) fn apply(model: &LockModel, world: &mut World, step: Step) {
    match step {
        Step::Ask(client) => ask(model, world, world.turn_of(client)),
        Step::HangUp(client) => {
            let turn = world.turn_of(client);
            let is_overdue = world.clients[client].phase == Phase::PassedOver || !world.is_patient(turn);
            if !is_overdue {
                world.budget.hang_ups -= 1;
            }
            leave(world, turn);
        }
        Step::LoseFaith(client) => leave(world, world.turn_of(client)),
        Step::Write(client) => write(world, client),
        Step::Renew(client, hearing) => renew(model, world, client, hearing),
        Step::Release(client) => {
            world.clients[client].phase = Phase::Releasing(Try::First);
            world.letters.push(Letter::Release(world.turn_of(client)));
        }
        Step::Repeat(client) if matches!(world.clients[client].phase, Phase::Releasing(_)) => {
            world.clients[client].phase = Phase::Releasing(Try::Again);
            world.letters.push(Letter::Release(world.turn_of(client)));
        }
        Step::Repeat(client) => write(world, client),
        Step::Crash(client, death) => {
            world.budget.crashes -= 1;
            world.clients[client].phase = Phase::Dead(death);
        }
        Step::Deliver(letter, hearing) => {
            world.take_out(letter);
            if hearing == Hearing::Lost {
                world.budget.losses -= 1;
            }
            deliver(model, world, letter, hearing);
        }
        Step::Lose(letter) => {
            world.budget.losses -= 1;
            world.take_out(letter);
        }
        Step::Restart => restart(model, world),
        Step::Look => {
            call(model, world, |rule, call| rule.look(call));
        }
        Step::Tick => world.age(),
    }
}

/// Calls the rule, and sends on their way the grants it made.
fn call<T>(model: &LockModel, world: &mut World, make: impl FnOnce(&mut LockRule, Call<'_>) -> Done<T>) -> T {
    let at = world.server.at;
    let gone = world.deaf(model);
    let done = make(&mut world.server.rule, Call { at, gone: &gone });
    for granted in done.handed {
        world.seen.note(Sight::HandedOver);
        hand(model, world, granted);
    }
    done.answer
}

fn hand(model: &LockModel, world: &mut World, granted: Granted) {
    let turn = model.turns_of_all().find(|turn| LockModel::token(*turn) == granted.token).expect("a token of ours");
    let place = world.line.iter().position(|place| place.turn == turn).expect("only waiters are handed a lock");
    let before: Vec<Waiting> = world.line.drain(..=place).take(place).collect();
    for skipped in before {
        if world.is_waiting(skipped.turn) && skipped.patience.is_some() {
            world.fault = Some(Fault::LiveWaiterSkipped);
        } else if skipped.patience.is_none() {
            world.seen.note(Sight::OverdueSkipped);
            if world.is_waiting(skipped.turn) {
                world.clients[skipped.turn.client].phase = Phase::PassedOver;
            }
        }
    }
    grant(world, turn, granted);
}

fn grant(world: &mut World, turn: Turn, granted: Granted) {
    if world.last_fence.is_some_and(|last| granted.fence <= last) {
        world.fault = Some(Fault::FenceNotHigher);
    }
    world.last_fence = Some(granted.fence);
    let believes = granted.believed_until.saturating_sub(world.server.at);
    world.letters.push(Letter::Grant(turn, granted.fence, believes));
}

fn ask(model: &LockModel, world: &mut World, turn: Turn) {
    world.clients[turn.client].phase = Phase::Asking;
    let wait = model.waits[turn.client];
    match call(model, world, |rule, call| rule.ask(call, LockModel::token(turn), (TTL, wait))) {
        Asked::Granted(granted) => {
            if world.line.iter().any(|place| world.is_waiting(place.turn) && place.patience.is_some()) {
                world.fault = Some(Fault::LiveWaiterSkipped);
            }
            grant(world, turn, granted);
        }
        Asked::InLine => world.line.push(Waiting { turn, patience: Some(wait.get()) }),
        Asked::Refused => panic!("neither the line nor the numbers can be at their end"),
    }
}

/// The client gives its turn up and says so.
fn leave(world: &mut World, turn: Turn) {
    world.letters.push(Letter::Cancel(turn));
    end_turn(world, turn.client);
}

fn end_turn(world: &mut World, client: usize) {
    world.clients[client].turn += 1;
    world.clients[client].phase = Phase::Idle;
}

fn write(world: &mut World, client: usize) {
    let turn = world.turn_of(client);
    let Phase::Holding(hold) = &mut world.clients[client].phase else { panic!("only a holder writes") };
    hold.write = Write::UnderWay;
    let fence = hold.fence;
    world.letters.push(Letter::Write(turn, fence));
}

fn renew(model: &LockModel, world: &mut World, client: usize, hearing: Hearing) {
    let turn = world.turn_of(client);
    look_first(model, world);
    let before = world.server.view();
    let renewed = call(model, world, |rule, call| rule.renew(call, LockModel::token(turn), TTL));
    check_stranger(world, turn, &before);
    let believes = renewed.map_or(Duration::ZERO, |until| until.saturating_sub(world.server.at));
    let Phase::Holding(hold) = &mut world.clients[client].phase else { panic!("only a holder renews") };
    hold.renewals -= 1;
    match hearing {
        // A refusal ends the belief; the write may be under way.
        Hearing::Heard => hold.believes = believes,
        Hearing::Lost => world.budget.losses -= 1,
    }
}

fn deliver(model: &LockModel, world: &mut World, letter: Letter, hearing: Hearing) {
    match letter {
        Letter::Grant(turn, fence, believes) => {
            let believes = if model.makes(Mistake::BeliefFromTheAnswer) { TTL.get() } else { believes };
            let write = match model.work {
                Work::GuardedWrite => Write::NotYet,
                Work::Nothing => Write::Landed,
            };
            let hold = Hold { fence, believes, write, renewals: model.renewals };
            world.clients[turn.client].phase = Phase::Holding(hold);
        }
        Letter::Cancel(turn) => cancel(model, world, turn),
        Letter::Release(turn) => {
            release(model, world, turn);
            let waits =
                world.turn_of(turn.client) == turn && matches!(world.clients[turn.client].phase, Phase::Releasing(_));
            if hearing == Hearing::Heard && waits {
                end_turn(world, turn.client);
            }
        }
        Letter::Write(turn, fence) => {
            let verdict = store(model, world, turn, fence);
            let waits = hearing == Hearing::Heard && world.turn_of(turn.client) == turn;
            match &mut world.clients[turn.client].phase {
                Phase::Holding(hold) if waits => hold.write = verdict,
                _ => {}
            }
        }
    }
}

/// Ends what is over before a call, so that what the call itself changes can be told apart.
fn look_first(model: &LockModel, world: &mut World) {
    call(model, world, |rule, call| rule.look(call));
}

fn check_stranger(world: &mut World, turn: Turn, before: &kv_coord::lock::rule::View) {
    if before.holder.is_some_and(|holder| holder.token == LockModel::token(turn)) {
        return;
    }
    let after = world.server.view();
    if before.holder != after.holder || before.minted != after.minted {
        world.fault = Some(Fault::StrangerChangedTheLock);
    } else if before.holder.is_some() {
        world.seen.note(Sight::StrangerTurnedAway);
    }
}

fn cancel(model: &LockModel, world: &mut World, turn: Turn) {
    look_first(model, world);
    world.line.retain(|place| place.turn != turn);
    let before = world.server.view();
    call(model, world, |rule, call| rule.cancel(call, LockModel::token(turn)));
    check_stranger(world, turn, &before);
    if before.holder.is_some_and(|holder| holder.token == LockModel::token(turn)) {
        world.seen.note(Sight::LostGrantGivenBack);
    }
}

fn release(model: &LockModel, world: &mut World, turn: Turn) {
    look_first(model, world);
    let before = world.server.view();
    let token = match before.holder {
        Some(holder) if model.makes(Mistake::ReleaseWithoutCompare) => holder.token,
        _ => LockModel::token(turn),
    };
    let outcome = call(model, world, |rule, call| rule.release(call, token));
    check_stranger(world, turn, &before);
    let is_again = world.clients[turn.client].phase == Phase::Releasing(Try::Again);
    if is_again && !matches!(outcome, ReleaseOutcome::Released { .. }) {
        world.seen.note(Sight::LostReleaseResolved);
    }
}

/// The guarded write, as one transaction: its key, its fence, its effect.
fn store(model: &LockModel, world: &mut World, turn: Turn, fence: Fence) -> Write {
    let is_known = world.store.written.contains(&turn);
    if is_known && !model.makes(Mistake::NoKeyCheck) {
        world.seen.note(Sight::LostWriteResolved);
        return Write::Landed;
    }
    let is_stale = world.store.highest.is_some_and(|highest| fence < highest);
    if is_stale && !model.makes(Mistake::NoFenceCheck) {
        world.seen.note(Sight::StaleWriteRefused);
        return Write::Refused;
    }
    if is_stale {
        world.fault = Some(Fault::StaleWriteAccepted);
    } else if is_known {
        world.fault = Some(Fault::WrittenTwice);
    }
    world.store.highest = Some(fence);
    world.store.written.push(turn);
    world.store.written.sort_unstable();
    Write::Landed
}

/// The server forgets everything and gets a new epoch; those who wait notice and ask again, in any order.
fn restart(model: &LockModel, world: &mut World) {
    world.budget.restarts -= 1;
    let epoch = match world.server.epoch {
        kept if model.makes(Mistake::EpochKept) => kept,
        old => Epoch::new(old.get() + 1).expect("far from the last one"),
    };
    world.server = Server { rule: LockRule::new(epoch), at: Duration::ZERO, epoch };
    let waiting: Vec<Turn> = world.line.drain(..).map(|place| place.turn).collect();
    for turn in waiting {
        if world.is_waiting(turn) {
            world.clients[turn.client].phase = Phase::Idle;
        }
    }
}

impl World {
    pub(super) fn turn_of(&self, client: usize) -> Turn {
        Turn { client, number: self.clients[client].turn }
    }

    /// Whether the client lives and waits in this very turn.
    pub(super) fn is_waiting(&self, turn: Turn) -> bool {
        self.turn_of(turn.client) == turn && self.clients[turn.client].phase == Phase::Asking
    }

    /// Whether its time in the line is not over.
    fn is_patient(&self, turn: Turn) -> bool {
        self.line.iter().all(|place| place.turn != turn || place.patience.is_some())
    }

    /// Whether a write or release of the turn is on its way.
    pub(super) fn is_under_way(&self, turn: Turn) -> bool {
        let is_it = |letter: &Letter| matches!(letter, Letter::Write(..) | Letter::Release(_)) && letter.turn() == turn;
        self.letters.iter().any(is_it)
    }

    pub(super) fn hearings(&self) -> impl Iterator<Item = Hearing> {
        let lost = (self.budget.losses > 0).then_some(Hearing::Lost);
        std::iter::once(Hearing::Heard).chain(lost)
    }

    pub(super) fn believed_fences(&self) -> impl Iterator<Item = Fence> {
        self.clients.iter().filter_map(|client| match &client.phase {
            Phase::Holding(hold) if !hold.believes.is_zero() => Some(hold.fence),
            _ => None,
        })
    }

    pub(super) fn somebody_holds_in_vain(&self) -> bool {
        let holder = self.server.view().holder.map(|holder| holder.fence);
        let in_vain = |phase: &Phase| matches!(phase, Phase::Holding(hold) if Some(hold.fence) != holder);
        self.clients.iter().any(|client| in_vain(&client.phase))
    }

    fn deaf(&self, model: &LockModel) -> Vec<Token> {
        let is_deaf = |turn: &Turn| match self.clients[turn.client].phase {
            Phase::Dead(Death::Noticed) => true,
            _ => model.makes(Mistake::WakeUpsLost),
        };
        model.turns_of_all().filter(is_deaf).map(LockModel::token).collect()
    }

    fn take_out(&mut self, letter: Letter) {
        let place = self.letters.iter().position(|other| *other == letter).expect("a letter that is on its way");
        self.letters.remove(place);
    }

    fn age(&mut self) {
        self.server.at += TICK;
        for client in &mut self.clients {
            if let Phase::Holding(hold) = &mut client.phase {
                hold.believes = hold.believes.saturating_sub(TICK);
            }
        }
        for letter in &mut self.letters {
            if let Letter::Grant(_, _, believes) = letter {
                *believes = believes.saturating_sub(TICK);
            }
        }
        for place in &mut self.line {
            place.age(TICK);
        }
    }

    /// Throws away grants that nobody waits for, and puts the letters into one order.
    pub(super) fn tidy(&mut self) {
        let mut letters = std::mem::take(&mut self.letters);
        letters.retain(|letter| !matches!(letter, Letter::Grant(turn, ..) if !self.is_waiting(*turn)));
        letters.sort_unstable();
        self.letters = letters;
    }
}
