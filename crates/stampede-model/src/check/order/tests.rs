//! What the order alone says, on operations that are nothing else.

use super::*;
use crate::check::{Answer, Strength};

#[derive(Clone, Copy)]
struct One(u64, Role, u64, u64);

impl Spanned for One {
    fn call_ns(&self) -> u64 {
        self.2
    }
    fn end_ns(&self) -> u64 {
        self.3
    }
}

impl Versioned for One {
    fn id(&self) -> u64 {
        self.0
    }
    fn role(&self) -> Role {
        self.1
    }
}

fn found(operations: &[One]) -> Vec<(String, Vec<u64>)> {
    let mut findings = Findings::default();
    Order::build(operations, "k", &mut findings).check_gaps(operations, "k", &mut findings);
    let report = findings.conclude("order", Strength::Rules, 1, 1);
    assert_eq!(report.violations.is_empty(), report.answer == Answer::Holds);
    report.violations.into_iter().map(|finding| (finding.rule, finding.operations)).collect()
}

#[test]
fn versions_in_the_order_of_time_are_in_order() {
    let [one, two] = [One(0, Role::Update(7), 0, 10), One(1, Role::Update(8), 5, 6)];
    assert_eq!(found(&[one, two, One(2, Role::Look(8), 6, 9), One(3, Role::Look(7), 0, 5)]), []);
    assert_eq!(found(&[]), []);
    assert_eq!(found(&[One(0, Role::Update(i64::MIN), 0, 1), One(1, Role::Look(i64::MAX), 0, 1)]).len(), 1);
}

#[test]
fn a_look_is_old_when_a_later_version_was_out_and_early_when_nobody_had_made_it() {
    let [one, two] = [One(0, Role::Update(7), 0, 10), One(1, Role::Update(8), 12, 20)];
    assert_eq!(found(&[one, two, One(2, Role::Look(7), 21, 22)]), [("stale-read".into(), vec![2, 1])]);
    assert_eq!(found(&[one, two, One(2, Role::Look(8), 5, 11)]), [("not-linearizable".into(), vec![1, 2])]);
    let seen_new = One(2, Role::Look(8), 12, 13);
    assert_eq!(found(&[one, two, seen_new, One(3, Role::Look(7), 14, 15)]), [("stale-read".into(), vec![3, 2])]);
}

#[test]
fn missing_versions_need_as_many_calls_in_time() {
    let known = [One(0, Role::Update(1), 0, 10), One(1, Role::Update(4), 20, 30), One(2, Role::Update(6), 40, 50)];
    let with = |calls: &[u64]| {
        let fillers = calls.iter().enumerate().map(|(at, call)| One(10 + at as u64, Role::Filler, *call, u64::MAX));
        let all: Vec<_> = known.into_iter().chain(fillers).collect();
        found(&all)
    };
    assert_eq!(with(&[0, 30, 50]), []);
    assert_eq!(with(&[0, 31, 50]), [("lost-update".into(), vec![1, 0])]);
    assert_eq!(with(&[0, 1, 51]), [("lost-update".into(), vec![2, 1])]);
    assert_eq!(with(&[]).len(), 2);
}
