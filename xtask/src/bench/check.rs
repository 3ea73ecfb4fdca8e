//! The exact search of histories beside other people's, on the same histories: time and memory, each in a process of its own.
//!
//! The checkers are built in a workspace of their own, because the others bring packages that nothing here should have.
//! Who gave no answer within 30 s or 3 GiB is not asked for more clients of the same sort.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::Bench;
use crate::say;

/// The crate with the checkers and the histories.
const CRATE: &str = "crates/stampede-model/peers";
const OURS: &str = "ours";
const OTHERS: [&str; 2] = ["porcupine-rs", "stateright"];
/// Measured once only when it took so long.
const LONG_MS: f64 = 1_000.0;
/// Names and limits of what has to be reached: those are the figures by which the search was accepted.
const TARGETS: [(&str, f64); 4] = [
    ("lock-100-violating", 100.0),
    ("unit-64-violating", 5_000.0),
    ("witness-100-valid", 1_000.0),
    ("bounds-100-valid", 2_000.0),
];

/// One measurement.
#[derive(Clone, Debug, PartialEq)]
struct Measured {
    /// `valid`, `violating`, or why there is no answer.
    said: String,
    ms: f64,
    kib: u64,
}

pub(super) fn run(bench: &Bench, root: &Path) -> Result<()> {
    let program = build(bench, root)?;
    let listed = printed(&program, &["list"])?;
    say(&format!("{:<58}{:>24}{:>32}{:>32}", "", OURS, OTHERS[0], OTHERS[1]))?;
    let mut lost = BTreeSet::new();
    for line in listed.lines() {
        let (name, told) = line.split_once('\t').with_context(|| format!("not a case: {line}"))?;
        let (sort, truth) = sort_and_truth(name).with_context(|| format!("not a name of a case: {name}"))?;
        let ours = measured(&program, name, OURS, bench.rounds)?;
        if ours.said != truth {
            bail!("{name}: ours said {}", ours.said);
        }
        let mut row = format!("{told:<58}{:>24}", ours.told());
        for other in OTHERS {
            let cell = if lost.contains(&(other, sort, truth)) {
                "not asked".to_owned()
            } else {
                let theirs = measured(&program, name, other, bench.rounds)?;
                if theirs.said != truth {
                    lost.insert((other, sort, truth));
                }
                beside(&ours, &theirs, truth)
            };
            let _infallible = write!(row, "{cell:>32}");
        }
        say(&row)?;
        if let Some((_, limit_ms)) = TARGETS.iter().find(|(target, _)| *target == name) {
            let verdict = if ours.ms <= *limit_ms { "reached" } else { "MISSED" };
            say(&format!("{:<58}{:>24}", "", format!("{limit_ms} ms {verdict}")))?;
        }
    }
    Ok(())
}

fn build(bench: &Bench, root: &Path) -> Result<PathBuf> {
    let folder = bench.target.join("linearizability");
    let cargo = std::env::var_os("CARGO").map_or_else(|| PathBuf::from("cargo"), PathBuf::from);
    let mut command = Command::new(cargo);
    command.args(["build", "--release", "--target-dir"]).arg(&folder).current_dir(root.join(CRATE));
    if !command.status().context("run cargo")?.success() {
        bail!("{CRATE} cannot be built; what is wrong stands above");
    }
    Ok(folder.join("release").join("stampede-peers"))
}

fn printed(program: &Path, words: &[&str]) -> Result<String> {
    let output = Command::new(program).args(words).output().with_context(|| format!("run {}", program.display()))?;
    if !output.status.success() {
        bail!("stampede-peers {} failed: {}", words.join(" "), String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// The median of some rounds; of one when it is long.
fn measured(program: &Path, case: &str, checker: &str, rounds: u32) -> Result<Measured> {
    let mut all = Vec::new();
    for _ in 0..rounds {
        let printed = printed(program, &[case, checker])?;
        let one = Measured::parse(&printed).with_context(|| format!("{checker} printed {printed:?} for {case}"))?;
        let is_long = one.ms > LONG_MS;
        all.push(one);
        if is_long {
            break;
        }
    }
    all.sort_by(|one, other| one.ms.total_cmp(&other.ms));
    let middle = all.len() / 2;
    Ok(all.swap_remove(middle))
}

impl Measured {
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.trim_end().split('\t');
        let said = words.next()?.to_owned();
        let (ms, kib) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        words.next().is_none().then_some(Self { said, ms, kib })
    }

    fn told(&self) -> String {
        format!("{:.1} ms, {:.1} MiB", self.ms, self.kib as f64 / 1_024.0)
    }
}

/// Their figure and how many times ours it is, or why there is none.
fn beside(ours: &Measured, theirs: &Measured, truth: &str) -> String {
    match theirs.said.as_str() {
        said if said == truth => format!("{}, {:.1}x", theirs.told(), theirs.ms / ours.ms),
        "time" => format!("none in {:.0} s, {} MiB", theirs.ms / 1e3, theirs.kib / 1_024),
        "memory" => format!("none in {} MiB, {:.1} s", theirs.kib / 1_024, theirs.ms / 1e3),
        "refused" => "has none".to_owned(),
        said => format!("WRONG: {said}"),
    }
}

/// `lock-100-valid` is of the sort `lock`, and valid.
fn sort_and_truth(name: &str) -> Option<(&str, &str)> {
    let (sort, rest) = name.split_once('-')?;
    let (_, truth) = rest.rsplit_once('-')?;
    Some((sort, truth))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(said: &str, ms: f64, kib: u64) -> Measured {
        Measured { said: said.to_owned(), ms, kib }
    }

    #[test]
    fn a_line_of_a_process_is_read() {
        assert_eq!(Measured::parse("valid\t12.500\t2048\n"), Some(said("valid", 12.5, 2_048)));
        assert_eq!(Measured::parse("valid\t12.500\n"), None);
        assert_eq!(Measured::parse("valid\tx\t1"), None);
        assert_eq!(said("valid", 12.5, 2_048).told(), "12.5 ms, 2.0 MiB");
    }

    #[test]
    fn who_is_wrong_or_gives_no_answer_has_no_ratio() {
        let ours = said("violating", 2.0, 1_024);
        let cell = |theirs: &Measured| beside(&ours, theirs, "violating");
        assert_eq!(cell(&said("violating", 9.0, 4_096)), "9.0 ms, 4.0 MiB, 4.5x");
        assert_eq!(cell(&said("time", 30_010.0, 1_024_000)), "none in 30 s, 1000 MiB");
        assert_eq!(cell(&said("memory", 8_000.0, 3_145_728)), "none in 3072 MiB, 8.0 s");
        assert_eq!(cell(&said("valid", 1.0, 1)), "WRONG: valid");
    }

    #[test]
    fn a_name_tells_sort_and_truth() {
        assert_eq!(sort_and_truth("stock3-16-valid"), Some(("stock3", "valid")));
        assert_eq!(sort_and_truth("list"), None);
    }
}
