//! A small cluster of gateways over a private PostgreSQL and Redis, and looks into it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

const TARGET: &str = r#"
[target]
name = "gateways"
url = "http://127.0.0.1:{port}"
ready = { path = "/readyz", status = 200, within = "60s" }

[target.postgres]
[target.redis]

[[cluster.service]]
name = "gw"
replicas = 2
listen = "127.0.0.1:{port}"
ready = { path = "/readyz", status = 200, within = "60s" }
command = ["{bin}/stampede", "gateway", "--listen", "127.0.0.1:{self.port}", "--postgres", "{postgres_url}", "--redis", "{redis_url}"]
"#;

/// What makes PostgreSQL two.
const STANDBY: &str =
    "[target.postgres]\nstandby = \"synchronous\"\nsettings = { wal_retrieve_retry_interval = \"200ms\" }\n";

/// A cluster that is taken down with the test.
pub(super) struct Place {
    folder: TempDir,
}

impl Place {
    /// Starts one.
    pub(super) fn up() -> Self {
        Self::of(TARGET)
    }

    /// Starts one whose PostgreSQL has a standby.
    pub(super) fn with_standby() -> Self {
        Self::of(&TARGET.replacen("[target.postgres]\n", STANDBY, 1))
    }

    /// Starts one behind `HAProxy`.
    pub(super) fn with_haproxy() -> Self {
        let listen = "listen = \"127.0.0.1:{port}\"\n";
        Self::of(&TARGET.replacen(listen, &format!("{listen}balance = \"haproxy\"\n"), 1))
    }

    fn of(text: &str) -> Self {
        let place = Self { folder: tempfile::tempdir().unwrap() };
        fs::write(place.file("target.toml"), text).unwrap();
        let target = place.file("target.toml");
        let output = place.say(&["cluster", "up", target.to_str().unwrap(), "--detach"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        place
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn run(&self) -> PathBuf {
        self.file("run")
    }

    /// A command about this cluster.
    pub(super) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stampede"));
        command.args(words).env("STAMPEDE_CLUSTER", self.run());
        command
    }

    pub(super) fn say(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap()
    }

    pub(super) fn status(&self) -> Value {
        let output = self.say(&["cluster", "status", "--json"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// The URL of the PostgreSQL in a role.
    pub(super) fn postgres(&self, role: &str) -> Option<(String, String)> {
        let status = self.status();
        let server = all(&status["servers"]).iter().find(|server| server["role"] == role)?.clone();
        Some((server["name"].as_str()?.to_owned(), server["url"].as_str()?.to_owned()))
    }

    /// The process that holds the cluster.
    pub(super) fn holder(&self) -> u32 {
        pid(&self.status()["process"]).unwrap()
    }

    /// All that is not as it should be.
    pub(super) fn troubles(&self) -> Vec<String> {
        let status = self.status();
        let mut troubles = Vec::new();
        for member in all(&status["services"][0]["members"]) {
            if member["state"] != "ready" {
                troubles.push(format!("{} is {}", member["name"], member["state"]));
            }
        }
        for server in all(&status["servers"]) {
            if server["running"] != true {
                troubles.push(format!("{} is down", server["name"]));
            }
            if server["role"] == "deposed" {
                troubles.push(format!("{} follows nobody", server["name"]));
            }
        }
        for link in all(&status["links"]) {
            let state = &link["state"];
            let passes = state["silent"].is_null() && state["http"].is_null();
            let calm = state["gate"] == "open" && passes && link["listening"] == true;
            if !calm || state["limits"]["latency_ms"] != 0 || state["limits"]["bytes_per_s"] != 0 {
                troubles.push(format!("{} is disturbed", link["name"]));
            }
        }
        troubles.extend(
            self.processes()
                .into_iter()
                .filter(|pid| state_of(*pid) == Some('T'))
                .map(|pid| format!("process {pid} stands still")),
        );
        troubles
    }

    /// The cluster's process and all that it started, whoever their parents are.
    pub(super) fn processes(&self) -> Vec<u32> {
        family(self.holder())
    }

    /// Guardians of this cluster's journal.
    pub(super) fn guardians(&self) -> Vec<u32> {
        let journal = self.journal();
        let is_one = |pid: &u32| {
            let line = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            line.contains("guardian") && line.contains(journal.to_str().unwrap())
        };
        everybody().into_iter().filter(is_one).collect()
    }

    pub(super) fn journal(&self) -> PathBuf {
        self.run().join("chaos.jsonl")
    }

    /// How often a word stands in the journal.
    pub(super) fn entries(&self, word: &str) -> usize {
        let text = fs::read_to_string(self.journal()).unwrap_or_default();
        text.matches(&format!("\"entry\":\"{word}\"")).count()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Fails where the test has ended the cluster itself.
        drop(self.say(&["cluster", "down"]));
    }
}

pub(super) fn all(list: &Value) -> &[Value] {
    list.as_array().map_or(&[], Vec::as_slice)
}

pub(super) fn pid(process: &Value) -> Option<u32> {
    process["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok())
}

pub(super) fn is_alive(pid: u32) -> bool {
    state_of(pid).is_some_and(|state| state != 'Z')
}

fn everybody() -> Vec<u32> {
    let entries = fs::read_dir("/proc").unwrap();
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect()
}

fn family(root: u32) -> Vec<u32> {
    let mut known = vec![root];
    loop {
        let more: Vec<u32> = everybody()
            .into_iter()
            .filter(|pid| !known.contains(pid) && parent_of(*pid).is_some_and(|parent| known.contains(&parent)))
            .collect();
        if more.is_empty() {
            return known;
        }
        known.extend(more);
    }
}

fn stat(pid: u32) -> Option<String> {
    let text = fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat")).ok()?;
    text.rsplit_once(')').map(|(_, rest)| rest.trim().to_owned())
}

fn state_of(pid: u32) -> Option<char> {
    stat(pid)?.chars().next()
}

fn parent_of(pid: u32) -> Option<u32> {
    stat(pid)?.split_whitespace().nth(1)?.parse().ok()
}
