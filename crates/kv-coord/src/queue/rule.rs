//! The rule as a value, so that a model checker can drive [`QueueState`] itself and not a copy of it.
//!
//! Invariants: every answer is the rule's own; a clone is another future of the same queue; two rules whose [`View`]s are equal
//! behave alike from there on, as long as all jobs are of one tenant and queue, none is given back, and none is near its limits.
//! Absent on purpose: a rule of its own, and everything around the rule (timers, connections, the Redis scripts).

use super::{Place, QueueState};
use crate::lock::{Epoch, Fence, Mint};
use crate::queue::backend::Heard;
use crate::queue::job::{Job, JobId, Priority};
use crate::queue::outcome::{ClaimedJob, Enqueued, Lease};

const TTL_MS: u64 = 1_000;

/// One queue of one incarnation of its server.
#[derive(Debug)]
pub struct QueueRule {
    state: QueueState,
    mint: Mint,
    now_ms: u64,
}

impl Clone for QueueRule {
    fn clone(&self) -> Self {
        Self { state: self.state.clone(), mint: self.mint.fork(), now_ms: self.now_ms }
    }
}

/// All that decides what happens next.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct View {
    /// Who is ready, in the order of leaving.
    pub ready: Vec<JobId>,
    /// Who is leased.
    pub leased: Vec<JobId>,
}

impl QueueRule {
    /// An empty queue whose fences are of `epoch`.
    pub fn new(epoch: Epoch) -> Self {
        Self { state: QueueState::default(), mint: Mint::new(epoch), now_ms: 1 }
    }

    /// Takes a job in.
    pub fn enqueue(&mut self, job: &Job) -> Enqueued {
        self.state.enqueue(self.now_ms, job)
    }

    /// Hands out one job, if any is ready.
    pub fn claim(&mut self) -> Option<ClaimedJob> {
        self.state.claim(self.now_ms, 1, TTL_MS, &self.mint)?.jobs.pop()
    }

    /// Whether the word was heard that the job is done.
    pub fn complete(&mut self, lease: &Lease) -> bool {
        self.state.complete(lease) == Heard::Yes(())
    }

    /// The job's lease gets no heartbeat until it is over, and somebody looks; all others get theirs.
    pub fn outlive(&mut self, id: &JobId) {
        let of_job = self.state.leases.iter().find(|(_, leased)| leased == id);
        let Some(end_ms) = of_job.map(|(end_ms, _)| *end_ms) else { return };
        let others: Vec<_> = self.leases().into_iter().filter(|lease| lease.id != *id).collect();
        for lease in others {
            let beat = self.state.heartbeat(self.now_ms, &lease, end_ms - self.now_ms + TTL_MS);
            assert!(matches!(beat, Heard::Yes(_)), "no lease but the outlived is ever over");
        }
        self.now_ms = end_ms;
        self.state.settle(end_ms);
    }

    /// The number under which the job is leased.
    pub fn fence_of(&self, id: &JobId) -> Option<Fence> {
        self.leases().into_iter().find(|lease| lease.id == *id).map(|lease| lease.fence)
    }

    /// Whether the job is anywhere.
    pub fn knows(&self, id: &JobId) -> bool {
        self.state.jobs.contains_key(id)
    }

    /// How many fences were minted in this epoch.
    pub fn minted(&self) -> u64 {
        self.mint.minted()
    }

    /// The queue as it stands.
    pub fn view(&self) -> View {
        View {
            ready: self.state.lines[Priority::Default as usize].ids().cloned().collect(),
            leased: self.leases().into_iter().map(|lease| lease.id).collect(),
        }
    }

    fn leases(&self) -> Vec<Lease> {
        let lease = |(id, entry): (&JobId, &super::Entry)| match entry.place {
            Place::Leased { fence, .. } => Some(Lease { id: id.clone(), fence }),
            _ => None,
        };
        self.state.jobs.iter().filter_map(lease).collect()
    }
}
