//! The queue as a function of state, event and time; the scripts of `scripts/` follow it step by step.
//!
//! Invariants: a job is in one place; a line holds exactly the ready jobs of its queue; a lease ends at its deadline, whoever
//! looks, but that its work is done is heard until the next claim by anybody; each call moves a bounded number of jobs.
//! Absent on purpose: clocks, randomness, threads and channels. Time comes in by argument, a pause is decided by who asks.

use std::collections::{BTreeMap, BTreeSet};

use kv_types::TenantId;

use super::backend::{Claim, Flow, Heard, Which};
use super::bounds::{DEAD_KEEP_MS, DEAD_MAX, JOBS_MAX, REPLAY_MAX, SETTLE_MAX, SHOW_MAX};
use super::counts::{QueueCounts, ReadyCount};
use super::job::{Job, JobId, Kind, Priority, Queues, UniqueKey};
use super::line::{Line, Number};
use super::outcome::{ClaimedJob, DeadLetter, Enqueued, FailOutcome, Lease, Reason, Replayed, Stage, Verdict};
use super::turn::order_of;
use crate::lock::{Fence, Mint};

/// The longest pause before another attempt.
pub(crate) const DELAY_MAX_MS: u64 = 24 * 3_600_000;

/// A job and where it is.
#[derive(Clone, Debug)]
struct Entry {
    job: Job,
    attempts: u32,
    losses: u32,
    place: Place,
}

#[derive(Clone, Debug)]
enum Place {
    Ready { since_ms: u64 },
    Delayed,
    Leased { fence: Fence, until_ms: u64, number: Number },
    Dead { reason: Reason },
}

impl Entry {
    const fn stage(&self) -> Stage {
        match self.place {
            Place::Ready { .. } => Stage::Ready,
            Place::Delayed => Stage::Delayed,
            Place::Leased { .. } => Stage::Leased,
            Place::Dead { .. } => Stage::Dead,
        }
    }
}

type UniqueOf = (TenantId, Kind, UniqueKey);

/// All jobs.
#[derive(Clone, Debug)]
pub(crate) struct QueueState {
    /// How many jobs may be known.
    jobs_max: usize,
    jobs: BTreeMap<JobId, Entry>,
    lines: [Line; 3],
    paused: BTreeSet<Priority>,
    delayed: BTreeSet<(u64, JobId)>,
    leases: BTreeSet<(u64, JobId)>,
    dead: BTreeSet<(u64, JobId)>,
    unique: BTreeMap<UniqueOf, JobId>,
    /// How many jobs were handed out.
    turn: u64,
    /// How many jobs became ready since somebody was told.
    calls: usize,
}

impl Default for QueueState {
    fn default() -> Self {
        Self::with_room_for(JOBS_MAX)
    }
}

impl QueueState {
    /// An empty queue that knows so many jobs at most.
    fn with_room_for(jobs_max: usize) -> Self {
        Self {
            jobs_max,
            jobs: BTreeMap::new(),
            lines: <[Line; 3]>::default(),
            paused: BTreeSet::new(),
            delayed: BTreeSet::new(),
            leases: BTreeSet::new(),
            dead: BTreeSet::new(),
            unique: BTreeMap::new(),
            turn: 0,
            calls: 0,
        }
    }

    /// How many jobs became ready since this was asked last.
    pub(crate) const fn take_calls(&mut self) -> usize {
        std::mem::replace(&mut self.calls, 0)
    }

    /// Takes a job in, unless it is known, its unique key is taken or there are too many.
    pub(crate) fn enqueue(&mut self, now_ms: u64, job: &Job) -> Enqueued {
        if let Some(entry) = self.jobs.get(&job.id) {
            return Enqueued::Known(entry.stage());
        }
        let unique = unique_of(job);
        if let Some(holder) = unique.as_ref().and_then(|unique| self.unique.get(unique)) {
            return Enqueued::NotUnique { holder: holder.clone() };
        }
        if self.jobs.len() >= self.jobs_max {
            return Enqueued::Full;
        }
        if let Some(unique) = unique {
            self.unique.insert(unique, job.id.clone());
        }
        let entry = Entry { job: job.clone(), attempts: 0, losses: 0, place: Place::Delayed };
        self.jobs.insert(job.id.clone(), entry);
        if now_ms < job.not_before_ms {
            self.delayed.insert((job.not_before_ms, job.id.clone()));
            return Enqueued::New(Stage::Delayed);
        }
        self.make_ready(now_ms, &job.id);
        Enqueued::New(Stage::Ready)
    }

    /// Moves the jobs whose time has come and those whose lease is over, some of them if there are many.
    pub(crate) fn settle(&mut self, now_ms: u64) {
        for _ in 0..SETTLE_MAX {
            let Some(id) = pop_due(&mut self.delayed, now_ms) else { break };
            self.make_ready(now_ms, &id);
        }
        for _ in 0..SETTLE_MAX {
            let Some(id) = pop_due(&mut self.leases, now_ms) else { break };
            self.lose(now_ms, &id);
        }
        for _ in 0..SETTLE_MAX {
            let Some(id) = pop_due(&mut self.dead, now_ms.saturating_sub(DEAD_KEEP_MS)) else { break };
            self.jobs.remove(&id);
        }
    }

    /// Hands out up to `count` jobs; `None` when there are some and the fences are used up.
    #[cfg(any(test, feature = "conformance"))]
    pub(crate) fn claim(&mut self, now_ms: u64, count: u32, ttl_ms: u64, mint: &Mint) -> Option<Claim> {
        self.claim_from(Queues::ALL, (now_ms, count), ttl_ms, mint)
    }

    /// Hands out up to `count` jobs of some queues; `None` when there are some and the fences are used up.
    pub(crate) fn claim_from(
        &mut self,
        queues: Queues,
        (now_ms, count): (u64, u32),
        ttl_ms: u64,
        mint: &Mint,
    ) -> Option<Claim> {
        self.settle(now_ms);
        let mut jobs = Vec::new();
        while jobs.len() < count as usize {
            let Some(priority) = self.next_line(queues) else { break };
            let Some(fence) = mint.next() else {
                if jobs.is_empty() {
                    return None;
                }
                break;
            };
            jobs.push(self.hand_out(now_ms + ttl_ms, priority, fence));
        }
        // Whoever claims needs not be called for what it has.
        self.calls = self.calls.saturating_sub(jobs.len());
        let ends = self.delayed.first().into_iter().chain(self.leases.first());
        let next = ends.map(|(at_ms, _)| at_ms.saturating_sub(now_ms)).min();
        let next_ms = if self.next_line(queues).is_some() { Some(0) } else { next };
        Some(Claim { jobs, next_ms })
    }

    /// Starts a lease's lifetime anew; gives its end.
    pub(crate) fn heartbeat(&mut self, now_ms: u64, lease: &Lease, ttl_ms: u64) -> Heard<u64> {
        let Some(entry) = self.held(now_ms, lease) else { return Heard::Lost };
        let end_ms = now_ms + ttl_ms;
        let Place::Leased { until_ms, .. } = &mut entry.place else { return Heard::Lost };
        let before_ms = std::mem::replace(until_ms, end_ms);
        self.leases.remove(&(before_ms, lease.id.clone()));
        self.leases.insert((end_ms, lease.id.clone()));
        Heard::Yes(end_ms)
    }

    /// The work is done: forgets the job.
    pub(crate) fn complete(&mut self, lease: &Lease) -> Heard<()> {
        // Also after the deadline, until a claim has moved the job on: doing it again would be in vain.
        if self.held(0, lease).is_none() {
            return Heard::Lost;
        }
        self.drop_lease(&lease.id);
        if let Some(entry) = self.jobs.remove(&lease.id) {
            self.free_unique(&entry.job);
        }
        Heard::Yes(())
    }

    /// The attempt failed: later again, or never.
    pub(crate) fn fail(&mut self, now_ms: u64, lease: &Lease, verdict: &Verdict) -> Heard<FailOutcome> {
        let Some(entry) = self.held(now_ms, lease) else { return Heard::Lost };
        let is_last = entry.attempts >= entry.job.limits.attempts_max();
        if matches!(verdict, Verdict::PutOff { .. }) {
            entry.attempts -= 1;
        }
        self.drop_lease(&lease.id);
        match verdict {
            Verdict::PutOff { delay_ms } => {
                self.put_off(now_ms, &lease.id, (*delay_ms).min(DELAY_MAX_MS));
                Heard::Yes(FailOutcome::Retried)
            }
            Verdict::Retry { delay_ms, .. } if !is_last => {
                self.put_off(now_ms, &lease.id, (*delay_ms).min(DELAY_MAX_MS));
                Heard::Yes(FailOutcome::Retried)
            }
            Verdict::Retry { reason, .. } | Verdict::Poison { reason } => {
                self.bury(now_ms, &lease.id, reason.clone());
                Heard::Yes(FailOutcome::Dead)
            }
        }
    }

    /// The job was not worked on: it goes to the front, and this was no attempt.
    pub(crate) fn give_back(&mut self, now_ms: u64, lease: &Lease) -> Heard<()> {
        let Some(entry) = self.held(now_ms, lease) else { return Heard::Lost };
        let Place::Leased { number, .. } = entry.place else { return Heard::Lost };
        entry.attempts -= 1;
        let priority = entry.job.priority;
        self.drop_lease(&lease.id);
        self.set_place(&lease.id, Place::Ready { since_ms: now_ms });
        self.lines[priority as usize].stand(now_ms, &lease.id, number);
        self.calls += 1;
        Heard::Yes(())
    }

    /// The most recent dead letters.
    pub(crate) fn dead_letters(&self) -> Vec<DeadLetter> {
        let ids = self.dead.iter().rev().take(SHOW_MAX);
        let letter = |(died_ms, id): &(u64, JobId)| {
            let entry = self.jobs.get(id)?;
            let Place::Dead { reason, .. } = &entry.place else { return None };
            let (reason, attempts) = (reason.clone(), entry.attempts);
            Some(DeadLetter { job: entry.job.clone(), reason, attempts, died_ms: *died_ms })
        };
        ids.filter_map(letter).collect()
    }

    /// Makes dead letters ready again, as if they had never been tried. The oldest first, and a bounded number.
    pub(crate) fn replay(&mut self, now_ms: u64, which: &Which) -> Replayed {
        let is_meant = |id: &JobId| match which {
            Which::One(wanted) => id == wanted,
            Which::OfKind(kind) => self.jobs.get(id).is_some_and(|entry| entry.job.kind == *kind),
        };
        let meant: Vec<_> = self.dead.iter().filter(|(_, id)| is_meant(id)).cloned().collect();
        let mut outcome = Replayed::default();
        for (died_ms, id) in meant {
            if outcome.replayed >= REPLAY_MAX as u64 {
                break;
            }
            if self.take_unique(&id).is_err() {
                outcome.not_unique += 1;
                continue;
            }
            self.dead.remove(&(died_ms, id.clone()));
            if let Some(entry) = self.jobs.get_mut(&id) {
                (entry.attempts, entry.losses) = (0, 0);
            }
            self.make_ready(now_ms, &id);
            outcome.replayed += 1;
        }
        outcome
    }

    /// Lets claims pass a queue by, or not any more.
    pub(crate) fn set_flow(&mut self, priority: Priority, flow: Flow) {
        match flow {
            Flow::Paused => {
                self.paused.insert(priority);
            }
            Flow::Open => {
                self.paused.remove(&priority);
                self.calls += self.lines[priority as usize].len();
            }
        }
    }

    /// How much there is of what.
    pub(crate) fn counts(&self, now_ms: u64) -> QueueCounts {
        let ready = Priority::ALL.map(|priority| {
            let line = &self.lines[priority as usize];
            let age = |since_ms| std::time::Duration::from_millis(now_ms.saturating_sub(since_ms));
            ReadyCount {
                depth: line.len() as u64,
                oldest_age: line.oldest_since_ms().map(age),
                is_paused: self.paused.contains(&priority),
            }
        });
        QueueCounts::new(ready, (self.delayed.len() as u64, self.leases.len() as u64, self.dead.len() as u64))
    }

    /// The line that is served next.
    fn next_line(&self, queues: Queues) -> Option<Priority> {
        let has_work = |priority: &Priority| {
            queues.has(*priority) && !self.paused.contains(priority) && self.lines[*priority as usize].len() > 0
        };
        order_of(self.turn + 1).into_iter().find(has_work)
    }

    fn hand_out(&mut self, until_ms: u64, priority: Priority, fence: Fence) -> ClaimedJob {
        const PROOF: &str = "a line holds ready jobs only, and this one is not empty";
        let line = &mut self.lines[priority as usize];
        let entry = line.first().and_then(|id| self.jobs.get_mut(id)).expect(PROOF);
        let Place::Ready { since_ms } = entry.place else { panic!("{PROOF}") };
        let (number, id) = line.leave(since_ms, entry.job.tenant).expect(PROOF);
        entry.attempts += 1;
        entry.place = Place::Leased { fence, until_ms, number };
        self.leases.insert((until_ms, id.clone()));
        self.turn += 1;
        let (attempt, losses) = (entry.attempts, entry.losses);
        ClaimedJob { job: entry.job.clone(), lease: Lease { id, fence }, attempt, losses, deadline_ms: until_ms }
    }

    /// The job, if this lease holds it at that time.
    fn held(&mut self, now_ms: u64, lease: &Lease) -> Option<&mut Entry> {
        let entry = self.jobs.get_mut(&lease.id)?;
        match entry.place {
            Place::Leased { fence, until_ms, .. } if fence == lease.fence && now_ms < until_ms => Some(entry),
            _ => None,
        }
    }
}

fn unique_of(job: &Job) -> Option<UniqueOf> {
    let unique = job.unique.clone()?;
    Some((job.tenant, job.kind.clone(), unique))
}

/// Takes out the first whose time has come.
fn pop_due(times: &mut BTreeSet<(u64, JobId)>, now_ms: u64) -> Option<JobId> {
    let is_due = times.first().is_some_and(|(at_ms, _)| *at_ms <= now_ms);
    if is_due { times.pop_first().map(|(_, id)| id) } else { None }
}

#[path = "moves.rs"]
mod moves;

#[cfg(feature = "conformance")]
#[path = "rule.rs"]
pub mod rule;

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
