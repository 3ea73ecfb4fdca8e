//! Giving a stuck lock back: shown first, asked for, and deleted only while it is the very same lock.

use std::io::{IsTerminal, stdin};

use anyhow::anyhow;
use stampede_engine::cluster as engine;
use stampede_engine::monitor::{release, value_of};
use stampede_model::look::Look;

use super::args::DiagnoseArgs;
use crate::cluster::find;
use crate::exit::Exit;
use crate::{Failure, print};

/// How much of a value is shown: it holds the holder's token.
const SHOWN: usize = 12;

pub(super) async fn command(args: &DiagnoseArgs, look: &Look, key: &str) -> Result<Exit, Failure> {
    if !args.yes && !stdin().is_terminal() {
        let error = anyhow!(
            "--release deletes {key}, and nobody can be asked here\nhint: add --yes when it is surely nobody's"
        );
        return Err(Failure::usage(error));
    }
    let url = url(args).await?;
    let database = look.locks.as_ref().map_or(0, |locks| locks.database);
    let told = |why: String| Failure::tool(anyhow!("redis: {why}"));
    let Some(seen) = value_of(&url, database, key).await.map_err(told)? else {
        let error = anyhow!("{key} is not held in database {database}\nhint: --lock-database N names another one");
        return Err(Failure::tool(error));
    };
    let shown: String = String::from_utf8_lossy(&seen).chars().take(SHOWN).collect();
    print::remark(format_args!("{key} in database {database} has the value {shown}.."));
    if !args.yes && !confirmed(key).map_err(Failure::tool)? {
        print::remark("nothing was deleted");
        return Ok(Exit::Interrupted);
    }
    if release(&url, (database, key), &seen).await.map_err(told)? {
        print::result(&format!("{key} was given back\n"));
        return Ok(Exit::Pass);
    }
    Err(Failure::tool(anyhow!("{key} has changed hands meanwhile, or has ended: nothing was deleted")))
}

/// The Redis of one's own, or the cluster's.
async fn url(args: &DiagnoseArgs) -> Result<String, Failure> {
    if let Some(url) = &args.redis {
        return Ok(url.clone());
    }
    let status = engine::status(&find(&args.folder.dir)?.socket).await.map_err(Failure::tool)?;
    let redis = status.server("redis").map(|server| server.url.clone());
    redis.ok_or_else(|| Failure::usage(anyhow!("the cluster has no Redis\nhint: name one with --redis")))
}

fn confirmed(key: &str) -> std::io::Result<bool> {
    print::remark(format_args!("whoever holds it loses it. Delete {key}? Type yes:"));
    let mut answer = String::new();
    stdin().read_line(&mut answer)?;
    Ok(answer.trim() == "yes")
}
