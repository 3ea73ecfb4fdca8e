//! One short-lived superuser connection: for readiness, for template databases, for tests that look inside.

use std::ops::Deref;
use std::str::FromStr;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_postgres::{Client, Config, Error, NoTls};

/// How long one connection may take to be made.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// A client whose connection ends with it.
#[derive(Debug)]
pub struct Session {
    client: Client,
    driver: JoinHandle<()>,
}

impl Session {
    /// Connects by URL.
    ///
    /// # Cancel safety
    /// Dropping the future drops the half-made connection.
    pub async fn connect(url: &str) -> Result<Self, Error> {
        let mut config = Config::from_str(url)?;
        config.connect_timeout(CONNECT_WITHIN).application_name("sandbox");
        let (client, connection) = config.connect(NoTls).await?;
        let driver = tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a sandbox connection ended");
            }
        });
        Ok(Self { client, driver })
    }
}

impl Deref for Session {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.driver.abort();
    }
}
