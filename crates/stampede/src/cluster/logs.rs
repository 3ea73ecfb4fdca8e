//! What replicas and servers have logged: the ends of their files, and what is added to them.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{anyhow, bail};
use stampede_engine::cluster::{self, log_tail};
use tokio::time::sleep;

use super::args::LogsArgs;
use super::runtime;
use crate::exit::Exit;
use crate::print::Append;
use crate::watch::Stops;
use crate::{Failure, print};

const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Read at once from a log that grows.
const PART: u64 = 1 << 20;

pub(super) fn command(args: &LogsArgs) -> Result<Exit, Failure> {
    let runtime = runtime()?;
    let files = runtime.block_on(files(args)).map_err(Failure::tool)?;
    let mut read = BTreeMap::new();
    for (name, file) in &files {
        read.insert(name.clone(), fs::metadata(file).map_or(0, |metadata| metadata.len()));
        print_lines(name, &log_tail(file, args.tail));
    }
    if args.follow {
        runtime.block_on(follow(&files, read))?;
    }
    Ok(Exit::Pass)
}

/// The files of what was named; those of a cluster that has ended are still there.
async fn files(args: &LogsArgs) -> anyhow::Result<BTreeMap<String, PathBuf>> {
    let mut all = BTreeMap::new();
    if let Ok(card) = cluster::find(&args.folder.dir) {
        let status = cluster::status(&card.socket).await?;
        all.extend(status.members().map(|member| (member.name.clone(), PathBuf::from(&member.log))));
        all.extend(status.servers.iter().map(|server| (server.name.clone(), PathBuf::from(&server.log))));
    } else {
        let folder = args.folder.dir.join("log");
        let entries = fs::read_dir(&folder).map_err(|error| anyhow!("cannot read {}: {error}", folder.display()))?;
        for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
            let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
            all.insert(name, path);
        }
    }
    if args.names.is_empty() {
        return Ok(all);
    }
    let mut chosen = BTreeMap::new();
    for wanted in &args.names {
        let meant =
            |name: &str| name == wanted || name.strip_prefix(wanted.as_str()).is_some_and(|rest| rest.starts_with('-'));
        let found: Vec<_> = all.iter().filter(|(name, _)| meant(name)).collect();
        if found.is_empty() {
            let names: Vec<&str> = all.keys().map(String::as_str).collect();
            bail!("nothing that logs is called `{wanted}`\nhint: there are {}", names.join(", "));
        }
        chosen.extend(found.into_iter().map(|(name, file)| (name.clone(), file.clone())));
    }
    Ok(chosen)
}

async fn follow(files: &BTreeMap<String, PathBuf>, mut read: BTreeMap<String, u64>) -> Result<(), Failure> {
    let mut stops = Stops::new().map_err(Failure::tool)?;
    loop {
        for (name, file) in files {
            let from = read.get(name).copied().unwrap_or(0);
            if let Some((text, to)) = added(file, from) {
                read.insert(name.clone(), to);
                print_lines(name, &text);
            }
        }
        tokio::select! {
            () = sleep(LOOK_EVERY) => {}
            () = stops.next() => return Ok(()),
        }
    }
}

/// Whole lines behind `from`, and where they end. A log that has become shorter was begun anew.
fn added(file: &PathBuf, from: u64) -> Option<(String, u64)> {
    let mut file = File::open(file).ok()?;
    let length = file.metadata().ok()?.len();
    let from = if length < from { 0 } else { from };
    file.seek(SeekFrom::Start(from)).ok()?;
    let mut bytes = Vec::new();
    file.take(PART).read_to_end(&mut bytes).ok()?;
    let whole = bytes.iter().rposition(|byte| *byte == b'\n')? + 1;
    Some((String::from_utf8_lossy(&bytes[..whole]).into_owned(), from + whole as u64))
}

fn print_lines(name: &str, text: &str) {
    let mut lines = String::new();
    for line in text.lines() {
        lines.append(format_args!("{name} | {line}\n"));
    }
    print::result(&lines);
}
