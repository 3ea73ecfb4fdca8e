//! `stampede stress`: one part at a time beyond what it is used to, and a verdict on how it took that.
//!
//! Invariants: every mistake in the arguments is named before anything is started; the result goes to standard output,
//! verdict first, and everything else to standard error; no password is printed.

mod args;
mod http;
mod pool;
mod postgres;
mod redis;
mod request;
mod save;
mod watch;

use clap::{Args, Subcommand};
use stampede_model::run::Environment;
use stampede_model::run_result::Ending;
use stampede_model::stress::{Grade, StressKind, StressRun, StressThreshold};
use stampede_model::threshold::Judgement;
use stampede_report::summary::Detail;

use crate::exit::Exit;
use crate::{Failure, print};
use args::{HttpArgs, Output, PoolArgs, PostgresArgs, RedisArgs};

/// Put one part under stress: a database, a cache, a pool of connections, a service.
#[derive(Debug, Args)]
#[command(after_help = crate::exit::help())]
pub(crate) struct StressArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Drive pgbench against a PostgreSQL and look into it meanwhile.
    #[command(after_help = crate::exit::help())]
    Postgres(PostgresArgs),
    /// Drive redis-benchmark against a Redis and look into it meanwhile.
    #[command(after_help = crate::exit::help())]
    Redis(RedisArgs),
    /// Take the connections of a service's database away and see how it answers.
    #[command(after_help = crate::exit::help())]
    Pool(Box<PoolArgs>),
    /// Raise the rate step by step until a service bends.
    #[command(after_help = crate::exit::help())]
    Http(Box<HttpArgs>),
}

/// Carries out the subcommand.
pub(crate) fn command(args: &StressArgs) -> Result<Exit, Failure> {
    match &args.what {
        What::Postgres(args) => postgres::command(args),
        What::Redis(args) => redis::command(args),
        What::Pool(args) => pool::command(args),
        What::Http(args) => http::command(args),
    }
}

/// Prints and saves a run, and says how the command ends.
fn report(mut run: StressRun, output: &Output) -> Result<Exit, Failure> {
    run.environment = Environment {
        stampede: env!("CARGO_PKG_VERSION").to_owned(),
        system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        cores: std::thread::available_parallelism().map_or(0, |cores| u32::try_from(cores.get()).unwrap_or(u32::MAX)),
    };
    print::result(&stampede_report::stress::summary(&run, Detail::Full, print::paint()));
    save::write(output, &run).map_err(Failure::tool)?;
    Ok(exit_of(&run))
}

fn exit_of(run: &StressRun) -> Exit {
    let mut exit = Exit::Pass;
    if run.any(Judgement::Fail) || run.has(Grade::Missed) {
        exit = exit.and(Exit::ThresholdFailed);
    }
    if run.any(Judgement::Unknown) || run.has(Grade::Doubt) {
        exit = exit.and(Exit::NotTrustworthy);
    }
    if run.has(Grade::Violation) {
        exit = exit.and(Exit::CorrectnessViolated);
    }
    if run.ending == Ending::Interrupted {
        exit = exit.and(Exit::Interrupted);
    }
    exit
}

/// Reads the limits of a run of `kind`; `implied` holds where nobody gave one.
fn thresholds(kind: StressKind, given: &[String], implied: &[&str]) -> anyhow::Result<Vec<StressThreshold>> {
    let implied = implied.iter().copied().filter(|_| given.is_empty());
    let texts = given.iter().map(String::as_str).chain(implied);
    Ok(texts.map(|text| StressThreshold::parse(kind, text)).collect::<Result<_, _>>()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(grades: &[Grade]) -> StressRun {
        let mut run = StressRun::begun(StressKind::Pool, "http://x/", 0);
        for grade in grades {
            run.find(*grade, "x");
        }
        run
    }

    #[test]
    fn the_gravest_finding_decides_the_exit() {
        assert_eq!(exit_of(&run(&[Grade::Note])), Exit::Pass);
        assert_eq!(exit_of(&run(&[Grade::Note, Grade::Missed])), Exit::ThresholdFailed);
        assert_eq!(exit_of(&run(&[Grade::Doubt, Grade::Missed])), Exit::NotTrustworthy);
        assert_eq!(exit_of(&run(&[Grade::Violation, Grade::Doubt])), Exit::CorrectnessViolated);
        let interrupted = StressRun { ending: Ending::Interrupted, ..run(&[Grade::Violation]) };
        assert_eq!(exit_of(&interrupted), Exit::Interrupted);
    }

    #[test]
    fn implied_limits_hold_only_where_nobody_gave_one() {
        let limits = |given: &[String]| {
            let limits = thresholds(StressKind::Postgres, given, &["failed<1%"]).unwrap();
            limits.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(limits(&[]), ["failed < 1%"]);
        assert_eq!(limits(&["tps>5".to_owned()]), ["tps > 5/s"]);
    }
}
