//! One program of a target: supervised, so that it ends with the bench, or detached, so that it outlives it.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use sandbox::{DEFAULT_GRACE, ProcessSpec, SandboxError, Supervised, log_tail};
use stampede_model::target::Process;
use tokio::time::Instant;

use super::Afterwards;
use super::error::ControlError;
use super::place::Place;

/// Lines of a log that are shown.
const LOG_LINES: usize = 20;
/// How long a program that does one thing may take.
const ONCE: Duration = Duration::from_mins(2);
/// How often a detached program's end is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A program that was started.
#[derive(Debug)]
pub(crate) struct Launched {
    name: String,
    log: Option<PathBuf>,
    program: Program,
}

#[derive(Debug)]
enum Program {
    Supervised(Supervised),
    Detached(Detached),
}

/// A child that is killed on drop unless it was left.
#[derive(Debug)]
struct Detached(Option<Child>);

pub(crate) fn launch(
    process: &Process,
    place: &Place,
    log_folder: Option<&Path>,
    afterwards: Afterwards,
) -> Result<Launched, ControlError> {
    let command: Vec<String> =
        process.command.as_ref().iter().map(|argument| place.fill(argument.as_ref())).collect::<Result<_, _>>()?;
    let env: Vec<(String, String)> = process
        .env
        .iter()
        .map(|(name, value)| Ok((name.clone(), place.fill(value.as_ref())?)))
        .collect::<Result<_, ControlError>>()?;
    let log = log_folder.map(|folder| folder.join(format!("{}.log", process.name.replace('/', "_"))));
    // The target's check refuses an empty command.
    let (program, args) = command.split_first().map(|(program, args)| (program.clone(), args)).unwrap_or_default();
    let program = match afterwards {
        Afterwards::Stop => {
            let mut spec = ProcessSpec::new(&program).args(args);
            spec = env.into_iter().fold(spec, |spec, (name, value)| spec.env(name, value));
            spec = log.iter().fold(spec, sandbox::ProcessSpec::log);
            let spawned = Supervised::spawn(spec);
            Program::Supervised(spawned.map_err(|error| no_program(&process.name, &program, error))?)
        }
        Afterwards::Leave => {
            let mut command = Command::new(&program);
            command.args(args).envs(env);
            let spawned = detach(command, log.as_deref());
            let spawned =
                spawned.map_err(|source| ControlError::Spawn { name: process.name.clone(), program, source })?;
            Program::Detached(Detached(Some(spawned)))
        }
    };
    Ok(Launched { name: process.name.clone(), log, program })
}

fn no_program(name: &str, program: &str, error: SandboxError) -> ControlError {
    match error {
        SandboxError::MissingProgram { .. } => {
            ControlError::NoProgram { name: name.to_owned(), program: program.to_owned() }
        }
        other => ControlError::Sandbox(other),
    }
}

/// In a process group of its own: the Ctrl-C that ends the bench is not meant for it.
fn detach(mut command: Command, log: Option<&Path>) -> io::Result<Child> {
    command.process_group(0).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    if let Some(log) = log {
        let log = OpenOptions::new().create(true).append(true).open(log)?;
        command.stdout(log.try_clone()?).stderr(log);
    }
    command.spawn()
}

impl Launched {
    /// The last lines of its log, under its name.
    pub(crate) fn log_tail(&self) -> String {
        self.log.as_deref().map(|log| log_tail(log, LOG_LINES)).unwrap_or_default()
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Says so when it has ended by itself.
    pub(crate) fn death(&mut self) -> Option<ControlError> {
        let status = self.exit_status()?;
        Some(ControlError::Died { name: self.name.clone(), how: status.to_string(), log: self.log_tail() })
    }

    /// Waits for the good end of a program that does one thing.
    pub(crate) async fn finish(&mut self) -> Result<(), ControlError> {
        let deadline = Instant::now() + ONCE;
        loop {
            match self.exit_status() {
                Some(status) if status.success() => return Ok(()),
                Some(status) => {
                    let (name, how) = (self.name.clone(), status.to_string());
                    return Err(ControlError::Died { name, how, log: self.log_tail() });
                }
                None if Instant::now() >= deadline => {
                    let how = format!("not within {} s", ONCE.as_secs());
                    return Err(ControlError::Died { name: self.name.clone(), how, log: self.log_tail() });
                }
                None => tokio::time::sleep(LOOK_EVERY).await,
            }
        }
    }

    fn exit_status(&mut self) -> Option<ExitStatus> {
        match &mut self.program {
            Program::Supervised(program) => program.exit_status(),
            Program::Detached(Detached(child)) => child.as_mut()?.try_wait().ok().flatten(),
        }
    }

    /// Asks it to end, waits its grace, kills it.
    pub(crate) async fn stop(self) {
        match self.program {
            Program::Supervised(program) => {
                program.terminate().await;
            }
            Program::Detached(detached) => detached.terminate().await,
        }
    }

    /// Its name and process id; a detached one goes on.
    pub(crate) fn leave(self) -> (String, u32) {
        let pid = match self.program {
            Program::Supervised(program) => program.pid(),
            Program::Detached(mut detached) => detached.0.take().map_or(0, |child| child.id()),
        };
        (self.name, pid)
    }
}

impl Detached {
    async fn terminate(mut self) {
        let Some(child) = self.0.as_mut() else { return };
        // The child has not been waited for, so its id is still its own; a dead one takes the signal without effect.
        kill_process(Pid::from_child(child), Signal::TERM).ok();
        let deadline = Instant::now() + DEFAULT_GRACE;
        while matches!(child.try_wait(), Ok(None)) && Instant::now() < deadline {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

impl Drop for Detached {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            // Both fail only when it has ended already.
            child.kill().ok();
            child.wait().ok();
        }
    }
}
