//! One measurement of the doctor's: a fresh null server in a process of its own, a plan against it, both sides' counts.
//!
//! Invariant: the server is gone when a measurement is over, also when it was interrupted.

use std::fmt::Display;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::Context;
use serde::Serialize;
use stampede_engine::load::{LoadPlan, RequestPlan, run};
use stampede_engine::null_server::{Child, Habits};
use stampede_model::run_result::{Ending, LoadResult};

use super::args::serving;
use crate::exit::Exit;
use crate::watch::{Show, watched};
use crate::{Failure, print};

/// Where measurements take place.
pub(super) struct Bench {
    program: PathBuf,
    started: Instant,
}

/// What one measurement gave.
pub(super) struct Measured {
    pub(super) result: LoadResult,
    pub(super) server_cpu_ns: u64,
    pub(super) counted: Counted,
}

/// Requests as either side counted them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Counted {
    /// By the generator: those whose answer came.
    pub(super) by_generator: u64,
    /// By the server.
    pub(super) by_server: u64,
    /// Requests that failed or were unfinished: the server may have seen them or not.
    pub(super) uncertain: u64,
}

impl Counted {
    /// Whether both can be right.
    pub(super) fn agrees(self) -> bool {
        (self.by_generator..=self.by_generator + self.uncertain).contains(&self.by_server)
    }
}

impl Bench {
    pub(super) fn new() -> Result<Self, Failure> {
        let program = std::env::current_exe().context("cannot find this program itself").map_err(Failure::tool)?;
        Ok(Self { program, started: Instant::now() })
    }

    /// Says what is being done.
    pub(super) fn say(&self, what: impl Display) {
        print::remark(format_args!("{:>3}s  {what}", self.started.elapsed().as_secs()));
    }

    /// Carries out the plan that `plan` makes of a request to a server with these habits.
    pub(super) fn measure(
        &self,
        habits: Habits,
        plan: impl FnOnce(RequestPlan) -> LoadPlan,
    ) -> Result<Measured, Failure> {
        let child = Child::spawn(&self.program, &serving(habits));
        let mut server = child.context("cannot start the null server").map_err(Failure::tool)?;
        let plan = plan(RequestPlan::get(server.url()).map_err(Failure::tool)?);
        let result = watched(Show::Nothing, move |control| run(&plan, control))?;
        if result.ending == Ending::Interrupted {
            return Err(Failure { exit: Exit::Interrupted, error: anyhow::anyhow!("stopped before all was measured") });
        }
        let tally = server.tally().context("the null server is gone").map_err(Failure::tool)?;
        let counts = &result.counts;
        let counted = Counted {
            by_generator: counts.answered,
            by_server: tally.requests,
            uncertain: counts.sent - counts.answered,
        };
        Ok(Measured { counted, result, server_cpu_ns: tally.cpu_ns })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_differ_by_no_more_than_what_is_uncertain() {
        let counted = |by_server, uncertain| Counted { by_generator: 10, by_server, uncertain };
        assert!(counted(10, 0).agrees() && counted(12, 2).agrees());
        assert!(!counted(9, 5).agrees() && !counted(11, 0).agrees());
    }
}
