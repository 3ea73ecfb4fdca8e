//! A folder with a cluster of gateways before a private Redis, and the files of a run.

use std::fs;

use tempfile::TempDir;

const TARGET: &str = r#"
[target]
name = "gateways"
url = "http://127.0.0.1:{port}"
ready = { path = "/readyz", status = 200, within = "60s" }

[target.redis]

[[cluster.service]]
name = "gw"
replicas = 2
listen = "127.0.0.1:{port}"
balance = "requests"
ready = { path = "/readyz", status = 200, within = "60s" }
command = ["{bin}/stampede", "gateway", "--listen", "127.0.0.1:{self.port}", "--redis", "{redis_url}"]
"#;

pub(super) struct Folder(TempDir);

impl Folder {
    pub(super) fn new(files: &[(&str, &str)]) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        for (name, text) in files.iter().chain(&[("target.toml", TARGET)]) {
            fs::write(folder.file(name), text).unwrap();
        }
        folder
    }

    pub(super) fn file(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }

    pub(super) fn add_to_target(&self, more: &str) {
        fs::write(self.file("target.toml"), format!("{TARGET}{more}")).unwrap();
    }

    /// Replaces a piece of a file; gives what it was.
    pub(super) fn replace(&self, name: &str, from: &str, to: &str) -> String {
        let whole = fs::read_to_string(self.file(name)).unwrap();
        assert!(whole.contains(from), "{from}");
        fs::write(self.file(name), whole.replacen(from, to, 1)).unwrap();
        whole
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Fails where the cluster has ended, which is always but after a failed test.
        drop(super::stampede(&["cluster", "down", "--dir", &self.file("cluster")]));
    }
}
