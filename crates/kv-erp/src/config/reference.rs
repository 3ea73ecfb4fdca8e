//! The reference of all settings, made from the command line itself: docs/configuration.md cannot fall behind.

use std::fmt::Write as _;

use clap::{Arg, Command as Clap, CommandFactory as _};

use super::origin::Names;
use crate::cli::Cli;

struct Row {
    names: Names,
    default: String,
    help: String,
    commands: Vec<String>,
}

/// The table of all settings, in the order of the help.
pub fn markdown() -> String {
    let mut rows = Vec::new();
    collect(&Cli::command(), "", &mut rows);
    let mut out =
        String::from("| key in the file | flag | variable | default | of | meaning |\n|---|---|---|---|---|---|\n");
    for Row { names, default, help, mut commands } in rows {
        commands.dedup();
        let commands = if commands.iter().any(String::is_empty) { "all".to_owned() } else { commands.join(", ") };
        let default = if default.is_empty() { String::new() } else { format!("`{default}`") };
        let Names { key, flag, variable } = names;
        let key = if key == "config" { String::new() } else { format!("`{key}`") };
        // Writing to a String cannot fail.
        writeln!(out, "| {key} | `{flag}` | `{variable}` | {default} | {commands} | {help} |").ok();
    }
    out
}

fn collect(command: &Clap, path: &str, rows: &mut Vec<Row>) {
    for arg in command.get_arguments() {
        let Some(names) =
            arg.get_long().zip(arg.get_env()).and_then(|(long, variable)| Some(Names::of(long, variable.to_str()?)))
        else {
            continue;
        };
        match rows.iter_mut().find(|row| row.names == names) {
            Some(row) => row.commands.push(path.to_owned()),
            None => rows.push(Row { names, default: default(arg), help: help(arg), commands: vec![path.to_owned()] }),
        }
    }
    for below in command.get_subcommands() {
        // The commands of `admin` share their one setting.
        let path = if path.is_empty() { below.get_name().to_owned() } else { path.to_owned() };
        collect(below, &path, rows);
    }
}

fn default(arg: &Arg) -> String {
    let values: Vec<String> =
        arg.get_default_values().iter().map(|value| value.to_string_lossy().into_owned()).collect();
    values.join(", ")
}

fn help(arg: &Arg) -> String {
    arg.get_help().map(ToString::to_string).unwrap_or_default().replace('|', "\\|").replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where the table stands.
    const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/configuration.md");
    const BEGIN: &str = "<!-- settings: made by `kv-erp config --format reference` -->\n";
    const END: &str = "<!-- end of settings -->";

    #[test]
    fn the_document_lists_every_setting_as_it_is() {
        let document = std::fs::read_to_string(DOCUMENT).unwrap();
        let (_, rest) = document.split_once(BEGIN).expect("the table's begin");
        let (table, _) = rest.split_once(END).expect("the table's end");
        assert_eq!(table.trim(), markdown().trim(), "write it anew: kv-erp config --format reference");
    }
}
