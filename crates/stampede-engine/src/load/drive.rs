//! One virtual user's life, for any scenario: start, iterate until told to leave, stop.
//!
//! Invariants: a user begins no iteration after its flow is over; an arrival handed to a user ends as a request or is
//! counted as not sent; what a scenario gives up is never begun again by itself.
//! Absent on purpose: a dynamic call per request. The scenario's type is known here; only making a user goes through a
//! pointer.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::Arc;

use futures_util::FutureExt;

use super::client::Client;
use super::scenario::{BarrierSpec, FlowId, Halt, Scenario, Seat, StepId, StepSpec};
use super::shard::Shard;
use super::share::FlowShare;
use super::slot::{Slot, Turn};
use crate::http::RequestPlan;

/// A scenario whose type is forgotten.
pub(super) trait Drive: Send + Sync {
    fn steps(&self) -> Vec<StepSpec>;
    fn origins(&self) -> Vec<RequestPlan>;
    fn barriers(&self) -> Vec<BarrierSpec>;
    fn first_step(&self, iteration: u64) -> StepId;
    /// Starts the task of a new user on the current thread.
    fn spawn(self: Arc<Self>, place: Place);
}

/// Where a user lives.
pub(super) struct Place {
    pub(super) shard: Rc<Shard>,
    pub(super) flow: Rc<FlowShare>,
    pub(super) slot: Rc<Slot>,
}

/// A scenario of a known type.
pub(super) struct Driven<S>(pub(super) S);

impl<S: Scenario> Drive for Driven<S> {
    fn steps(&self) -> Vec<StepSpec> {
        self.0.steps()
    }

    fn origins(&self) -> Vec<RequestPlan> {
        self.0.origins()
    }

    fn barriers(&self) -> Vec<BarrierSpec> {
        self.0.barriers()
    }

    fn first_step(&self, iteration: u64) -> StepId {
        self.0.first_step(iteration)
    }

    fn spawn(self: Arc<Self>, place: Place) {
        tokio::task::spawn_local(async move {
            // A user that is gone without a word would leave a run that waits for it and looks well.
            if let Err(panic) = AssertUnwindSafe(live(&self.0, &place)).catch_unwind().await {
                place.shard.give_up(format!("the code of a user panicked: {}", text_of(&*panic)));
            }
        });
    }
}

/// What was said in a panic.
fn text_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a text")
}

/// How a user came to its end.
enum Leaving {
    /// Nothing more to do for it.
    InGoodOrder,
    /// It, or the run, was given up.
    GivenUp,
}

async fn live<S: Scenario>(scenario: &S, place: &Place) {
    let Place { shard, flow, slot } = place;
    let seat = Seat { flow: FlowId(flow.index as u32), number: slot.user.get(), seed: shard.seed_of(slot.user.get()) };
    let mut user = scenario.new_user(seat);
    let mut client = Client::new(shard, flow, slot, seat);
    let leaving = work(scenario, &mut user, &mut client).await;
    if matches!(leaving, Leaving::InGoodOrder) && client.has_started() {
        client.say_goodbye();
        scenario.stop(&mut user, &mut client).await;
    }
    client.leave_dropped();
    drop(client);
    shard.release(flow, slot);
}

async fn work<S: Scenario>(scenario: &S, user: &mut S::User, client: &mut Client<'_>) -> Leaving {
    while let Some(turn) = client.next_turn().await {
        let Turn { iteration, .. } = turn;
        let mut end = Ok(());
        if !client.has_started() {
            end = client.start_of(scenario, user).await;
        }
        if end.is_ok() {
            end = scenario.iterate(user, client, iteration).await;
        }
        client.end_turn(turn, &end);
        match end {
            Ok(()) | Err(Halt::Iteration) => {}
            // At the end of the run or of its flow nobody may send on, and nobody has failed.
            Err(Halt::User) if client.is_stopping() => return Leaving::InGoodOrder,
            Err(Halt::User) => return Leaving::GivenUp,
            Err(Halt::Run(text)) => {
                client.give_up_run(text);
                return Leaving::GivenUp;
            }
        }
    }
    Leaving::InGoodOrder
}
