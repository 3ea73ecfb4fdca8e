//! The binary: reads the command line, runs one command, says in one line what went wrong.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use kv_erp::cli::{Cli, Command};
use kv_erp::failure::Failure;
use kv_erp::{admin, api, http, limits, telemetry, up};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let ended = telemetry::start(&cli.log, cli.log_format).and_then(|()| {
        #[cfg(feature = "wrong-strategies")]
        kv_erp::wrong::choose()?;
        limits::raise_open_files();
        run(&cli.command)
    });
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // With stderr closed there is nobody to tell; the exit code still does.
            writeln!(std::io::stderr(), "{failure}").ok();
            ExitCode::from(failure.exit.code())
        }
    }
}

fn run(command: &Command) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::while_doing("starting the runtime", &error))?;
    runtime.block_on(async {
        match command {
            Command::Up(args) => up::run(args).await,
            Command::Api(args) => api::run(args).await,
            Command::Migrate(args) => admin::migrate(args).await,
            Command::Admin(command) => admin::run(command).await,
            Command::Openapi => std::io::stdout()
                .write_all(&http::openapi_json())
                .map_err(|error| Failure::while_doing("writing to stdout", &error)),
        }
    })
}
