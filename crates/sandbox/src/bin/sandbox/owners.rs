//! Watches processes that are not children of this one.

use std::io;
use std::os::fd::OwnedFd;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::sync::oneshot;

/// The processes whose end is the end of the servers.
pub(crate) struct Owners(oneshot::Receiver<()>);

impl Owners {
    /// Starts to watch. A handle on a process, unlike its id, can never come to mean another one.
    pub(crate) fn watch(pids: impl IntoIterator<Item = Pid>) -> io::Result<Self> {
        let open = |pid| pidfd_open(pid, PidfdFlags::empty()).map_err(io::Error::from);
        let owners: Vec<OwnedFd> = pids.into_iter().map(open).collect::<io::Result<_>>()?;
        let (ended, any_ended) = oneshot::channel();
        std::thread::Builder::new().name("owners".into()).spawn(move || {
            let mut watched: Vec<_> = owners.iter().map(|owner| PollFd::new(owner, PollFlags::IN)).collect();
            // Readable as soon as the process has ended, even if nobody has collected it yet.
            while poll(&mut watched, None) == Err(rustix::io::Errno::INTR) {}
            // Nobody waits any more when this program ends for another reason.
            ended.send(()).ok();
        })?;
        Ok(Self(any_ended))
    }

    /// Waits until one of them has ended, or can no longer be watched.
    pub(crate) async fn any_ended(&mut self) {
        (&mut self.0).await.ok();
    }
}

/// Reads a process id as people write it.
pub(crate) fn parse_pid(text: &str) -> Result<Pid, String> {
    let number: Option<i32> = text.trim().parse().ok();
    // `from_raw` takes no number below zero, and means nobody by zero.
    number.filter(|number| *number > 0).and_then(Pid::from_raw).ok_or_else(|| format!("{text:?} is not a process id"))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[tokio::test]
    async fn the_first_end_counts_even_before_it_is_collected() {
        let (mut long, mut short) =
            (Command::new("sleep").arg("600").spawn().unwrap(), Command::new("true").spawn().unwrap());
        let mut owners = Owners::watch([Pid::from_child(&long), Pid::from_child(&short)]).unwrap();
        owners.any_ended().await;
        assert!(long.try_wait().unwrap().is_none());
        short.wait().unwrap();
        long.kill().unwrap();
        long.wait().unwrap();
    }

    #[test]
    fn only_numbers_above_zero_are_process_ids() {
        assert!(parse_pid("1\n").is_ok());
        for text in ["0", "-1", "", "12a"] {
            assert!(parse_pid(text).unwrap_err().contains("not a process id"), "{text}");
        }
    }
}
