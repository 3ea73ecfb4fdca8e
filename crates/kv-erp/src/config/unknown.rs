//! Names that no setting has: slips that would otherwise go unnoticed.

use clap::{Arg, Command as Clap};

use super::faults::Fault;
use super::file::File;
use super::nearest::{is_of_kubernetes, nearest};
use super::origin::Names;
use super::resolve::Variables;

/// Variables of tests and benches, which are no settings.
const OTHER_VARIABLES: [&str; 2] = ["KV_TEST_SEED", "KV_WRONG_STRATEGY"];

/// Keys of no command at all. One file may serve all commands, so those of another one are no fault.
pub(super) fn unknown_keys(whole: &Clap, file: &File, faults: &mut Vec<Fault>) {
    let known = known_names(whole);
    for entry in &file.entries {
        let place = format!("{} line {}", file.path, entry.line);
        if entry.key == "config" {
            faults.push(Fault::at(place, "names a file in a file", "name it by --config or KV_CONFIG alone"));
        } else if !known.iter().any(|names| names.key == entry.key) {
            let meant = nearest(&entry.key, known.iter().map(|names| names.key.as_str()));
            let hint =
                meant.map_or("see docs/configuration.md for the keys".to_owned(), |meant| format!("is {meant} meant?"));
            faults.push(Fault::at(place, format!("has the unknown key {}", entry.key), hint));
        }
    }
}

/// A variable that nearly has a setting's name is a slip, which would go unnoticed; any other may be meant for somebody else.
pub(super) fn unknown_variables(
    whole: &Clap,
    variables: &Variables,
    faults: &mut Vec<Fault>,
    warnings: &mut Vec<String>,
) {
    let known = known_names(whole);
    for name in variables.names() {
        let is_known = known.iter().any(|names| names.variable == name) || OTHER_VARIABLES.contains(&name);
        if is_known || is_of_kubernetes(name) {
            continue;
        }
        match nearest(name, known.iter().map(|names| names.variable.as_str())) {
            Some(meant) => faults.push(Fault::at(name, "is no variable of this program", format!("is {meant} meant?"))),
            None => warnings.push(format!("the variable {name} is none of this program's")),
        }
    }
}

/// The names of all settings of all commands, each once.
fn known_names(whole: &Clap) -> Vec<Names> {
    let mut all = Vec::new();
    visit(whole, &mut |arg| {
        let names =
            arg.get_long().zip(arg.get_env()).and_then(|(long, variable)| Some(Names::of(long, variable.to_str()?)));
        if let Some(names) = names.filter(|names| !all.contains(names)) {
            all.push(names);
        }
    });
    all
}

fn visit(command: &Clap, see: &mut impl FnMut(&Arg)) {
    command.get_arguments().for_each(&mut *see);
    for below in command.get_subcommands() {
        visit(below, see);
    }
}
