//! Where a value comes from, in the words of whoever has to change it.

use std::collections::BTreeMap;
use std::fmt;

/// The source of a value, the strongest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The command line.
    Flag,
    /// The environment.
    Variable,
    /// The configuration file.
    File {
        /// The file as it was named.
        path: String,
        /// Counted from 1.
        line: usize,
    },
    /// The program.
    Default,
    /// Nobody: there is no value.
    Unset,
}

/// The three names of a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// In the file.
    pub key: String,
    /// On the command line, with its dashes.
    pub flag: String,
    /// In the environment.
    pub variable: String,
}

impl Names {
    /// The key of a variable: its name without `KV_`, in lower case.
    pub(crate) fn of(long: &str, variable: &str) -> Self {
        let key = variable.strip_prefix("KV_").unwrap_or(variable).to_ascii_lowercase();
        Self { key, flag: format!("--{long}"), variable: variable.to_owned() }
    }

    /// How a value is spoken of that comes from `origin`.
    pub(crate) fn place(&self, origin: &Origin) -> String {
        match origin {
            Origin::Flag | Origin::Default | Origin::Unset => self.flag.clone(),
            Origin::Variable => self.variable.clone(),
            Origin::File { path, line } => format!("{path} line {line}, {}", self.key),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag => f.write_str("command line"),
            Self::Variable => f.write_str("environment"),
            Self::File { path, line } => write!(f, "{path} line {line}"),
            Self::Default => f.write_str("default"),
            Self::Unset => f.write_str("not set"),
        }
    }
}

/// How each setting of a command is spoken of. Empty for settings that were not resolved: then flags are named.
#[derive(Clone, Debug, Default)]
pub struct Places(BTreeMap<String, String>);

impl Places {
    pub(crate) fn note(&mut self, key: &str, place: String) {
        self.0.insert(key.to_owned(), place);
    }

    /// The flag, variable or line that a setting comes from.
    pub fn of(&self, key: &str) -> String {
        self.0.get(key).cloned().unwrap_or_else(|| format!("--{}", key.replace('_', "-")))
    }
}
