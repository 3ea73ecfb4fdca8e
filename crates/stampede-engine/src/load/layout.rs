//! Which step of which flow is which series of the result, and which barrier is which.
//!
//! Invariants: the number of series is bounded, whatever a plan names; what is beyond the bound is added to one series that
//! says so, never dropped.

use super::flow::Flow;
use super::scenario::{BarrierSpec, StepSpec};

/// Most series of their own: more than a person reads, and 200 of them take some 50 MB.
pub(super) const SERIES_MAX: usize = 200;
/// The name of the series that takes the rest.
pub(super) const OTHER: &str = "(other)";

/// The order of the result.
pub(super) struct Layout {
    pub(super) specs: Vec<StepSpec>,
    pub(super) series_of: Vec<Box<[u32]>>,
    pub(super) barriers: Vec<BarrierSpec>,
    pub(super) barriers_of: Vec<Box<[u32]>>,
}

impl Layout {
    pub(super) fn of(flows: &[Flow]) -> Self {
        Self::bounded(flows, SERIES_MAX)
    }

    fn bounded(flows: &[Flow], most: usize) -> Self {
        let mut specs: Vec<StepSpec> = Vec::new();
        let mut barriers: Vec<BarrierSpec> = Vec::new();
        let series_of =
            flows.iter().map(|flow| flow.steps().into_iter().map(|step| series(&mut specs, step, most)).collect());
        let series_of = series_of.collect();
        let barriers_of = flows.iter().map(|flow| {
            let own = flow.drive.barriers().into_iter();
            own.map(|barrier| {
                let known = barriers.iter().position(|known| known.name == barrier.name);
                known.unwrap_or_else(|| {
                    barriers.push(barrier);
                    barriers.len() - 1
                }) as u32
            })
            .collect()
        });
        let barriers_of = barriers_of.collect();
        Self { specs, series_of, barriers, barriers_of }
    }
}

fn series(specs: &mut Vec<StepSpec>, step: StepSpec, most: usize) -> u32 {
    let known = specs.iter().position(|known| known.name == step.name && known.method == step.method);
    if let Some(known) = known {
        return known as u32;
    }
    if specs.len() < most {
        specs.push(step);
    } else if specs.len() == most {
        specs.push(StepSpec::new("", OTHER));
    }
    (specs.len() - 1) as u32
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;
    use crate::http::RequestPlan;
    use crate::load::fixed::Fixed;
    use crate::load::flow::FlowLoad;
    use crate::load::plan::Expect;

    fn flow(paths: &[&str]) -> Flow {
        let requests = paths.iter().map(|path| RequestPlan::get(&format!("http://x{path}")).unwrap()).collect();
        let scenario = Fixed { requests, expect: Expect::Any };
        Flow::new("", scenario, FlowLoad::Connections { connections: NonZeroU32::MIN })
    }

    #[test]
    fn equal_steps_of_two_flows_are_one_series() {
        let layout = Layout::of(&[flow(&["/a", "/b"]), flow(&["/b?q=1", "/c"])]);
        let names: Vec<&str> = layout.specs.iter().map(|spec| spec.name.as_str()).collect();
        assert_eq!(names, ["GET /a", "GET /b", "GET /c"]);
        assert_eq!(layout.series_of, [Box::from([0, 1]), Box::from([1, 2])]);
    }

    #[test]
    fn beyond_the_bound_there_is_one_series_for_all() {
        let layout = Layout::bounded(&[flow(&["/a", "/b", "/c", "/d", "/a"])], 2);
        assert_eq!(layout.specs.len(), 3);
        assert_eq!(layout.specs[2].name, OTHER);
        assert_eq!(*layout.series_of[0], [0, 1, 2, 2, 0]);
    }
}
