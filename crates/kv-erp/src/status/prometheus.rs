//! Prometheus' text format, as this service writes it, read again.

/// What a family's numbers mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// As it is now.
    Gauge,
    /// Counts by size.
    Histogram,
}

/// All samples of one name.
#[derive(Clone, Debug, PartialEq)]
pub struct Family {
    /// The name.
    pub name: String,
    /// What the numbers mean.
    pub kind: Kind,
    /// For people.
    pub help: String,
    /// The samples, those of a histogram with their suffixed names.
    pub samples: Vec<Sample>,
}

/// One number.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The family's name, or for a histogram with `_bucket`, `_sum` or `_count`.
    pub name: String,
    /// In the order of the text.
    pub labels: Vec<(String, String)>,
    /// The number.
    pub value: f64,
}

/// One series of a histogram.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// But for `le`.
    pub labels: Vec<(String, String)>,
    /// Upper bounds; one fewer than there are buckets.
    pub bounds: Vec<f64>,
    /// Each bucket's own count.
    pub buckets: Vec<u64>,
    /// All values together.
    pub sum: f64,
    /// How many.
    pub count: u64,
}

/// Reads a text. What it does not understand it passes by.
pub fn parse(text: &str) -> Vec<Family> {
    let mut families: Vec<Family> = Vec::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap_or((rest, ""));
            families.push(Family {
                name: name.to_owned(),
                kind: Kind::Gauge,
                help: help.to_owned(),
                samples: Vec::new(),
            });
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let kind = match rest.split_once(' ') {
                Some((_, "counter")) => Kind::Counter,
                Some((_, "histogram")) => Kind::Histogram,
                _ => Kind::Gauge,
            };
            if let Some(family) = families.last_mut() {
                family.kind = kind;
            }
        } else if let Some((sample, family)) = sample(line).zip(families.last_mut()) {
            family.samples.push(sample);
        }
    }
    families
}

fn sample(line: &str) -> Option<Sample> {
    let (series, value) = line.rsplit_once(' ')?;
    let value = value.parse().ok()?;
    let Some((name, rest)) = series.split_once('{') else {
        return Some(Sample { name: series.to_owned(), labels: Vec::new(), value });
    };
    let labels = rest.strip_suffix('}')?.split("\",").filter_map(|pair| {
        let (label, text) = pair.split_once("=\"")?;
        Some((label.to_owned(), text.trim_end_matches('"').to_owned()))
    });
    Some(Sample { name: name.to_owned(), labels: labels.collect(), value })
}

impl Sample {
    /// The value of a label.
    pub fn label(&self, name: &str) -> Option<&str> {
        self.labels.iter().find(|(label, _)| label == name).map(|(_, value)| value.as_str())
    }
}

impl Family {
    /// The sum of all samples that have these labels.
    pub fn total(&self, labels: &[(&str, &str)]) -> f64 {
        let fits = |sample: &&Sample| labels.iter().all(|(name, value)| sample.label(name) == Some(*value));
        self.samples.iter().filter(fits).map(|sample| sample.value).sum()
    }

    /// A histogram's series.
    pub fn histograms(&self) -> Vec<Series> {
        let mut all: Vec<Series> = Vec::new();
        let mut cumulative = 0;
        for sample in &self.samples {
            let labels: Vec<_> = sample.labels.iter().filter(|(name, _)| name != "le").cloned().collect();
            if all.last().is_none_or(|series| series.labels != labels) {
                all.push(Series { labels, bounds: Vec::new(), buckets: Vec::new(), sum: 0.0, count: 0 });
                cumulative = 0;
            }
            let Some(series) = all.last_mut() else { continue };
            if sample.name.ends_with("_bucket") {
                let count = sample.value as u64;
                series.buckets.push(count.saturating_sub(cumulative));
                cumulative = count;
                series.bounds.extend(
                    sample.label("le").and_then(|bound| bound.parse::<f64>().ok()).filter(|bound| bound.is_finite()),
                );
            } else if sample.name.ends_with("_sum") {
                series.sum = sample.value;
            } else {
                series.count = sample.value as u64;
            }
        }
        all
    }
}

impl Series {
    /// The smallest bound that covers this part of all values (0 to 1); `None` when there are none, infinite beyond the last.
    pub fn quantile_bound(&self, part: f64) -> Option<f64> {
        let wanted = (self.count as f64 * part).ceil();
        let mut seen = 0;
        (self.count > 0).then(|| {
            let at = self.buckets.iter().position(|count| {
                seen += count;
                seen as f64 >= wanted
            });
            at.and_then(|at| self.bounds.get(at)).copied().unwrap_or(f64::INFINITY)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# HELP a_total Of a.\n# TYPE a_total counter\na_total{x=\"1\",y=\"/b/{c}\"} 3\na_total{x=\"2\",y=\"d\"} 4\n\
        # HELP w Waits.\n# TYPE w histogram\nw_bucket{le=\"0.1\"} 2\nw_bucket{le=\"1\"} 5\nw_bucket{le=\"+Inf\"} 6\nw_sum 9.5\nw_count 6\n";

    #[test]
    fn what_the_service_writes_is_read() {
        let families = parse(TEXT);
        assert_eq!((families[0].kind, families[0].help.as_str()), (Kind::Counter, "Of a."));
        assert_eq!(families[0].samples[0].label("y"), Some("/b/{c}"));
        assert_eq!((families[0].total(&[]), families[0].total(&[("x", "2")])), (7.0, 4.0));
        let series = &families[1].histograms()[0];
        assert_eq!((&series.buckets[..], &series.bounds[..], series.sum), (&[2, 3, 1][..], &[0.1, 1.0][..], 9.5));
        assert_eq!(series.quantile_bound(0.5), Some(1.0));
        assert_eq!(series.quantile_bound(0.99), Some(f64::INFINITY));
    }
}
