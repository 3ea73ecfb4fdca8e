//! The word that there are new jobs: rung by whoever has committed some, heard by the relays of all processes.
//!
//! It is sent after the commit, by a session of its own and at most once in a while, not from the transactions themselves: a
//! transaction that notifies holds a lock of the whole server while it commits, and all that notify would commit one after another.
//!
//! Absent on purpose: a promise that it is heard. A process may die between the commit and the word, so a relay looks regularly too.

use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::Pool;
use futures_util::future::poll_fn;
use tokio::sync::{Notify, mpsc};
use tokio::time::{sleep, timeout};
use tokio_postgres::AsyncMessage;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::server::Server;
use crate::statement::statements;

statements! {
    /// Calls the relays.
    CALL_RELAYS = "select pg_notify('kv_jobs', '')";
}

/// At most one word in so long: a relay that was called looks for everything.
const WORD_EVERY: Duration = Duration::from_millis(20);
/// Between two tries to listen.
const PAUSE: Duration = Duration::from_millis(500);
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// Rung by whoever has committed jobs. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Bell(mpsc::Sender<()>);

impl Bell {
    /// Starts the task that passes the word on; it ends with the last bell.
    pub(crate) fn hang(pool: Pool) -> Self {
        // One place: whoever rings while the word is on its way is heard with the next.
        let (bell, mut rung) = mpsc::channel(1);
        tokio::spawn(async move {
            while rung.recv().await.is_some() {
                if let Ok(client) = pool.get().await
                    && let Ok(call) = client.prepare_cached(CALL_RELAYS.sql()).await
                    && let Err(error) = client.execute(&call, &[]).await
                {
                    tracing::debug!(%error, "the relays were not called; they look by themselves");
                }
                sleep(WORD_EVERY).await;
            }
        });
        Self(bell)
    }

    pub(crate) fn ring(&self) {
        // A full channel is a word on its way.
        self.0.try_send(()).ok();
    }
}

/// Hears the bells of all processes, until it is dropped.
#[derive(Debug)]
pub struct Listener {
    heard: Arc<Notify>,
    _stop: DropGuard,
}

impl Listener {
    pub(crate) fn start(server: Server) -> Self {
        let (heard, stop) = (Arc::new(Notify::new()), CancellationToken::new());
        let (tell, stopped) = (Arc::clone(&heard), stop.clone());
        tokio::spawn(async move {
            stopped.run_until_cancelled(listen_for_ever(&server, &tell)).await;
        });
        Self { heard, _stop: stop.drop_guard() }
    }

    /// Returns when somebody rang since it last returned.
    ///
    /// # Cancel safety
    /// What was heard meanwhile is not lost.
    pub async fn heard(&self) {
        self.heard.notified().await;
    }
}

async fn listen_for_ever(server: &Server, heard: &Notify) {
    loop {
        if let Err(error) = listen(server, heard).await {
            tracing::debug!(%error, "nobody listens for new jobs; they are looked for");
        }
        sleep(PAUSE).await;
    }
}

async fn listen(server: &Server, heard: &Notify) -> Result<(), tokio_postgres::Error> {
    let Ok(connected) = timeout(CONNECT_WITHIN, server.connect()).await else { return Ok(()) };
    let (client, mut connection) = connected?;
    let mut messages = std::pin::pin!(async {
        while let Some(message) = poll_fn(|cx| connection.poll_message(cx)).await {
            if let AsyncMessage::Notification(_) = message? {
                heard.notify_one();
            }
        }
        Ok(())
    });
    tokio::select! {
        ended = &mut messages => return ended,
        listening = client.batch_execute("listen kv_jobs") => listening?,
    }
    // What was rung before the listening stood was not heard.
    heard.notify_one();
    messages.await
}
