//! `cargo xtask wrong`: the service under each strategy that is known to be wrong, put before the bench, which has to name it.
//!
//! Invariants: a strategy counts as named only by a rule that fits it; the same workload has to let the right service pass, or it
//! would prove nothing.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result, ensure};
use cargo_metadata::MetadataCommand;
use stampede_model::check::{Answer, CheckRun};

use crate::say;

/// Put the service before the bench with one wrong strategy after the other.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only this strategy; may be given several times.
    #[arg(long)]
    only: Vec<String>,
    /// Seed of all choices.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Clients of each workload.
    #[arg(long, default_value_t = 64)]
    clients: u32,
}

/// A strategy, the workload that has to find it, and what it may be called.
struct Case {
    strategy: &'static str,
    workload: &'static str,
    rules: &'static [&'static str],
}

/// A row that is written back as it was before somebody else's change loses units, makes some, or shows an old state again.
const LOST: &[&str] = &["lost-update", "oversold", "negative-stock", "units-made", "units-lost", "stale-read"];

const CASES: [Case; 6] = [
    Case { strategy: "no-row-lock", workload: "stock-versions", rules: LOST },
    Case { strategy: "lease-without-fence", workload: "stock-versions", rules: LOST },
    Case { strategy: "unsorted-locks", workload: "orders-of-two", rules: &["deadlock", "server-error"] },
    Case {
        strategy: "limiter-in-two-steps",
        workload: "limit-burst",
        rules: &["over-limit", "remaining-doubled", "remaining-wrong"],
    },
    Case { strategy: "no-tenant-predicate", workload: "tenants", rules: &["tenant-leak", "foreign-id-accepted"] },
    Case {
        strategy: "idempotency-outside",
        workload: "once",
        rules: &["created-twice", "effect-twice", "replay-differs"],
    },
];

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let metadata = MetadataCommand::new().no_deps().exec().context("cargo metadata")?;
    let root = metadata.workspace_root.as_std_path();
    let known = |name: &String| CASES.iter().any(|case| case.strategy == name);
    if let Some(stranger) = args.only.iter().find(|name| !known(name)) {
        let names = CASES.map(|case| case.strategy).join(", ");
        anyhow::bail!("there is no strategy `{stranger}`; hint: {names}");
    }
    let folder = build(root, metadata.target_directory.as_std_path())?;
    let mut missed = 0;
    for case in CASES.iter().filter(|case| args.only.is_empty() || args.only.iter().any(|name| name == case.strategy)) {
        let right = check(root, &folder, (args, case), None)?;
        let wrong = check(root, &folder, (args, case), Some(case.strategy))?;
        missed += u32::from(!tell(case, &right, &wrong)?);
    }
    Ok(if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Both programs in a folder of their own: the one with wrong strategies in it is not to lie where the others look for the service.
fn build(root: &Path, target: &Path) -> Result<PathBuf> {
    let folder = target.join("wrong-strategies");
    fs::create_dir_all(&folder)?;
    cargo(root, &["build", "--package", "kv-erp", "--features", "wrong-strategies"])?;
    fs::copy(target.join("debug/kv-erp"), folder.join("kv-erp")).context("copy kv-erp")?;
    cargo(root, &["build", "--package", "kv-erp", "--package", "stampede"])?;
    fs::copy(target.join("debug/stampede"), folder.join("stampede")).context("copy stampede")?;
    Ok(folder)
}

fn cargo(root: &Path, args: &[&str]) -> Result<()> {
    let status = Command::new("cargo").args(args).current_dir(root).status().context("run cargo")?;
    ensure!(status.success(), "cargo {} failed", args.join(" "));
    Ok(())
}

/// One workload against three processes of the service.
fn check(root: &Path, folder: &Path, (args, case): (&Args, &Case), strategy: Option<&str>) -> Result<CheckRun> {
    let file = folder.join(format!("{}.json", strategy.unwrap_or("right")));
    fs::remove_file(&file).or_else(|error| if file.exists() { Err(error) } else { Ok(()) })?;
    let mut command = Command::new(folder.join("stampede"));
    command
        .args(["check", "targets/kv-erp.toml", "--start", "targets/kv-erp-replicas.toml", "--only", case.workload])
        .args(["--seed", &args.seed.to_string(), "--clients", &args.clients.to_string(), "-o"])
        .arg(&file)
        .current_dir(root)
        .stdout(Stdio::null());
    if let Some(strategy) = strategy {
        command.env("KV_WRONG_STRATEGY", strategy);
    }
    let status = command.status().context("run stampede")?;
    let text = fs::read(&file).with_context(|| format!("stampede check ended with {status} and wrote no verdict"))?;
    Ok(serde_json::from_slice(&text)?)
}

/// Prints a line and says whether it is as it should be.
fn tell(case: &Case, right: &CheckRun, wrong: &CheckRun) -> Result<bool> {
    let [workload] = wrong.workloads.as_slice() else { anyhow::bail!("one workload was asked for") };
    let named = workload.violations().find(|finding| case.rules.contains(&finding.rule.as_str()));
    let is_good = named.is_some() && right.answer() == Answer::Holds;
    let word = if is_good { "PASS" } else { "FAIL" };
    let said = match (named, workload.violations().next()) {
        (Some(finding), _) => format!("named {}", finding.rule),
        (None, Some(other)) => format!("only called {}", other.rule),
        (None, None) => format!("not found ({:?})", wrong.answer()),
    };
    let twin = match right.answer() {
        Answer::Holds => "the right service passes".to_owned(),
        answer => format!("the right service: {answer:?}"),
    };
    let (strategy, id, operations) = (case.strategy, case.workload, workload.operations);
    say(&format!(
        "{word}  {strategy:<22} {said} by {id} ({operations} operations, {} ms); {twin}",
        workload.elapsed_ms
    ))?;
    Ok(is_good)
}
