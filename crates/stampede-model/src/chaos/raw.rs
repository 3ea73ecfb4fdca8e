//! Faults as they are written. One table serves the command line and the plan file: both say the same words and get the same faults.
//!
//! Invariant: a word that does not belong to its kind is refused, never ignored.

use std::time::Duration;

use serde::Deserialize;

use super::fault::{DatabaseStop, Direction, Fault, HttpTrouble, HttpWhat, Limits, RedisPause, Rough};
use super::kind::Kind;
use crate::target::nearest;
use crate::units::{parse_duration, parse_share, show_duration};

/// A fault as it was written; empty where nothing was said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RawFault {
    /// Which fault.
    pub kind: String,
    /// What it meets.
    pub on: Option<String>,
    /// How long it lasts.
    #[serde(rename = "for")]
    pub lasts: Option<String>,
    /// Added to the way of every byte.
    pub latency: Option<String>,
    /// How much the latency varies, at most.
    pub jitter: Option<String>,
    /// Bytes per second, as `64k`.
    pub rate: Option<String>,
    /// Which way: `up` (to the server), `down`, or both.
    pub direction: Option<Direction>,
    /// How many sessions.
    pub connections: Option<u32>,
    /// Which table.
    pub table: Option<String>,
    /// A `SELECT .. FOR UPDATE` that locks rows.
    pub rows: Option<String>,
    /// How roughly.
    pub how: Option<String>,
    /// Of a link's requests, how many: `20%`.
    pub share: Option<String>,
    /// With which status a link answers.
    pub status: Option<u16>,
}

/// Words that make no fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct BadFault {
    /// Which field is wrong, as the plan file names it.
    pub field: &'static str,
    /// What is wrong and what would be right.
    pub text: String,
}

/// How long a fault lasts when nobody says.
const DEFAULT_LASTS: Duration = Duration::from_secs(10);
/// No fault may last longer: one that is forgotten must end in somebody's working day.
const LONGEST: Duration = Duration::from_hours(1);

impl RawFault {
    /// Reads the kind.
    pub fn kind(&self) -> Result<Kind, BadFault> {
        if let Some(kind) = Kind::ALL.into_iter().find(|kind| kind.word() == self.kind) {
            return Ok(kind);
        }
        let hint = match nearest(&self.kind, Kind::ALL.map(Kind::word)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("there are: {}", Kind::ALL.map(Kind::word).join(", ")),
        };
        Err(bad("kind", format!("no fault is called `{}`\nhint: {hint}", self.kind)))
    }

    /// Reads how long it lasts.
    pub fn lasts(&self) -> Result<Duration, BadFault> {
        let lasts = self.lasts.as_deref().map_or(Ok(DEFAULT_LASTS), |text| time("for", text))?;
        if lasts > LONGEST || lasts.is_zero() {
            let text = format!("for: a fault lasts longer than 0s and at most {}", show_duration(LONGEST));
            return Err(bad("for", text));
        }
        Ok(lasts)
    }

    /// Reads the whole.
    pub fn fault(&self) -> Result<Fault, BadFault> {
        let kind = self.kind()?;
        if let Some(why) = kind.unavailable() {
            return Err(bad("kind", format!("{kind} is not possible here: {why}")));
        }
        self.belongs(kind)?;
        let latency = |needed| self.time_ms("latency", self.latency.as_deref(), needed);
        let direction = self.direction.unwrap_or_default();
        Ok(match kind {
            Kind::Kill => Fault::Kill,
            Kind::Pause => Fault::Pause,
            Kind::Restart => Fault::Restart,
            Kind::Stop => Fault::Stop,
            Kind::Latency => {
                let jitter_ms = self.time_ms("jitter", self.jitter.as_deref(), None)?;
                let latency_ms = latency(Some("latency = \"100ms\""))?;
                Fault::Slow(Limits { latency_ms, jitter_ms, ..Limits::default() }, direction)
            }
            Kind::Bandwidth => Fault::Slow(Limits { bytes_per_s: self.bytes_per_s()?, ..Limits::default() }, direction),
            Kind::SlowClose => {
                Fault::Slow(Limits { close_ms: latency(Some("latency = \"2s\""))?, ..Limits::default() }, direction)
            }
            Kind::Cut => Fault::Cut,
            Kind::HalfOpen => Fault::HalfOpen(direction),
            Kind::Reset => Fault::Reset,
            Kind::PostgresStop => Fault::PostgresStop(self.how([
                ("fast", DatabaseStop::Fast),
                ("immediate", DatabaseStop::Immediate),
                ("smart", DatabaseStop::Smart),
                ("kill", DatabaseStop::Kill),
            ])?),
            Kind::HttpError => self.http(HttpWhat::Error(self.error_status()?))?,
            Kind::HttpNoAnswer => self.http(HttpWhat::NoAnswer)?,
            Kind::HttpTwice => self.http(HttpWhat::Twice)?,
            Kind::Promote => Fault::Promote(self.how([
                ("fast", DatabaseStop::Fast),
                ("immediate", DatabaseStop::Immediate),
                ("kill", DatabaseStop::Kill),
            ])?),
            Kind::Exhaust if self.connections == Some(0) => {
                return Err(bad("connections", "connections: at least 1, or leave it out for all".to_owned()));
            }
            Kind::Exhaust => Fault::Exhaust(self.connections),
            Kind::LockTable => Fault::LockTable(self.table()?),
            Kind::LockRows => Fault::LockRows(self.rows()?),
            Kind::RedisStop => Fault::RedisStop(self.how([("term", Rough::Term), ("kill", Rough::Kill)])?),
            Kind::RedisRestart => Fault::RedisRestart,
            Kind::Flushall => Fault::Flushall,
            Kind::ClientPause => {
                Fault::ClientPause(self.how([("all", RedisPause::All), ("write", RedisPause::Write)])?)
            }
            Kind::SlowDisk | Kind::FullDisk | Kind::Clock | Kind::PacketLoss => {
                return Err(bad("kind", format!("{kind} is not possible here")));
            }
        })
    }

    /// Refuses words that mean nothing to this kind.
    fn belongs(&self, kind: Kind) -> Result<(), BadFault> {
        use Kind::{
            Bandwidth, ClientPause, Exhaust, HalfOpen, HttpError, HttpNoAnswer, HttpTwice, Latency, LockRows,
            LockTable, PostgresStop, Promote, RedisStop, SlowClose,
        };
        let words: [(&'static str, bool, &[Kind]); 10] = [
            ("latency", self.latency.is_some(), &[Latency, SlowClose]),
            ("jitter", self.jitter.is_some(), &[Latency]),
            ("rate", self.rate.is_some(), &[Bandwidth]),
            ("direction", self.direction.is_some(), &[Latency, Bandwidth, HalfOpen, SlowClose]),
            ("connections", self.connections.is_some(), &[Exhaust]),
            ("table", self.table.is_some(), &[LockTable]),
            ("rows", self.rows.is_some(), &[LockRows]),
            ("how", self.how.is_some(), &[PostgresStop, Promote, RedisStop, ClientPause]),
            ("share", self.share.is_some(), &[HttpError, HttpNoAnswer, HttpTwice]),
            ("status", self.status.is_some(), &[HttpError]),
        ];
        for (field, given, kinds) in words {
            if given && !kinds.contains(&kind) {
                let known: Vec<&str> = kinds.iter().map(|kind| kind.word()).collect();
                let text = format!("{field} means nothing to `{kind}`\nhint: it belongs to {}", known.join(", "));
                return Err(bad(field, text));
            }
        }
        Ok(())
    }

    fn time_ms(&self, field: &'static str, text: Option<&str>, needed: Option<&str>) -> Result<u64, BadFault> {
        let given = match (text, needed) {
            (Some(text), _) => time(field, text)?,
            (None, None) => Duration::ZERO,
            (None, Some(example)) => {
                return Err(bad(field, format!("`{}` needs {field}\nhint: add it as {example}", self.kind)));
            }
        };
        match u64::try_from(given.as_millis()) {
            Ok(ms) if ms <= 3_600_000 => Ok(ms),
            _ => Err(bad(field, format!("{field}: at most 1h"))),
        }
    }

    fn bytes_per_s(&self) -> Result<u64, BadFault> {
        let Some(text) = &self.rate else {
            return Err(bad(
                "rate",
                "`bandwidth` needs rate\nhint: add it as rate = \"64k\", bytes a second".to_owned(),
            ));
        };
        crate::units::parse_count(text.trim_end_matches("/s")).map_err(|error| bad("rate", format!("rate: {error}")))
    }

    fn http(&self, what: HttpWhat) -> Result<Fault, BadFault> {
        let Some(text) = &self.share else {
            let text = format!("`{}` needs share\nhint: add it as share = \"20%\", of the requests", self.kind);
            return Err(bad("share", text));
        };
        let share = parse_share(text).map_err(|error| bad("share", format!("share: {error}")))?;
        // A share is at most 1, so it fits.
        let per_million = (share * 1e6).round() as u32;
        if per_million == 0 {
            return Err(bad("share", "share: more than 0%, or nothing would happen".to_owned()));
        }
        Ok(Fault::Http(HttpTrouble { what, per_million }))
    }

    fn error_status(&self) -> Result<u16, BadFault> {
        match self.status.unwrap_or(503) {
            status @ 400..=599 => Ok(status),
            other => Err(bad("status", format!("status: {other} is no error\nhint: 400 to 599, as status = 503"))),
        }
    }

    fn table(&self) -> Result<String, BadFault> {
        match &self.table {
            Some(name) if is_table(name) => Ok(name.clone()),
            Some(name) => {
                let text =
                    format!("table: `{name}` is no table's name\nhint: write NAME or SCHEMA.NAME, without quotes");
                Err(bad("table", text))
            }
            None => Err(bad("table", "`lock-table` needs table\nhint: add it as table = \"orders\"".to_owned())),
        }
    }

    fn rows(&self) -> Result<String, BadFault> {
        let needed = "rows: a statement that locks, as `SELECT 1 FROM orders WHERE id = 7 FOR UPDATE`";
        let Some(sql) = &self.rows else { return Err(bad("rows", format!("`lock-rows` needs {needed}"))) };
        let lower = sql.trim().to_ascii_lowercase();
        // One statement that reads: the fault holds what is there and writes nothing.
        let locks = [" for update", " for share", " for no key update", " for key share"];
        let fits =
            lower.starts_with("select ") && locks.iter().any(|lock| lower.contains(lock)) && !lower.contains(';');
        if fits { Ok(sql.trim().to_owned()) } else { Err(bad("rows", needed.to_owned())) }
    }

    /// The first word is the default.
    fn how<T: Copy, const N: usize>(&self, words: [(&'static str, T); N]) -> Result<T, BadFault> {
        let Some(given) = &self.how else { return Ok(words[0].1) };
        if let Some((_, meant)) = words.iter().find(|(word, _)| word == given) {
            return Ok(*meant);
        }
        let known = words.map(|(word, _)| word).join(", ");
        Err(bad("how", format!("how: `{given}` is no way to {}\nhint: use {known}", self.kind)))
    }
}

fn bad(field: &'static str, text: String) -> BadFault {
    BadFault { field, text }
}

fn time(field: &'static str, text: &str) -> Result<Duration, BadFault> {
    parse_duration(text).map_err(|error| bad(field, format!("{field}: {error}")))
}

fn is_table(name: &str) -> bool {
    let part = |part: &str| {
        part.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
            && part.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
    };
    name.split('.').count() <= 2 && name.split('.').all(part)
}

#[cfg(test)]
mod tests;
