//! Every format read back by a reader that is not ours, or by a strict one, gives the figures of the run.

use std::collections::BTreeMap;

use hdrhistogram::Histogram as Hdr;
use hdrhistogram::serialization::Deserializer;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
use proptest::prelude::*;
use stampede_model::histogram::Histogram;
use stampede_model::run::RunFile;
use stampede_report::export::{Format, render};
use stampede_report::parse;

use crate::prometheus;
use crate::sample::{self, random};

fn text(format: Format, run: &RunFile) -> String {
    String::from_utf8(render(format, run).unwrap()).unwrap()
}

fn ms(cell: &str) -> Option<u64> {
    let (whole, part) = cell.split_once('.')?;
    Some(whole.parse::<u64>().unwrap() * 1_000_000 + part.parse::<u64>().unwrap())
}

fn csv_gives_the_same(run: &RunFile) {
    let bytes = render(Format::Csv, run).unwrap();
    let mut reader = csv::Reader::from_reader(&bytes[..]);
    let heads = reader.headers().unwrap().clone();
    let column = |name: &str| heads.iter().position(|head| head == name).unwrap();
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    let of = |step: &str, second: u32| {
        let mut found = rows.iter().filter(|row| row[0] == *second.to_string() && row[1] == *step);
        let row = found.next().cloned();
        assert!(found.next().is_none(), "{step:?} has second {second} twice");
        row
    };
    for point in &run.result.seconds {
        let row = of("(all)", point.second).unwrap();
        assert_eq!(row[column("sent")], point.sent.to_string());
        assert_eq!(row[column("succeeded")], point.succeeded.to_string());
        let figures = ["p50_ms", "p95_ms", "p99_ms", "max_ms"].map(|name| ms(&row[column(name)]));
        assert_eq!(figures, [point.p50_ns, point.p95_ns, point.p99_ns, point.max_ns]);
    }
    for step in &run.result.steps {
        for second in &step.seconds {
            let row = of(&step.name, second.second).unwrap();
            assert_eq!(row[column("failed")], second.failed.to_string());
            let latency = second.latency.unpack();
            assert_eq!(row[column("samples")], latency.count().to_string());
            assert_eq!(row[column("censored")], latency.censored().to_string());
            assert_eq!(ms(&row[column("p99_ms")]), latency.quantile(0.99).map(|figure| figure.ns));
            assert_eq!(ms(&row[column("mean_ms")]), latency.mean().map(|figure| figure.ns));
        }
    }
    let points = run.result.seconds.len() + run.result.steps.iter().map(|step| step.seconds.len()).sum::<usize>();
    assert_eq!(rows.len(), points);
}

fn prometheus_gives_the_same(run: &RunFile) {
    let text = text(Format::Prometheus, run);
    let samples = prometheus::read(&text).unwrap_or_else(|error| panic!("{error}"));
    let value = |name: &str, labels: &[(&str, &str)]| {
        let fits = |sample: &&prometheus::Sample| {
            sample.name == name
                && labels.iter().all(|(key, value)| sample.labels.get(*key).is_some_and(|is| is == value))
        };
        samples.iter().filter(fits).map(|sample| sample.value).sum::<f64>() as u64
    };
    for step in &run.result.steps {
        let named = ("step", step.name.as_str());
        let ended = |end| value("stampede_requests_total", &[named, ("outcome", end)]);
        assert_eq!(ended("succeeded"), step.counts.succeeded);
        assert_eq!(ended("failed"), step.counts.failed);
        assert_eq!(value("stampede_request_duration_seconds_count", &[named]), step.latency.intent.count());
        assert_eq!(value("stampede_requests_censored_total", &[named]), step.latency.intent.censored());
        let within = value("stampede_request_duration_seconds_bucket", &[named, ("le", "0.1")]);
        assert_eq!(within, step.latency.intent.count() - step.latency.intent.count_above(100_000_000));
        for (status, count) in &step.statuses {
            assert_eq!(value("stampede_answers_total", &[named, ("status", &status.to_string())]), *count);
        }
    }
    assert_eq!(value("stampede_requests_total", &[]), run.result.counts.asked);
    assert_eq!(value("stampede_failures_total", &[]), run.result.counts.failed);
}

/// The log's histograms added up, by tag.
fn logged(run: &RunFile) -> BTreeMap<Option<String>, Hdr<u64>> {
    let bytes = render(Format::Hlog, run).unwrap();
    let mut sums: BTreeMap<Option<String>, Hdr<u64>> = BTreeMap::new();
    for entry in IntervalLogIterator::new(&bytes) {
        let LogEntry::Interval(interval) = entry.unwrap() else { continue };
        let packed = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, interval.encoded_histogram());
        let hdr: Hdr<u64> = Deserializer::new().deserialize(&mut &packed.unwrap()[..]).unwrap();
        assert_eq!(interval.duration().as_secs(), 1);
        let tag = interval.tag().map(|tag| tag.as_str().to_owned());
        sums.entry(tag).or_insert_with(|| Hdr::new(3).unwrap()).add(hdr).unwrap();
    }
    sums
}

fn near(hdr: &Hdr<u64>, full: &Histogram) {
    assert_eq!(hdr.len(), full.count());
    for share in [0.5, 0.9, 0.99, 1.0] {
        let (us, ns) = (hdr.value_at_quantile(share) as f64, full.quantile(share).unwrap().ns as f64);
        assert!((us - ns / 1e3).abs() <= ns / 1e3 * 0.006 + 1.0, "{share}: {us} µs, {ns} ns");
    }
}

fn the_log_gives_the_same(run: &RunFile) {
    let sums = logged(run);
    let of_tag = |name: &str| {
        let tag: String = name.chars().map(|at| if at == ',' || at.is_whitespace() { '_' } else { at }).collect();
        sums.get(&Some(tag))
    };
    for step in run.result.steps.iter().filter(|step| step.latency.intent.count() > 0) {
        near(of_tag(&step.name).unwrap(), &step.latency.intent);
    }
    if run.result.latency.intent.count() > 0 {
        near(&sums[&None], &run.result.latency.intent);
    }
}

fn the_distribution_gives_the_same(run: &RunFile) {
    let text = text(Format::Hgrm, run);
    let rows: Vec<Vec<f64>> = text
        .lines()
        .skip(2)
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split_whitespace().map(|cell| cell.parse().unwrap()).collect())
        .collect();
    let intent = &run.result.latency.intent;
    assert!(rows.is_sorted_by(|a, b| a[0] <= b[0] && a[1] < b[1] && a[2] < b[2]), "{text}");
    assert_eq!(rows.last().map_or(0, |row| row[2] as u64), intent.count());
    for row in &rows {
        // By the row's rank: its share is rounded.
        let ns = intent.quantile((row[2] - 0.5) / intent.count() as f64).unwrap().ns as f64;
        assert!((row[1] - row[2] / intent.count() as f64).abs() < 1e-9, "{row:?}");
        assert!((row[0] * 1e3 - ns).abs() <= ns * 0.005 + 1.0, "{row:?} {ns}");
    }
}

fn junit_gives_the_same(run: &RunFile) {
    let text = text(Format::Junit, run);
    let document = roxmltree::Document::parse(&text).unwrap();
    let cases: Vec<_> = document.descendants().filter(|node| node.has_tag_name("testcase")).collect();
    assert_eq!(cases.len(), run.thresholds.len() + 1 + run.result.steps.len());
    let suite = document.descendants().find(|node| node.has_tag_name("testsuite")).unwrap();
    for (attribute, tag) in [("failures", "failure"), ("errors", "error"), ("skipped", "skipped")] {
        let found = document.descendants().filter(|node| node.has_tag_name(tag)).count();
        assert_eq!(suite.attribute(attribute), Some(&*found.to_string()), "{attribute}");
    }
    for (case, judged) in cases.iter().zip(&run.thresholds) {
        let end = case.children().find(|node| node.has_tag_name("failure") || node.has_tag_name("error"));
        let wanted = match word(judged) {
            "fail" => Some("failure"),
            "unknown" => Some("error"),
            _ => None,
        };
        assert_eq!(end.map(|node| node.tag_name().name().to_owned()).as_deref(), wanted, "{judged:?}");
    }
}

/// The judgement as it stands in a run file.
fn word(judged: &stampede_model::threshold::Judged) -> &'static str {
    match serde_json::to_value(judged.judgement).unwrap().as_str().unwrap() {
        "pass" => "pass",
        "fail" => "fail",
        _ => "unknown",
    }
}

fn all_give_the_same(run: &RunFile) {
    let again = parse(&render(Format::Json, run).unwrap()).unwrap();
    // A fraction may lose its last digit on the way; `parse` has compared those with what they come from.
    let whole = |run: &RunFile| {
        let mut json = serde_json::to_value(run).unwrap();
        json.as_object_mut().unwrap().remove("metrics").map(|_| json).unwrap()
    };
    assert_eq!(whole(&again), whole(run));
    csv_gives_the_same(run);
    prometheus_gives_the_same(run);
    the_log_gives_the_same(run);
    the_distribution_gives_the_same(run);
    junit_gives_the_same(run);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn what_is_read_back_is_what_was_measured(run in random::run()) {
        all_give_the_same(&run);
        let page = text(Format::Html, &run);
        prop_assert!(!page.contains("<x>") && page.contains("&lt;x&gt; &amp; 'y'"));
    }
}

#[test]
fn a_whole_shop_and_an_empty_run_come_back() {
    all_give_the_same(&sample::shop());
    all_give_the_same(&sample::empty());
}

#[test]
fn hostile_names_break_no_format() {
    let run = sample::hostile();
    csv_gives_the_same(&run);
    prometheus_gives_the_same(&run);
    junit_gives_the_same(&run);
    for format in [Format::Junit, Format::Markdown] {
        let text = text(format, &run);
        assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}') && !text.contains('\0'), "{format:?}");
        assert!(!text.contains("<script>") && !text.contains("<img"), "{format:?}");
    }
    for table in text(Format::Markdown, &run).split("\n\n").filter(|part| part.starts_with('|')) {
        let bars = |line: &str| line.replace("\\|", "").matches('|').count();
        let wide: Vec<usize> = table.lines().map(bars).collect();
        assert!(wide.windows(2).all(|pair| pair[0] == pair[1]), "{table}");
    }
}

#[test]
fn the_texts_are_as_reviewed() {
    let (shop, quiet) = (sample::shop(), sample::quiet());
    insta::assert_snapshot!("markdown", text(Format::Markdown, &shop));
    insta::assert_snapshot!("junit", text(Format::Junit, &shop));
    insta::assert_snapshot!("prometheus", text(Format::Prometheus, &quiet));
    insta::assert_snapshot!("oha", text(Format::Oha, &shop));
    let csv = text(Format::Csv, &shop);
    insta::assert_snapshot!("csv", csv.lines().take(12).collect::<Vec<_>>().join("\n"));
    let distribution = text(Format::Hgrm, &quiet);
    let lines: Vec<&str> = distribution.lines().collect();
    let ends = [&lines[..6], &lines[lines.len() - 4..]].concat();
    insta::assert_snapshot!("hgrm", ends.join("\n"));
}
