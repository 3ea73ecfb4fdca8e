//! What clients of each model do: choices that make trouble likely, from the client's own seeded dice.
//!
//! A habit does one thing and returns; the round decides when it is asked again. Few objects, unit quantities and low stock make
//! every client meet every other one.

mod counting;
mod exclusion;
mod limiting;
mod once;
mod queueing;
mod stocking;
mod tenancy;
mod transacting;

use std::io::Write;

use rand::RngExt as _;
use stampede_model::history::Model;
use stampede_model::target::Roles;

use super::WorkloadError;
use super::client::Client;

pub(super) use once::Once;
pub(super) use queueing::Queueing;
pub(super) use tenancy::Tenancy;

/// What a client remembers between its operations.
pub(super) enum Habit {
    Stock(stocking::Stocking),
    Lock(exclusion::Exclusion),
    Counting(counting::Counting),
    Limit(limiting::Limiting),
    Tenants(tenancy::Tenancy),
    Once(once::Once),
    Queue(queueing::Queueing),
    Transactions(transacting::Transacting),
}

impl Habit {
    pub(super) fn of(model: Model, common: &Common) -> Self {
        match model {
            Model::Stock => Self::Stock(stocking::Stocking::with(&common.offered)),
            Model::Lock => Self::Lock(exclusion::Exclusion::default()),
            Model::Register | Model::Counter => Self::Counting(counting::Counting::default()),
            Model::RateLimit => Self::Limit(limiting::Limiting::default()),
            Model::Tenants => Self::Tenants(common.tenancy.clone()),
            Model::Idempotency => Self::Once(common.once.clone()),
            Model::Queue => Self::Queue(common.queueing.clone()),
            Model::Transactions => Self::Transactions(transacting::Transacting),
        }
    }

    /// Does one thing.
    pub(super) async fn act<W: Write>(&mut self, client: &mut Client<'_, '_, W>) -> Result<(), WorkloadError> {
        match self {
            Self::Stock(habit) => habit.act(client).await,
            Self::Lock(habit) => habit.act(client).await,
            Self::Counting(habit) => habit.act(client).await,
            Self::Limit(habit) => habit.act(client).await,
            Self::Tenants(habit) => habit.act(client).await,
            Self::Once(habit) => habit.act(client).await,
            Self::Queue(habit) => habit.act(client).await,
            Self::Transactions(habit) => habit.act(client).await,
        }
    }

    /// Gives back what would outlast the round.
    pub(super) async fn rest<W: Write>(&mut self, client: &mut Client<'_, '_, W>) -> Result<(), WorkloadError> {
        match self {
            Self::Lock(habit) => habit.give_back(client).await,
            Self::Stock(habit) => habit.outlast(client).await,
            _ => Ok(()),
        }
    }
}

/// What the clients of one workload know of each other.
#[derive(Clone, Default)]
pub(super) struct Common {
    pub(super) tenancy: Tenancy,
    pub(super) once: Once,
    pub(super) queueing: Queueing,
    offered: stocking::Offered,
}

impl<W: Write> Client<'_, '_, W> {
    /// One of the workload's operations, drawn by weight among those that `may` be done now.
    pub(super) fn choose(&mut self, may: impl Fn(&str) -> bool) -> Option<&'static str> {
        let workload = self.shared.workload;
        let roles = || Roles::of(*workload.model.as_ref()).iter().filter(|role| may(role.name));
        let whole: u32 = roles().map(|role| workload.weight(role)).sum();
        if whole == 0 {
            return None;
        }
        let mut left = self.rng.random_range(0..whole);
        for role in roles() {
            let weight = workload.weight(role);
            if left < weight {
                return Some(role.name);
            }
            left -= weight;
        }
        None
    }

    /// One of the objects.
    pub(super) fn any_object(&mut self) -> usize {
        let count = self.shared.objects.len().max(1);
        self.rng.random_range(0..count)
    }

    /// Whether an operation is bound.
    pub(super) fn has(&self, role: &str) -> bool {
        self.shared.workload.bind.contains_key(role)
    }
}
