//! ab's table, to the letter.
//!
//! Absent on purpose: ab's warnings that mean and median lie more than a deviation apart. That cannot be (the deviation
//! bounds their distance); ab prints them because it compares figures it has already rounded.

use stampede_engine::http::Endpoint;
use stampede_engine::load::{Reuse, SampledRun};
use stampede_model::failure::FailureKind;

use super::args::{AbOrder, Confidence, Length};
use super::times::Times;
use crate::print::Append;

const PERCENTAGES: [usize; 9] = [50, 66, 75, 80, 90, 95, 98, 99, 100];

/// The table down to the transfer rate.
pub(super) fn render(order: &AbOrder, run: &SampledRun) -> String {
    let mut text = String::new();
    let mut row = |name: &str, value: String| text.append(format_args!("{name:<24}{value}\n"));
    let (server, length) =
        run.first_answer.as_ref().map_or(("", 0), |first| (first.server.as_deref().unwrap_or(""), first.body_bytes));
    // The URL was parsed before the run.
    let endpoint = Endpoint::parse(&order.url).ok();
    let (host, port, path) = endpoint.as_ref().map_or(("", 0, "/"), |to| (to.host(), to.port(), to.path().as_str()));
    row("Server Software:", server.to_owned());
    row("Server Hostname:", host.to_owned());
    row("Server Port:", format!("{port}\n"));
    row("Document Path:", path.to_owned());
    row(
        "Document Length:",
        match order.length {
            Length::Fixed => format!("{length} bytes\n"),
            Length::Variable => "Variable\n".to_owned(),
        },
    );
    let elapsed_s = run.result.elapsed_ns as f64 / 1e9;
    row("Concurrency Level:", order.concurrency.to_string());
    row("Time taken for tests:", format!("{elapsed_s:.3} seconds"));
    row("Complete requests:", run.result.counts.answered.to_string());
    failed_rows(&mut row, order, run, length);
    traffic_rows(&mut row, order, run, elapsed_s);
    text
}

fn failed_rows(row: &mut impl FnMut(&str, String), order: &AbOrder, run: &SampledRun, length: u64) {
    let mut bad = Bad::of(run);
    if order.length == Length::Fixed {
        bad.length = run.samples.iter().filter(|sample| sample.body_bytes != length).count() as u64;
    }
    row("Failed requests:", bad.sum().to_string());
    if bad.sum() > 0 {
        let Bad { connect, receive, length, exceptions } = bad;
        let kinds = format!("Connect: {connect}, Receive: {receive}, Length: {length}, Exceptions: {exceptions}");
        row(&format!("   ({kinds})"), String::new());
    }
    let not_2xx = run.samples.iter().filter(|sample| !(200..300).contains(&sample.status)).count();
    if not_2xx > 0 {
        row("Non-2xx responses:", not_2xx.to_string());
    }
    if order.reuse == Reuse::KeepAlive {
        row("Keep-Alive requests:", run.samples.iter().filter(|sample| sample.kept_alive).count().to_string());
    }
}

fn traffic_rows(row: &mut impl FnMut(&str, String), order: &AbOrder, run: &SampledRun, elapsed_s: f64) {
    let traffic = &run.result.traffic;
    let done = run.result.counts.answered as f64;
    row("Total transferred:", format!("{} bytes", traffic.received_bytes));
    if order.upload.is_some() {
        row("Total body sent:", traffic.sent_bytes.to_string());
    }
    row("HTML transferred:", format!("{} bytes", traffic.body_bytes));
    if elapsed_s <= 0.0 || done <= 0.0 {
        return;
    }
    let rate = |bytes: u64| bytes as f64 / 1_024.0 / elapsed_s;
    let each_ms = elapsed_s * 1e3 / done;
    row("Requests per second:", format!("{:.2} [#/sec] (mean)", done / elapsed_s));
    row("Time per request:", format!("{:.3} [ms] (mean)", f64::from(order.concurrency) * each_ms));
    row("Time per request:", format!("{each_ms:.3} [ms] (mean, across all concurrent requests)"));
    row("Transfer rate:", format!("{:.2} [Kbytes/sec] received", rate(traffic.received_bytes)));
    if order.upload.is_some() {
        row("", format!("{:.2} kb/s sent", rate(traffic.sent_bytes)));
        row("", format!("{:.2} kb/s total", rate(traffic.received_bytes + traffic.sent_bytes)));
    }
}

/// Failed requests in ab's four kinds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Bad {
    connect: u64,
    receive: u64,
    length: u64,
    exceptions: u64,
}

impl Bad {
    fn of(run: &SampledRun) -> Self {
        let mut bad = Self::default();
        for failure in &run.result.failures {
            let cell = match failure.kind {
                FailureKind::NameNotResolved
                | FailureKind::ConnectRefused
                | FailureKind::ConnectTimeout
                | FailureKind::ConnectFailed
                | FailureKind::NoLocalPort
                | FailureKind::TooManyOpenFiles
                | FailureKind::TlsHandshake
                | FailureKind::TlsUntrusted
                | FailureKind::TlsWrongHost => &mut bad.connect,
                FailureKind::Reset | FailureKind::ResetInBody | FailureKind::ClosedEarly => &mut bad.receive,
                FailureKind::Status4xx
                | FailureKind::Status5xx
                | FailureKind::StatusUnexpected
                | FailureKind::ContentUnexpected => continue,
                FailureKind::Timeout
                | FailureKind::TimeoutInAnswer
                | FailureKind::Protocol
                | FailureKind::HeadTooLarge
                | FailureKind::MalformedChunk
                | FailureKind::ExtraBytes
                | FailureKind::H2Protocol
                | FailureKind::H2GoAway
                | FailureKind::H2StreamReset
                | FailureKind::Other => &mut bad.exceptions,
            };
            *cell += failure.count;
        }
        bad
    }

    fn sum(self) -> u64 {
        self.connect + self.receive + self.length + self.exceptions
    }
}

/// The table of connection times.
pub(super) fn connection_times(times: &Times, confidence: Confidence) -> String {
    let rows = [
        ("Connect:", &times.connect),
        ("Processing:", &times.processing),
        ("Waiting:", &times.waiting),
        ("Total:", &times.total),
    ];
    let mut text = "\nConnection Times (ms)\n".to_owned();
    if confidence == Confidence::Hidden {
        text.push_str("              min   avg   max\n");
        for (name, sorted) in rows {
            let (min, mean, max) = (ms(sorted.min() as f64), ms(sorted.mean()), ms(sorted.max() as f64));
            text.append(format_args!("{name:<12}{min:>5} {mean:>5}{max:>5}\n"));
        }
        return text;
    }
    text.push_str("              min  mean[+/-sd] median   max\n");
    for (name, sorted) in rows {
        text.append(format_args!(
            "{name:<12}{:>5} {:>4} {:>5.1} {:>6} {:>7}\n",
            ms(sorted.min() as f64),
            ms(sorted.mean()),
            sorted.deviation() / 1e6,
            ms(sorted.median()),
            ms(sorted.max() as f64)
        ));
    }
    text
}

/// The table of percentages; ab prints none for a single request.
pub(super) fn percentages(times: &Times) -> String {
    let mut text = "\nPercentage of the requests served within a certain time (ms)\n".to_owned();
    for percent in PERCENTAGES {
        if percent == 100 {
            text.append(format_args!(" 100%  {:>5} (longest request)\n", ms(times.total.max() as f64)));
        } else {
            text.append(format_args!("  {percent}%  {:>5}\n", ms(times.total.served(percent) as f64)));
        }
    }
    text
}

/// Whole milliseconds, rounded half up.
pub(super) fn ms(ns: f64) -> u64 {
    ((ns / 1e3).floor() as u64 + 500) / 1_000
}

#[cfg(test)]
mod tests {
    use super::*;
    use stampede_engine::load::Sample;

    fn times(totals_ms: &[u64]) -> Times {
        let sample = |ms: &u64| Sample {
            start_ns: 0,
            connect_ns: 0,
            first_byte_ns: ms * 1_000_000,
            total_ns: ms * 1_000_000,
            body_bytes: 0,
            status: 200,
            kept_alive: false,
        };
        Times::of(&totals_ms.iter().map(sample).collect::<Vec<_>>())
    }

    #[test]
    fn columns_stand_where_ab_has_them() {
        let text = connection_times(&times(&[1, 2, 12_345]), Confidence::Shown);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[2], "              min  mean[+/-sd] median   max");
        assert_eq!(lines[3], "Connect:        0    0   0.0      0       0");
        assert_eq!(lines[6], "Total:          1 4116 7126.5      2   12345");
        let text = connection_times(&times(&[1, 2, 3]), Confidence::Hidden);
        assert_eq!(text.lines().nth(6).unwrap(), "Total:          1     2    3");
    }

    #[test]
    fn percentages_end_with_the_longest() {
        let text = percentages(&times(&[1, 2, 3, 40]));
        assert!(text.contains("\n  50%      3\n"), "{text}");
        assert!(text.ends_with(" 100%     40 (longest request)\n"), "{text}");
    }

    #[test]
    fn milliseconds_are_rounded_half_up() {
        assert_eq!([ms(499_999.0), ms(500_000.0), ms(1_499_999.0), ms(1_500_000.0)], [0, 1, 1, 2]);
    }
}
