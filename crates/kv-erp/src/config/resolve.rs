//! The layers put together: command line over environment over file over the program's own defaults.
//!
//! Every setting is first read as text from its strongest layer and judged alone, so that all that are wrong are named at once; only
//! then is the command line read as a whole, with what the weaker layers say written behind it as further flags.
//!
//! Invariants: the environment is read here and nowhere else; a value that is secret is in no error.

use std::collections::BTreeSet;
use std::error::Error as _;
use std::ffi::{OsStr, OsString};
use std::path::Path;

use clap::builder::{Resettable, StringValueParser};
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command as Clap, CommandFactory as _, FromArgMatches as _};

use super::faults::{Fault, refuse};
use super::file::{File, Value};
use super::nearest::{is_of_kubernetes, nearest};
use super::origin::{Names, Origin, Places};
use crate::cli::Cli;
use crate::failure::Failure;

/// Variables of tests and benches, which are no settings.
const OTHER_VARIABLES: [&str; 2] = ["KV_TEST_SEED", "KV_WRONG_STRATEGY"];

/// The variables that begin with `KV_`.
#[derive(Clone, Debug, Default)]
pub struct Variables(Vec<(String, OsString)>);

impl Variables {
    /// Those of this process.
    pub fn of_process() -> Self {
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value))).collect()
    }

    fn get(&self, name: &str) -> Option<&OsStr> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_os_str())
    }
}

impl<N: Into<String>, V: Into<OsString>> FromIterator<(N, V)> for Variables {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let pairs = pairs.into_iter().map(|(name, value)| (name.into(), value.into()));
        Self(pairs.filter(|(name, _): &(String, OsString)| name.starts_with("KV_")).collect())
    }
}

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

    fn place(&self) -> String {
        self.names.place(&self.origin)
    }
}

/// The command line as a whole.
#[derive(Debug)]
pub struct Resolved {
    /// What is to be done, when nothing is wrong.
    pub cli: Result<Cli, Failure>,
    /// The settings of the command, in the order of its help.
    pub settings: Vec<Setting>,
    /// The command's words, for example `admin verify`.
    pub command: String,
    /// What is odd, but no reason to stop.
    pub warnings: Vec<String>,
}

/// Reads the command line, the environment and the file.
///
/// # Errors
/// The command line cannot be read at all, or asks for help. What is wrong with values is in [`Resolved::cli`].
pub fn resolve(argv: &[OsString], variables: &Variables) -> Result<Resolved, Box<clap::Error>> {
    let whole = Cli::command();
    let raw =
        without_types(whole.clone()).try_get_matches_from(argv).map_err(|error| Box::new(as_written(error, argv)))?;
    let (leaf, matches, command) = leaf(&whole, &raw);
    let all: Vec<Arg> =
        whole.get_arguments().filter(|arg| arg.is_global_set()).chain(leaf.get_arguments()).cloned().collect();
    let mut faults = Vec::new();
    let mut warnings = Vec::new();
    let file = read_file(matches, variables).unwrap_or_else(|fault| {
        faults.push(fault);
        File::default()
    });
    let settings: Vec<Setting> =
        all.into_iter().filter_map(|arg| setting(arg, matches, variables, &file, &mut faults)).collect();
    unknown_keys(&whole, &file, &mut faults);
    unknown_variables(&whole, variables, &mut faults, &mut warnings);
    if file.is_public
        && settings.iter().any(|setting| setting.is_secret && matches!(setting.origin, Origin::File { .. }))
    {
        warnings.push(format!(
            "{} holds a secret and everybody on this machine may read it; chmod 600 {}",
            file.path, file.path
        ));
    }
    let mut bad = BTreeSet::new();
    for setting in &settings {
        let found = judge(setting);
        if !found.is_empty() {
            bad.insert(setting.names.key.clone());
        }
        faults.extend(found);
    }
    let cli = assemble(argv, &settings, &bad, faults)?;
    Ok(Resolved { cli, settings, command, warnings })
}

/// Values are texts, and nothing is required: so much can be read whatever is wrong with them.
fn without_types(command: Clap) -> Clap {
    let untyped = |arg: Arg| {
        if arg.get_env().is_none() {
            return arg;
        }
        let arg = without_environment(arg).required(false).requires(Resettable::Reset);
        if matches!(arg.get_action(), ArgAction::SetTrue) { arg } else { arg.value_parser(StringValueParser::new()) }
    };
    command.mut_args(untyped).mut_subcommands(without_types)
}

fn without_environment(arg: Arg) -> Arg {
    arg.env(Resettable::Reset)
}

fn typed_without_environment(command: Clap) -> Clap {
    command.mut_args(without_environment).mut_subcommands(typed_without_environment)
}

/// Help shows the variables, so it is made from the command line as it was written.
fn as_written(error: clap::Error, argv: &[OsString]) -> clap::Error {
    let is_help = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand);
    let written = is_help.then(|| Cli::command().try_get_matches_from(argv).err()).flatten();
    written.unwrap_or(error)
}

fn leaf<'a>(whole: &'a Clap, raw: &'a ArgMatches) -> (&'a Clap, &'a ArgMatches, String) {
    let (mut command, mut matches, mut words) = (whole, raw, Vec::new());
    while let Some((name, below)) = matches.subcommand() {
        let Some(found) = command.find_subcommand(name) else { break };
        (command, matches) = (found, below);
        words.push(name);
    }
    (command, matches, words.join(" "))
}

fn read_file(matches: &ArgMatches, variables: &Variables) -> Result<File, Fault> {
    if let Ok(Some(path)) = matches.try_get_one::<String>("config") {
        return File::read(Path::new(path), "--config");
    }
    match variables.get("KV_CONFIG") {
        Some(path) if !path.is_empty() => File::read(Path::new(path), "KV_CONFIG"),
        _ => Ok(File::default()),
    }
}

/// The strongest layer's word; `None` for what is no setting.
fn setting(
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
fn judge(setting: &Setting) -> Vec<Fault> {
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

/// Keys of no command at all. One file may serve all commands, so those of another one are no fault.
fn unknown_keys(whole: &Clap, file: &File, faults: &mut Vec<Fault>) {
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
fn unknown_variables(whole: &Clap, variables: &Variables, faults: &mut Vec<Fault>, warnings: &mut Vec<String>) {
    let known = known_names(whole);
    for (name, _) in &variables.0 {
        let is_known = known.iter().any(|names| names.variable == *name) || OTHER_VARIABLES.contains(&name.as_str());
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
pub(super) fn known_names(whole: &Clap) -> Vec<Names> {
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

/// Reads the command line as a whole. With faults it is read as far as it goes, for what is wrong between settings.
fn assemble(
    argv: &[OsString],
    settings: &[Setting],
    bad: &BTreeSet<String>,
    mut faults: Vec<Fault>,
) -> Result<Result<Cli, Failure>, Box<clap::Error>> {
    let is_bad = |setting: &Setting| bad.contains(&setting.names.key);
    // A bad flag stands in the command line itself; what goes with the others can then not be seen.
    let has_bad_flag = settings.iter().any(|setting| is_bad(setting) && setting.origin == Origin::Flag);
    let mut line = if has_bad_flag { without_flags(argv, settings) } else { argv.to_vec() };
    for setting in settings {
        let is_written = setting.origin == Origin::Flag && !has_bad_flag;
        if setting.names.key == "config" || is_written || setting.origin == Origin::Default {
            continue;
        }
        line.extend(as_flags(setting, is_bad(setting)).into_iter().map(OsString::from));
    }
    let command = typed_without_environment(Cli::command());
    let read = command.try_get_matches_from(line).and_then(|matches| Cli::from_arg_matches(&matches));
    let mut cli = match read {
        Ok(cli) => cli,
        Err(_) if !faults.is_empty() => return Ok(refuse(&faults).map(|()| unreachable!("there are faults"))),
        Err(error) => return Err(Box::new(error)),
    };
    let mut places = Places::default();
    for setting in settings {
        places.note(&setting.names.key, setting.place());
    }
    if let Some(service) = cli.command.service_mut() {
        service.places = places;
        let between = super::pairs::faults(service);
        faults.extend(between.into_iter().filter(|fault| !bad.iter().any(|key| fault.involves(key))));
    }
    Ok(refuse(&faults).map(|()| cli))
}

/// A value as the command line would have it; one that is bad and needed is left open.
fn as_flags(setting: &Setting, is_bad: bool) -> Vec<String> {
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
fn without_flags(argv: &[OsString], settings: &[Setting]) -> Vec<OsString> {
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
