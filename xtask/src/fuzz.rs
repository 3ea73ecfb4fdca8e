//! `cargo xtask fuzz`: the raw parser against bytes that libFuzzer thinks of, on the stable toolchain.
//!
//! cargo-fuzz is not needed: the instrumentation is a handful of compiler flags, and libFuzzer is built from its crate.
//! Invariants: it runs on one core, at the lowest priority, for a bounded time, and ends with this process.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, ExitStatus, Stdio};

use anyhow::{Context, Result, bail};
use cargo_metadata::MetadataCommand;
use sandbox::{Output, ProcessSpec, Supervised};
use tokio::signal::unix::{SignalKind, signal};

use crate::{say, test};

/// The crate with the targets.
const CRATE: &str = "crates/stampede-engine/fuzz";
const TARGET: &str = "answers";
/// Named so that cargo does not instrument build scripts and macros as well.
const TRIPLE: &str = "x86_64-unknown-linux-gnu";
/// What cargo-fuzz passes, without a sanitizer: those need a nightly compiler.
const INSTRUMENTATION: [&str; 5] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
];

/// How long to look.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Seconds to look for, after the build.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    seconds: u32,
    /// Largest input in bytes.
    #[arg(long, default_value_t = 4_096, value_parser = clap::value_parser!(u32).range(1..=1_048_576))]
    max_len: u32,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    look_for_the_tools()?;
    let metadata = MetadataCommand::new().no_deps().exec().context("cargo metadata")?;
    let root: PathBuf = metadata.workspace_root.into();
    let built = metadata.target_directory.as_std_path().to_owned();
    let folder = built.join("fuzz");
    let (corpus, found) = (folder.join("corpus"), folder.join("found"));
    for folder in [&corpus, &found] {
        fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("make a runtime")?;
    let status = runtime.block_on(supervised(build(&root, &built)))?;
    if !status.success() {
        bail!("the fuzz target cannot be built; what is wrong stands above");
    }
    let program = built.join(TRIPLE).join("release").join(TARGET);
    let status = runtime.block_on(supervised(look(&root, &program, (&corpus, &found), args)))?;
    if status.success() {
        say(&format!("== nothing found in {} s; the corpus is in {}", args.seconds, corpus.display()))?;
        return Ok(ExitCode::SUCCESS);
    }
    say(&format!("== FOUND: the input is in {}; hint: {} INPUT shows it again", found.display(), program.display()))?;
    Ok(ExitCode::FAILURE)
}

/// libFuzzer is C++; nothing else is needed that cargo does not bring.
fn look_for_the_tools() -> Result<()> {
    let answers = |program: &str| {
        let mut command = Command::new(program);
        command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    let compilers = std::env::var("CXX").into_iter().chain(["c++".to_owned(), "clang++".to_owned()]);
    if compilers.into_iter().any(|compiler| answers(&compiler)) {
        return Ok(());
    }
    bail!("libFuzzer is built from C++ and there is no compiler for it; hint: apt-get install g++, or set CXX")
}

fn build(root: &Path, built: &Path) -> ProcessSpec {
    let cargo = std::env::var_os("CARGO").map_or_else(|| PathBuf::from("cargo"), PathBuf::from);
    ProcessSpec::new(cargo)
        .args(["build", "--release", "--target", TRIPLE, "--bin", TARGET])
        .cwd(root.join(CRATE))
        // Flags are part of what cargo calls an artifact: those of the workspace stay as they are.
        .env("CARGO_TARGET_DIR", built)
        .env("RUSTFLAGS", INSTRUMENTATION.join(" "))
        .output(Output::Inherited)
}

fn look(root: &Path, program: &Path, (corpus, found): (&Path, &Path), args: &Args) -> ProcessSpec {
    ProcessSpec::new("nice")
        .args(["-n", "19"])
        .args([program, corpus, &root.join(CRATE).join("seeds")])
        .args([
            format!("-max_total_time={}", args.seconds),
            format!("-max_len={}", args.max_len),
            // Wall-clock seconds of one input. A millisecond is usual, but at the lowest priority others come first.
            "-timeout=30".to_owned(),
            "-rss_limit_mb=1024".to_owned(),
            "-print_final_stats=1".to_owned(),
            format!("-artifact_prefix={}/", found.display()),
        ])
        .cwd(root)
        .output(Output::Inherited)
}

async fn supervised(spec: ProcessSpec) -> Result<ExitStatus> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let program = Supervised::spawn(spec)?;
    tokio::select! {
        status = program.wait() => return Ok(status),
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    program.terminate().await;
    Err(test::Interrupted.into())
}
