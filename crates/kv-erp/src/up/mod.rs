//! `kv-erp up`: everything on this machine, with nothing but PostgreSQL's programs installed.
//!
//! A private PostgreSQL runs in the data folder, on a Unix socket, with full durability; the service logs in to it as the
//! ordinary role that it has in production too, and refuses the same things.

mod folder;
mod guardian;

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::SocketAddr;

use kv_store::access::provision::{self, Provisioner};
use kv_store::readers::PAGE_READERS;
use kv_store::{BadServer, Server, admin};
use sandbox::{Login, Postgres, PostgresOptions};
use tokio_util::sync::CancellationToken;

use crate::cli::UpArgs;
use crate::config::{self, ServiceConfig};
use crate::demo::{self, Demo};
use crate::failure::Failure;
use crate::telemetry::Running;
use crate::{serve, service, signals};
use folder::DataFolder;

/// The database's name, as the guide has it.
const DATABASE: &str = "kv_saas_erp";
/// The role that the service logs in as.
pub(crate) const APP_ROLE: &str = "kv_app";
/// Connections for PostgreSQL's own superuser and for people who look in.
const SPARE_CONNECTIONS: usize = 24;

/// Runs until a signal comes.
///
/// # Errors
/// A failure of the start; afterwards there is none.
pub async fn run(args: &UpArgs, telemetry: &Running) -> Result<(), Failure> {
    let config = ServiceConfig::check(&args.service)?;
    let work = config::work(&args.work)?;
    // The port first: a second `up` on the same port should say so at once, not after PostgreSQL has started.
    let listener = serve::bind(config.listen)?;
    let stop = CancellationToken::new();
    signals::watch(stop.clone()).map_err(|error| Failure::while_doing("watching for signals", &error))?;
    let folder = DataFolder::open(args.data_dir.as_deref())?;
    let postgres = tokio::select! {
        started = start_postgres(&folder, &config) => started?,
        // Dropping the start stops what it has begun.
        () = stop.cancelled() => return Ok(()),
    };
    let address = listener.local_addr().map_err(|error| Failure::while_doing("listening", &error))?;
    let serving = async {
        let (app, demo) = prepare(&postgres, &folder, args, &config).await?;
        let worker = service::worker_beside(&app, &config, work).await?;
        let closing = service::drain_with(&app, &stop, config.drain_delay);
        Ok::<_, Failure>((app, demo, closing, worker))
    };
    let (app, demo, closing, worker) = tokio::select! {
        prepared = serving => prepared?,
        () = stop.cancelled() => {
            postgres.stop().await;
            return Ok(());
        }
    };
    telemetry.export_metrics_of(&app);
    announce(address, demo.as_ref(), config.http.rate_limit_per_minute);
    tracing::info!(%address, folder = %folder.path().display(), redis = config.redis.is_some(), "serving");
    let working = tokio::spawn({
        let stop = app.draining().clone();
        async move { worker.run(&stop).await }
    });
    let guardian_stop = CancellationToken::new();
    let guardian = tokio::spawn(guardian::keep_running(postgres, guardian_stop.clone()));
    serve::serve(listener, app, closing).await;
    if working.await.is_err() {
        tracing::error!("the worker panicked; its jobs are done after the next start");
    }
    guardian_stop.cancel();
    if guardian.await.is_err() {
        tracing::error!("the private PostgreSQL's guardian panicked; the server stops with this process");
    }
    tracing::info!("stopped");
    Ok(())
}

async fn start_postgres(folder: &DataFolder, config: &ServiceConfig) -> Result<Postgres, Failure> {
    let connections = config.pool_size + config.stock_writers + PAGE_READERS + SPARE_CONNECTIONS;
    let options = PostgresOptions::default()
        .folder(folder.postgres())
        .setting("max_connections", connections.to_string())
        .setting("shared_buffers", "256MB")
        // Room for many minutes of writes between two checkpoints, which would otherwise show in the latencies.
        .setting("max_wal_size", "2GB")
        .setting("wal_compression", "on");
    Postgres::start(options).await.map_err(|error| {
        let failure = Failure::of(&error);
        if failure.has_hint() {
            failure
        } else {
            failure.hint(format!("see {}", folder.postgres().join("server.log").display()))
        }
    })
}

/// Brings the database up to date, logs the service in, and fills it when asked.
async fn prepare(
    postgres: &Postgres,
    folder: &DataFolder,
    args: &UpArgs,
    config: &ServiceConfig,
) -> Result<(crate::app::App, Option<Demo>), Failure> {
    let password = folder.app_password()?;
    let failed = |action: &'static str| move |error: provision::ProvisionError| Failure::while_doing(action, &error);
    provision::create_database(&connection(&postgres.url())?, DATABASE)
        .await
        .map_err(failed("creating the database"))?;
    let superuser = connection(&postgres.url_for(DATABASE, Login::Superuser))?;
    admin::migrate(&superuser, Some(&password))
        .await
        .map_err(|error| Failure::while_doing("migrating the schema", &error))?;
    let login = Login::Role { name: APP_ROLE, password: &password };
    let store = config.store(connection(&postgres.url_for(DATABASE, login))?);
    let app = service::assemble(config, &store).await?;
    if !args.demo {
        return Ok((app, None));
    }
    let mut provisioner = Provisioner::connect(&superuser).await.map_err(failed("filling the database"))?;
    let demo = demo::seed(&mut provisioner, app.store()).await.map_err(|error| Failure::of(&error))?;
    Ok((app, Some(demo)))
}

fn connection(url: &str) -> Result<Server, Failure> {
    url.parse().map_err(|error: BadServer| Failure::while_doing("reading the private server's address", &error))
}

/// The only thing that `up` writes to stdout.
fn announce(address: SocketAddr, demo: Option<&Demo>, default_limit: u32) {
    let mut text = format!("kv-erp listens on http://{address}\n");
    if let Some(demo) = demo {
        // Writing to a String cannot fail.
        writeln!(text, "password of every login: {}", demo::PASSWORD).ok();
        for login in demo.logins {
            let limit = login.rate_limit_per_minute.unwrap_or(default_limit);
            writeln!(text, "login {} (tenant {}, {limit} requests a minute)", login.email, login.tenant).ok();
        }
        for (email, token) in &demo.tokens {
            writeln!(text, "token {email} {}", token.reveal()).ok();
        }
    }
    // Nobody need read it; a closed stdout is no reason not to serve.
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).ok();
}
