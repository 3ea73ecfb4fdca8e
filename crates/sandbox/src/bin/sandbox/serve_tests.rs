//! `sandbox serve-tests`: the servers of one nextest run.
//!
//! A setup script must end before the tests begin, so the servers belong to a second process in the background. It watches nextest, and
//! whoever `SANDBOX_OWNER_PID` names, and ends with the first of them; killed itself, it takes the servers along as any caller does.

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use rustix::process::{Pid, getppid};
use sandbox::testing::{POSTGRES_VARIABLE, REDIS_VARIABLE, postgres_options};
use sandbox::{Postgres, Redis, RedisOptions};
use tokio::signal::unix::{SignalKind, signal};

use crate::owners::{Owners, parse_pid};
use crate::{Failure, with_causes};

/// The first argument of the process in the background; further ones are its owners.
pub(crate) const IN_BACKGROUND: &str = "serve-tests-in-background";
/// One more process whose end is the end of the servers.
const OWNER_VARIABLE: &str = "SANDBOX_OWNER_PID";
/// The file that nextest reads the tests' variables from.
const NEXTEST_VARIABLE: &str = "NEXTEST_ENV";
const READY: &str = "ready";
const FAILED: &str = "failed: ";

/// Starts the process in the background, waits until the servers answer, and tells nextest where they are.
pub(crate) fn set_up() -> Result<(), Failure> {
    let Some(nextest_env) = std::env::var_os(NEXTEST_VARIABLE) else {
        return Err(
            format!("{NEXTEST_VARIABLE} is not set; hint: nextest runs this, people run `sandbox serve`").into()
        );
    };
    if [POSTGRES_VARIABLE, REDIS_VARIABLE].iter().all(|name| std::env::var_os(name).is_some_and(|url| !url.is_empty()))
    {
        return Ok(());
    }
    let mut owners = vec![getppid().ok_or("nextest has ended")?.to_string()];
    if let Ok(owner) = std::env::var(OWNER_VARIABLE) {
        owners.push(parse_pid(&owner).map_err(|error| format!("{OWNER_VARIABLE}: {error}"))?.to_string());
    }
    let mut background = Command::new(std::env::current_exe()?)
        .arg(IN_BACKGROUND)
        .args(owners)
        .current_dir("/")
        // Ctrl-C is nextest's to handle: it gives its tests time to end while the servers still run.
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let answer = background.stdout.take().ok_or("the background's pipe is missing")?;
    let mut variables = String::new();
    for line in BufReader::new(answer).lines() {
        let line = line?;
        if let Some(reason) = line.strip_prefix(FAILED) {
            return Err(reason.replace('\t', "\n").into());
        }
        if line == READY {
            OpenOptions::new().create(true).append(true).open(nextest_env)?.write_all(variables.as_bytes())?;
            return Ok(());
        }
        variables.push_str(&line);
        variables.push('\n');
    }
    Err("the process in the background ended without a word; hint: try `sandbox serve`".into())
}

/// Serves until an owner ends. Speaks to [`set_up`] by lines: variables and then `ready`, or one `failed`.
pub(crate) async fn in_background(owners: &[&str]) -> Result<(), Failure> {
    let owners: Vec<Pid> = owners.iter().map(|owner| parse_pid(owner)).collect::<Result<_, _>>()?;
    let mut owners = Owners::watch(owners)?;
    let mut terminate = signal(SignalKind::terminate())?;
    let servers = async {
        let postgres = Postgres::start(postgres_options()).await?;
        let redis = Redis::start(RedisOptions::default()).await?;
        Ok::<_, sandbox::SandboxError>((postgres, redis))
    };
    let servers = tokio::select! {
        servers = servers => servers,
        () = owners.any_ended() => return Ok(()),
    };
    let mut out = std::io::stdout();
    let (postgres, redis) = match servers {
        Ok(servers) => servers,
        Err(error) => return Ok(writeln!(out, "{FAILED}{}", with_causes(&error).replace('\n', "\t"))?),
    };
    writeln!(out, "{POSTGRES_VARIABLE}={}\n{REDIS_VARIABLE}={}\n{READY}", postgres.url(), redis.url())?;
    out.flush()?;
    tokio::select! {
        () = owners.any_ended() => {}
        _ = terminate.recv() => {}
        _ = postgres.process().wait() => {}
        _ = redis.process().wait() => {}
    }
    Ok(())
}
