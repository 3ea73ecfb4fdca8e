//! `stampede stress postgres`.

use std::time::Duration;

use anyhow::bail;
use stampede_engine::stress::postgres::{PostgresOrder, Statements, Tables, run};
use stampede_engine::stress::{Form, Server};
use stampede_model::stress::StressKind;

use super::args::PostgresArgs;
use super::{report, save, thresholds, watch};
use crate::Failure;
use crate::exit::Exit;

pub(super) fn command(args: &PostgresArgs) -> Result<Exit, Failure> {
    let order = order(args).map_err(Failure::usage)?;
    let limits = thresholds(StressKind::Postgres, &args.thresholds, &["failed<1%"]).map_err(Failure::usage)?;
    save::check(&args.output)?;
    let result = watch::watched(&args.output, async |watcher| run(&order, &limits, watcher).await)?;
    report(result, &args.output)
}

fn order(args: &PostgresArgs) -> anyhow::Result<PostgresOrder> {
    // The threads of a default must not stand in the way of a small number of clients.
    let jobs = args.jobs.min(args.clients);
    if args.duration < Duration::from_secs(1) {
        bail!("--duration: pgbench counts whole seconds, at least 1s");
    }
    Ok(PostgresOrder {
        server: server(args.private, args.url.as_deref()),
        tables: if args.no_init { Tables::AsTheyAre } else { Tables::Fresh },
        scale: args.scale,
        clients: args.clients,
        jobs,
        duration: args.duration,
        form: if args.guide { Form::Plain } else { Form::Telling },
        statements: if args.statements { Statements::Each } else { Statements::None },
        slow: args.slow,
    })
}

/// A private server was asked for, or there is a URL; clap sees to it. A URL of the environment does not overrule the flag.
pub(super) fn server(private: bool, url: Option<&str>) -> Server {
    match url {
        Some(url) if !private => Server::Url(url.to_owned()),
        _ => Server::Private,
    }
}
