//! A cluster that this process holds beside its own work, on threads of its own: the clients' thread is not the balancer's.
//!
//! Invariant: it ends with [`Held::down`], and with the process otherwise.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use stampede_model::target::{Scope, Target};
use tokio::sync::oneshot;

use super::{Card, Cluster, ClusterError, Remote, find};

/// Threads of its runtime: links and the balancer copy every byte.
const THREADS: usize = 2;

/// A cluster held by this process.
#[derive(Debug)]
pub struct Held {
    card: Card,
    end: oneshot::Sender<()>,
    holding: JoinHandle<()>,
}

impl Held {
    /// Starts what `target` describes; logs and control socket are in `run_folder`.
    ///
    /// # Errors
    /// See [`ClusterError`]; what was started by then is stopped.
    /// # Cancel safety
    /// Dropping the future stops what was started.
    pub async fn up(
        target: Target,
        bin: PathBuf,
        environment: Scope,
        run_folder: PathBuf,
    ) -> Result<Self, ClusterError> {
        let (end, ended) = oneshot::channel();
        let (up, is_up) = oneshot::channel();
        let holding = std::thread::Builder::new().name("cluster".to_owned()).spawn(move || {
            let folder = run_folder.clone();
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(THREADS).enable_all().build();
            match runtime {
                Ok(runtime) => runtime.block_on(hold(target, (&bin, &environment, &run_folder), (up, ended))),
                // Whoever waits is gone only when nobody wants the cluster any more.
                Err(source) => drop(up.send(Err(ClusterError::Folder { folder, source }))),
            }
        });
        let failed = |source| ClusterError::Folder { folder: PathBuf::from("the cluster's thread"), source };
        let holding = holding.map_err(failed)?;
        match is_up.await {
            Ok(card) => Ok(Self { card: card?, end, holding }),
            Err(_) => Err(failed(std::io::Error::other("it ended before it was up"))),
        }
    }

    /// Where it is.
    pub const fn card(&self) -> &Card {
        &self.card
    }

    /// Stops all of it and waits for that.
    ///
    /// # Cancel safety
    /// Dropping the future goes on stopping without waiting.
    pub async fn down(self) {
        let Self { end, holding, .. } = self;
        drop(end);
        // It fails only when the thread panicked, and then there is nothing left to stop.
        tokio::task::spawn_blocking(move || drop(holding.join())).await.ok();
    }
}

/// Holds it until the other end of `ended` is gone.
async fn hold(
    target: Target,
    (bin, environment, run_folder): (&Path, &Scope, &Path),
    (up, mut ended): (oneshot::Sender<Result<Card, ClusterError>>, oneshot::Receiver<()>),
) {
    let started = tokio::select! {
        started = Cluster::up(&target, bin, environment, (run_folder, Remote::Refused)) => started,
        _ = &mut ended => return,
    };
    let cluster = match started {
        Ok(cluster) => cluster,
        Err(error) => return drop(up.send(Err(error))),
    };
    let served = cluster.serve(&Arc::new(target));
    let gone = || ClusterError::Folder { folder: run_folder.to_path_buf(), source: std::io::Error::other("no card") };
    let card = served.and_then(|served| find(run_folder).map(|card| (served, card)).map_err(|_| gone()));
    match card {
        Ok((served, card)) => {
            if up.send(Ok(card)).is_ok() {
                // Nothing is ever sent: the sender's end is the word.
                ended.await.ok();
            }
            cluster.down().await;
            drop(served);
        }
        Err(error) => {
            cluster.down().await;
            drop(up.send(Err(error)));
        }
    }
}
