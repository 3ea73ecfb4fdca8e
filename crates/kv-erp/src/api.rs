//! `kv-erp api`: the service against servers that are there already.

use std::io::Write as _;

use tokio_util::sync::CancellationToken;

use crate::cli::ApiArgs;
use crate::config::{self, ServiceConfig};
use crate::failure::Failure;
use crate::telemetry::Running;
use crate::{serve, service, signals};

/// Runs until a signal comes.
///
/// # Errors
/// A failure of the start; afterwards there is none.
pub async fn run(args: &ApiArgs, telemetry: &Running) -> Result<(), Failure> {
    let config = ServiceConfig::check(&args.service)?;
    let connection = config::database("--database-url", &args.database_url)?;
    let listener = serve::bind(config.listen)?;
    let stop = CancellationToken::new();
    signals::watch(stop.clone()).map_err(|error| Failure::while_doing("watching for signals", &error))?;
    let app = service::assemble(&config, &config.store(connection)).await?;
    telemetry.export_metrics_of(&app);
    let closing = service::drain_with(&app, &stop, config.drain_delay);
    let address = listener.local_addr().map_err(|error| Failure::while_doing("listening", &error))?;
    // Nobody need read it; a closed stdout is no reason not to serve.
    writeln!(std::io::stdout(), "kv-erp listens on http://{address}").ok();
    tracing::info!(%address, redis = config.redis.is_some(), "serving");
    serve::serve(listener, app, closing).await;
    tracing::info!("stopped");
    Ok(())
}
