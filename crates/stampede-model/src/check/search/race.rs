//! Both searches in turn, piece by piece where the history falls apart into pieces.

use super::deep::Deep;
use super::frontier::Frontier;
use super::mask::{Mask, Wide};
use super::table::Identity;
use super::timeline::Timeline;
use super::{Budget, Call, Duty, GivenUp, Impossible, Method, Outcome, SequentialModel, Settings, Solved, Spent};

/// Steps of one search before the other goes on. Small beside any budget, large beside the cost of changing over.
const TURN: u64 = 16_384;
/// Of the memory, what depth-first may use: it grows without end on a history that nothing explains, where the frontier's is
/// bounded by what is pending.
const DEEP_SHARE: u64 = 8;

/// How far a search has come.
#[derive(Debug)]
pub(super) enum Progress<S> {
    /// It has used its allowance.
    Paused,
    /// There is an order, and it ends in this state.
    Explained(S),
    /// There is none.
    Impossible(Impossible<S>),
}

/// A search that can be interrupted.
pub(super) trait Searcher<S> {
    /// Goes on for about `allowance` steps.
    fn advance(&mut self, allowance: u64) -> Progress<S>;
    /// Steps so far.
    fn steps(&self) -> u64;
    /// What it remembers now.
    fn bytes(&self) -> u64;
}

/// Looks for an order of `calls` that explains every answer.
pub fn solve<L: SequentialModel>(model: &L, mut calls: Vec<Call<L::Op>>, settings: Settings) -> Solved<L::State> {
    // What nobody knows to have happened and what changes nothing can always be left out.
    calls.retain(|call| call.duty == Duty::Must || !model.is_no_op(&call.op));
    let commutes = L::COMMUTES && settings.facts.commuting;
    let mut spent = Spent::default();
    let mut explained = 0;
    let mut state = model.initial();
    for piece in pieces(calls, commutes) {
        let returns = piece.iter().filter(|call| call.return_ns != u64::MAX).count() as u64;
        let timeline = Timeline::of(piece, settings.facts.symmetry);
        let budget = Budget { steps: settings.budget.steps.saturating_sub(spent.steps), ..settings.budget };
        let ground = Ground { model, timeline: &timeline, settings: Settings { budget, ..settings }, root: state };
        let (progress, cost) = ground.race_in_words();
        spent = Spent { steps: spent.steps + cost.steps, bytes: spent.bytes.max(cost.bytes) };
        match progress {
            Ok(Progress::Explained(last)) => state = last,
            Ok(Progress::Impossible(mut impossible)) => {
                impossible.explained += explained;
                return Solved { outcome: Outcome::Impossible(impossible), spent };
            }
            Ok(Progress::Paused) => return Solved { outcome: Outcome::Unknown(GivenUp::Steps), spent },
            Err(why) => return Solved { outcome: Outcome::Unknown(why), spent },
        }
        explained += returns;
    }
    Solved { outcome: Outcome::Explained, spent }
}

/// Cuts where nothing is pending, if the state there is the same in every order: what came before then has no say in the rest.
fn pieces<O>(mut calls: Vec<Call<O>>, commutes: bool) -> Vec<Vec<Call<O>>> {
    calls.sort_by_key(|call| (call.call_ns, call.id));
    let mut pieces: Vec<Vec<Call<O>>> = vec![Vec::new()];
    let mut busy_until_ns = 0;
    // What may or may not have taken effect leaves more than one state behind.
    let mut is_one_state = commutes;
    for call in calls {
        if is_one_state && busy_until_ns < call.call_ns {
            pieces.push(Vec::new());
        }
        busy_until_ns = busy_until_ns.max(call.return_ns);
        is_one_state &= call.duty == Duty::Must;
        if let Some(piece) = pieces.last_mut() {
            piece.push(call);
        }
    }
    pieces
}

/// One piece of a history and the state before it.
struct Ground<'a, L: SequentialModel> {
    model: &'a L,
    timeline: &'a Timeline<L::Op>,
    settings: Settings,
    root: L::State,
}

impl<L: SequentialModel> Ground<'_, L> {
    /// With as many words to a set as the crowd needs.
    fn race_in_words(self) -> (Result<Progress<L::State>, GivenUp>, Spent) {
        match self.timeline.places {
            0..=64 => self.race::<u64>(),
            65..=128 => self.race::<u128>(),
            _ if self.timeline.places <= Wide::PLACES => self.race::<Wide>(),
            _ => (Err(GivenUp::Crowd), Spent::default()),
        }
    }

    fn race<B: Mask>(self) -> (Result<Progress<L::State>, GivenUp>, Spent) {
        let Self { model, timeline, settings, root } = self;
        let Settings { facts, method, budget } = settings;
        // Where something may lapse, the set of those that took effect is not known from what is pending.
        let is_set_enough = L::COMMUTES && facts.commuting && !timeline.has_lapses();
        let identity = if is_set_enough { Identity::Updates } else { Identity::State };
        let mut deep = Deep::<L, B>::new(model, timeline, facts, identity, root.clone());
        let mut frontier = Frontier::<L, B>::new(model, timeline, facts, identity, root);
        let mut runners: Vec<Runner<'_, L::State>> = Vec::new();
        let deep_bytes = if method == Method::Deep { budget.bytes } else { budget.bytes / DEEP_SHARE };
        if method != Method::Frontier {
            runners.push(Runner { searcher: &mut deep, bytes: deep_bytes });
        }
        if method != Method::Deep {
            runners.push(Runner { searcher: &mut frontier, bytes: budget.bytes });
        }
        run(runners, budget.steps)
    }
}

/// A search, and how much it may remember.
struct Runner<'a, S> {
    searcher: &'a mut dyn Searcher<S>,
    bytes: u64,
}

fn run<S>(mut runners: Vec<Runner<'_, S>>, steps: u64) -> (Result<Progress<S>, GivenUp>, Spent) {
    let mut spent = Spent::default();
    while !runners.is_empty() {
        let mut bytes = 0;
        for runner in &mut runners {
            let allowance = TURN.min(steps.saturating_sub(spent.steps));
            if allowance == 0 {
                return (Err(GivenUp::Steps), spent);
            }
            let before = runner.searcher.steps();
            let progress = runner.searcher.advance(allowance);
            spent.steps += runner.searcher.steps() - before;
            bytes += runner.searcher.bytes();
            spent.bytes = spent.bytes.max(bytes);
            if !matches!(progress, Progress::Paused) {
                return (Ok(progress), spent);
            }
        }
        runners.retain(|runner| runner.searcher.bytes() <= runner.bytes);
    }
    (Err(GivenUp::Bytes), spent)
}
