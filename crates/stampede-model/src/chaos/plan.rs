//! A chaos plan: which faults when, under which load, what must hold meanwhile, and when to give up.
//!
//! Invariants: a plan that was read can be carried out, but for what its targets say; when each fault is due follows from the
//! file alone. Absent on purpose: conditions between faults. What depends on what happened is two plans.

mod read;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::abort::AbortRule;
use super::expected::Expected;
use super::fault::Fault;
use super::kind::Kind;

/// In a shortened run a fault lasts so long, and so long is the gap behind it.
const SHORT: Duration = Duration::from_secs(2);

/// Most faults of one run.
const MOST: usize = 1_000;

/// A read plan.
#[derive(Clone, Debug, PartialEq)]
pub struct ChaosPlan {
    /// What replicas are drawn from; `None` when the file names none.
    pub seed: Option<u64>,
    /// How long the run is; with `gap` at most.
    pub lasts: Duration,
    /// The faults follow one another, each so long after the one before it was undone; without it each has its time.
    pub gap: Option<Duration>,
    /// What clients do meanwhile.
    pub load: PlanLoad,
    /// What other clients do meanwhile, whose histories are judged at the end.
    pub checked: Option<PlanChecked>,
    /// What shows that all is well.
    pub steady: Steady,
    /// Lists of Redis whose lengths are looked at every second: queues.
    pub lists: Vec<String>,
    /// When to give up.
    pub abort: Option<AbortRule>,
    /// The faults.
    pub faults: Vec<PlanFault>,
}

/// What clients do meanwhile.
#[derive(Clone, Debug, PartialEq)]
pub enum PlanLoad {
    /// A scenario file, relative to the plan's folder.
    Scenario(PathBuf),
    /// One GET.
    Path {
        /// What is asked.
        path: String,
        /// How often.
        rate_per_s: f64,
        /// How long an answer may take.
        timeout: Duration,
    },
}

/// Workloads of a target file that go on through the whole run.
#[derive(Clone, Debug, PartialEq)]
pub struct PlanChecked {
    /// The target file, relative to the plan's folder.
    pub target: PathBuf,
    /// How often each workload's clients begin a round together.
    pub every: Duration,
    /// Which, and how large.
    pub workloads: Vec<PlanWorkload>,
}

/// One of them; what is not said is as the target file says it.
#[derive(Clone, Debug, PartialEq)]
pub struct PlanWorkload {
    /// Its id.
    pub id: String,
    /// Its clients.
    pub clients: Option<u32>,
    /// Operations of a round.
    pub round: Option<u32>,
    /// Settings of its model, over the target file's.
    pub settings: BTreeMap<String, toml::Value>,
}

/// A question that is answered as expected while all is well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Steady {
    /// Path of a GET; the target's own question about readiness when the file names none.
    pub path: Option<String>,
    /// The answer that means well.
    pub status: u16,
    /// How long it may take to be so again after the last fault.
    pub within: Duration,
}

impl Default for Steady {
    fn default() -> Self {
        Self { path: None, status: 200, within: Duration::from_secs(30) }
    }
}

/// A fault of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanFault {
    /// Its kind.
    pub kind: Kind,
    /// The fault.
    pub fault: Fault,
    /// What it meets: a service, a replica, a link or a server. A service means one of its replicas, drawn by the seed.
    pub on: Option<String>,
    /// When first.
    pub at: Duration,
    /// How often again.
    pub every: Option<Duration>,
    /// How many times at most.
    pub times: Option<u32>,
    /// How long it lasts.
    pub lasts: Duration,
    /// What it may cost clients.
    pub expected: Expected,
}

/// One injection that is to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// When, from the start of the run.
    pub at: Duration,
    /// Which fault of the plan.
    pub fault: usize,
    /// Which injection of the run, from 0: what the seed's numbers are counted by.
    pub index: u64,
}

impl ChaosPlan {
    /// The same faults in the same order, none longer than two seconds and with two seconds between them; `None` when each has a
    /// time of its own, which nobody can shorten without changing what happens at once.
    #[must_use]
    pub fn shortened(mut self) -> Option<Self> {
        self.gap = Some(self.gap?.min(SHORT));
        for fault in &mut self.faults {
            fault.lasts = fault.lasts.min(SHORT);
        }
        Some(self)
    }

    /// When which fault is due, in order.
    pub fn dues(&self) -> Vec<Due> {
        let mut dues: Vec<(Duration, usize)> = Vec::new();
        for (place, fault) in self.faults.iter().enumerate() {
            let most = fault.times.unwrap_or(if fault.every.is_some() { u32::MAX } else { 1 });
            let mut at = fault.at;
            for _ in 0..most {
                // One more than allowed, so that the caller sees that it is too many.
                if at >= self.lasts || dues.len() > MOST {
                    break;
                }
                dues.push((at, place));
                let Some(every) = fault.every else { break };
                at = at.saturating_add(every);
            }
        }
        dues.sort();
        let numbered = dues.into_iter().zip(0..);
        numbered.map(|((at, fault), index)| Due { at, fault, index }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "seed = 7\nlasts = \"60s\"\n[load]\npath = \"/readyz\"\nrate = \"50/s\"\n";

    fn dues(faults: &str) -> Vec<(u64, usize)> {
        let plan = ChaosPlan::parse("p.toml", &format!("{HEAD}{faults}")).unwrap();
        plan.dues().iter().map(|due| (due.at.as_secs(), due.fault)).collect()
    }

    #[test]
    fn faults_are_due_in_order_and_as_often_as_said() {
        let kill = "[[fault]]\nkind = \"kill\"\non = \"api\"\nat = \"5s\"\nevery = \"20s\"\n";
        assert_eq!(dues(kill), [(5, 0), (25, 0), (45, 0)]);
        assert_eq!(dues(&format!("{kill}times = 2\n")), [(5, 0), (25, 0)]);
        let cut = "[[fault]]\nkind = \"cut\"\non = \"api-redis\"\nat = \"10s\"\nfor = \"3s\"\n";
        assert_eq!(dues(&format!("{kill}{cut}")), [(5, 0), (10, 1), (25, 0), (45, 0)]);
    }

    #[test]
    fn faults_that_follow_one_another_have_no_time_and_can_be_shortened() {
        let text = "lasts = \"20m\"\ngap = \"25s\"\n[load]\npath = \"/\"\nrate = \"9/s\"\n\
            [load.checked]\ntarget = \"t.toml\"\n[load.checked.workload.stock]\nclients = 4\n[load.checked.workload.once]\n\
            [[fault]]\nkind = \"promote\"\nfor = \"30s\"\n[[fault]]\nkind = \"http-twice\"\nshare = \"20%\"\non = \"client-api\"\n";
        let plan = ChaosPlan::parse("p.toml", text).unwrap();
        assert_eq!(plan.dues().iter().map(|due| due.fault).collect::<Vec<_>>(), [0, 1]);
        let checked = plan.checked.clone().unwrap();
        assert_eq!(
            checked.workloads.iter().map(|one| (one.id.as_str(), one.clients)).collect::<Vec<_>>(),
            [("once", None), ("stock", Some(4))]
        );
        let short = plan.shortened().unwrap();
        assert_eq!((short.gap, short.faults[0].lasts), (Some(SHORT), SHORT));
        let timed = format!("{HEAD}[[fault]]\nkind = \"kill\"\n");
        assert_eq!(ChaosPlan::parse("p.toml", &timed).unwrap().shortened(), None);
    }

    #[test]
    fn each_mistake_has_its_line() {
        for (text, place, word) in [
            ("[[fault]]\nkind = \"kil\"\n".to_owned(), "p.toml:7:1", "did you mean `kill`"),
            ("[[fault]]\nkind = \"kill\"\nat = \"70s\"\n".to_owned(), "p.toml:8:1", "after the end"),
            ("[[fault]]\nkind = \"cut\"\nat = \"soon\"\n".to_owned(), "p.toml:8:1", "no duration"),
            ("[[fault]]\nkind = \"cut\"\nfor = \"9s\"\nevery = \"5s\"\n".to_owned(), "p.toml:9:1", "before it is over"),
            ("[[fault]]\nkind = \"clock\"\n".to_owned(), "p.toml:7:1", "faketime"),
            (
                "[abort]\nerrors = \"50%\"\nfor = \"3m\"\n[[fault]]\nkind = \"kill\"\n".to_owned(),
                "p.toml:8:1",
                "at most 2m",
            ),
            ("[abort]\nerrors = \"200%\"\n[[fault]]\nkind = \"kill\"\n".to_owned(), "p.toml:7:1", "no share"),
            ("[[fault]]\nkind = \"kill\"\nwhen = \"1s\"\n".to_owned(), "p.toml:8:1", "unknown field"),
            ("[[fault]]\nkind = \"kill\"\nfailures = [\"status 5xx\"]\n".to_owned(), "p.toml:8:13", "`status5xx`"),
            ("[[fault]]\nkind = \"kill\"\nafter_undo = \"2\"\n".to_owned(), "p.toml:8:1", "after_undo = "),
        ] {
            let error = ChaosPlan::parse("p.toml", &format!("{HEAD}{text}")).unwrap_err().to_string();
            assert!(error.starts_with(place) && error.contains(word), "{text}: {error}");
        }
        let follow = "lasts = \"9s\"\ngap = \"1s\"\n[load]\npath = \"/\"\nrate = \"9/s\"\n";
        let checked = "[load.checked]\ntarget = \"t.toml\"\n";
        let stock = "[load.checked.workload.stock]\n";
        let kill = "[[fault]]\nkind = \"kill\"\n";
        for (text, place, word) in [
            (format!("{follow}{kill}at = \"2s\"\n"), "p.toml:8:1", "follow one another"),
            (format!("{follow}{kill}every = \"2s\"\n"), "p.toml:8:1", "follow one another"),
            (format!("{follow}{checked}{kill}"), "p.toml:6:1", "names no workload"),
            (format!("{follow}{checked}every = \"1ms\"\n{stock}{kill}"), "p.toml:8:1", "at least"),
            (format!("{follow}{checked}{stock}clients = 0\n{kill}"), "p.toml:9:1", "1 to 1,000"),
            (format!("{follow}{checked}{stock}round = 0\n{kill}"), "p.toml:9:1", "at least 1"),
            (format!("{follow}{checked}{stock}rounds = 3\n{kill}"), "p.toml:9:1", "unknown field"),
        ] {
            let error = ChaosPlan::parse("p.toml", &text).unwrap_err().to_string();
            assert!(error.starts_with(place) && error.contains(word), "{text}: {error}");
        }
        let error = ChaosPlan::parse("p.toml", "lasts = \"1s\"\n[load]\n[[fault]]\nkind = \"kill\"\n").unwrap_err();
        assert!(error.message.contains("neither"), "{error}");
    }
}
