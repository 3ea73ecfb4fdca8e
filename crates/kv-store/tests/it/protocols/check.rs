//! How a model is judged: every state that can be reached is looked at, and a planted mistake must be found.

#![allow(clippy::print_stdout, reason = "the figures of a run are for its reader")]

use std::collections::BTreeSet;
use std::collections::hash_map::{DefaultHasher, Entry, HashMap};
use std::fmt::Debug;
use std::hash::{Hash, Hasher};
use std::time::Instant;

use stateright::{Checker, HasDiscoveries, Model};

/// Every reachable state keeps what the model always promises, each `sometimes` comes about, and every run ends.
///
/// That runs end is checked here because the properties about the end of a run say nothing about one without an end.
pub(crate) fn holds<M>(what: &str, model: M)
where
    M: Model + Send + Sync + 'static,
    M::State: Clone + Debug + Hash + PartialEq + Send + Sync + 'static,
    M::Action: Clone + Debug + PartialEq,
{
    let begin = Instant::now();
    let ends = every_run_ends(&model);
    let checker = model.checker().spawn_bfs().join();
    let (states, steps) = (checker.unique_state_count(), checker.state_count());
    println!("{what}: {states} states by {steps} steps, {ends} ends, {:.1} s", begin.elapsed().as_secs_f64());
    checker.assert_properties();
}

/// A model with a planted mistake breaks `property`, and the checker finds how.
pub(crate) fn breaks<M>(what: &str, model: M, property: &'static str)
where
    M: Model + Send + Sync + 'static,
    M::State: Clone + Debug + Hash + PartialEq + Send + Sync + 'static,
    M::Action: Clone + Debug + PartialEq,
{
    let found = HasDiscoveries::AnyOf(BTreeSet::from([property]));
    let checker = model.checker().finish_when(found).spawn_bfs().join();
    let way = checker.assert_any_discovery(property);
    println!("{what}: \"{property}\" is broken by {way}");
}

/// Walks every run to its end and panics if one comes back to where it was; gives the number of ends.
fn every_run_ends<M>(model: &M) -> usize
where
    M: Model,
    M::State: Hash,
    M::Action: Debug,
{
    #[derive(PartialEq)]
    enum Walk {
        Open,
        Ended,
    }
    let mut walks = HashMap::new();
    let mut ends = 0;
    for first in model.init_states() {
        let mut path = vec![(name_of(&first), model.next_states(&first))];
        walks.insert(path[0].0, Walk::Open);
        while let Some((name, rest)) = path.last_mut() {
            let Some(next) = rest.pop() else {
                walks.insert(*name, Walk::Ended);
                path.pop();
                continue;
            };
            let name = name_of(&next);
            match walks.entry(name) {
                Entry::Occupied(walk) => assert!(*walk.get() == Walk::Ended, "a run goes round for ever"),
                Entry::Vacant(walk) => {
                    walk.insert(Walk::Open);
                    let rest = model.next_states(&next);
                    ends += usize::from(rest.is_empty());
                    path.push((name, rest));
                }
            }
        }
    }
    ends
}

/// Stands for a state; two states share one by a chance of about one in a billion for the largest model here.
fn name_of(state: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    state.hash(&mut hasher);
    hasher.finish()
}

/// Whether nothing can happen any more.
pub(crate) fn is_over<M: Model>(model: &M, state: &M::State) -> bool {
    let mut actions = Vec::new();
    model.actions(state, &mut actions);
    actions.is_empty()
}
