//! Whole files, compiled; and every kind of mistake, found with its place.

mod bad;
mod forecast;
mod good;

use std::collections::BTreeMap;
use std::path::Path;

use super::*;

/// Files and an environment in memory.
#[derive(Default)]
struct Memory {
    files: BTreeMap<String, String>,
    env: BTreeMap<String, String>,
}

impl Memory {
    fn file(mut self, name: &str, text: &str) -> Self {
        self.files.insert(name.to_owned(), text.to_owned());
        self
    }

    fn env(mut self, name: &str, value: &str) -> Self {
        self.env.insert(name.to_owned(), value.to_owned());
        self
    }
}

impl Outside for Memory {
    fn read(&self, path: &Path) -> Result<Vec<u8>, String> {
        let name = path.display().to_string();
        self.files.get(&name).map(|text| text.clone().into_bytes()).ok_or_else(|| "there is no such file".to_owned())
    }

    fn env(&self, name: &str) -> Option<String> {
        self.env.get(name).cloned()
    }
}

/// A small world that most tests need.
fn world() -> Memory {
    Memory::default()
        .env("PW", "s3cret-word")
        .env("ERP_URL", "http://127.0.0.1:8080/base/")
        .file("skus.csv", "id,qty,note\nA1,5,\"a, b\"\nB2,7,c\n")
        .file("users.json", r#"[{"email": "a@x.test", "n": 1}, {"email": "b@x.test", "n": 2}]"#)
        .file("list.txt", "# c\nHOST = h.test:81\nhttp://$HOST/a?b=1\n/c POST x=1\n/d PUT <body.json\nh.test:81/a\n")
        .file("body.json", "{\"a\": 1}")
        .file("broken.csv", "a,b\n1\n")
        .file("bad.txt", "http://$(HOTS)/a\nftp://x/\n/a FETCH\n/b POST <no.bin\n")
        .file("empty.csv", "a,b\n")
        .file("broken.json", "[\n  {\"a\": }\n]")
}

fn compiled(text: &str) -> Result<Plan, Mistakes> {
    compiled_with(text, &world(), &Overrides::default())
}

fn compiled_with(text: &str, world: &Memory, overrides: &Overrides) -> Result<Plan, Mistakes> {
    compile_text(Path::new("t.toml"), text.to_owned(), world, overrides)
}

fn sound(text: &str) -> Plan {
    compiled(text).unwrap_or_else(|mistakes| panic!("{mistakes}"))
}

/// The text with a target and, unless it has one, a scenario.
fn with_target(text: &str) -> String {
    let target = if text.contains("target") { "" } else { "target = { url = \"http://h\" }\n" };
    let scenario = if text.contains("[[scenario]]") { "" } else { "\n[[scenario]]\nsteps = [{ get = \"/\" }]\n" };
    format!("{target}{text}{scenario}")
}
