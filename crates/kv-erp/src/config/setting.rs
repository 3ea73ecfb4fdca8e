//! One setting: its strongest layer's word, what is wrong with that by itself, and how the command line would have it.

use std::error::Error as _;
use std::ffi::OsString;

use clap::builder::Resettable;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command as Clap};

use super::faults::Fault;
use super::file::{File, Value};
use super::origin::{Names, Origin};
use super::resolve::{Variables, without_environment};

/// One setting with its value.
#[derive(Clone, Debug)]
pub struct Setting {
    /// How it is called.
    pub names: Names,
    /// Where the value comes from.
    pub origin: Origin,
    /// The value as text; several for what may be repeated, none when it is not set.
    pub values: Vec<String>,
    /// Whether it is shown.
    pub is_secret: bool,
    arg: Arg,
}

impl Setting {
    pub(super) fn is_switch(&self) -> bool {
        matches!(self.arg.get_action(), ArgAction::SetTrue)
    }

    pub(super) fn is_list(&self) -> bool {
        matches!(self.arg.get_action(), ArgAction::Append)
    }

    /// The layer that it is said in.
    pub(super) fn place(&self) -> String {
        self.names.place(&self.origin)
    }
}

/// The strongest layer's word; `None` for what is no setting.
pub(super) fn setting(
    arg: Arg,
    matches: &ArgMatches,
    variables: &Variables,
    file: &File,
    faults: &mut Vec<Fault>,
) -> Option<Setting> {
    let names = Names::of(arg.get_long()?, arg.get_env()?.to_str()?);
    let is_secret = arg.is_hide_env_values_set();
    let is_switch = matches!(arg.get_action(), ArgAction::SetTrue);
    let (origin, values) = if matches.value_source(arg.get_id().as_str()) == Some(ValueSource::CommandLine) {
        let given = matches.get_raw(arg.get_id().as_str()).into_iter().flatten();
        let values = given.map(|value| value.to_string_lossy().into_owned());
        (Origin::Flag, if is_switch { vec!["true".to_owned()] } else { values.collect() })
    } else if let Some(value) = variables.get(&names.variable) {
        if let Some(value) = value.to_str() {
            (Origin::Variable, parts(&arg, value))
        } else {
            faults.push(Fault::at(&names.variable, "is not text in UTF-8", "set it anew"));
            (Origin::Variable, Vec::new())
        }
    } else if let Some(entry) = file.entries.iter().find(|entry| entry.key == names.key && names.key != "config") {
        let origin = Origin::File { path: file.path.clone(), line: entry.line };
        let is_list = matches!(arg.get_action(), ArgAction::Append);
        let values = match &entry.value {
            Value::One(value) => parts(&arg, value),
            Value::Many(values) if is_list => values.clone(),
            Value::Many(_) => strange(&names.place(&origin), "a list", faults),
            Value::Strange(what) => strange(&names.place(&origin), what, faults),
        };
        (origin, values)
    } else {
        let defaults: Vec<String> =
            arg.get_default_values().iter().map(|value| value.to_string_lossy().into_owned()).collect();
        (
            if defaults.is_empty() && !is_switch { Origin::Unset } else { Origin::Default },
            if is_switch { vec!["false".to_owned()] } else { defaults },
        )
    };
    Some(Setting { names, origin, values, is_secret, arg })
}

fn parts(arg: &Arg, value: &str) -> Vec<String> {
    match arg.get_value_delimiter() {
        Some(delimiter) => {
            value.split(delimiter).map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
        }
        None => vec![value.to_owned()],
    }
}

fn strange(place: &str, what: &str, faults: &mut Vec<Fault>) -> Vec<String> {
    faults.push(Fault::at(place, format!("is {what}"), "write a text in quotes, a whole number, true or false"));
    Vec::new()
}

/// What is wrong with a setting by itself.
pub(super) fn judge(setting: &Setting) -> Vec<Fault> {
    let place = setting.place();
    if matches!(setting.origin, Origin::Unset) && setting.arg.is_required_set() {
        let Names { key, flag, variable } = &setting.names;
        let hint = format!("give {flag}, set {variable}, or write {key} into the file of --config");
        return vec![Fault::at(flag, "is needed", hint)];
    }
    if matches!(setting.origin, Origin::Unset | Origin::Default | Origin::Flag) && setting.is_switch() {
        return Vec::new();
    }
    if setting.is_switch() {
        let is_truth = |value: &String| truth(value).is_some();
        let faulty = setting.values.iter().filter(|value| !is_truth(value));
        return faulty
            .map(|value| Fault::at(&place, format!("must be true or false, not {value:?}"), "set it or take it away"))
            .collect();
    }
    setting
        .values
        .iter()
        .filter_map(|value| judge_value(setting, value))
        .map(|what| Fault::at(&place, what, hint(setting)))
        .collect()
}

fn truth(value: &str) -> Option<bool> {
    match value.to_ascii_lowercase().as_str() {
        "y" | "yes" | "t" | "true" | "on" | "1" => Some(true),
        "n" | "no" | "f" | "false" | "off" | "0" | "" => Some(false),
        _ => None,
    }
}

/// The words of the setting's own parser.
fn judge_value(setting: &Setting, value: &str) -> Option<String> {
    let arg = without_environment(setting.arg.clone()).required(false).requires(Resettable::Reset).global(false);
    let line = format!("{}={value}", setting.names.flag);
    let refused = Clap::new("value").no_binary_name(true).arg(arg).try_get_matches_from([line]).err()?;
    let words = refused.source().map(ToString::to_string);
    Some(words.unwrap_or_else(|| {
        let values = setting.arg.get_possible_values();
        let known: Vec<&str> = values.iter().map(clap::builder::PossibleValue::get_name).collect();
        if known.is_empty() {
            return "must not be empty".to_owned();
        }
        format!("must be one of {}, not {value:?}", known.join(", "))
    }))
}

fn hint(setting: &Setting) -> String {
    let value = setting.arg.get_value_names().and_then(|names| names.first()).map_or("VALUE", |name| name.as_str());
    format!("see {} {value} in --help", setting.names.flag)
}

/// A value as the command line would have it; one that is bad and needed is left open.
pub(super) fn as_flags(setting: &Setting, is_bad: bool) -> Vec<String> {
    let flag = &setting.names.flag;
    if is_bad {
        let placeholder = if setting.is_secret { "postgresql://nobody@nowhere/nothing" } else { "0" };
        return if setting.arg.is_required_set() { vec![format!("{flag}={placeholder}")] } else { Vec::new() };
    }
    if setting.is_switch() {
        let is_on = setting.values.first().and_then(|value| truth(value)).unwrap_or(false);
        return if is_on { vec![flag.clone()] } else { Vec::new() };
    }
    setting.values.iter().map(|value| format!("{flag}={value}")).collect()
}

/// The command line without the flags of settings, each with its value.
pub(super) fn without_flags(argv: &[OsString], settings: &[Setting]) -> Vec<OsString> {
    let mut rest = Vec::new();
    let mut words = argv.iter();
    while let Some(word) = words.next() {
        let text = word.to_string_lossy();
        let name = text.split_once('=').map_or(&*text, |(name, _)| name);
        match settings.iter().find(|setting| setting.names.flag == name) {
            None => rest.push(word.clone()),
            Some(setting) if setting.is_switch() || text.contains('=') => {}
            Some(_) => drop(words.next()),
        }
    }
    rest
}
