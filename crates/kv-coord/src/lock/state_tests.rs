use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use proptest::prelude::*;
use tokio::time::Instant;

use super::*;
use crate::lock::fence::Epoch;

/// Collects deliveries; a waiter listed as gone refuses its own.
#[derive(Clone, Debug)]
struct Post {
    delivered: Rc<RefCell<Vec<Grant>>>,
    gone: Rc<RefCell<Vec<Token>>>,
}

impl Wake for Post {
    fn deliver(self, grant: Grant) -> bool {
        if self.gone.borrow().contains(&grant.token) {
            return false;
        }
        self.delivered.borrow_mut().push(grant);
        true
    }
}

#[derive(Clone, Debug)]
enum Event {
    Ask,
    /// The n-th grant ever made is released, renewed.
    Release(usize),
    Renew(usize),
    /// The n-th claimant ever made hangs up, with or without saying so.
    Cancel(usize),
    Vanish(usize),
    Pass(u64),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => Just(Event::Ask),
        3 => (0usize..40).prop_map(Event::Release),
        1 => (0usize..40).prop_map(Event::Renew),
        1 => (0usize..40).prop_map(Event::Cancel),
        1 => (0usize..40).prop_map(Event::Vanish),
        2 => (1u64..150).prop_map(Event::Pass),
    ]
}

/// Drives one lock and checks every grant against the line a plain list predicts.
struct Rig {
    state: LockState<Post>,
    mint: Mint,
    now: Instant,
    post: Post,
    claimants: Vec<Token>,
    asked_order: HashMap<Token, usize>,
    grants: Vec<Grant>,
}

const TTL_MS: u64 = 100;
const WAIT_MS: u64 = 300;

impl Rig {
    fn new() -> Self {
        Self {
            state: LockState::default(),
            mint: Mint::new(Epoch::new(1).expect("in range")),
            now: Instant::now(),
            post: Post { delivered: Rc::default(), gone: Rc::default() },
            claimants: Vec::new(),
            asked_order: HashMap::new(),
            grants: Vec::new(),
        }
    }

    fn apply(&mut self, event: &Event) {
        let ttl = Ttl::from_millis(TTL_MS).expect("in range");
        match *event {
            Event::Ask => {
                let claimant = Claimant { token: Token::random(), ttl };
                self.asked_order.insert(claimant.token, self.claimants.len());
                self.claimants.push(claimant.token);
                match self.state.try_acquire(self.now, claimant, &self.mint) {
                    Try::Granted(grant) => self.grants.push(grant),
                    Try::Held { .. } => {
                        let deadline = self.now + Duration::from_millis(WAIT_MS);
                        self.state.join(claimant, deadline, self.post.clone()).expect("far below the cap");
                    }
                    Try::FencesUsedUp => panic!("a fresh epoch cannot be used up"),
                }
            }
            Event::Release(nth) => {
                if let Some(grant) = self.grants.get(nth % self.grants.len().max(1)).copied() {
                    self.state.release(self.now, grant.token, &self.mint);
                }
            }
            Event::Renew(nth) => {
                if let Some(grant) = self.grants.get(nth % self.grants.len().max(1)).copied() {
                    self.state.renew(self.now, grant.token, ttl, &self.mint);
                }
            }
            Event::Cancel(nth) => {
                if let Some(&token) = self.claimants.get(nth % self.claimants.len().max(1)) {
                    self.state.cancel(self.now, token, &self.mint);
                }
            }
            Event::Vanish(nth) => {
                if let Some(&token) = self.claimants.get(nth % self.claimants.len().max(1)) {
                    self.post.gone.borrow_mut().push(token);
                }
            }
            Event::Pass(ms) => self.now += Duration::from_millis(ms),
        }
        let delivered = std::mem::take(&mut *self.post.delivered.borrow_mut());
        self.grants.extend(delivered);
    }

    fn check(&mut self) {
        assert!(self.grants.is_sorted_by(|a, b| a.fence < b.fence), "fences must grow with every grant");
        let order: Vec<_> = self.grants.iter().map(|grant| self.asked_order[&grant.token]).collect();
        assert!(order.is_sorted(), "somebody overtook: {order:?}");
        let free = self.state.settle(self.now, &self.mint).is_none();
        let delivered = std::mem::take(&mut *self.post.delivered.borrow_mut());
        self.grants.extend(delivered);
        assert!(!free || self.state.line.is_empty(), "somebody waits for a free lock");
        if let Some(holder) = &self.state.holder {
            let last = self.grants.last().expect("a holder was granted to");
            assert_eq!(holder.fence, last.fence, "the holder is the latest grant");
            assert!(holder.until > self.now);
        }
    }
}

proptest! {
    #[test]
    fn one_holder_in_order_of_asking_whatever_happens(events in prop::collection::vec(event(), 1..200)) {
        let mut rig = Rig::new();
        for event in &events {
            rig.apply(event);
            rig.check();
        }
    }
}

#[test]
fn a_full_line_refuses() {
    let mut rig = Rig::new();
    rig.apply(&Event::Ask);
    for _ in 0..QUEUE_CAP {
        rig.apply(&Event::Ask);
    }
    let claimant = Claimant { token: Token::random(), ttl: Ttl::DEFAULT };
    assert_eq!(rig.state.join(claimant, rig.now, rig.post.clone()), Err(QUEUE_CAP));
}

#[test]
fn a_late_owner_learns_whether_anybody_followed() {
    let mut rig = Rig::new();
    rig.apply(&Event::Ask);
    rig.apply(&Event::Pass(TTL_MS));
    assert_eq!(rig.state.release(rig.now, rig.grants[0].token, &rig.mint), ReleaseOutcome::Expired);
    rig.apply(&Event::Ask);
    assert_eq!(rig.state.release(rig.now, rig.grants[0].token, &rig.mint), ReleaseOutcome::NotOwner);
    assert_eq!(rig.state.renew(rig.now, rig.grants[0].token, Ttl::DEFAULT, &rig.mint), RenewOutcome::NotOwner);
}
