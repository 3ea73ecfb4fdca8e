//! A command in a pod, over the cluster's web socket.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api as Typed, AttachParams};
use tokio::io::AsyncReadExt;
use tokio::time::timeout;

use super::api::Api;

/// How long a command may take.
const ENDS_WITHIN: Duration = Duration::from_mins(1);
/// What is kept of what it says.
const SAID_MOST: u64 = 4_096;

/// A command and where it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Exec {
    pub(super) pod: String,
    pub(super) container: String,
    pub(super) command: Vec<String>,
}

/// Runs it. A command that ends its own container gives no status; that is no failure of the fault.
pub(super) async fn run(api: &Api, exec: &Exec) -> Result<(), String> {
    let pods: Typed<Pod> = Typed::namespaced(api.client(), &api.namespace);
    let params = AttachParams::default().container(&exec.container).stdin(false).stdout(true).stderr(true);
    let began = timeout(ENDS_WITHIN, pods.exec(&exec.pod, &exec.command, &params)).await;
    let began = began.map_err(|_| "the pod did not begin with it in time".to_owned())?;
    let mut process = began.map_err(|error| crate::chaos::words(&error))?;
    let status = process.take_status();
    let (stdout, stderr) = (process.stdout(), process.stderr());
    let read = async {
        let mut said = Vec::new();
        if let Some(stderr) = stderr {
            let mut first = stderr.take(SAID_MOST);
            first.read_to_end(&mut said).await.ok();
            // What is not read would hold the command up.
            tokio::io::copy(&mut first.into_inner(), &mut tokio::io::sink()).await.ok();
        }
        said
    };
    let drain = async {
        if let Some(mut stdout) = stdout {
            tokio::io::copy(&mut stdout, &mut tokio::io::sink()).await.ok();
        }
    };
    let ended = async {
        match status {
            Some(status) => status.await,
            None => None,
        }
    };
    let (said, (), status) = timeout(ENDS_WITHIN, async { tokio::join!(read, drain, ended) })
        .await
        .map_err(|_| format!("it was still running after {} s", ENDS_WITHIN.as_secs()))?;
    match status {
        Some(status) if status.status.as_deref() == Some("Failure") => {
            let said = String::from_utf8_lossy(&said);
            Err(format!("{}: {}", status.message.unwrap_or_default(), said.trim_end()))
        }
        _ => Ok(()),
    }
}
