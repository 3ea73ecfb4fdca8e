//! The binary: reads the command line, runs one command, says in one line what went wrong.

use std::io::Write as _;
use std::process::ExitCode;

use kv_erp::cli::Command;
use kv_erp::config::resolve::{Resolved, Variables, resolve};
use kv_erp::failure::Failure;
use kv_erp::telemetry::{Running, Telemetry};
use kv_erp::{admin, api, config, http, limits, status, up, worker};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let (line, variables): (Vec<_>, _) = (std::env::args_os().collect(), Variables::of_process());
    let resolved = resolve(&line, &variables).unwrap_or_else(|error| error.exit());
    match start(resolved, &variables) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // With stderr closed there is nobody to tell; the exit code still does.
            writeln!(std::io::stderr(), "{failure}").ok();
            ExitCode::from(failure.exit.code())
        }
    }
}

fn start(resolved: Resolved, variables: &Variables) -> Result<(), Failure> {
    let cli = resolved.cli?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::while_doing("starting the runtime", &error))?;
    let _inside = runtime.enter();
    let running = Telemetry::of(&cli).start()?;
    resolved.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    #[cfg(feature = "wrong-strategies")]
    kv_erp::wrong::choose()?;
    limits::raise_open_files();
    match &cli.command {
        Command::Config(args) => config::print(args, &cli, variables),
        command => runtime.block_on(run(command, &running)),
    }
}

async fn run(command: &Command, telemetry: &Running) -> Result<(), Failure> {
    match command {
        Command::Up(args) => up::run(args, telemetry).await,
        Command::Api(args) => api::run(args, telemetry).await,
        Command::Worker(args) => worker::run(args).await,
        Command::Migrate(args) => admin::migrate(args).await,
        Command::Admin(command) => admin::run(command).await,
        Command::Status(args) => status::run(args).await,
        Command::Config(_) => unreachable!("it was printed"),
        Command::Openapi => std::io::stdout()
            .write_all(&http::openapi_json())
            .map_err(|error| Failure::while_doing("writing to stdout", &error)),
    }
}
