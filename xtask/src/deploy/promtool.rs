//! The alert rules and their tests, given to promtool.
//!
//! Where there is none, Debian's package is fetched (19 MB) and unpacked into `target/tools`: nothing is installed and no root is
//! needed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::say;

const FOLDER: &str = "deploy/components/monitoring";

pub(super) fn check(root: &Path, target: &Path) -> Result<()> {
    let promtool = find(target)?;
    let place = target.join("tools/rules");
    fs::create_dir_all(&place)?;
    let manifest = fs::read_to_string(root.join(FOLDER).join("rules.yaml")).context("read the rules")?;
    let manifest: Value = serde_saphyr::from_str(&manifest).context("the rules")?;
    // JSON is YAML, and Prometheus reads it.
    let rules = manifest.get("spec").context("the rules have no spec")?;
    fs::write(place.join("rules.yml"), serde_json::to_vec_pretty(rules)?)?;
    fs::copy(root.join(FOLDER).join("rules.test.yaml"), place.join("rules.test.yaml"))?;
    for args in [["check", "rules", "rules.yml"], ["test", "rules", "rules.test.yaml"]] {
        let output = Command::new(&promtool).args(args).current_dir(&place).output().context("run promtool")?;
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        ensure!(output.status.success(), "promtool {}:\n{}", args.join(" "), said.trim_end());
        let words: Vec<&str> = said.split_whitespace().collect();
        say(&format!("deploy: promtool {}: {}", args.join(" "), words.join(" ")))?;
    }
    Ok(())
}

fn find(target: &Path) -> Result<PathBuf> {
    let works = |file: &Path| Command::new(file).arg("--version").output().is_ok_and(|output| output.status.success());
    let installed = PathBuf::from("promtool");
    if works(&installed) {
        return Ok(installed);
    }
    let tools = target.join("tools");
    let fetched = tools.join("usr/bin/promtool");
    if !works(&fetched) {
        fetch(&tools)?;
    }
    ensure!(works(&fetched), "{} does not run", fetched.display());
    Ok(fetched)
}

fn fetch(tools: &Path) -> Result<()> {
    let hint = "hint: install promtool, or say --without-promtool";
    say("deploy: fetching promtool from Debian's package prometheus")?;
    fs::create_dir_all(tools)?;
    let fetched = Command::new("apt-get").args(["download", "prometheus"]).current_dir(tools).output();
    let fetched = fetched.with_context(|| format!("apt-get could not be run; {hint}"))?;
    ensure!(
        fetched.status.success(),
        "apt-get download prometheus: {}; {hint}",
        String::from_utf8_lossy(&fetched.stderr)
    );
    let package = fs::read_dir(tools)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|end| end == "deb"))
        .with_context(|| format!("apt-get left no package behind; {hint}"))?;
    let unpacked = Command::new("dpkg-deb").arg("--extract").arg(&package).arg(tools).status();
    let unpacked = unpacked.with_context(|| format!("dpkg-deb could not be run; {hint}"))?;
    fs::remove_file(&package)?;
    ensure!(unpacked.success(), "dpkg-deb could not unpack {}; {hint}", package.display());
    Ok(())
}
