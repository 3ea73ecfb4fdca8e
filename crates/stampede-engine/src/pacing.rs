//! Waiting for an instant to some ten microseconds.
//!
//! tokio's own timer rounds up to the next millisecond, which bunches arrivals and multiplies the latency a server shows;
//! a timerfd read through the reactor wakes within about 60 µs.
//! Absent on purpose: absolute times. The caller asks again how late it is, so a clock step cannot pile up.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A timer for one waiter.
#[derive(Debug)]
pub(crate) struct Pacer {
    timer: AsyncFd<OwnedFd>,
}

impl Pacer {
    /// A timer on the current runtime.
    ///
    /// # Errors
    /// When the process may open no more files.
    #[expect(
        deprecated,
        reason = "its replacement is an unsafe function for types that may give up or change their descriptor; an OwnedFd \
                  that nobody else can reach does neither"
    )]
    pub(crate) fn new() -> io::Result<Self> {
        let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        Ok(Self { timer: AsyncFd::with_interest(timer, Interest::READABLE)? })
    }

    /// Waits at least `wait`; zero returns at once.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the timer armed; the next call arms it anew.
    pub(crate) async fn wait(&self, wait: Duration) -> io::Result<()> {
        if wait.is_zero() {
            return Ok(());
        }
        let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value: timespec(wait) };
        timerfd_settime(self.timer.get_ref(), TimerfdTimerFlags::empty(), &once)?;
        loop {
            let mut ready = self.timer.readable().await?;
            let mut expirations = [0; 8];
            let read = ready.try_io(|timer| Ok(rustix::io::read(timer.get_ref(), &mut expirations)?));
            if let Ok(read) = read {
                read?;
                return Ok(());
            }
        }
    }
}

fn timespec(wait: Duration) -> Timespec {
    // A second count beyond i64 is 292 years: no schedule waits longer than a fraction of a second at a time.
    let tv_sec = i64::try_from(wait.as_secs()).unwrap_or(i64::MAX);
    Timespec { tv_sec, tv_nsec: wait.subsec_nanos().into() }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[tokio::test]
    async fn it_never_wakes_early() {
        let pacer = Pacer::new().unwrap();
        for micros in [0_u64, 1, 50, 250, 1_000, 5_000] {
            let wait = Duration::from_micros(micros);
            let before = Instant::now();
            pacer.wait(wait).await.unwrap();
            assert!(before.elapsed() >= wait, "woke {:?} after a wait of {wait:?}", before.elapsed());
        }
    }

    #[tokio::test]
    async fn a_dropped_wait_does_not_end_the_next_one_early() {
        let pacer = Pacer::new().unwrap();
        let short = pacer.wait(Duration::from_millis(1));
        tokio::select! {
            biased;
            () = std::future::ready(()) => {}
            _ = short => unreachable!("it was polled after a ready branch"),
        }
        let before = Instant::now();
        pacer.wait(Duration::from_millis(20)).await.unwrap();
        assert!(before.elapsed() >= Duration::from_millis(20));
    }
}
