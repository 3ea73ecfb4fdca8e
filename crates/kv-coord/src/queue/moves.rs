//! How a job goes from one place to another.
//!
//! Invariant: whoever takes a job out of one place puts it into another, or forgets it, before the event is over.

use super::{DEAD_MAX, Entry, Place, QueueState, unique_of};
use crate::queue::job::{Job, JobId};
use crate::queue::outcome::Reason;

impl QueueState {
    pub(super) fn drop_lease(&mut self, id: &JobId) {
        if let Some(Entry { place: Place::Leased { until_ms, .. }, .. }) = self.jobs.get(id) {
            self.leases.remove(&(*until_ms, id.clone()));
        }
    }

    pub(super) fn set_place(&mut self, id: &JobId, place: Place) {
        if let Some(entry) = self.jobs.get_mut(id) {
            entry.place = place;
        }
    }

    pub(super) fn make_ready(&mut self, now_ms: u64, id: &JobId) {
        let Some(entry) = self.jobs.get_mut(id) else { return };
        entry.place = Place::Ready { since_ms: now_ms };
        // It has come.
        entry.job.not_before_ms = 0;
        let (priority, tenant) = (entry.job.priority, entry.job.tenant);
        self.lines[priority as usize].join(now_ms, id, tenant);
        self.calls += 1;
    }

    pub(super) fn put_off(&mut self, now_ms: u64, id: &JobId, delay_ms: u64) {
        if delay_ms == 0 {
            return self.make_ready(now_ms, id);
        }
        self.set_place(id, Place::Delayed);
        self.delayed.insert((now_ms + delay_ms, id.clone()));
    }

    /// A lease ended without a word.
    pub(super) fn lose(&mut self, now_ms: u64, id: &JobId) {
        let Some(entry) = self.jobs.get_mut(id) else { return };
        entry.losses += 1;
        let (attempts, losses, limits) = (entry.attempts, entry.losses, entry.job.limits);
        if losses >= limits.losses_max() || attempts >= limits.attempts_max() {
            let reason = Reason::new(&format!("{losses} of {attempts} attempts ended with their lease"));
            self.bury(now_ms, id, reason);
        } else {
            self.make_ready(now_ms, id);
        }
    }

    pub(super) fn bury(&mut self, now_ms: u64, id: &JobId, reason: Reason) {
        let Some(entry) = self.jobs.get_mut(id) else { return };
        entry.place = Place::Dead { reason };
        let job = entry.job.clone();
        self.free_unique(&job);
        self.dead.insert((now_ms, id.clone()));
        if self.dead.len() > DEAD_MAX
            && let Some((_, oldest)) = self.dead.pop_first()
        {
            self.jobs.remove(&oldest);
        }
    }

    pub(super) fn free_unique(&mut self, job: &Job) {
        if let Some(unique) = unique_of(job)
            && self.unique.get(&unique) == Some(&job.id)
        {
            self.unique.remove(&unique);
        }
    }

    /// Takes the job's unique key, if it has one and nobody else has it.
    pub(super) fn take_unique(&mut self, id: &JobId) -> Result<(), ()> {
        let Some(unique) = self.jobs.get(id).and_then(|entry| unique_of(&entry.job)) else { return Ok(()) };
        match self.unique.insert(unique.clone(), id.clone()) {
            Some(holder) if holder != *id => {
                self.unique.insert(unique, holder);
                Err(())
            }
            _ => Ok(()),
        }
    }
}
