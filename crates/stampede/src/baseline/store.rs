//! Where baselines are kept: one run file each in a folder, under a name.
//!
//! Invariants: a name is a plain word, so no name leads out of the folder; a file appears whole or not at all (written
//! beside its place, flushed, then renamed); what is kept can be read and was trustworthy when it was saved; nothing is
//! replaced without being told to.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use stampede_model::run::RunFile;

/// The folder, from the working directory.
const FOLDER: &str = ".stampede/baselines";
/// Longest name.
const MAX_NAME: usize = 64;
const ENDING: &str = "json";

/// A checked name of a baseline.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Name(String);

impl std::str::FromStr for Name {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let fits = !text.is_empty() && text.len() <= MAX_NAME && text.chars().all(plain);
        if !fits || text.starts_with(['.', '-']) || is_file(text) {
            return Err(format!(
                "`{}` cannot name a baseline: use up to {MAX_NAME} letters, digits, - _ and . in the middle, not ending in \
                 .{ENDING}",
                text.escape_debug()
            ));
        }
        Ok(Self(text.to_owned()))
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.0)
    }
}

/// Whether a word means a file rather than a name.
pub(crate) fn is_file(word: &str) -> bool {
    word.contains('/') || Path::new(word).extension().is_some_and(|ending| ending.eq_ignore_ascii_case(ENDING))
}

/// Whether an existing baseline is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Existing {
    Keep,
    Replace,
}

/// A folder of baselines.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    folder: PathBuf,
}

impl Store {
    /// The given folder, or [`FOLDER`].
    pub(crate) fn at(folder: Option<&Path>) -> Self {
        Self { folder: folder.map_or_else(|| PathBuf::from(FOLDER), Path::to_owned) }
    }

    /// Where `name` is kept.
    pub(crate) fn path(&self, name: &Name) -> PathBuf {
        self.folder.join(format!("{name}.{ENDING}"))
    }

    /// Reads a baseline.
    pub(crate) fn load(&self, name: &Name) -> anyhow::Result<RunFile> {
        let path = self.path(name);
        if !path.exists() {
            let names: Vec<String> = self.names()?.iter().map(ToString::to_string).collect();
            let known =
                if names.is_empty() { "none is kept".to_owned() } else { format!("there are {}", names.join(", ")) };
            bail!(
                "no baseline `{name}` in {} ({known}): save one with `stampede baseline save`",
                self.folder.display()
            );
        }
        read(&path)
    }

    /// Keeps the run in `file` under `name`.
    pub(crate) fn save(&self, name: &Name, file: &Path, existing: Existing) -> anyhow::Result<RunFile> {
        let run = read(file)?;
        if let Some(doubt) = run.trust.doubts.first() {
            bail!("{} is not trustworthy and cannot be a baseline: {doubt}", file.display());
        }
        let target = self.path(name);
        if existing == Existing::Keep && target.exists() {
            bail!("baseline `{name}` exists: use --force to replace it, or another name");
        }
        self.write(&target, &run).with_context(|| format!("cannot write {}", target.display()))?;
        Ok(run)
    }

    fn write(&self, target: &Path, run: &RunFile) -> anyhow::Result<()> {
        fs::create_dir_all(&self.folder)?;
        // A name cannot begin with a point, so this is nobody's baseline.
        let beside = self.folder.join(format!(".new-{}", std::process::id()));
        let written = || -> anyhow::Result<()> {
            let mut text = serde_json::to_vec(run)?;
            text.push(b'\n');
            let mut file = File::create(&beside)?;
            file.write_all(&text)?;
            file.sync_all()?;
            Ok(fs::rename(&beside, target)?)
        };
        written().inspect_err(|_| drop(fs::remove_file(&beside)))
    }

    /// Forgets a baseline.
    pub(crate) fn remove(&self, name: &Name) -> anyhow::Result<()> {
        let path = self.path(name);
        fs::remove_file(&path).with_context(|| format!("cannot remove baseline `{name}` ({})", path.display()))
    }

    /// All names, sorted; none when there is no folder.
    pub(crate) fn names(&self) -> anyhow::Result<Vec<Name>> {
        if !self.folder.exists() {
            return Ok(Vec::new());
        }
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.folder).with_context(|| format!("cannot list {}", self.folder.display()))? {
            let path = entry?.path();
            let stem = path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse().ok());
            names.extend(stem.filter(|name| self.path(name) == path));
        }
        names.sort();
        Ok(names)
    }
}

/// Reads a run file, naming it when that fails.
pub(crate) fn read(path: &Path) -> anyhow::Result<RunFile> {
    stampede_report::read(path).with_context(|| format!("{} is no run that can be compared", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_leads_out_of_the_folder() {
        for good in ["main", "v1.2.3", "release-2026_11", "a"] {
            assert_eq!(good.parse::<Name>().unwrap().to_string(), good);
        }
        let long = "x".repeat(65);
        for bad in [
            "",
            ".",
            "..",
            "../x",
            "a/b",
            "/etc/passwd",
            ".hidden",
            "-f",
            "a b",
            "é",
            "x.json",
            "X.JSON",
            "a\0b",
            &long,
        ] {
            assert!(bad.parse::<Name>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_word_is_a_file_by_its_looks_alone() {
        assert!(is_file("run.json") && is_file("./main") && is_file("a/b"));
        assert!(!is_file("main") && !is_file("v1.2"));
    }
}
