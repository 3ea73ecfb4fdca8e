//! Where the time of a request went, on average.
//!
//! Invariant: the parts add up to the mean latency from the intended start, because each is a difference of exact sums over
//! the same requests. What a request that was given up spent after it left is a part of its own.

use stampede_model::histogram::Histogram;
use stampede_model::run_result::Latencies;

/// One part of the mean.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Part {
    pub(crate) name: &'static str,
    /// Nanoseconds per request.
    pub(crate) mean_ns: f64,
}

/// The parts in the order in which a request goes through them; none without a sample.
pub(crate) fn parts(latency: &Latencies) -> Vec<Part> {
    let count = latency.intent.count();
    if count == 0 {
        return Vec::new();
    }
    let sum = |histogram: &Histogram| histogram.sum_ns();
    let service = sum(&latency.service);
    let wait = sum(&latency.intent).saturating_sub(service);
    // Requests that failed connected too; their share must not exceed what was waited.
    let connect = sum(&latency.connect).min(wait);
    let tls = sum(&latency.tls).min(wait - connect);
    let first_byte = sum(&latency.first_byte).min(service);
    let receive = sum(&latency.receive).min(service - first_byte);
    let parts = [
        ("queue", wait - connect - tls),
        ("connect", connect),
        ("TLS", tls),
        ("first byte", first_byte),
        ("receive", receive),
        ("no end seen", service - first_byte - receive),
    ];
    parts.map(|(name, sum_ns)| Part { name, mean_ns: sum_ns as f64 / count as f64 }).to_vec()
}

/// The measured phases with their distributions, those without a sample left out.
pub(crate) fn measured(latency: &Latencies) -> Vec<(&'static str, &Histogram)> {
    let all = [
        ("connect", &latency.connect),
        ("TLS", &latency.tls),
        ("first byte", &latency.first_byte),
        ("receive", &latency.receive),
    ];
    all.into_iter().filter(|(_, histogram)| histogram.count() > 0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_add_up_to_the_mean_from_the_intent() {
        let mut latency = Latencies::default();
        for ms in 1..=100_u64 {
            latency.intent.record(ms * 3_000_000);
            latency.service.record(ms * 1_000_000);
            latency.first_byte.record(ms * 900_000);
            latency.receive.record(ms * 100_000);
        }
        latency.intent.record_at_least(9_000_000_000);
        latency.service.record_at_least(8_000_000_000);
        latency.connect.record(5_000_000);
        let parts = parts(&latency);
        let sum: f64 = parts.iter().map(|part| part.mean_ns).sum();
        let mean = latency.intent.sum_ns() as f64 / 101.0;
        assert!((sum - mean).abs() < 1.0, "{sum} {mean}");
        let of = |name| parts.iter().find(|part| part.name == name).unwrap().mean_ns * 101.0;
        assert!((of("no end seen") - 8e9).abs() < 1.0 && (of("connect") - 5e6).abs() < 1.0, "{parts:?}");
        assert!(super::parts(&Latencies::default()).is_empty());
    }
}
