//! The live view: a run on the whole terminal, with keys that change it.
//!
//! Invariants: the terminal is given back as it was, whether the view is dropped, the program panics or the user leaves in the
//! middle; reading keys and drawing never wait, so watching cannot delay a run.
//! Absent on purpose: anything that is not also in the summary or the run file. Who looks away misses nothing.

mod draw;
mod keys;
mod view;

use std::io::{self, Stderr, stderr};
use std::panic;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::{Hide, Show};
use ratatui::crossterm::event;
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};

pub(crate) use draw::clock;
pub(crate) use keys::Wish;
pub(crate) use view::{Help, Now, Quantiles, Second, State, View};

/// Whether the terminal is ours at the moment: of a drop and a panic, one restores it.
static OURS: AtomicBool = AtomicBool::new(false);
static HOOK: Once = Once::new();

/// The terminal, while it is ours.
pub(crate) struct Screen {
    terminal: Terminal<CrosstermBackend<Stderr>>,
}

impl Screen {
    /// Takes the terminal over; one screen at a time.
    ///
    /// # Errors
    /// When it cannot be taken over; it is then as it was.
    pub(crate) fn open() -> io::Result<Self> {
        HOOK.call_once(|| {
            let before = panic::take_hook();
            panic::set_hook(Box::new(move |panicked| {
                // First, or the message would go with the screen it was written on.
                restore();
                before(panicked);
            }));
        });
        enable_raw_mode()?;
        OURS.store(true, Ordering::SeqCst);
        let entered = execute!(stderr(), EnterAlternateScreen, Hide);
        let terminal = entered.and_then(|()| Terminal::new(CrosstermBackend::new(stderr())));
        terminal.map(|terminal| Self { terminal }).inspect_err(|_| restore())
    }

    /// Shows `view`.
    pub(crate) fn draw(&mut self, view: &View) -> io::Result<()> {
        if OURS.load(Ordering::SeqCst) {
            self.terminal.draw(|frame| draw::draw(frame, view))?;
        }
        Ok(())
    }

    /// What was asked for by key since the last call; does not wait.
    #[expect(clippy::unused_self, reason = "keys are there to be read only while the terminal is ours")]
    pub(crate) fn wish(&self) -> io::Result<Option<Wish>> {
        while event::poll(Duration::ZERO)? {
            if let Some(wish) = keys::wish(&event::read()?) {
                return Ok(Some(wish));
            }
        }
        Ok(None)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        restore();
    }
}

/// Gives the terminal back, once. Nobody is left to be told when that fails: the terminal is gone.
fn restore() {
    if OURS.swap(false, Ordering::SeqCst) {
        drop(execute!(stderr(), LeaveAlternateScreen, Show));
        drop(disable_raw_mode());
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    #[ignore = "the test below runs it in a terminal of its own"]
    fn it_panics_while_the_screen_is_taken() {
        let mut screen = Screen::open().unwrap();
        screen.draw(&View::default()).unwrap();
        panic!("on purpose");
    }

    #[test]
    fn a_panic_gives_the_terminal_back_and_is_read_on_the_ordinary_screen() {
        let itself = std::env::current_exe().unwrap();
        let test = "live::tests::it_panics_while_the_screen_is_taken";
        let inside = format!("'{}' --exact {test} --ignored --nocapture; stty -a", itself.display());
        let output = Command::new("script")
            .args(["--quiet", "--return", "--command", &inside, "/dev/null"])
            .env("TERM", "xterm")
            .output()
            .unwrap();
        let shown = String::from_utf8_lossy(&output.stdout);
        let place = |what: &str| shown.find(what).unwrap_or_else(|| panic!("no {what:?} in {shown:?}"));
        assert!(place("\x1b[?1049h") < place("\x1b[?1049l"), "{shown:?}");
        assert!(place("\x1b[?1049l") < place("on purpose"), "{shown:?}");
        assert!(shown.contains(" icanon") && shown.contains(" echo "), "{shown:?}");
    }
}
