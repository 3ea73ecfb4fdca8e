//! The scenario file and what it includes, read and parsed.

use std::path::{Path, PathBuf};

use toml::de::DeTable;

use super::Compiler;
use crate::scenario::keys::FILE;
use crate::scenario::mistake::{Place, SourceFile, SourceSort};
use crate::scenario::read::{Node, fields_of, node};

/// More files than anybody means to include.
const MAX_FILES: usize = 64;
/// Longest file of settings; data stands in feeds.
const MAX_BYTES: usize = 8 << 20;

/// One file, parsed; the keys at its top are known ones.
pub(super) struct Document<'t> {
    file: usize,
    root: DeTable<'t>,
}

impl Document<'_> {
    pub(super) fn get(&self, key: &str) -> Option<Node<'_>> {
        self.root.get(key).map(|value| node(self.file, value))
    }
}

impl Compiler<'_> {
    /// Reads every file that is included from `text`, one after the other; their texts are then in `files`.
    /// False when one of them is missing or no TOML: all that it defines would then be missed.
    pub(super) fn load(&mut self, path: &Path, text: String) -> bool {
        let mut whole = true;
        // Each file with the files on the way to it, which it must not include again.
        let mut waiting = vec![(path.to_path_buf(), text, vec![tidy(path)])];
        let mut seen = vec![tidy(path)];
        while let Some((path, text, way)) = waiting.pop() {
            let Some(included) = self.load_one(&path, &text) else {
                whole = false;
                continue;
            };
            for (place, target) in included {
                let name = tidy(&target);
                if way.contains(&name) {
                    let round = way.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(" -> ");
                    let hint = format!("{round} -> {}: break the circle", name.display());
                    self.findings.add(place, "this file includes itself", hint);
                } else if seen.len() >= MAX_FILES {
                    self.findings.add(place, "too many files", format!("at most {MAX_FILES} may be included"));
                } else if !seen.contains(&name) {
                    let Some(text) = self.read_text(place, &target) else {
                        whole = false;
                        continue;
                    };
                    seen.push(name.clone());
                    let mut further = way.clone();
                    further.push(name);
                    waiting.push((target, text, further));
                }
            }
        }
        whole
    }

    /// Notes what is wrong with a file as such, and returns what it includes; `None` when it is no TOML.
    fn load_one(&mut self, path: &Path, text: &str) -> Option<Vec<(Place, PathBuf)>> {
        let file = self.files.len();
        let name = path.display().to_string();
        self.files.push(SourceFile { name, text: text.to_owned(), sort: SourceSort::Scenario });
        let root = match DeTable::parse(text) {
            Ok(root) => root.into_inner(),
            Err(error) => {
                // The first one alone: behind it the parser guesses.
                let span = error.span().unwrap_or(0..0);
                let place = Place { file, start: span.start, end: span.end };
                self.findings.add(place, error.message().trim_end(), "the file is TOML 1.1");
                return None;
            }
        };
        fields_of(&root, Place { file, start: 0, end: 0 }, &FILE, &mut self.findings);
        Some(self.includes(&Document { file, root }, path))
    }

    fn includes(&mut self, document: &Document<'_>, path: &Path) -> Vec<(Place, PathBuf)> {
        let Some(list) = document.get("include") else { return Vec::new() };
        let folder = path.parent().unwrap_or(Path::new(""));
        let mut targets = Vec::new();
        for item in list.list(&mut self.findings) {
            if let Some(name) = item.text(&mut self.findings) {
                targets.push((item.place, folder.join(name)));
            }
        }
        targets
    }

    /// The text of a file named at `place`; a mistake there when it cannot be had.
    pub(super) fn read_text(&mut self, place: Place, path: &Path) -> Option<String> {
        let bytes = self.read_bytes(place, path, MAX_BYTES)?;
        let text = String::from_utf8(bytes);
        if text.is_err() {
            self.findings.add(place, format!("{} is no UTF-8 text", path.display()), "save it as UTF-8");
        }
        text.ok()
    }

    /// The bytes of a file named at `place`.
    pub(super) fn read_bytes(&mut self, place: Place, path: &Path, most: usize) -> Option<Vec<u8>> {
        match self.outside.read(path) {
            Ok(bytes) if bytes.len() > most => {
                let message = format!("{} has {} bytes", path.display(), bytes.len());
                self.findings.add(place, message, format!("at most {most} are read"));
                None
            }
            Ok(bytes) => Some(bytes),
            Err(why) => {
                let message = format!("cannot read {}: {why}", path.display());
                self.findings.add(place, message, "the path is relative to the file that names it");
                None
            }
        }
    }

    /// A path named in the file of `place`.
    pub(super) fn beside(&self, place: Place, name: &str) -> PathBuf {
        let named_in = self.files.get(place.file).map_or("", |file| file.name.as_str());
        Path::new(named_in).parent().unwrap_or(Path::new("")).join(name)
    }

    /// The files' texts as they go into the run file: secrets are references there.
    pub(super) fn recorded_text(&self) -> String {
        let mut files = self.files.iter().filter(|file| file.sort == SourceSort::Scenario);
        let mut text = files.next().map_or(String::new(), |first| first.text.clone());
        for file in files {
            text.push_str("\n# included: ");
            text.push_str(&file.name);
            text.push('\n');
            text.push_str(&file.text);
        }
        text
    }
}

/// The texts once more, parsed, to be read; what is wrong with them has been noted.
pub(super) fn parsed(texts: &[String]) -> Vec<Document<'_>> {
    let parse = |(file, text)| {
        let root = DeTable::parse(text).map(toml::Spanned::into_inner).unwrap_or_default();
        Document { file, root }
    };
    texts.iter().map(String::as_str).enumerate().map(parse).collect()
}

/// The path without `.` and with `..` resolved by its words, so that one file has one name.
fn tidy(path: &Path) -> PathBuf {
    use std::path::Component;
    let mut tidy = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if tidy.file_name().is_some_and(|name| name != "..") => {
                tidy.pop();
            }
            other => tidy.push(other),
        }
    }
    tidy
}
