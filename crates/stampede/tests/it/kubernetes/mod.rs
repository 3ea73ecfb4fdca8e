//! Faults in a cluster, against an API server that does what a cluster would: what is sent, what is undone, and what is refused.
//!
//! Built with the feature `kubernetes` alone: `cargo xtask test --only kubernetes`.

mod fake;
mod faults;
mod look;
mod refusals;
mod socket;
mod under_load;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

use fake::Fake;

/// A cluster, the file that describes it, and a way to it.
struct Place {
    fake: Fake,
    folder: TempDir,
}

const FILE: &str = "[kubernetes]\nnamespace = \"staging\"\n[kubernetes.service.api]\npods = \"app=kv-erp-api\"\ndeployment = \"kv-erp-api\"\n";

impl Place {
    fn new() -> Self {
        let (fake, folder) = (Fake::start(), tempfile::tempdir().unwrap());
        let kubeconfig = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: fake\nclusters: [{{name: fake, cluster: {{server: \"{}\"}}}}]\n\
             users: [{{name: nobody, user: {{}}}}]\ncontexts: [{{name: fake, context: {{cluster: fake, user: nobody}}}}]\n",
            fake.address
        );
        fs::write(folder.path().join("kubeconfig"), kubeconfig).unwrap();
        fs::write(folder.path().join("target.toml"), FILE).unwrap();
        Self { fake, folder }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A command in the namespace, without its end.
    fn command(&self, words: &[&str], namespace: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stampede"));
        let place = ["--target", "target.toml", "--kubeconfig", "kubeconfig", "--namespace", namespace];
        // What stands behind `--` is the last.
        let behind = words.iter().position(|word| *word == "--").unwrap_or(words.len());
        command.arg("kubernetes").args(&words[..behind]).args(place).args(&words[behind..]).current_dir(self.path());
        command
    }

    fn run(&self, words: &[&str]) -> Ran {
        Ran::of(self.command(words, "staging").output().unwrap())
    }

    /// A fault on the service.
    fn chaos(&self, words: &[&str]) -> Ran {
        let (fault, rest) = words.split_first().unwrap();
        self.run(&[&["chaos", fault, "--on", "api", "--seed", "7"], rest].concat())
    }

    /// Whether the journal has nothing open.
    fn is_whole(&self) -> bool {
        let text = fs::read_to_string(self.path().join(".stampede/kubernetes.jsonl")).unwrap_or_default();
        text.matches("\"entry\":\"intent\"").count() == text.matches("\"verified\":true").count()
    }
}

/// What came of a command.
#[derive(Debug)]
struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Ran {
    fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }
}

/// One that wants five where three are: 110 % of what is requested, with 70 % as its aim.
fn autoscaler() -> serde_json::Value {
    serde_json::json!({
        "metadata": {"name": "kv-erp-api"},
        "spec": {
            "scaleTargetRef": {"kind": "Deployment", "name": "kv-erp-api"}, "minReplicas": 3, "maxReplicas": 8,
            "metrics": [{"resource": {"name": "cpu", "target": {"averageUtilization": 70}}}],
        },
        "status": {
            "currentReplicas": 3, "desiredReplicas": 5,
            "currentMetrics": [{"resource": {"name": "cpu", "current": {"averageUtilization": 110}}}],
        },
    })
}
