//! Pods and autoscalers as tables.

use stampede_engine::chaos::kubernetes::{AutoscalerRow, PodRow};

use crate::print::Append;

pub(super) fn pods(rows: &[PodRow]) -> String {
    let width = rows.iter().map(|row| row.name.len()).max().unwrap_or(0).max(4);
    let mut text = String::new();
    text.append(format_args!(
        "{:<width$}  READY  {:<12} RESTARTS  {:>8}  {:>10}  NODE\n",
        "NAME", "PHASE", "CPU", "MEMORY"
    ));
    for row in rows {
        let cpu = row.cpu_milli.map_or_else(|| "-".to_owned(), |milli| format!("{milli}m"));
        let memory = row.memory_bytes.map_or_else(|| "-".to_owned(), |bytes| format!("{}Mi", bytes / 1_048_576));
        let ready = if row.is_ready { "yes" } else { "no" };
        let (name, phase, restarts, node) = (&row.name, &row.phase, row.restarts, &row.node);
        text.append(format_args!(
            "{name:<width$}  {ready:<5}  {phase:<12} {restarts:>8}  {cpu:>8}  {memory:>10}  {node}\n"
        ));
    }
    text
}

pub(super) fn autoscalers(rows: &[AutoscalerRow]) -> String {
    let mut text = String::new();
    text.append(format_args!("{:<28} {:<36} MIN  MAX  NOW  WANTED  USE\n", "NAME", "OF"));
    for row in rows {
        let percent = |share: Option<u64>| share.map_or_else(|| "?".to_owned(), |share| format!("{share}%"));
        let uses: Vec<String> = row
            .uses
            .iter()
            .map(|(resource, now, aim)| format!("{resource} {} of {}", percent(*now), percent(*aim)))
            .collect();
        let (name, of, (min, max)) = (&row.name, &row.of, row.range);
        text.append(format_args!(
            "{name:<28} {of:<36} {min:>3}  {max:>3}  {:>3}  {:>6}  {}\n",
            row.current,
            row.desired,
            uses.join(", ")
        ));
    }
    text
}
