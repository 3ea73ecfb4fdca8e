//! `kv-erp config`: what a command would run with, and where each value comes from.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::origin::Origin;
use super::resolve::{Resolved, Setting};
use super::values::hidden;

/// As a file that `--config` takes, but for what is hidden.
pub fn toml(resolved: &Resolved) -> String {
    let lines: Vec<(String, String)> =
        resolved.settings.iter().filter(|setting| setting.names.key != "config").map(line).collect();
    let width = lines.iter().map(|(text, _)| text.chars().count()).max().unwrap_or(0).min(60);
    let mut out = format!("# kv-erp {}\n", resolved.command);
    for (text, origin) in lines {
        // Writing to a String cannot fail.
        writeln!(out, "{text:<width$}  # {origin}").ok();
    }
    out
}

/// As one JSON object: `{"pool_size": {"value": 16, "origin": "default"}, ..}`.
pub fn json(resolved: &Resolved) -> String {
    let mut all = Map::new();
    for setting in &resolved.settings {
        let Setting { names, origin, is_secret, .. } = setting;
        let mut entry = json!({
            "value": value(setting),
            "origin": origin.to_string(),
            "flag": names.flag,
            "variable": names.variable,
        });
        if *is_secret {
            entry["secret"] = true.into();
        }
        all.insert(names.key.clone(), entry);
    }
    let document = json!({ "command": resolved.command, "settings": all });
    format!("{document:#}\n")
}

fn line(setting: &Setting) -> (String, String) {
    let key = &setting.names.key;
    let origin = match &setting.origin {
        Origin::Flag => setting.names.flag.clone(),
        Origin::Variable => setting.names.variable.clone(),
        other => other.to_string(),
    };
    match value(setting) {
        Value::Null => (format!("# {key} ="), origin),
        // JSON's texts, numbers and lists are TOML's.
        shown => (format!("{key} = {shown}"), origin),
    }
}

fn value(setting: &Setting) -> Value {
    let shown = |text: &String| if setting.is_secret { hidden(text) } else { text.clone() };
    if setting.is_list() {
        return if setting.values.is_empty() { Value::Null } else { setting.values.iter().map(shown).collect() };
    }
    let Some(text) = setting.values.first() else { return Value::Null };
    if setting.is_switch() {
        return Value::Bool(matches!(text.as_str(), "true" | "1" | "yes" | "on" | "y" | "t"));
    }
    text.parse::<i64>().map_or_else(|_| Value::String(shown(text)), Value::from)
}
