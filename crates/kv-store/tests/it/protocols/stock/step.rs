//! Carries one step out: stock and its expiry by the ledger's own decisions, keys as they are built around them.

use kv_store::stock::rule::Table;
use kv_store::stock::{Action, Command, Refusal};
use kv_types::stock::{Reserve, ReserveLine};
use kv_types::{ProductId, Quantity, UserId, WarehouseId};
use uuid::Uuid;

use super::model::{End, Mistake, Step, StockModel};
use super::world::{Answer, Client, Fault, Found, Hearing, Number, Promise, Request, Sight, Time, Wish, World, id_of};

pub(super) fn product() -> ProductId {
    ProductId::from_uuid(Uuid::from_u128(100))
}

pub(super) fn warehouse() -> WarehouseId {
    WarehouseId::from_uuid(Uuid::from_u128(200))
}

fn command(action: Action) -> Command {
    Command {
        actor: UserId::from_uuid(Uuid::from_u128(1)),
        fence: None,
        once: None,
        expected: kv_types::Expected::Any,
        action,
    }
}

pub(super) fn apply(model: &StockModel, world: &mut World, step: Step) {
    match step {
        Step::Ask(client) => {
            let wish = match world.clients[client] {
                Client::Holds(number) => Wish::End(number),
                _ => Wish::Reserve,
            };
            world.clients[client] = Client::Waits(wish);
            world.letters.push(Request { client, wish });
        }
        Step::AskAgain(client) => {
            let Client::Waits(wish) = world.clients[client] else { panic!("only who waits asks again") };
            let request = Request { client, wish };
            if world.is_under_way(request) {
                world.budget.impatience -= 1;
            }
            world.letters.push(request);
        }
        Step::Crash(client) => {
            world.budget.crashes -= 1;
            world.clients[client] = Client::Dead;
        }
        Step::Deliver(request, hearing) => {
            world.take_out(request);
            if model.makes(Mistake::NoRowLock) && world.unlocked.is_none() {
                world.unlocked = Some((request, world.table.clone()));
                return;
            }
            let rows = world.table.clone();
            let answer = serve(model, world, request, &rows);
            match hearing {
                Hearing::Heard => hear(world, request, answer),
                Hearing::Lost => world.budget.losses -= 1,
            }
        }
        Step::Lose(request) => {
            world.budget.losses -= 1;
            world.take_out(request);
        }
        Step::WriteLate => {
            let (request, rows) = world.unlocked.take().expect("a decision that is open");
            let answer = serve(model, world, request, &rows);
            hear(world, request, answer);
        }
        Step::TimeIsOver(number) => world.promises[number].time = Time::Over,
        Step::Find(number) => {
            let rows = model.makes(Mistake::SweepsBlindly).then(|| world.table.clone());
            world.found = Some(Found { number, rows });
        }
        Step::Sweep => sweep(world),
    }
}

/// The client takes the answer, if it waits for this one.
fn hear(world: &mut World, request: Request, answer: Answer) {
    if world.clients[request.client] != Client::Waits(request.wish) {
        return;
    }
    world.clients[request.client] = match answer {
        Answer::Reserved(number) => Client::Holds(number),
        told => Client::Content(told),
    };
}

/// One transaction: the key, the decision on `rows`, its effects, the key's answer.
fn serve(model: &StockModel, world: &mut World, request: Request, rows: &Table) -> Answer {
    let known = world.keys.iter().find(|(key, _)| *key == request).map(|(_, answer)| *answer);
    let answer = match known {
        Some(answer) if !model.makes(Mistake::NoKeys) => {
            world.seen.note(Sight::AnsweredFromTheKey);
            answer
        }
        _ => match request.wish {
            Wish::Reserve => reserve(model, world, request.client, rows),
            Wish::End(number) => end(model, world, (request.client, number), rows),
        },
    };
    match known {
        Some(before) if before != answer => world.fault = Some(Fault::TwoAnswers),
        Some(_) => {}
        None => world.keys.push((request, answer)),
    }
    answer
}

fn reserve(model: &StockModel, world: &mut World, client: usize, rows: &Table) -> Answer {
    let number = world.promises.len();
    let quantity = Quantity::parse(model.plans[client].units).expect("a positive number");
    let line = ReserveLine { product: product(), warehouse: Some(warehouse()), quantity };
    let command = command(Action::Reserve(id_of(number), Reserve { lines: vec![line], reference: None, ttl: None }));
    let mut decision = rows.decide(&command);
    // Units whose time is over are nobody's: whoever needs them need not wait for the sweeper.
    if matches!(decision, Err(Refusal::Short(_))) && !model.makes(Mistake::NoRowLock) && reclaim(world) {
        decision = world.table.decide(&command);
    }
    match decision {
        Ok((_, change)) => {
            world.table.write(change);
            if world.promises.iter().any(|promise| promise.is_expired) {
                world.seen.note(Sight::SoldAgain);
            }
            world.promises.push(Promise { of: client, time: Time::Left, is_expired: false });
            Answer::Reserved(number)
        }
        Err(Refusal::Short(_)) => Answer::SoldOut,
        Err(other) => panic!("{other:?}"),
    }
}

/// Ends every reservation whose time is over; whether there was one.
fn reclaim(world: &mut World) -> bool {
    let due: Vec<Number> =
        (0..world.promises.len()).filter(|number| world.is_due(*number) && world.is_pending(*number)).collect();
    for number in &due {
        expire(world, *number);
    }
    !due.is_empty()
}

fn expire(world: &mut World, number: Number) {
    let change = world.table.expire(id_of(number));
    world.table.write(change);
    world.promises[number].is_expired = true;
}

fn end(model: &StockModel, world: &mut World, (client, number): (usize, Number), rows: &Table) -> Answer {
    let wished = model.plans[client].end;
    let action = match wished {
        End::Confirm => Action::Ship(id_of(number)),
        End::Release => Action::Release(id_of(number)),
    };
    let is_ignored = wished == End::Confirm && model.makes(Mistake::ExpiryIgnoredOnConfirm);
    if world.is_due(number) && world.is_pending(number) && !is_ignored {
        world.seen.note(Sight::RefusedWhileUnswept);
        expire(world, number);
        return Answer::Expired;
    }
    let change = match rows.decide(&command(action)) {
        Ok((_, change)) => change,
        Err(Refusal::Expired) => return Answer::Expired,
        Err(other) => {
            assert!(model.mistake.is_some(), "what is not over can be ended: {other:?}");
            return Answer::Expired;
        }
    };
    world.table.write(change);
    if wished == End::Confirm && world.is_due(number) {
        world.fault = Some(Fault::ExpiredWasConfirmed);
    }
    Answer::Ended
}

/// The sweeper's second transaction: what it found is looked at again, now under the level's lock.
fn sweep(world: &mut World) {
    let Found { number, rows } = world.found.take().expect("the sweeper found one");
    if let Some(rows) = rows {
        let (_, change) = rows.decide(&command(Action::Release(id_of(number)))).expect("it was pending then");
        world.table.write(change);
    } else if world.is_pending(number) {
        expire(world, number);
    } else {
        world.seen.note(Sight::SweptInVain);
    }
}

impl World {
    fn take_out(&mut self, request: Request) {
        let place = self.letters.iter().position(|other| *other == request).expect("a request that is on its way");
        self.letters.remove(place);
    }

    /// Puts what has no order into one order.
    pub(super) fn tidy(&mut self) {
        self.letters.sort_unstable();
        self.keys.sort_unstable();
    }
}
