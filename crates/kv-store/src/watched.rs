//! A pooled connection whose statement ends when nobody waits for it any more.

use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::timeout;

use crate::plan::Connection;

/// How long the word to stop may take.
const STOP_WITHIN: Duration = Duration::from_secs(5);

/// Such a connection. One that was not given back does not go to the pool: the word to stop might reach its next user.
pub(crate) struct Watched(Option<Connection>);

impl Watched {
    pub(crate) fn on(connection: Connection) -> Self {
        Self(Some(connection))
    }

    pub(crate) fn client(&self) -> &Connection {
        self.0.as_ref().expect("the connection is there until it is given back, which ends this")
    }

    /// Nothing runs on it any more.
    pub(crate) fn give_back(mut self) {
        drop(self.0.take());
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let Some(object) = self.0.take() else { return };
        let tls = object.tls();
        let client = object.take();
        // Outside a runtime the connection has ended with it.
        let Ok(runtime) = Handle::try_current() else { return };
        runtime.spawn(async move {
            let stopped = timeout(STOP_WITHIN, client.cancel_token().cancel_query(tls)).await;
            if !matches!(stopped, Ok(Ok(()))) {
                tracing::debug!("a statement that nobody waits for runs to its own limit");
            }
        });
    }
}
