//! One queue's ready jobs in the order in which they leave: fair between tenants, first come first served within one.
//!
//! Each job gets a number when it becomes ready: one more than its tenant's newest, but at least one more than that of the job
//! which left last. The smallest number leaves first. A tenant's backlog so spreads over as many numbers as it has jobs, and
//! another tenant's first job stands right behind the number that is being served: before it leave at most two jobs of each
//! other tenant (its one of the current number that has not left, and its one of the next), however long their backlogs are.
//! A tenant that comes back with a new job each time it is served gets a new number each time, so it starves nobody.
//!
//! A job that is given back unworked keeps its number: it stands in front, and its tenant has paid for it.

use std::collections::{BTreeMap, BTreeSet};

use kv_types::TenantId;

use super::job::JobId;

/// The place of a job in its line; smaller leaves earlier, and among equals the smaller id.
pub(crate) type Number = u64;

/// The line of one queue.
#[derive(Clone, Debug, Default)]
pub(crate) struct Line {
    by_number: BTreeSet<(Number, JobId)>,
    by_age: BTreeSet<(u64, JobId)>,
    /// The newest number of each tenant that has one above `served`.
    newest: BTreeMap<TenantId, Number>,
    /// The highest number that has left.
    served: Number,
}

impl Line {
    /// Stands a job behind its tenant's others; gives its number.
    pub(crate) fn join(&mut self, now_ms: u64, id: &JobId, tenant: TenantId) -> Number {
        let newest = self.newest.get(&tenant).copied().unwrap_or(0);
        let number = newest.max(self.served) + 1;
        self.newest.insert(tenant, number);
        self.stand(now_ms, id, number);
        number
    }

    /// Stands a job that was given back where it was.
    pub(crate) fn stand(&mut self, now_ms: u64, id: &JobId, number: Number) {
        self.by_number.insert((number, id.clone()));
        self.by_age.insert((now_ms, id.clone()));
    }

    /// Who leaves next.
    pub(crate) fn first(&self) -> Option<&JobId> {
        self.by_number.first().map(|(_, id)| id)
    }

    /// Takes out the first, which is `tenant`'s and has been ready since then; gives its number.
    pub(crate) fn leave(&mut self, since_ms: u64, tenant: TenantId) -> Option<(Number, JobId)> {
        let (number, id) = self.by_number.pop_first()?;
        self.by_age.remove(&(since_ms, id.clone()));
        self.served = self.served.max(number);
        // What is not above the number served says nothing any more, and this bounds the table by the tenants in line.
        if self.newest.get(&tenant).is_some_and(|&newest| newest <= self.served) {
            self.newest.remove(&tenant);
        }
        Some((number, id))
    }

    /// How many are ready.
    pub(crate) fn len(&self) -> usize {
        self.by_number.len()
    }

    /// Since when the one is ready that has been for longest.
    pub(crate) fn oldest_since_ms(&self) -> Option<u64> {
        self.by_age.first().map(|(since_ms, _)| *since_ms)
    }

    /// The ids in the order in which they leave.
    #[cfg(any(test, feature = "conformance"))]
    pub(crate) fn ids(&self) -> impl Iterator<Item = &JobId> {
        self.by_number.iter().map(|(_, id)| id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(number: i64) -> TenantId {
        TenantId::new(number).expect("positive")
    }

    fn id(tenant: i64, n: u32) -> JobId {
        JobId::parse(&format!("{tenant}-{n:06}")).expect("allowed")
    }

    fn tenant_of(id: &JobId) -> TenantId {
        tenant(id.as_str().split('-').next().expect("a part").parse().expect("a number"))
    }

    fn next(line: &mut Line) -> JobId {
        let whose = tenant_of(line.first().expect("somebody is in line"));
        line.leave(0, whose).expect("somebody is in line").1
    }

    #[test]
    fn a_backlog_delays_another_tenants_job_by_two() {
        for served_before in [0, 1, 777] {
            let mut line = Line::default();
            for n in 0..10_000 {
                line.join(0, &id(1, n), tenant(1));
            }
            for _ in 0..served_before {
                next(&mut line);
            }
            line.join(0, &id(2, 0), tenant(2));
            let before = (0..10).take_while(|_| tenant_of(&next(&mut line)) == tenant(1)).count();
            assert!(before <= 2, "{before} jobs were before it");
        }
    }

    #[test]
    fn with_many_tenants_it_is_two_of_each() {
        let mut line = Line::default();
        for whose in 1..=50 {
            for n in 0..200 {
                line.join(0, &id(whose, n), tenant(whose));
            }
        }
        for _ in 0..1_234 {
            next(&mut line);
        }
        line.join(0, &id(99, 0), tenant(99));
        let mut before = BTreeMap::new();
        loop {
            let whose = tenant_of(&next(&mut line));
            if whose == tenant(99) {
                break;
            }
            *before.entry(whose).or_insert(0) += 1;
        }
        assert!(before.values().all(|&jobs| jobs <= 2), "{before:?}");
    }

    #[test]
    fn a_tenant_that_comes_back_at_once_starves_nobody() {
        let mut line = Line::default();
        for n in 0..100 {
            line.join(0, &id(2, n), tenant(2));
        }
        let mut served = BTreeMap::new();
        line.join(0, &id(1, 0), tenant(1));
        for n in 1..=100 {
            let whose = tenant_of(&next(&mut line));
            *served.entry(whose).or_insert(0) += 1;
            if whose == tenant(1) {
                line.join(0, &id(1, n), tenant(1));
            }
        }
        assert!(served[&tenant(2)] >= 49, "{served:?}");
    }

    #[test]
    fn within_a_tenant_the_order_is_that_of_coming() {
        let mut line = Line::default();
        let mut left = Vec::new();
        for n in (0..300).rev() {
            line.join(0, &id(1, n), tenant(1));
            if n % 3 == 0 {
                left.push(next(&mut line));
            }
        }
        while line.len() > 0 {
            left.push(next(&mut line));
        }
        let expected: Vec<_> = (0..300).rev().map(|n| id(1, n)).collect();
        assert_eq!(left, expected);
        assert!(line.newest.is_empty() && line.by_age.is_empty(), "nothing is kept of who has left");
    }

    #[test]
    fn what_is_given_back_leaves_first() {
        let mut line = Line::default();
        for n in 0..5 {
            line.join(7, &id(1, n), tenant(1));
        }
        let (number, first) = line.leave(7, tenant(1)).expect("five are in line");
        line.stand(9, &first, number);
        assert_eq!(line.first(), Some(&first));
        assert_eq!(line.oldest_since_ms(), Some(7));
    }
}
