//! A command line held against the program it calls: the subcommand is one, and every flag is in its help.

use std::path::Path;

use crate::programs::Programs;

/// A program and its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CommandLine {
    pub(crate) words: Vec<String>,
}

/// Ours, by the last part of the path they are called by.
const PROGRAMS: [&str; 2] = ["stampede", "kv-erp"];
/// What can be built by name.
const BINARIES: [&str; 3] = ["stampede", "kv-erp", "sandbox"];

/// What is wrong with a command; nothing for programs that are not ours.
pub(crate) fn objections(root: &Path, line: &CommandLine, programs: &dyn Programs) -> Vec<String> {
    let words: Vec<&str> = line.words.iter().map(String::as_str).collect();
    let Some((first, rest)) = words.split_first() else { return Vec::new() };
    let name = first.rsplit('/').next().unwrap_or(first);
    if PROGRAMS.contains(&name) {
        return of_program(vec![name], rest, programs);
    }
    match (name, rest) {
        ("cargo", ["xtask", rest @ ..]) => of_program(vec!["xtask"], rest, programs),
        ("cargo", ["build" | "run", ..]) => of_build(&words),
        _ if first.starts_with("script/") || first.starts_with("./script/") => {
            let is_there = root.join(first).is_file();
            if is_there { Vec::new() } else { vec![format!("there is no {first}")] }
        }
        _ => Vec::new(),
    }
}

fn of_build(words: &[&str]) -> Vec<String> {
    let named = words.windows(2).filter(|pair| pair[0] == "--bin").map(|pair| pair[1]);
    let unknown = named.filter(|name| !BINARIES.contains(name));
    unknown.map(|name| format!("cargo builds no program {name}; hint: {}", BINARIES.join(", "))).collect()
}

/// Follows the subcommands as far as they go, then looks up the flags.
fn of_program<'a>(mut command: Vec<&'a str>, mut rest: &[&'a str], programs: &dyn Programs) -> Vec<String> {
    loop {
        let help = match programs.help(&command) {
            Ok(help) => help,
            Err(error) => return vec![format!("{} could not be asked: {error}", command.join(" "))],
        };
        let subcommands = subcommands(&help);
        match rest.split_first() {
            Some((word, behind)) if subcommands.contains(&(*word).to_owned()) => {
                command.push(word);
                rest = behind;
            }
            Some((word, _)) if !subcommands.is_empty() && !word.starts_with('-') && !takes_words(&help) => {
                return vec![format!("{} has no command {word}; hint: {}", command.join(" "), subcommands.join(", "))];
            }
            _ => return unknown_flags(&command, rest, &help),
        }
    }
}

fn unknown_flags(command: &[&str], rest: &[&str], help: &str) -> Vec<String> {
    let flags = flags(help);
    let given = rest.iter().take_while(|word| **word != "--").filter(|word| word.len() > 1 && word.starts_with('-'));
    // A negative number is no flag.
    let given = given.filter(|word| !word[1..].starts_with(|sign: char| sign.is_ascii_digit()));
    let unknown = given.filter(|word| {
        let name = word.split('=').next().unwrap_or(word);
        !flags.iter().any(|flag| flag == name)
    });
    unknown.map(|word| format!("{} has no {word}; hint: {} --help", command.join(" "), command.join(" "))).collect()
}

/// Names below `Commands:`.
fn subcommands(help: &str) -> Vec<String> {
    let lines = help.lines().skip_while(|line| line.trim_end() != "Commands:").skip(1);
    let block = lines.take_while(|line| line.starts_with(' ') || line.is_empty());
    let names = block.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    names.filter_map(|line| line.split_whitespace().next().map(str::to_owned)).filter(|name| name != "help").collect()
}

/// Whether a command takes words of its own besides subcommands.
fn takes_words(help: &str) -> bool {
    help.lines().any(|line| line.trim_end() == "Arguments:")
}

/// Every flag that begins an entry of the help.
fn flags(help: &str) -> Vec<String> {
    let entries = help.lines().map(str::trim_start).filter(|line| line.starts_with('-'));
    let words = entries.flat_map(|line| {
        line.split([' ', ',', '=', '[', '<']).take_while(|word| word.is_empty() || word.starts_with('-'))
    });
    words.filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::programs::ConfigAnswer;

    /// A program with a command `save` below `baseline`.
    struct Made;

    impl Programs for Made {
        fn help(&self, command: &[&str]) -> Result<String, String> {
            Ok(match command {
                ["stampede"] => "Usage\n\nCommands:\n  baseline  Keep\n  load      Send\n  help      Print\n\nOptions:\n  -h, --help\n",
                ["stampede", "baseline"] => "Commands:\n  save  Keep a run\n\nOptions:\n      --dir <DIR>  Folder\n",
                ["stampede", "baseline", "save"] => "Arguments:\n  <NAME>\n\nOptions:\n      --force\n          Replace\n  -o, --output <FILE>\n",
                other => return Err(format!("no {other:?}")),
            }
            .to_owned())
        }

        fn settings(&self) -> Result<String, String> {
            Ok(String::new())
        }

        fn configured(&self, _: &[String], _: &BTreeMap<String, String>) -> Result<ConfigAnswer, String> {
            Ok(ConfigAnswer::Fits)
        }
    }

    fn of(line: &str) -> Vec<String> {
        let words = line.split(' ').map(str::to_owned).collect();
        objections(Path::new("/nowhere"), &CommandLine { words }, &Made)
    }

    #[test]
    fn good_commands_and_other_programs_pass() {
        for line in [
            "target/release/stampede baseline save x run.json --force -o a",
            "curl --anything",
            "stampede baseline save -- --odd",
            "cargo build --bin kv-erp",
        ] {
            assert_eq!(of(line), Vec::<String>::new(), "{line}");
        }
    }

    #[test]
    fn what_is_not_there_is_named() {
        for (line, word) in [
            ("stampede baseline save x --replace", "stampede baseline save has no --replace"),
            ("stampede baseline keep x", "has no command keep"),
            ("base/stampede lod", "has no command lod"),
            ("script/nothing", "there is no script/nothing"),
            ("cargo build --release --bin kverp", "builds no program kverp"),
        ] {
            let found = of(line);
            assert!(found.len() == 1 && found[0].contains(word), "{line}: {found:?}");
        }
    }
}
