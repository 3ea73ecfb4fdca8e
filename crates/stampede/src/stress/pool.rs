//! `stampede stress pool`.

use anyhow::{anyhow, bail};
use stampede_engine::stress::pool::{Manner, PoolOrder, run};

use super::args::{PoolArgs, hold};
use super::{report, request, save, watch};
use crate::Failure;
use crate::exit::Exit;

pub(super) fn command(args: &PoolArgs) -> Result<Exit, Failure> {
    let order = order(args).map_err(Failure::usage)?;
    save::check(&args.output)?;
    let result = watch::watched(&args.output, async |watcher| run(&order, watcher).await)?;
    report(result, &args.output)
}

fn order(args: &PoolArgs) -> anyhow::Result<PoolOrder> {
    if args.request.timeout.is_zero() {
        bail!("--timeout: a time-out of zero lets no request finish");
    }
    let manner = match (&args.lock, args.in_transaction) {
        (Some(table), _) => Manner::Lock(table.clone()),
        (None, true) => Manner::InTransaction,
        (None, false) => Manner::Idle,
    };
    Ok(PoolOrder {
        request: request::plan(&args.request)?,
        database: args.database.clone(),
        hold: hold(&args.hold).map_err(|text| anyhow!(text))?,
        manner,
        before: args.before,
        hold_for: args.hold_for,
        rate_per_s: args.rate,
        timeout: args.request.timeout,
        recover_within: args.recover_within,
        also_good: args.also_good.clone(),
    })
}
