//! `stampede stress`: the real tools against the sandbox's servers, and services that take the loss of their database
//! well or badly.

mod pool;
mod postgres;
mod redis;
mod reports;
mod service;
mod steps;

use std::path::PathBuf;

use serde_json::Value;

/// A runtime for what a test does beside the command.
fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// A folder and the path of a result file in it.
fn result_file() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("stress.json");
    (folder, file)
}

fn read(file: &std::path::Path) -> Value {
    let run: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    assert_eq!((&run["format"], &run["version"]), (&"stampede.stress".into(), &1.into()));
    run
}

/// The value of a figure.
fn figure(run: &Value, name: &str) -> f64 {
    let figures = run["figures"].as_array().unwrap();
    let found = figures.iter().find(|figure| figure["name"] == name);
    found.unwrap_or_else(|| panic!("no {name} in {figures:?}"))["value"].as_f64().unwrap()
}

/// The password in a URL of the sandbox.
fn password(url: &str) -> String {
    let (login, _) = url.split_once("://").unwrap().1.split_once('@').unwrap();
    login.split_once(':').unwrap().1.to_owned()
}
