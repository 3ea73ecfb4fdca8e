//! How latencies are spread: the histogram, the curve of percentiles, the table of both, the phases.

use maud::{Markup, html};
use stampede_model::histogram::Histogram;
use stampede_model::run_result::{Latencies, LoadResult};
use stampede_model::units::{show_figure, show_ns, show_share, thousands};

use super::chart::{self, Frame, Mark, Rows, Scale, Series, Size, Table, VIEW, mark_lines, short_ns};
use crate::phases;

/// Bars of the histogram.
const BARS: usize = 60;
/// Points of the curve.
const POINTS: usize = 160;
const NAMED: [(f64, &str); 8] = [
    (0.5, "50"),
    (0.75, "75"),
    (0.9, "90"),
    (0.95, "95"),
    (0.99, "99"),
    (0.999, "99.9"),
    (0.999_9, "99.99"),
    (1.0, "100"),
];

pub(super) fn section(result: &LoadResult) -> Markup {
    let latency = &result.latency;
    html! {
        @if latency.intent.count() > 0 {
            section {
                h2 { "Latency" }
                (table(latency))
                div.pair { (distribution("run", Size::Large, &latency.intent)) (curve(latency)) }
                (parts("run", latency))
            }
        }
    }
}

fn table(latency: &Latencies) -> Markup {
    let named =
        [("from intent", &latency.intent), ("service (from send)", &latency.service), ("failed", &latency.failed)];
    let phases = phases::measured(latency);
    let all = named.into_iter().chain(phases).filter(|(_, histogram)| histogram.count() > 0);
    html! {
        div.scroll {
            table.numbers {
                thead {
                    tr {
                        th scope="col" { "" }
                        @for head in ["samples", "min", "mean", "p50", "p90", "p95", "p99", "p99.9", "max"] {
                            th scope="col" { (head) }
                        }
                    }
                }
                tbody {
                    @for (name, histogram) in all {
                        tr {
                            th scope="row" { (name) }
                            td { (thousands(histogram.count())) }
                            @for cell in figures(histogram) { td { (cell) } }
                        }
                    }
                }
            }
        }
        @if latency.intent.censored() > 0 {
            p.note {
                "≥ marks a lower bound: " (thousands(latency.intent.censored())) " requests had no end in sight."
            }
        }
    }
}

fn figures(histogram: &Histogram) -> Vec<String> {
    let quantiles = [0.5, 0.9, 0.95, 0.99, 0.999].map(|share| histogram.quantile(share));
    let all = [histogram.min(), histogram.mean()].into_iter().chain(quantiles).chain([histogram.max()]);
    all.map(show_figure).collect()
}

/// How many requests took how long, with the percentiles marked.
pub(super) fn distribution(id: &str, size: Size, histogram: &Histogram) -> Markup {
    let (Some(min), Some(max)) = (histogram.min(), histogram.max()) else { return html! {} };
    let x = Scale::log(min.ns as f64, max.ns as f64);
    let mut counts = vec![0_u64; BARS];
    for (ns, samples) in histogram.steps() {
        counts[((x.place(ns as f64) * BARS as f64) as usize).min(BARS - 1)] += samples;
    }
    let most = counts.iter().copied().max().unwrap_or(1);
    let y = Scale::linear(most as f64);
    let marks: Vec<Mark> = [(0.5, "p50"), (0.95, "p95"), (0.99, "p99")]
        .into_iter()
        .filter_map(|(share, label)| {
            let figure = histogram.quantile(share)?;
            let text = format!("{label} {}", show_figure(Some(figure)));
            Some(Mark { place: x.place(figure.ns as f64), label: label.to_owned(), text })
        })
        .collect();
    let ends = |bar: usize| [bar, bar + 1].map(|at| x.value(at as f64 / BARS as f64));
    let row = |(bar, count): (usize, &u64)| {
        let [from, upto] = ends(bar).map(|ns| show_ns(ns as u64));
        vec![format!("{from} to {upto}"), thousands(*count)]
    };
    let frame = Frame {
        id: format!("{id}-distribution"),
        title: "Distribution",
        says: "How many requests took how long from the intended start; logarithmic time axis.".to_owned(),
        size,
        y: y.labels(|count| thousands(count as u64)),
        x: x.labels(short_ns),
        legend: Vec::new(),
        marks: &marks,
        table: Table { heads: vec!["took", "requests"], rows: counts.iter().enumerate().map(row).collect() },
        rows: Rows::Slices,
    };
    let series = Series { class: "p50", values: counts.iter().map(|count| Some(*count as f64)).collect() };
    frame.around((VIEW, VIEW), &html! { (chart::bars(&series, &y)) (mark_lines(&marks, (VIEW, VIEW))) })
}

/// Latency at each percentile, from the intent and from the send.
fn curve(latency: &Latencies) -> Markup {
    let count = latency.intent.count().max(2) as f64;
    // As many nines as the samples carry, so that the end of the curve is the largest sample.
    let nines = count.log10().clamp(1.0, 6.0);
    let share = |at: f64| if at >= 1.0 { 1.0 } else { 1.0 - 10_f64.powf(-nines * at) };
    let of = |class, histogram: &Histogram| {
        let at = |point: usize| {
            let figure = histogram.quantile(share(point as f64 / (POINTS - 1) as f64));
            figure.map(|figure| figure.ns as f64)
        };
        Series { class, values: (0..POINTS).map(at).collect() }
    };
    let series = [of("p95", &latency.service), of("p50", &latency.intent)];
    let Some(y) = Scale::of(series.iter().flat_map(|one| one.values.iter().flatten().copied())) else {
        return html! {};
    };
    let place = |share: f64| -(1.0 - share).log10() / nines;
    let labels = [(0.0, "0"), (0.5, "50"), (0.9, "90"), (0.99, "99"), (0.999, "99.9"), (0.999_9, "99.99")];
    let row = |(share, name): (f64, &str)| {
        let at = |histogram: &Histogram| show_figure(histogram.quantile(share));
        vec![format!("{name} %"), at(&latency.intent), at(&latency.service)]
    };
    let frame = Frame {
        id: "run-curve".to_owned(),
        title: "Percentiles",
        says: format!("Latency that so many percent of the requests stayed within; each nine as wide; {}.", y.words()),
        size: Size::Large,
        y: y.labels(short_ns),
        x: labels
            .into_iter()
            .filter(|(share, _)| place(*share) <= 1.0)
            .map(|(share, name)| (place(share), format!("{name}%")))
            .collect(),
        legend: vec![("p50", "from intent"), ("p95", "service")],
        marks: &[],
        table: Table { heads: vec!["within", "from intent", "service"], rows: NAMED.map(row).to_vec() },
        rows: Rows::Others,
    };
    let drawing = html! { @for one in &series { (chart::line(one, &y)) } };
    frame.around((VIEW, VIEW), &drawing)
}

/// Where the time of a request went, as one bar.
pub(super) fn parts(id: &str, latency: &Latencies) -> Markup {
    let parts: Vec<_> = phases::parts(latency).into_iter().filter(|part| part.mean_ns >= 0.5).collect();
    let whole: f64 = parts.iter().map(|part| part.mean_ns).sum();
    if parts.is_empty() {
        return html! {};
    }
    let mut from = 0.0;
    let shown: Vec<(String, String, f64, f64, String)> = parts
        .iter()
        .map(|part| {
            let width = part.mean_ns / whole;
            let left = from;
            from += width;
            let class = format!("phase-{}", part.name.to_lowercase().replace(' ', "-"));
            let text = format!("{} {} ({})", part.name, show_ns(part.mean_ns as u64), show_share(width));
            (class, part.name.to_owned(), left, width, text)
        })
        .collect();
    let frame = Frame {
        id: format!("{id}-phases"),
        title: "Where the time went, on average",
        says: shown.iter().map(|(.., text)| text.as_str()).collect::<Vec<_>>().join(", "),
        size: Size::Strip,
        y: Vec::new(),
        x: Vec::new(),
        legend: Vec::new(),
        marks: &[],
        table: Table::default(),
        rows: Rows::Others,
    };
    let drawing = html! {
        @for (class, _, left, width, text) in &shown {
            rect.(class) x=(format!("{:.1}", left * VIEW)) y="0" width=(format!("{:.1}", width * VIEW)) height="10" {
                title { (text) }
            }
        }
    };
    html! {
        (frame.around((VIEW, 10.0), &drawing))
        ul.phases {
            @for (class, _, _, _, text) in &shown {
                li { svg.key viewBox="0 0 10 10" aria-hidden="true" { rect.(class) width="10" height="10" {} } (text) }
            }
        }
    }
}
