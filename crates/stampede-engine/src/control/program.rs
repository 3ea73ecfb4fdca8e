//! A program that is run to its end: its exit code, and all that it said.
//!
//! Invariant: it ends with whoever waits for it, in good order: what it has started is its own to stop.

use std::path::Path;
use std::time::Duration;
use std::{fs, io};

use sandbox::{ProcessSpec, Supervised};
use tokio::time::timeout;

/// How long it may take to stop what it has started, before it is killed.
const GRACE: Duration = Duration::from_secs(30);

/// How a program ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Its exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// The same in words.
    pub how: String,
    /// What it wrote to both outputs, as it came.
    pub said: String,
}

/// Runs a program with its arguments; what it says goes to `log`, which is begun anew.
///
/// # Errors
/// In words, when it cannot be started, has not ended `within` this time (it is asked to end then), or its log cannot be used.
/// # Cancel safety
/// Dropping the future asks it to end and waits for that.
pub async fn run_program(words: &[String], log: &Path, within: Duration) -> Result<Ended, String> {
    let (program, arguments) = words.split_first().ok_or("command is empty")?;
    let kept = |error: io::Error| format!("{}: {error}", log.display());
    fs::write(log, "").map_err(kept)?;
    let spec = ProcessSpec::new(program).args(arguments).log(log).grace(GRACE);
    let process = Supervised::spawn(spec).map_err(|error| format!("{program} cannot be started: {error}"))?;
    let Ok(status) = timeout(within, process.wait()).await else {
        process.terminate().await;
        return Err(format!("{program} had not ended within {within:?}; see {}", log.display()));
    };
    let said = String::from_utf8_lossy(&fs::read(log).map_err(kept)?).into_owned();
    Ok(Ended { code: status.code(), how: status.to_string(), said })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Vec<String> {
        ["/bin/sh", "-c", script].map(str::to_owned).to_vec()
    }

    #[tokio::test]
    async fn its_code_and_its_words_are_told_and_one_that_does_not_end_is_asked_to() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let ended = run_program(&shell("echo out; echo err >&2; exit 7"), &log, GRACE).await.unwrap();
        assert_eq!((ended.code, ended.said.as_str()), (Some(7), "out\nerr\n"));
        let gone = folder.path().join("gone");
        let script = format!("trap 'echo bye; : > {}; exit 0' TERM; echo here; sleep 60 & wait", gone.display());
        let late = run_program(&shell(&script), &log, Duration::from_millis(500)).await.unwrap_err();
        assert!(late.contains("had not ended within 500ms"), "{late}");
        assert!(gone.exists(), "it was not asked to end: {}", fs::read_to_string(&log).unwrap());
        let missing = run_program(&["/no/such/program".to_owned()], &log, GRACE).await.unwrap_err();
        assert!(missing.contains("cannot be started"), "{missing}");
    }
}
