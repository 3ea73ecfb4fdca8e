//! A plan's file: read, checked, each mistake at its line.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::{ChaosPlan, MOST, PlanChecked, PlanFault, PlanLoad, PlanWorkload, Steady};
use crate::chaos::abort::AbortRule;
use crate::chaos::expected::Expected;
use crate::chaos::fault::Direction;
use crate::chaos::raw::{BadFault, RawFault};
use crate::failure::FailureKind;
use crate::target::{Source, TargetError};
use crate::units::{parse_duration, parse_rate, parse_share};

const LONGEST: Duration = Duration::from_hours(24);
/// How often rounds of checked load are begun when nobody says.
const USUAL_ROUND: Duration = Duration::from_secs(1);
const SHORTEST_ROUND: Duration = Duration::from_millis(10);
const CLIENTS_MAX: u32 = 1_000;
/// Seconds that a run remembers of itself.
const ABORT_LONGEST: Duration = Duration::from_mins(2);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    seed: Option<u64>,
    lasts: Spanned<String>,
    gap: Option<Spanned<String>>,
    load: Spanned<FileLoad>,
    steady: Option<Spanned<FileSteady>>,
    watch: Option<FileWatch>,
    abort: Option<Spanned<FileAbort>>,
    fault: Vec<Spanned<FileFault>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileLoad {
    scenario: Option<PathBuf>,
    path: Option<String>,
    rate: Option<String>,
    timeout: Option<String>,
    checked: Option<Spanned<FileChecked>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileChecked {
    target: PathBuf,
    every: Option<String>,
    #[serde(default)]
    workload: BTreeMap<String, Spanned<FileWorkload>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileWorkload {
    clients: Option<u32>,
    round: Option<u32>,
    #[serde(default)]
    settings: BTreeMap<String, toml::Value>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileSteady {
    path: Option<String>,
    status: Option<u16>,
    within: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileWatch {
    lists: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileAbort {
    errors: String,
    #[serde(rename = "for")]
    lasts: Option<String>,
}

// The fields of `RawFault` stand here once more: serde cannot both flatten a struct and refuse unknown fields.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileFault {
    kind: String,
    on: Option<String>,
    #[serde(rename = "for")]
    lasts: Option<String>,
    latency: Option<String>,
    jitter: Option<String>,
    rate: Option<String>,
    direction: Option<Direction>,
    connections: Option<u32>,
    table: Option<String>,
    rows: Option<String>,
    how: Option<String>,
    share: Option<String>,
    status: Option<u16>,
    at: Option<String>,
    every: Option<String>,
    times: Option<u32>,
    recovery: Option<String>,
    after_undo: Option<String>,
    failures: Option<Vec<FailureKind>>,
    failures_within: Option<String>,
}

impl ChaosPlan {
    /// Reads a plan's text; `file` is its name in error messages.
    ///
    /// # Errors
    /// The first fault of the file, with line, column and a hint.
    pub fn parse(file: &str, text: &str) -> Result<Self, TargetError> {
        let source = Source { file, text };
        let read: File = toml::from_str(text).map_err(|error| {
            let hint = "docs/chaos.md has a plan with every field; fields are never ignored";
            source.error(error.span().unwrap_or(0..0), error.message().trim_end(), hint)
        })?;
        let at = At { source, text };
        let lasts = at.time(read.lasts.span(), "lasts", read.lasts.as_ref())?;
        if lasts.is_zero() || lasts > LONGEST {
            return Err(source.error(read.lasts.span(), "a run lasts longer than 0s and at most 24h", "change lasts"));
        }
        let gap = read.gap.as_ref().map(|gap| at.time(gap.span(), "gap", gap.as_ref())).transpose()?;
        let checked = read.load.as_ref().checked.as_ref();
        let plan = Self {
            seed: read.seed,
            lasts,
            gap,
            load: at.load(&read.load)?,
            checked: checked.map(|checked| at.checked(checked)).transpose()?,
            steady: read.steady.as_ref().map_or(Ok(Steady::default()), |steady| at.steady(steady))?,
            lists: read.watch.unwrap_or_default().lists,
            abort: read.abort.as_ref().map(|abort| at.abort(abort)).transpose()?,
            faults: read.fault.iter().map(|fault| at.fault(fault, (lasts, gap.is_some()))).collect::<Result<_, _>>()?,
        };
        if plan.faults.is_empty() {
            return Err(source.error(0..0, "the plan has no fault", "add a [[fault]] with kind, on and at"));
        }
        if plan.dues().len() > MOST {
            let hint = "make `every` longer, or limit it with `times`";
            return Err(source.error(0..0, format!("the plan has more than {MOST} faults"), hint));
        }
        Ok(plan)
    }
}

struct At<'a> {
    source: Source<'a>,
    text: &'a str,
}

impl At<'_> {
    fn time(&self, span: Range<usize>, field: &str, text: &str) -> Result<Duration, TargetError> {
        let place = self.field(span, field);
        parse_duration(text).map_err(|error| {
            self.source.error(place, format!("{field}: {error}"), format!("write it as {field} = \"10s\""))
        })
    }

    /// Where a field of a table stands; the table itself when it cannot be seen.
    fn field(&self, span: Range<usize>, field: &str) -> Range<usize> {
        let mut start = span.start;
        for line in self.text.get(span.start..).unwrap_or_default().split_inclusive('\n') {
            let indented = line.len() - line.trim_start().len();
            if start > span.start && line.trim_start().starts_with('[') {
                break;
            }
            if line.trim_start().strip_prefix(field).is_some_and(|rest| rest.trim_start().starts_with('=')) {
                return start + indented..start + line.len();
            }
            start += line.len();
        }
        span
    }

    fn load(&self, load: &Spanned<FileLoad>) -> Result<PlanLoad, TargetError> {
        let span = load.span();
        let FileLoad { scenario, path, rate, timeout, .. } = load.as_ref();
        let timeout =
            timeout.as_deref().map_or(Ok(Duration::from_secs(5)), |text| self.time(span.clone(), "timeout", text))?;
        match (scenario, path, rate) {
            (Some(file), None, None) => Ok(PlanLoad::Scenario(file.clone())),
            (None, Some(path), Some(rate)) if path.starts_with('/') => {
                let rate_per_s = parse_rate(rate).map_err(|error| {
                    let place = self.field(span, "rate");
                    self.source.error(place, format!("rate: {error}"), "write it as rate = \"100/s\"")
                })?;
                Ok(PlanLoad::Path { path: path.clone(), rate_per_s, timeout })
            }
            _ => {
                let hint = "write path = \"/readyz\" and rate = \"100/s\", or scenario = \"FILE\" alone";
                Err(self.source.error(span, "load says neither what to ask nor which scenario to run", hint))
            }
        }
    }

    fn checked(&self, checked: &Spanned<FileChecked>) -> Result<PlanChecked, TargetError> {
        let (span, file) = (checked.span(), checked.as_ref());
        let every = file.every.as_deref().map_or(Ok(USUAL_ROUND), |text| self.time(span.clone(), "every", text))?;
        if every < SHORTEST_ROUND {
            let message = "every: rounds of checked load are at least 10ms apart";
            return Err(self.source.error(self.field(span, "every"), message, "write it as every = \"1s\""));
        }
        if file.workload.is_empty() {
            let hint = "add [load.checked.workload.ID] for each; `stampede check TARGET --list` shows them";
            return Err(self.source.error(span, "load.checked names no workload", hint));
        }
        let workload = |(id, workload): (&String, &Spanned<FileWorkload>)| {
            let FileWorkload { clients, round, settings } = workload.as_ref();
            let wrong = |field, message: &str| {
                let place = self.field(workload.span(), field);
                Err(self.source.error(
                    place,
                    format!("load.checked.workload.{id}: {message}"),
                    "change it, or leave it out",
                ))
            };
            if clients.is_some_and(|clients| !(1..=CLIENTS_MAX).contains(&clients)) {
                return wrong("clients", "clients: 1 to 1,000");
            }
            if *round == Some(0) {
                return wrong("round", "round: at least 1");
            }
            Ok(PlanWorkload { id: id.clone(), clients: *clients, round: *round, settings: settings.clone() })
        };
        let workloads = file.workload.iter().map(workload).collect::<Result<_, _>>()?;
        Ok(PlanChecked { target: file.target.clone(), every, workloads })
    }

    fn steady(&self, steady: &Spanned<FileSteady>) -> Result<Steady, TargetError> {
        let (span, usual) = (steady.span(), Steady::default());
        let FileSteady { path, status, within } = steady.as_ref();
        if path.as_ref().is_some_and(|path| !path.starts_with('/')) {
            let place = self.field(span, "path");
            return Err(self.source.error(place, "steady.path does not start with `/`", "write path = \"/readyz\""));
        }
        let within = within.as_deref().map_or(Ok(usual.within), |text| self.time(span, "within", text))?;
        Ok(Steady { path: path.clone(), status: status.unwrap_or(usual.status), within })
    }

    fn abort(&self, abort: &Spanned<FileAbort>) -> Result<AbortRule, TargetError> {
        let span = abort.span();
        let FileAbort { errors, lasts } = abort.as_ref();
        let share = parse_share(errors).map_err(|error| {
            let place = self.field(span.clone(), "errors");
            self.source.error(place, format!("errors: {error}"), "write it as errors = \"50%\"")
        })?;
        let lasts =
            lasts.as_deref().map_or(Ok(Duration::from_secs(10)), |text| self.time(span.clone(), "for", text))?;
        if lasts > ABORT_LONGEST {
            let message = "for: so many seconds are not remembered; at most 2m";
            return Err(self.source.error(self.field(span, "for"), message, "write it as for = \"60s\""));
        }
        Ok(AbortRule { share, seconds: u32::try_from(lasts.as_secs().max(1)).unwrap_or(u32::MAX) })
    }

    fn fault(&self, fault: &Spanned<FileFault>, (run, follows): (Duration, bool)) -> Result<PlanFault, TargetError> {
        let (span, file) = (fault.span(), fault.as_ref().clone());
        let raw = RawFault {
            kind: file.kind,
            on: file.on,
            lasts: file.lasts,
            latency: file.latency,
            jitter: file.jitter,
            rate: file.rate,
            direction: file.direction,
            connections: file.connections,
            table: file.table,
            rows: file.rows,
            how: file.how,
            share: file.share,
            status: file.status,
        };
        let named = |BadFault { field, text }: BadFault| {
            let (message, hint) = match text.split_once("hint: ") {
                Some((message, hint)) => (message.trim_end().to_owned(), hint.to_owned()),
                None => (text, format!("correct `{field}`")),
            };
            self.source.error(self.field(span.clone(), field), message, hint)
        };
        let optional =
            |field, text: &Option<String>| text.as_deref().map(|text| self.time(span.clone(), field, text)).transpose();
        let read = PlanFault {
            kind: raw.kind().map_err(named)?,
            fault: raw.fault().map_err(named)?,
            lasts: raw.lasts().map_err(named)?,
            on: raw.on,
            at: optional("at", &file.at)?.unwrap_or_default(),
            every: optional("every", &file.every)?,
            times: file.times,
            expected: Expected {
                recovery_ns: optional("recovery", &file.recovery)?.map(ns),
                after_undo_ns: optional("after_undo", &file.after_undo)?.map(ns),
                failures: file.failures,
                failures_within_ns: optional("failures_within", &file.failures_within)?.map(ns),
            },
        };
        let wrong =
            |field, message: &str, hint: &str| Err(self.source.error(self.field(span.clone(), field), message, hint));
        for (field, given) in
            [("at", file.at.is_some()), ("every", file.every.is_some()), ("times", file.times.is_some())]
        {
            if follows && given {
                let message = format!("with `gap` faults follow one another, and `{field}` means nothing");
                return wrong(field, &message, "leave it out, or leave `gap` out and give every fault its time");
            }
        }
        if read.at >= run {
            return wrong("at", "the fault comes after the end of the run", "make `lasts` longer, or `at` earlier");
        }
        if read.every.is_some_and(|every| every < Duration::from_millis(100)) {
            return wrong("every", "a fault comes again after 100ms at the earliest", "make `every` longer");
        }
        if read.every.is_some_and(|every| every < read.lasts) && !read.kind.is_an_instant() {
            return wrong(
                "every",
                "the fault would come again before it is over",
                "make `every` longer, or `for` shorter",
            );
        }
        Ok(read)
    }
}

fn ns(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
