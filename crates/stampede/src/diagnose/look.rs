//! The looks themselves: twice at everything that moves, once at the rest.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use stampede_engine::cluster::{self as engine, MemberState, Status};
use stampede_engine::monitor::{
    Monitor, Snapshot, Sources, exposition, limited, locks, log_length, read_errors, sessions,
};
use stampede_model::diagnose::{Backlog, LoggedErrors, Seen};
use stampede_model::logs::LogGroups;
use stampede_model::look::{Look, sum_of};
use tokio::time::{Instant, sleep};

use super::args::DiagnoseArgs;
use crate::Failure;
use crate::cluster::find;

/// How much of a log before the first look is read.
const LOG_BEFORE_BYTES: u64 = 256 * 1024;

/// Where to look.
struct Place {
    sources: Sources,
    /// Logs by name.
    logs: Vec<(String, PathBuf)>,
    /// Where each replica answers, by service and name.
    members: Vec<(String, String, SocketAddr)>,
    status: Option<Status>,
}

/// A look at metrics: each replica's, by name.
type Metrics = BTreeMap<String, String>;

pub(super) async fn look(args: &DiagnoseArgs, look: &Look) -> Result<Seen, Failure> {
    let place = place(args, look).await?;
    let mut seen = Seen::default();
    if let Some(status) = &place.status {
        look_at_replicas(&mut seen, status);
    }
    let lengths: Vec<u64> = place.logs.iter().map(|(_, file)| log_length(file)).collect();
    let mut monitor = Monitor::new(place.sources.clone());
    let (first, began, metrics) = (monitor.look().await, Instant::now(), metrics(look, &place).await);
    sleep(args.lasts).await;
    let (last, seconds) = (monitor.look().await, began.elapsed().as_secs_f64());
    let again = self::metrics(look, &place).await;
    look_at_pools(&mut seen, look, (&metrics, &again));
    seen.backlog = backlog(look, &place, (&first, &last, seconds), (&metrics, &again));
    seen.logged = errors(&place.logs, &lengths, &mut seen.troubles);
    compare(&mut seen, first, last);
    look_once(&mut seen, look, &place.sources).await;
    Ok(seen)
}

/// Sessions, locks and limits.
async fn look_once(seen: &mut Seen, look: &Look, sources: &Sources) {
    if let Some(url) = &sources.postgres {
        match sessions(url).await {
            Ok(found) => seen.sessions = found,
            // That it is away is told already.
            Err(_) if seen.postgres.is_none() => {}
            Err(why) => seen.troubles.push(format!("the sessions of postgres: {why}")),
        }
    }
    seen.at_unix_ms = unix_ms();
    let Some(url) = &sources.redis else { return };
    if let Some(of) = &look.locks {
        match locks(url, of).await {
            Ok(found) => seen.locks = found,
            Err(why) => seen.troubles.push(format!("the locks of redis: {why}")),
        }
    }
    if let Some(of) = &look.limits {
        match limited(url, of).await {
            Ok(found) => seen.limited = found,
            Err(why) => seen.troubles.push(format!("the limits of redis: {why}")),
        }
    }
}

async fn place(args: &DiagnoseArgs, look: &Look) -> Result<Place, Failure> {
    let mut sources = Sources {
        postgres: args.postgres.clone(),
        redis: args.redis.clone(),
        lists: look.queues.clone(),
        slow: args.slow,
        ..Sources::default()
    };
    if args.is_own() {
        let logs = args.log.iter().map(|file| (file.display().to_string(), file.clone())).collect();
        return Ok(Place { sources, logs, members: Vec::new(), status: None });
    }
    let card = find(&args.folder.dir)?;
    let status = engine::status(&card.socket).await.map_err(Failure::tool)?;
    sources.postgres = status.primary().map(|server| server.url.clone());
    sources.redis = status.server("redis").map(|server| server.url.clone());
    let logs = status.members().map(|member| (member.name.clone(), PathBuf::from(&member.log))).collect();
    let members = status
        .services
        .iter()
        .flat_map(|service| service.members.iter().map(|member| (service.name.clone(), member)))
        .filter_map(|(service, member)| {
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, member.port?));
            (member.state == MemberState::Ready).then(|| (service, member.name.clone(), address))
        })
        .collect();
    Ok(Place { sources, logs, members, status: Some(status) })
}

fn look_at_replicas(seen: &mut Seen, status: &Status) {
    for member in status.members() {
        let state = match member.state {
            MemberState::Ready | MemberState::Leaving => None,
            MemberState::Starting => Some("is starting"),
            MemberState::Unready => Some("runs and does not say that it is ready"),
            MemberState::Waiting => Some("ended and waits to be started"),
            MemberState::Down => Some("is down"),
        };
        if let Some(state) = state {
            seen.replicas.push((member.name.clone(), state.to_owned()));
        }
        if let (Some(how), times @ 1..) = (&member.last_end, member.ended) {
            seen.ended.push((member.name.clone(), format!("has ended {times} times by itself, last {how}")));
        }
    }
    let down = status.servers.iter().filter(|server| !server.running);
    seen.replicas.extend(down.map(|server| (server.name.clone(), "is down".to_owned())));
}

/// Asks every replica for its metrics, if any are to be read; who does not answer is left out.
async fn metrics(look: &Look, place: &Place) -> Metrics {
    let wanted = &look.metrics;
    if wanted.jobs_done.is_none() && wanted.pool_waiting.is_none() && wanted.pool_timeouts.is_none() {
        return Metrics::new();
    }
    let path = wanted.path.as_deref().unwrap_or("/metrics");
    let mut metrics = Metrics::new();
    for (_, name, address) in &place.members {
        if let Ok(text) = exposition(*address, path).await {
            metrics.insert(name.clone(), text);
        }
    }
    metrics
}

fn look_at_pools(seen: &mut Seen, look: &Look, (first, last): (&Metrics, &Metrics)) {
    let read = |text: Option<&String>, series: &Option<String>| -> Option<u64> {
        Some(sum_of(text?, series.as_deref()?)?.max(0.0) as u64)
    };
    for (name, text) in last {
        let before = first.get(name);
        let waiting = |text| read(text, &look.metrics.pool_waiting).unwrap_or(0);
        let timeouts = |text| read(text, &look.metrics.pool_timeouts);
        let meanwhile = timeouts(Some(text)).zip(timeouts(before)).map_or(0, |(now, then)| now.saturating_sub(then));
        seen.pools.push((name.clone(), waiting(before), waiting(Some(text)), meanwhile));
    }
}

fn backlog(
    look: &Look,
    place: &Place,
    (first, last, seconds): (&Snapshot, &Snapshot, f64),
    (before, after): (&Metrics, &Metrics),
) -> Option<Backlog> {
    let (first, last) = (first.redis.as_ref()?, last.redis.as_ref()?);
    let length = |of: &BTreeMap<String, Option<u64>>, list: &str| of.get(list).copied().flatten().unwrap_or(0);
    let queues = last.lists.keys().map(|list| (list.clone(), (length(&first.lists, list), length(&last.lists, list))));
    let queues: BTreeMap<String, (u64, u64)> = queues.collect();
    let workers = look.workers.as_ref().filter(|_| place.status.is_some()).map(|service| {
        let ready = place.members.iter().filter(|(of, ..)| of == service).count();
        (service.clone(), u32::try_from(ready).unwrap_or(u32::MAX))
    });
    let done = look.metrics.jobs_done.as_ref().and_then(|series| {
        let mut done = None;
        for (name, text) in after {
            let then = before.get(name).and_then(|text| sum_of(text, series));
            // A replica that was not there before has no pace yet.
            if let (Some(now), Some(then)) = (sum_of(text, series), then) {
                done = Some(done.unwrap_or(0.0) + (now - then).max(0.0));
            }
        }
        done.map(|done| done as u64)
    });
    Some(Backlog { queues, seconds, done, workers })
}

/// The errors of all logs, and how many of each kind came since the first look.
fn errors(logs: &[(String, PathBuf)], lengths: &[u64], troubles: &mut Vec<String>) -> Vec<LoggedErrors> {
    let (mut all, mut fresh) = (LogGroups::default(), LogGroups::default());
    let mut read = |name: &str, file: &Path, from: u64, groups: &mut LogGroups| {
        if let Err(error) = read_errors(name, file, from, groups) {
            troubles.push(format!("the log of {name}: {error}"));
        }
    };
    for ((name, file), length) in logs.iter().zip(lengths) {
        read(name, file, length.saturating_sub(LOG_BEFORE_BYTES), &mut all);
        read(name, file, *length, &mut fresh);
    }
    let fresh = fresh.without(&[]);
    let count = |message: &str| fresh.iter().find(|group| group.message == message).map_or(0, |group| group.count);
    all.without(&[]).into_iter().map(|group| LoggedErrors { fresh: count(&group.message), group }).collect()
}

fn compare(seen: &mut Seen, first: Snapshot, last: Snapshot) {
    seen.postgres = first.postgres.zip(last.postgres);
    seen.redis = first.redis.zip(last.redis);
    seen.slow = last.slow;
    seen.troubles.extend(last.troubles);
}

fn unix_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
