//! Making the measurements of a sample run.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use stampede_model::failure::FailureKind;
use stampede_model::histogram::{Histogram, Packed};
use stampede_model::run_result::{
    Exemplar, FailureCount, GeneratorHealth, Latencies, LoadResult, SecondPoint, StepResult, StepSecond, Traffic,
};

const S: u64 = 1_000_000_000;
const TIMEOUT_NS: u64 = 2 * S;
/// Seconds after which the noise repeats; what an hour is made of would otherwise take minutes to draw.
const PATTERN: u32 = 97;

/// One step of a sample run.
#[derive(Clone, Copy)]
pub(super) struct Endpoint {
    pub(super) method: &'static str,
    pub(super) name: &'static str,
    pub(super) base_us: u64,
    pub(super) per_s: u64,
}

/// What a sample run does.
pub(super) struct Build<'a> {
    pub(super) endpoints: &'a [Endpoint],
    pub(super) seconds: u32,
    pub(super) ramp_s: u32,
    pub(super) outage: Option<Range<u32>>,
    pub(super) seed: u64,
}

/// What one step did in one second.
#[derive(Clone, Default)]
struct Second {
    succeeded: u64,
    timed_out: u64,
    refused: u64,
    intent: Packed,
    parts: Vec<(u64, u64, u64)>,
}

impl Build<'_> {
    pub(super) fn result(&self) -> LoadResult {
        let mut result = LoadResult { point_s: 1, elapsed_ns: u64::from(self.seconds) * S, ..LoadResult::default() };
        let mut merged = [Histogram::new()];
        let mut points: Vec<SecondPoint> =
            (0..self.seconds).map(|second| SecondPoint { second, ..SecondPoint::default() }).collect();
        for (place, endpoint) in self.endpoints.iter().enumerate() {
            let step = self.step(place as u64, *endpoint, &mut points);
            result.counts.merge(&step.counts);
            result.latency.merge(&step.latency);
            for (status, count) in &step.statuses {
                *result.statuses.entry(*status).or_default() += count;
            }
            add(&mut result.failures, &step.failures);
            result.steps.push(step);
        }
        let mut rests: Vec<&[StepSecond]> = result.steps.iter().map(|step| &step.seconds[..]).collect();
        for point in &mut points {
            merged[0].clear();
            for rest in &mut rests {
                if let Some((first, later)) = rest.split_first().filter(|(first, _)| first.second == point.second) {
                    first.latency.merge_into(&mut merged[0]);
                    *rest = later;
                }
            }
            let at = |share| merged[0].quantile(share).map(|figure| figure.ns);
            (point.p50_ns, point.p95_ns, point.p99_ns) = (at(0.5), at(0.95), at(0.99));
            point.max_ns = merged[0].max().map(|figure| figure.ns);
        }
        result.seconds = points;
        (0..40).for_each(|_| result.latency.connect.record(180_000));
        result.traffic = Traffic {
            received_bytes: result.counts.answered * 612,
            sent_bytes: result.counts.sent * 187,
            body_bytes: result.counts.answered * 410,
            connections: 40,
        };
        result.health = health(self.seconds);
        result
    }

    fn step(&self, place: u64, endpoint: Endpoint, points: &mut [SecondPoint]) -> StepResult {
        let mut step =
            StepResult { name: endpoint.name.to_owned(), method: endpoint.method.to_owned(), ..StepResult::default() };
        let (mut timeouts, mut refusals) = (Seen::default(), Seen::default());
        let mut drawn: HashMap<(u32, u64, bool), Second> = HashMap::new();
        for point in points {
            let out = self.outage.as_ref().is_some_and(|outage| outage.contains(&point.second));
            let ramp =
                if point.second < self.ramp_s { u64::from(point.second) + 1 } else { u64::from(self.ramp_s.max(1)) };
            let asked = (endpoint.per_s * ramp / u64::from(self.ramp_s.max(1))).max(1);
            let key = (point.second % PATTERN, asked, out);
            let seed = self.seed ^ place << 40 ^ u64::from(key.0) << 20 ^ u64::from(out);
            let second = drawn.entry(key).or_insert_with(|| draw(endpoint, asked, out, seed)).clone();
            point.sent += asked;
            point.succeeded += second.succeeded;
            point.failed += second.timed_out + second.refused;
            point.in_flight += asked * endpoint.base_us / 1_000_000 + 1 + second.timed_out * 2;
            point.users = 40;
            timeouts.see(second.timed_out, point.second);
            refusals.see(second.refused, point.second);
            keep(&mut step, point.second, &second);
        }
        step.failures =
            [(FailureKind::Timeout, timeouts, "no answer within 2s"), (FailureKind::Status5xx, refusals, "503")]
                .into_iter()
                .filter_map(|(kind, seen, example)| seen.count(kind, example))
                .collect();
        step.slowest.sort_by_key(|slow| std::cmp::Reverse(slow.total_ns));
        step.slowest.truncate(StepResult::MAX_SLOWEST);
        step
    }
}

/// Draws the requests of one second.
fn draw(endpoint: Endpoint, asked: u64, out: bool, seed: u64) -> Second {
    let mut noise = Noise(seed | 1);
    let mut second = Second::default();
    let mut intent = Histogram::new();
    for number in 0..asked {
        if out && number % 3 == 0 {
            second.refused += 1;
        } else if out && number % 3 == 1 {
            second.timed_out += 1;
            intent.record_at_least(TIMEOUT_NS);
        } else {
            let wait = noise.below(60_000) + if out { noise.below(900_000_000) } else { 0 };
            let slow = if noise.below(200) == 0 { 12 } else { 1 };
            let first_byte = (endpoint.base_us * slow * 1_000) * (60 + noise.below(40) + noise.below(60)) / 100;
            let receive = 20_000 + noise.below(80_000);
            intent.record(wait + first_byte + receive);
            second.parts.push((wait, first_byte, receive));
            second.succeeded += 1;
        }
    }
    second.intent = Packed::of(&intent);
    second
}

/// Adds one second to its step.
fn keep(step: &mut StepResult, at_s: u32, second: &Second) {
    let failed = second.timed_out + second.refused;
    let counts = &mut step.counts;
    counts.asked += second.succeeded + failed;
    counts.sent += second.succeeded + failed;
    counts.answered += second.succeeded + second.refused;
    counts.succeeded += second.succeeded;
    counts.failed += failed;
    for (status, count) in [(200, second.succeeded), (503, second.refused)].into_iter().filter(|(_, count)| *count > 0)
    {
        *step.statuses.entry(status).or_default() += count;
    }
    let Latencies { intent, service, first_byte, receive, failed: refused, .. } = &mut step.latency;
    second.intent.merge_into(intent);
    (0..second.timed_out).for_each(|_| service.record_at_least(TIMEOUT_NS));
    (0..second.refused).for_each(|_| refused.record(3_000_000));
    for (number, (wait, first, rest)) in second.parts.iter().enumerate() {
        service.record(first + rest);
        first_byte.record(*first);
        receive.record(*rest);
        let least = step.slowest.last().map_or(0, |slow| slow.total_ns);
        if step.slowest.len() < StepResult::MAX_SLOWEST || wait + first + rest > least {
            step.slowest.push(exemplar(&step.name, u64::from(at_s) * S + number as u64, (*wait, *first, *rest)));
            step.slowest.sort_by_key(|slow| std::cmp::Reverse(slow.total_ns));
            step.slowest.truncate(StepResult::MAX_SLOWEST);
        }
    }
    step.seconds.push(StepSecond { second: at_s, succeeded: second.succeeded, failed, latency: second.intent.clone() });
}

fn exemplar(step: &str, at_ns: u64, (wait_ns, first_byte_ns, receive_ns): (u64, u64, u64)) -> Exemplar {
    let path = step.split(' ').nth(1).unwrap_or("/");
    Exemplar {
        at_ns,
        total_ns: wait_ns + first_byte_ns + receive_ns,
        wait_ns,
        first_byte_ns,
        receive_ns,
        status: 200,
        curl: format!("curl 'http://127.0.0.1:8080{path}' -H 'authorization: ***'"),
        answer_headers: BTreeMap::from([("x-request-id".to_owned(), format!("{at_ns:016x}"))]),
    }
}

fn health(seconds: u32) -> GeneratorHealth {
    let mut lag = Histogram::new();
    (0..2_000).for_each(|look| lag.record(38_000 + look * 70));
    GeneratorHealth {
        threads: 1,
        lag,
        cpu_ns: u64::from(seconds) * S / 50,
        wall_ns: u64::from(seconds) * S,
        in_flight_mean: 2.4,
        in_flight_looks: 100,
        open_files_limit: 1_048_576,
        ..GeneratorHealth::default()
    }
}

fn add(all: &mut Vec<FailureCount>, some: &[FailureCount]) {
    for one in some {
        match all.iter_mut().find(|other| other.kind == one.kind) {
            Some(other) => {
                other.count += one.count;
                other.first_ns = other.first_ns.min(one.first_ns);
                other.last_ns = other.last_ns.max(one.last_ns);
            }
            None => all.push(one.clone()),
        }
    }
}

/// How often something happened, and when.
#[derive(Default)]
struct Seen {
    count: u64,
    first_s: u32,
    last_s: u32,
}

impl Seen {
    fn see(&mut self, count: u64, at_s: u32) {
        if count > 0 {
            self.first_s = if self.count == 0 { at_s } else { self.first_s };
            self.last_s = at_s;
            self.count += count;
        }
    }

    fn count(&self, kind: FailureKind, example: &str) -> Option<FailureCount> {
        let (first_ns, last_ns) = (u64::from(self.first_s) * S + 5_000_000, u64::from(self.last_s) * S + 990_000_000);
        (self.count > 0).then(|| FailureCount {
            kind,
            count: self.count,
            first_ns,
            last_ns,
            example: example.to_owned(),
        })
    }
}

/// Numbers that look random and are the same everywhere.
struct Noise(u64);

impl Noise {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}
