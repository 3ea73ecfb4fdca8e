//! A strict reader of Prometheus' text format, so that what is written is known to be read.

use std::collections::{BTreeMap, BTreeSet};

/// One sample.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sample {
    pub(crate) name: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) value: f64,
}

/// A name with its labels.
type Series = (String, BTreeMap<String, String>);

/// Reads a text; every deviation from the format is an error with its line.
pub(crate) fn read(text: &str) -> Result<Vec<Sample>, String> {
    let mut samples = Vec::new();
    let mut types: BTreeMap<String, String> = BTreeMap::new();
    let mut series = BTreeSet::new();
    let mut family = String::new();
    if !text.ends_with('\n') {
        return Err("no line end at the end".to_owned());
    }
    for line in text.lines() {
        let told = |what: &str| format!("{what}: {line}");
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').ok_or_else(|| told("no type"))?;
            if !["counter", "gauge", "histogram"].contains(&kind) || types.insert(name.into(), kind.into()).is_some() {
                return Err(told("a second or unknown type"));
            }
            name.clone_into(&mut family);
        } else if line.strip_prefix("# HELP ").is_none() {
            let sample = sample(line).ok_or_else(|| told("no sample"))?;
            let kind = types.get(&family).map_or("", String::as_str);
            let endings: &[&str] = if kind == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
            if !endings.iter().any(|ending| sample.name == format!("{family}{ending}")) {
                return Err(told("outside its family"));
            }
            if !series.insert((sample.name.clone(), sample.labels.clone())) {
                return Err(told("a second time"));
            }
            samples.push(sample);
        }
    }
    buckets(&samples)?;
    Ok(samples)
}

/// Buckets ascend in both their ends and their counts, and the last is the count.
fn buckets(samples: &[Sample]) -> Result<(), String> {
    let mut all: BTreeMap<Series, Vec<(f64, f64)>> = BTreeMap::new();
    for sample in samples {
        if let Some(name) = sample.name.strip_suffix("_bucket") {
            let mut labels = sample.labels.clone();
            let end = labels.remove("le").ok_or("a bucket without its end")?;
            let end = if end == "+Inf" { f64::INFINITY } else { end.parse().map_err(|_| "a bucket's end")? };
            all.entry((name.to_owned(), labels)).or_default().push((end, sample.value));
        }
    }
    for ((name, labels), buckets) in all {
        if !buckets.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1) {
            return Err(format!("{name} does not ascend: {buckets:?}"));
        }
        let count = samples.iter().find(|sample| sample.name == format!("{name}_count") && sample.labels == labels);
        if buckets.last().copied() != count.map(|count| (f64::INFINITY, count.value)) {
            return Err(format!("{name}: the last bucket is not the count"));
        }
    }
    Ok(())
}

fn sample(line: &str) -> Option<Sample> {
    let end = line.find(['{', ' '])?;
    let (name, mut rest) = line.split_at(end);
    if name.is_empty() || !name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_') {
        return None;
    }
    let mut labels = BTreeMap::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        while !rest.starts_with('}') {
            let (key, after) = rest.split_once("=\"")?;
            let (value, after) = quoted(after)?;
            labels.insert(key.to_owned(), value);
            rest = after.strip_prefix(',').unwrap_or(after);
        }
        rest = &rest[1..];
    }
    let value = rest.strip_prefix(' ')?.parse().ok()?;
    Some(Sample { name: name.to_owned(), labels, value })
}

/// A quoted value and what follows its closing quote.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut letters = text.char_indices();
    while let Some((place, letter)) = letters.next() {
        match letter {
            '"' => return Some((value, &text[place + 1..])),
            '\\' => value.push(match letters.next()?.1 {
                'n' => '\n',
                same @ ('\\' | '"') => same,
                _ => return None,
            }),
            other => value.push(other),
        }
    }
    None
}

#[test]
fn the_reader_refuses_what_is_wrong() {
    let good = "# TYPE a histogram\na_bucket{le=\"1\"} 1\na_bucket{le=\"+Inf\"} 2\na_sum 3\na_count 2\n";
    assert_eq!(read(good).unwrap().len(), 4);
    for (from, to) in [("} 2", "} 0"), ("+Inf", "9"), ("a_sum 3", "b_sum 3"), ("a_sum 3", "a_sum x"), ("1\"", "1")] {
        assert!(read(&good.replacen(from, to, 1)).is_err(), "{from} to {to}");
    }
}
