//! The flags of `stampede diagnose`.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{anyhow, bail};
use clap::Args;
use stampede_model::look::{Locks, Look};
use stampede_model::units::parse_duration;

use crate::cluster::FolderArgs;

/// Look at a cluster, or at servers of your own, and say what is wrong.
#[derive(Debug, Args)]
pub(crate) struct DiagnoseArgs {
    /// How long to look
    #[arg(long = "for", value_name = "DURATION", default_value = "3s", value_parser = parse_duration)]
    pub(super) lasts: Duration,
    /// A file with a [look]: the system's queues, locks, limits and metrics, such as acceptance.toml
    #[arg(long, value_name = "FILE")]
    pub(super) look: Option<PathBuf>,
    /// A PostgreSQL of your own
    #[arg(long, value_name = "URL", env = "STAMPEDE_POSTGRES_URL", hide_env_values = true)]
    pub(super) postgres: Option<String>,
    /// A Redis of your own
    #[arg(long, value_name = "URL", env = "STAMPEDE_REDIS_URL", hide_env_values = true)]
    pub(super) redis: Option<String>,
    /// Keys of locks in Redis, such as lock:*
    #[arg(long, value_name = "PATTERN")]
    locks: Option<String>,
    /// The database of Redis that has the locks
    #[arg(long, value_name = "N")]
    lock_database: Option<u8>,
    /// What a lock's value says, such as `{token}|{since_ms}|{ttl_ms}`; `{holder}` names a connection to Redis
    #[arg(long, value_name = "PATTERN")]
    lock_value: Option<String>,
    /// A list of Redis that holds waiting jobs, such as queue:default. May be repeated
    #[arg(long, value_name = "KEY")]
    list: Vec<String>,
    /// A log of your own. May be repeated
    #[arg(long, value_name = "FILE")]
    pub(super) log: Vec<PathBuf>,
    /// From when on a statement is slow
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = parse_duration)]
    pub(super) slow: Duration,
    /// Print the findings as JSON
    #[arg(long)]
    pub(super) json: bool,
    /// Give this stuck lock back: the key is deleted if it still has the value that is seen now. Asks before it does
    #[arg(long, value_name = "KEY", conflicts_with = "json")]
    pub(super) release: Option<String>,
    /// Do not ask
    #[arg(long, requires = "release")]
    pub(super) yes: bool,
    #[command(flatten)]
    pub(super) folder: FolderArgs,
}

impl DiagnoseArgs {
    /// Whether servers or logs of one's own are looked at, and no cluster.
    pub(super) fn is_own(&self) -> bool {
        self.postgres.is_some() || self.redis.is_some() || !self.log.is_empty()
    }

    /// What there is to look at: the file's, with the flags before it.
    pub(super) fn plan(&self) -> anyhow::Result<Look> {
        let mut look = match &self.look {
            None => Look::default(),
            Some(file) => {
                let name = file.display().to_string();
                let text = std::fs::read_to_string(file).map_err(|error| {
                    anyhow!(
                        "--look: cannot read {name}: {error}\nhint: name a file with a [look], such as acceptance.toml"
                    )
                })?;
                Look::of_file(&name, &text)?
            }
        };
        look.queues.extend(self.list.iter().cloned());
        let of_locks = self.lock_database.is_some() || self.lock_value.is_some();
        let locks = look.locks.get_or_insert_with(|| Locks { keys: String::new(), database: 0, value: String::new() });
        if let Some(keys) = &self.locks {
            locks.keys.clone_from(keys);
        }
        locks.database = self.lock_database.unwrap_or(locks.database);
        if let Some(value) = &self.lock_value {
            locks.value.clone_from(value);
        }
        if locks.keys.is_empty() {
            if of_locks && self.release.is_none() {
                bail!(
                    "--lock-database and --lock-value say how locks are read, and nothing says which keys are locks\nhint: add --locks 'lock:*'"
                );
            }
            if !of_locks {
                look.locks = None;
            }
        }
        for log in &self.log {
            if !log.is_file() {
                bail!("--log: there is no file {}", log.display());
            }
        }
        Ok(look)
    }
}
