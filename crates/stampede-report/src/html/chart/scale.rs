//! From a figure to its place on an axis, and the figures that are written beside it.

use stampede_model::units::trimmed;

/// Values that differ by more than this are shown on a logarithmic axis.
const LOG_FROM: f64 = 25.0;
/// Labels an axis has room for.
const MOST_TICKS: usize = 7;

/// One axis.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::html) struct Scale {
    low: f64,
    high: f64,
    is_log: bool,
    ticks: Vec<f64>,
}

impl Scale {
    /// From 0 to `high` or a round figure above it.
    pub(in crate::html) fn linear(high: f64) -> Self {
        let high = if high.is_finite() && high > 0.0 { high } else { 1.0 };
        let step = round_up(high / 4.0);
        let count = (high / step - 1e-9).ceil().max(1.0);
        let ticks = (0..=count as u32).map(|tick| f64::from(tick) * step).collect();
        Self { low: 0.0, high: step * count, is_log: false, ticks }
    }

    /// From a round figure below `low` to one above `high`, both above 0, each step the same ratio.
    pub(in crate::html) fn log(low: f64, high: f64) -> Self {
        let low = if low.is_finite() && low > 0.0 { low } else { 1.0 };
        let high = if high.is_finite() && high > low { high } else { low };
        let mut ticks = vec![round_down(low)];
        while ticks[ticks.len() - 1] < high * (1.0 - 1e-9) || ticks.len() < 2 {
            let next = round_up(ticks[ticks.len() - 1] * 1.01);
            ticks.push(next);
        }
        let (low, high) = (ticks[0], ticks[ticks.len() - 1]);
        if ticks.len() > MOST_TICKS {
            ticks.retain(|tick| is_decade(*tick));
        }
        while ticks.len() > MOST_TICKS {
            ticks = ticks.into_iter().step_by(2).collect();
        }
        Self { low, high, is_log: true, ticks }
    }

    /// For `values`: logarithmic when they differ much, else from 0. `None` of nothing.
    pub(in crate::html) fn of(values: impl Iterator<Item = f64>) -> Option<Self> {
        let (low, high) = values.fold((f64::INFINITY, 0.0_f64), |(low, high), value| (low.min(value), high.max(value)));
        if !low.is_finite() {
            return None;
        }
        let low = low.max(1.0);
        Some(if high / low > LOG_FROM { Self::log(low, high) } else { Self::linear(high) })
    }

    /// Where `value` stands: 0 at the low end, 1 at the high one.
    pub(in crate::html) fn place(&self, value: f64) -> f64 {
        let share = if self.is_log {
            (value.max(self.low) / self.low).ln() / (self.high / self.low).ln()
        } else {
            (value - self.low) / (self.high - self.low)
        };
        share.clamp(0.0, 1.0)
    }

    /// The value at `place`.
    pub(in crate::html) fn value(&self, place: f64) -> f64 {
        if self.is_log {
            self.low * (self.high / self.low).powf(place)
        } else {
            self.low + (self.high - self.low) * place
        }
    }

    /// The labels, written by `show`.
    pub(in crate::html) fn labels(&self, show: impl Fn(f64) -> String) -> Vec<(f64, String)> {
        self.ticks.iter().map(|tick| (self.place(*tick), show(*tick))).collect()
    }

    /// What kind of axis it is, in words.
    pub(in crate::html) fn words(&self) -> &'static str {
        if self.is_log { "logarithmic axis" } else { "linear axis" }
    }
}

/// Nanoseconds as short as an axis needs: `500 µs`, `2 s`.
pub(in crate::html) fn short_ns(ns: f64) -> String {
    let (value, unit) = match ns {
        ..1e3 => (ns, "ns"),
        ..1e6 => (ns / 1e3, "µs"),
        ..1e9 => (ns / 1e6, "ms"),
        _ => (ns / 1e9, "s"),
    };
    format!("{} {unit}", trimmed(value))
}

/// The next figure of 1, 2, 5, 10 and so on that is not below `value`.
fn round_up(value: f64) -> f64 {
    let decade = 10_f64.powf(value.log10().floor());
    [1.0, 2.0, 5.0]
        .into_iter()
        .map(|step| step * decade)
        .find(|step| *step >= value * (1.0 - 1e-9))
        .unwrap_or(10.0 * decade)
}

/// The last such figure that is not above `value`.
fn round_down(value: f64) -> f64 {
    let decade = 10_f64.powf(value.log10().floor());
    [5.0, 2.0].into_iter().map(|step| step * decade).find(|step| *step <= value * (1.0 + 1e-9)).unwrap_or(decade)
}

fn is_decade(value: f64) -> bool {
    let log = value.log10();
    (log - log.round()).abs() < 1e-6
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn round_figures() {
        let labels = |scale: Scale| scale.labels(short_ns).into_iter().map(|(_, text)| text).collect::<Vec<_>>();
        assert_eq!(labels(Scale::linear(87e6)), ["0 ns", "50 ms", "100 ms"]);
        assert_eq!(labels(Scale::linear(0.0)).len(), 3);
        assert_eq!(labels(Scale::log(700e3, 2.1e9)), ["1 ms", "10 ms", "100 ms", "1 s"]);
        assert_eq!(labels(Scale::log(1e6, 9e6)), ["1 ms", "2 ms", "5 ms", "10 ms"]);
        assert_eq!(Scale::of(std::iter::empty()), None);
    }

    proptest! {
        #[test]
        fn every_value_has_its_place(low in 1.0..1e9_f64, ratio in 1.0..1e9_f64, at in 0.0..1.0_f64) {
            let high = low * ratio;
            for scale in [Scale::log(low, high), Scale::of([low, high].into_iter()).unwrap()] {
                let value = low + (high - low) * at;
                let place = scale.place(value);
                prop_assert!((0.0..=1.0).contains(&place));
                prop_assert!((scale.value(place) - value).abs() <= value * 1e-6);
                let labels = scale.labels(short_ns);
                prop_assert!((1..=9).contains(&labels.len()), "{labels:?}");
            }
        }
    }
}
