//! What may happen next, and what must hold: jobs from the outbox to their effect.

use stateright::{Model, Property};

use super::step;
use super::world::{Ack, Budget, Deliveries, Id, Relay, Row, Seen, Sight, Worker, World};
use crate::protocols::check::is_over;

/// A rule that is switched off to see whether anybody notices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mistake {
    /// The relay deletes the row and then pushes the job.
    DeletedBeforePush,
    /// The relay looks for rows after the last one it had.
    RelayRemembersTheLastRow,
    /// The job is pushed before its transaction is committed.
    PushedBeforeCommit,
    /// Nobody looks for rows whose job Redis has lost.
    NoSweep,
    /// The worker says it is done, and then does it.
    AckBeforeEffect,
    /// The handler's transaction does not look whether the job was done.
    NoJobDone,
    /// Whoever says that a job is done ends its lease.
    AckWithoutCompare,
    /// Fences are counted by Redis alone, and a flush begins anew under the same epoch.
    TokensFromACounter,
    /// Nobody looks for leases that are over.
    NoReaper,
}

#[derive(Clone, Debug)]
pub(super) struct QueueModel {
    pub(super) jobs: usize,
    pub(super) workers: usize,
    pub(super) budget: Budget,
    pub(super) mistake: Option<Mistake>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The business transaction begins and draws the id of its outbox row.
    Begin(Id),
    Commit(Id),
    RollBack(Id),
    /// The relay takes a row, pushes its job, marks the row: three steps, each of which may be the last.
    Take(Id),
    Push,
    Mark,
    RelayCrashes,
    /// A job that should be in Redis and is not is pushed again.
    Sweep(Id),
    Claim(usize),
    /// The handler's transaction commits.
    Handle(usize),
    /// The worker's word leaves.
    Acknowledge(usize),
    WorkerCrashes(usize),
    Deliver(Ack),
    /// A lease is over and its job goes back on the list.
    Reap(Id),
    Flush,
}

impl QueueModel {
    pub(super) fn makes(&self, mistake: Mistake) -> bool {
        self.mistake == Some(mistake)
    }

    fn producer_steps(world: &World, steps: &mut Vec<Step>) {
        for (id, job) in world.jobs.iter().enumerate() {
            match job.row {
                // Ids are drawn in the order of beginning; commits come in any order.
                Row::None if id == 0 || world.jobs[id - 1].row != Row::None => steps.push(Step::Begin(id)),
                Row::Uncommitted => steps.extend([Step::Commit(id), Step::RollBack(id)]),
                _ => {}
            }
        }
    }

    fn relay_steps(&self, world: &World, steps: &mut Vec<Step>) {
        match world.relay {
            Relay::Idle => {
                let mut rows = 0..world.jobs.len();
                let remembers = self.makes(Mistake::RelayRemembersTheLastRow);
                let is_due = |id: &Id| {
                    world.jobs[*id].row == Row::New
                        && !(remembers && world.last_relayed.is_some_and(|last| *id <= last))
                };
                steps.extend(rows.find(is_due).map(Step::Take));
            }
            Relay::Took(_) => steps.push(Step::Push),
            Relay::HasPushed(_) => steps.push(Step::Mark),
        }
        if world.relay != Relay::Idle && world.budget.relay_crashes > 0 {
            steps.push(Step::RelayCrashes);
        }
        let is_lost = |id: &Id| world.jobs[*id].row == Row::Pushed && !world.is_known(*id);
        if !self.makes(Mistake::NoSweep) {
            steps.extend((0..world.jobs.len()).filter(is_lost).map(Step::Sweep));
        }
    }

    fn worker_steps(&self, world: &World, steps: &mut Vec<Step>) {
        for (number, worker) in world.workers.iter().enumerate() {
            if number > 0 && world.workers[number - 1] == *worker {
                continue;
            }
            match worker {
                Worker::Idle if world.redis.rule.view().ready.is_empty() => {}
                Worker::Idle => steps.push(Step::Claim(number)),
                Worker::Working(..) if self.makes(Mistake::AckBeforeEffect) => steps.push(Step::Acknowledge(number)),
                Worker::Working(..) | Worker::SaidSo(_) => steps.push(Step::Handle(number)),
                Worker::Finished(..) => steps.push(Step::Acknowledge(number)),
            }
            if *worker != Worker::Idle && world.budget.worker_crashes > 0 {
                steps.push(Step::WorkerCrashes(number));
            }
        }
    }

    fn redis_steps(&self, world: &World, steps: &mut Vec<Step>) {
        // One that is lost is one of a worker that crashed before it left.
        steps.extend(world.acks.iter().map(|ack| Step::Deliver(*ack)));
        for (id, job) in world.jobs.iter().enumerate() {
            let Some(lease) = job.lease else { continue };
            let may_end = !world.somebody_stands_for(lease) || world.budget.early_expiries > 0;
            if may_end && !self.makes(Mistake::NoReaper) {
                steps.push(Step::Reap(id));
            }
        }
        if world.budget.flushes > 0 && (0..world.jobs.len()).any(|id| world.is_known(id)) {
            steps.push(Step::Flush);
        }
    }
}

impl Model for QueueModel {
    type State = World;
    type Action = Step;

    fn init_states(&self) -> Vec<World> {
        vec![World::new(self.jobs, self.workers, self.budget, self.makes(Mistake::TokensFromACounter))]
    }

    fn actions(&self, world: &World, steps: &mut Vec<Step>) {
        if world.old_ack_acted {
            return;
        }
        Self::producer_steps(world, steps);
        self.relay_steps(world, steps);
        self.worker_steps(world, steps);
        self.redis_steps(world, steps);
    }

    fn next_state(&self, world: &World, step: Step) -> Option<World> {
        let mut next = world.clone();
        next.seen = Seen::default();
        step::apply(self, &mut next, step);
        next.acks.sort_unstable();
        next.workers.sort_unstable();
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![
            Property::<Self>::always(ONCE, |_, world| world.jobs.iter().all(|job| job.effects <= 1)),
            Property::<Self>::always(COMMITTED, |_, world| {
                world.jobs.iter().all(|job| job.effects == 0 || Row::New <= job.row)
            }),
            Property::<Self>::always(OLD_ACK, |_, world| !world.old_ack_acted),
            Property::<Self>::always(DRAINED, |model, world| {
                world.old_ack_acted || !is_over(model, world) || world.is_drained()
            }),
            Property::<Self>::sometimes("a job is delivered again", |_, world| {
                world.jobs.iter().any(|job| job.deliveries == Deliveries::More)
            }),
            Property::<Self>::sometimes("a duplicate is absorbed", |_, w| w.seen.has(Sight::DuplicateAbsorbed)),
            Property::<Self>::sometimes("an old acknowledgement is ignored", |_, w| w.seen.has(Sight::OldAckIgnored)),
            Property::<Self>::sometimes("Redis is flushed", |_, world| world.seen.has(Sight::Flushed)),
            Property::<Self>::sometimes("a lost job is pushed again", |_, w| w.seen.has(Sight::PushedAgain)),
        ];
        if self.jobs > 1 {
            properties.push(Property::<Self>::sometimes(
                "a row is still open when a later one is relayed",
                |_, world| {
                    let is_relayed = |row: Row| row == Row::Pushed || row == Row::Done;
                    world.jobs.windows(2).any(|jobs| jobs[0].row == Row::Uncommitted && is_relayed(jobs[1].row))
                },
            ));
        }
        properties
    }
}

pub(super) const ONCE: &str = "an effect is there at most once";
pub(super) const COMMITTED: &str = "nothing is done that was not committed";
pub(super) const OLD_ACK: &str = "an acknowledgement of an old lease changes nothing";
pub(super) const DRAINED: &str = "when all is drained every acknowledged job has taken effect";

impl World {
    /// Redis is empty, and what was committed is done.
    fn is_drained(&self) -> bool {
        let is_settled = |job: &super::world::Job| match job.row {
            Row::RolledBack => job.effects == 0,
            Row::Done => job.effects == 1 && job.is_done,
            _ => false,
        };
        (0..self.jobs.len()).all(|id| self.jobs[id].lease.is_none() && !self.is_known(id))
            && self.jobs.iter().all(is_settled)
    }
}
