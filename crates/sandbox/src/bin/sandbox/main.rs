//! `sandbox`: private servers from the command line, for a person or for a test run.
//!
//! Standard output carries the servers' URLs and nothing else; everything else goes to standard error.

mod owners;
mod serve;
mod serve_tests;

use std::io::Write;
use std::process::ExitCode;

const USAGE: &str = "\
usage: sandbox serve [--folder FOLDER]   start PostgreSQL and Redis, print their URLs, stop both at Ctrl-C
       sandbox serve-tests               the same for one nextest run, as its setup script";

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let outcome = match args[..] {
        ["serve"] => serve::serve(None).await,
        ["serve", "--folder", folder] => serve::serve(Some(folder)).await,
        ["serve-tests"] => serve_tests::set_up(),
        [serve_tests::IN_BACKGROUND, ref owners @ ..] => serve_tests::in_background(owners).await,
        ["--help" | "-h" | "help"] => return print(USAGE, &mut std::io::stdout(), ExitCode::SUCCESS),
        _ => return print(USAGE, &mut std::io::stderr(), ExitCode::from(2)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => print(&format!("sandbox: {}", with_causes(&*error)), &mut std::io::stderr(), ExitCode::FAILURE),
    }
}

/// Whatever went wrong; `main` shows it with its causes.
type Failure = Box<dyn std::error::Error>;

fn print(text: &str, to: &mut dyn Write, code: ExitCode) -> ExitCode {
    // Nobody is left to be told when the output is closed.
    writeln!(to, "{text}").ok();
    code
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
