//! The layers put together: command line over environment over file over the program's own defaults.
//!
//! Every setting is first read as text from its strongest layer and judged alone, so that all that are wrong are named at once; only
//! then is the command line read as a whole, with what the weaker layers say written behind it as further flags.
//!
//! Invariants: the environment is read here and nowhere else; a value that is secret is in no error.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::path::Path;

use clap::builder::{Resettable, StringValueParser};
use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Command as Clap, CommandFactory as _, FromArgMatches as _};

use super::faults::{Fault, refuse};
use super::file::File;
use super::origin::{Origin, Places};
use super::setting::{as_flags, judge, setting, without_flags};
use super::unknown::{unknown_keys, unknown_variables};
use crate::cli::Cli;
use crate::failure::Failure;

pub use super::setting::Setting;

/// The variables that begin with `KV_`.
#[derive(Clone, Debug, Default)]
pub struct Variables(Vec<(String, OsString)>);

impl Variables {
    /// Those of this process.
    pub fn of_process() -> Self {
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value))).collect()
    }

    /// One of them.
    pub(super) fn get(&self, name: &str) -> Option<&OsStr> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_os_str())
    }

    /// Their names.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }
}

impl<N: Into<String>, V: Into<OsString>> FromIterator<(N, V)> for Variables {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let pairs = pairs.into_iter().map(|(name, value)| (name.into(), value.into()));
        Self(pairs.filter(|(name, _): &(String, OsString)| name.starts_with("KV_")).collect())
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

/// The same, whatever the environment says.
pub(super) fn without_environment(arg: Arg) -> Arg {
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
