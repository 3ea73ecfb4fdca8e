//! How a workload goes about its rounds: as fast as it can against a system that is well, or for long against one that is broken.

use std::cell::Cell;
use std::time::Duration;

/// How a workload goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Manner {
    /// How often a round begins; without it the next follows at once.
    pub every: Option<Duration>,
    /// What is done about an answer that never came.
    pub patience: Patience,
}

/// What whoever started workloads, and the workloads themselves, tell each other while they go on. All are on one thread.
#[derive(Debug, Default)]
pub struct Steering {
    stop: Cell<bool>,
    under_way: Cell<usize>,
}

impl Steering {
    /// Has the workloads end with what they are doing.
    pub fn stop(&self) {
        self.stop.set(true);
    }

    /// Whether they are to end.
    pub fn is_stopped(&self) -> bool {
        self.stop.get()
    }

    /// How many workloads are past their set-up.
    pub fn under_way(&self) -> usize {
        self.under_way.get()
    }

    pub(super) fn goes(&self) {
        self.under_way.set(self.under_way.get() + 1);
    }
}

/// What is done about outcomes that nobody knows, and about reads at rest that were not answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Patience {
    /// They are asked for after their round; what is not learnt then stays unknown.
    #[default]
    Brief,
    /// Somebody breaks the system meanwhile: they are asked for after every round, and for as long as it takes at the end, when it is
    /// whole again.
    Lasting,
}

/// How hard it is tried to learn what became of requests.
#[derive(Clone, Copy, Debug)]
pub(super) struct Effort {
    /// How often one is sent again.
    pub(super) tries: u32,
    /// How long all of them may take.
    pub(super) all: Duration,
    /// Whether what is not learnt is kept, to be asked for again.
    pub(super) keeps: bool,
}

impl Patience {
    /// After a round.
    pub(super) const fn after_a_round(self) -> Effort {
        match self {
            // Twenty tries for one whose first attempt is at work; ten seconds for a target that answers none of them.
            Self::Brief => Effort { tries: 20, all: Duration::from_secs(10), keeps: false },
            Self::Lasting => Effort { tries: 2, all: Duration::from_secs(2), keeps: true },
        }
    }

    /// When the last round is over.
    pub(super) const fn at_the_end(self) -> Effort {
        match self {
            Self::Brief => self.after_a_round(),
            Self::Lasting => Effort { tries: 200, all: Duration::from_mins(2), keeps: false },
        }
    }

    /// How often something at rest is asked for until it is answered.
    pub(super) const fn at_rest(self) -> u32 {
        match self {
            Self::Brief => 1,
            Self::Lasting => 50,
        }
    }
}
