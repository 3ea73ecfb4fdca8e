//! Carries one step out, as PostgreSQL (a transaction) or Redis (a script) does it: whole or not at all. What Redis does is
//! the product's own rule.

use super::model::{Mistake, QueueModel, Step};
use super::world::{Ack, Deliveries, Id, Lease, Relay, Row, Sight, Worker, World, name_of};

pub(super) fn apply(model: &QueueModel, world: &mut World, step: Step) {
    match step {
        Step::Begin(id) => {
            world.jobs[id].row = Row::Uncommitted;
            if model.makes(Mistake::PushedBeforeCommit) {
                world.push(id);
            }
        }
        Step::Commit(id) => world.jobs[id].row = Row::New,
        Step::RollBack(id) => world.jobs[id].row = Row::RolledBack,
        Step::Take(id) => {
            world.relay = Relay::Took(id);
            world.last_relayed = model.makes(Mistake::RelayRemembersTheLastRow).then_some(id);
            if model.makes(Mistake::DeletedBeforePush) {
                world.jobs[id].row = Row::Deleted;
            }
        }
        Step::Push => {
            let Relay::Took(id) = world.relay else { panic!("the relay has a row") };
            world.push(id);
            world.relay = Relay::HasPushed(id);
        }
        Step::Mark => mark(world),
        Step::RelayCrashes => {
            world.budget.relay_crashes -= 1;
            world.relay = Relay::Idle;
        }
        Step::Sweep(id) => {
            world.push(id);
            world.seen.note(Sight::PushedAgain);
        }
        Step::Claim(worker) => claim(world, worker),
        Step::Handle(worker) => handle(model, world, worker),
        Step::Acknowledge(worker) => acknowledge(world, worker),
        Step::WorkerCrashes(worker) => {
            world.budget.worker_crashes -= 1;
            world.workers[worker] = Worker::Idle;
        }
        Step::Deliver(ack) => {
            world.take_out(ack);
            deliver(model, world, ack);
        }
        Step::Reap(id) => reap(world, id),
        Step::Flush => flush(world),
    }
}

fn mark(world: &mut World) {
    let Relay::HasPushed(id) = world.relay else { panic!("the relay has pushed") };
    // The job may be done already, and a row that is done stays so.
    if world.jobs[id].row == Row::New {
        world.jobs[id].row = Row::Pushed;
    }
    world.relay = Relay::Idle;
}

fn claim(world: &mut World, worker: usize) {
    let claimed = world.redis.rule.claim().expect("a job is ready");
    let id: Id = claimed.job.id.as_str().parse().expect("a place");
    let (fence, claim) = (claimed.lease.fence, world.new_claim());
    let lease = Lease { fence, claim, shown: if world.redis.repeats { fence.get() as u64 } else { 0 } };
    let job = &mut world.jobs[id];
    job.lease = Some(lease);
    job.deliveries = match job.deliveries {
        Deliveries::None => Deliveries::One,
        Deliveries::One | Deliveries::More => Deliveries::More,
    };
    world.workers[worker] = Worker::Working(id, lease);
}

/// One transaction: the effect, and that the job is done.
fn handle(model: &QueueModel, world: &mut World, worker: usize) {
    let (id, after) = match world.workers[worker] {
        Worker::Working(id, lease) => (id, Worker::Finished(id, lease)),
        Worker::SaidSo(id) => (id, Worker::Idle),
        Worker::Idle | Worker::Finished(..) => panic!("there is nothing to do"),
    };
    world.workers[worker] = after;
    let job = &mut world.jobs[id];
    if job.is_done && !model.makes(Mistake::NoJobDone) {
        world.seen.note(Sight::DuplicateAbsorbed);
        return;
    }
    job.effects += 1;
    job.is_done = true;
    if job.row == Row::New || job.row == Row::Pushed {
        job.row = Row::Done;
    }
}

fn acknowledge(world: &mut World, worker: usize) {
    let (job, lease) = match world.workers[worker] {
        Worker::Finished(id, lease) => {
            world.workers[worker] = Worker::Idle;
            (id, lease)
        }
        // Too early: whoever hears this takes the job off the books.
        Worker::Working(id, lease) => {
            world.workers[worker] = Worker::SaidSo(id);
            world.jobs[id].row = Row::Done;
            (id, lease)
        }
        Worker::Idle | Worker::SaidSo(_) => panic!("there is nothing to say"),
    };
    world.acks.push(Ack { job, lease });
}

fn deliver(model: &QueueModel, world: &mut World, ack: Ack) {
    let job = &mut world.jobs[ack.job];
    let shown = match job.lease {
        Some(lease) if model.makes(Mistake::AckWithoutCompare) => lease,
        _ => ack.lease,
    };
    if world.redis.rule.complete(&shown.real(ack.job)) {
        world.old_ack_acted = job.lease != Some(ack.lease);
        job.lease = None;
    } else {
        world.seen.note(Sight::OldAckIgnored);
    }
}

fn reap(world: &mut World, id: Id) {
    let lease = world.jobs[id].lease.take().expect("only a lease can be over");
    if world.somebody_stands_for(lease) {
        world.budget.early_expiries -= 1;
    }
    world.redis.rule.outlive(&name_of(id));
}

fn flush(world: &mut World) {
    world.budget.flushes -= 1;
    world.seen.note(Sight::Flushed);
    world.redis.flush();
    for job in &mut world.jobs {
        job.lease = None;
    }
}

impl World {
    fn take_out(&mut self, ack: Ack) {
        let place = self.acks.iter().position(|other| *other == ack).expect("a word that is on its way");
        self.acks.remove(place);
    }
}
