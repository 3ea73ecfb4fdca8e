//! One level from version to version.
//!
//! Invariants: a figure is known when it was shown, or follows from one that was by updates that all named their versions.

use super::typed::{Figure, Figures, Level, StockOp};
use super::witness::agree;
use crate::check::envelope::Spanned;
use crate::check::order::Order;
use crate::check::{Finding, Findings};

/// Steps that may be spent on finding what fills gaps; each gap looks at every unresolved call.
const GAP_STEPS: u64 = 200_000_000;

/// The figures after one version, as far as they are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct State(Figures);

impl State {
    pub(super) fn get(&self, figure: Figure) -> Option<i64> {
        self.0.get(figure)
    }

    /// Whether it can be the reason for the answer of a refusal, or what a read saw.
    pub(super) fn explains(&self, op: &StockOp) -> bool {
        match op.fate() {
            super::typed::Fate::Insufficient => {
                self.get(Figure::Available).is_none_or(|available| available + op.delta(Figure::Available) < 0)
            }
            _ => agree(op.figures(), self),
        }
    }

    fn after(&self, op: &StockOp) -> Self {
        let mut figures = Figures::NONE;
        for figure in Figure::ALL {
            if let Some(value) = self.get(figure) {
                figures = figures.with(figure, value + op.delta(figure));
            }
        }
        Self(figures)
    }

    /// With what was shown in the place of what was thought.
    fn corrected(mut self, shown: &Figures) -> Self {
        for figure in Figure::ALL {
            if let Some(value) = shown.get(figure) {
                self.0 = self.0.with(figure, value);
            }
        }
        self
    }
}

/// What may have happened between two slots without a name.
enum Between {
    Nothing,
    /// So many versions, and nothing else.
    Versions(u64),
    /// Any of the calls that could stand there.
    Anything,
}

/// The run through all slots.
pub(super) struct Replay<'a> {
    level: &'a Level,
    order: &'a Order,
    /// Updates that may have changed the level without making a version, by call, with the latest end up to each.
    quiet: Vec<(u64, u64)>,
    /// Updates that nobody knows the version of.
    unnamed: Vec<u32>,
    states: Vec<State>,
    steps: u64,
    is_explained: bool,
}

impl<'a> Replay<'a> {
    pub(super) fn new(level: &'a Level, order: &'a Order, quiet: &[u32]) -> Self {
        let ops = level.ops();
        let mut latest_end = 0;
        let quiet = quiet.iter().map(|&at| {
            latest_end = latest_end.max(ops[at as usize].end_ns());
            (ops[at as usize].call_ns(), latest_end)
        });
        let quiet = quiet.collect();
        let unnamed = (0..ops.len() as u32).filter(|&at| ops[at as usize].is_unnamed()).collect();
        let states = Vec::with_capacity(order.len());
        Self { level, order, quiet, unnamed, states, steps: GAP_STEPS, is_explained: true }
    }

    /// Whether each missing version was made, beyond doubt, by one of the calls that could have.
    pub(super) fn is_explained(&self) -> bool {
        self.is_explained
    }

    /// The state of each slot.
    pub(super) fn into_states(self) -> Vec<State> {
        self.states
    }

    pub(super) fn run(&mut self, findings: &mut Findings) {
        let begin = if self.order.may_begin_earlier() { State(Figures::NONE) } else { State(*self.level.base()) };
        let first = self.look(0, begin, findings);
        self.states.push(first);
        for slot in 1..self.order.len() {
            let before = self.states[slot - 1];
            let between = self.between(slot);
            let state = match (self.order.update(slot), &between) {
                (Some(at), Between::Nothing) => self.step(slot, before, &self.level.ops()[at], findings),
                (Some(at), _) => {
                    let op = &self.level.ops()[at];
                    let known = State(Figures::NONE).corrected(op.figures());
                    self.check_gap(slot, &between, (&before.after(op), &known), findings);
                    known
                }
                (None, _) => {
                    let looks = self.order.looks(slot);
                    let shown = looks.first().map_or(Figures::NONE, |&at| *self.level.ops()[at as usize].figures());
                    let known = State(Figures::NONE).corrected(&shown);
                    self.check_gap(slot, &between, (&before, &known), findings);
                    known
                }
            };
            let state = self.look(slot, state, findings);
            self.states.push(state);
        }
    }

    /// One update right after the version before it.
    fn step(&self, slot: usize, before: State, op: &StockOp, findings: &mut Findings) -> State {
        let expected = before.after(op);
        let ids = [Some(op.id()), self.previous(slot)];
        let version = self.order.version(slot);
        for figure in [Figure::Available, Figure::Reserved] {
            let (Some(left), own) = (expected.get(figure), op.delta(figure)) else { continue };
            if left < 0 && own < 0 {
                let had = left - own;
                let rule = if figure == Figure::Available { "oversold" } else { "units-made" };
                let what = format!(
                    "version {version} is {}, but version {} had {had} {}",
                    op.words(),
                    version - 1,
                    figure.as_str()
                );
                let finding = Finding::new(rule, self.level.key(), what).by(ids.into_iter().flatten());
                findings.violation(finding.allowed("a refusal"));
            }
        }
        if !agree(op.figures(), &expected) {
            findings.violation(self.wrong(slot, op, &expected));
        }
        expected.corrected(op.figures())
    }

    /// The reads that name this version must show its figures. Its state with what they add to it.
    fn look(&self, slot: usize, mut state: State, findings: &mut Findings) -> State {
        let until_ns = if slot + 1 < self.order.len() { self.order.latest_ns(slot + 1) } else { u64::MAX };
        // A change that makes no version may lie between two reads of one version.
        let is_steady = !self.may_be_quiet(self.order.begins_ns(slot), until_ns);
        for &at in self.order.looks(slot) {
            let op = &self.level.ops()[at as usize];
            if is_steady && !agree(op.figures(), &state) {
                findings.violation(self.wrong(slot, op, &state));
            }
            for figure in Figure::ALL {
                if let (None, Some(shown)) = (state.get(figure), op.figures().get(figure)) {
                    state.0 = state.0.with(figure, shown);
                }
            }
        }
        state
    }

    /// An answer that differs from the replay of its version.
    fn wrong(&self, slot: usize, op: &StockOp, expected: &State) -> Finding {
        let off = |figure| match (op.figures().get(figure), expected.get(figure)) {
            (Some(shown), Some(known)) => shown - known,
            _ => 0,
        };
        let previous = self
            .order
            .update(slot)
            .filter(|_| !op.is_update())
            .or_else(|| slot.checked_sub(1).and_then(|slot| self.order.update(slot)));
        let previous = previous.map(|at| &self.level.ops()[at]);
        let is_undone = previous.is_some_and(|previous| {
            let all = [Figure::Available, Figure::Reserved];
            let mut shown = all.iter().filter(|&&figure| op.figures().get(figure).is_some()).peekable();
            shown.peek().is_some() && shown.all(|&figure| off(figure) == -previous.delta(figure))
        });
        let sum: i64 = [Figure::Available, Figure::Reserved, Figure::Shipped].into_iter().map(off).sum();
        let rule = match sum {
            _ if is_undone => "lost-update",
            1.. => "units-made",
            0 if off(Figure::Received) == 0 => "lost-update",
            _ => "units-lost",
        };
        let side = |get: &dyn Fn(Figure) -> Option<i64>| {
            let parts = Figure::ALL.into_iter().filter(|&figure| off(figure) != 0);
            let parts: Vec<_> =
                parts.filter_map(|figure| Some(format!("{} {}", get(figure)?, figure.as_str()))).collect();
            parts.join(" and ")
        };
        let shown = side(&|figure| op.figures().get(figure));
        let known = side(&|figure| expected.get(figure));
        let what = format!(
            "{} answered {shown} at version {}, but the updates up to it leave {known}",
            op.words(),
            self.order.version(slot)
        );
        let ids = [Some(op.id()), previous.map(StockOp::id), self.previous(slot)];
        let mut ids: Vec<u64> = ids.into_iter().flatten().collect();
        ids.dedup();
        Finding::new(rule, self.level.key(), what).by(ids).allowed(known)
    }

    /// The update or a read of the version before.
    fn previous(&self, slot: usize) -> Option<u64> {
        let slot = slot.checked_sub(1)?;
        let at = self.order.update(slot).or_else(|| self.order.looks(slot).first().map(|&at| at as usize))?;
        Some(self.level.ops()[at].id())
    }

    fn between(&self, slot: usize) -> Between {
        if self.may_be_quiet(self.order.begins_ns(slot - 1), self.order.latest_ns(slot)) {
            return Between::Anything;
        }
        match self.order.missing_before(slot) {
            0 => Between::Nothing,
            missing => Between::Versions(missing),
        }
    }

    /// Whether an update that makes no version can have taken effect in this time.
    fn may_be_quiet(&self, from_ns: u64, until_ns: u64) -> bool {
        let able = self.quiet.partition_point(|(call_ns, _)| *call_ns <= until_ns);
        able > 0 && self.quiet[able - 1].1 >= from_ns
    }

    /// What is off between the replay and the next known state must be something that the nameless calls can have done.
    fn check_gap(&mut self, slot: usize, between: &Between, states: (&State, &State), findings: &mut Findings) {
        let (from_ns, until_ns) = (self.order.begins_ns(slot - 1), self.order.latest_ns(slot));
        let Some(steps) = self.steps.checked_sub(self.unnamed.len() as u64) else {
            self.is_explained = false;
            return;
        };
        self.steps = steps;
        let ops = self.level.ops();
        let able = self.unnamed.iter().map(|&at| &ops[at as usize]);
        let able: Vec<&StockOp> = able.filter(|op| op.call_ns() <= until_ns && op.end_ns() >= from_ns).collect();
        let (expected, known) = states;
        let off = |figure: Figure| Some(known.get(figure)? - expected.get(figure)?);
        let is_able = match between {
            Between::Versions(1) => {
                able.iter().any(|op| Figure::ALL.into_iter().all(|f| off(f).is_none_or(|off| off == op.delta(f))))
            }
            Between::Versions(count) => {
                Figure::ALL.into_iter().all(|f| off(f).is_none_or(|off| sums(&able, f, *count).contains(&off)))
            }
            Between::Nothing | Between::Anything => Figure::ALL.into_iter().all(|f| {
                let deltas = able.iter().map(|op| op.delta(f));
                let reach = deltas.clone().map(|delta| delta.min(0)).sum()..=deltas.map(|delta| delta.max(0)).sum();
                off(f).is_none_or(|off| reach.contains(&off))
            }),
        };
        self.is_explained &= matches!(between, Between::Versions(1)) && off(Figure::Available).is_some();
        // Too few calls for the versions is told with the order itself.
        let is_short = matches!(between, Between::Versions(count) if (able.len() as u64) < *count);
        if !is_able && !is_short {
            findings.violation(self.unfilled(slot, (expected, known), &able));
        }
    }

    fn unfilled(&self, slot: usize, (expected, known): (&State, &State), able: &[&StockOp]) -> Finding {
        let off = |figure: Figure| Some(known.get(figure)? - expected.get(figure)?);
        let sum: i64 = [Figure::Available, Figure::Reserved, Figure::Shipped].into_iter().filter_map(off).sum();
        let rule = if sum > 0 { "units-made" } else { "units-lost" };
        let parts =
            Figure::ALL.into_iter().filter_map(|figure| Some(format!("{:+} {}", off(figure)?, figure.as_str())));
        let parts: Vec<_> = parts.collect();
        let what = format!(
            "between versions {} and {} the level changed by {} beside the updates that were answered, which no call of unknown outcome explains",
            self.order.version(slot - 1),
            self.order.version(slot),
            parts.join(", ")
        );
        let at = self.order.update(slot).or_else(|| self.order.looks(slot).first().map(|&at| at as usize));
        let ids = at.map(|at| self.level.ops()[at].id()).into_iter().chain(self.previous(slot));
        let allowed: Vec<_> = able.iter().take(4).map(|op| op.words()).collect();
        Finding::new(rule, self.level.key(), what)
            .by(ids.chain(able.iter().take(4).map(|op| op.id())))
            .allowed(if allowed.is_empty() { "no change".to_owned() } else { allowed.join(" or ") })
    }
}

/// What exactly `count` of `able` can add up to: the least and the most.
fn sums(able: &[&StockOp], figure: Figure, count: u64) -> std::ops::RangeInclusive<i64> {
    let mut deltas: Vec<i64> = able.iter().map(|op| op.delta(figure)).collect();
    deltas.sort_unstable();
    let count = usize::try_from(count).unwrap_or(usize::MAX).min(deltas.len());
    deltas[..count].iter().sum()..=deltas[deltas.len() - count..].iter().sum()
}
