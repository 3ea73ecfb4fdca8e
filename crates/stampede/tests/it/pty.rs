//! A terminal for a program under test: what it writes, what stands on the screen, what is typed, and the terminal's own
//! settings.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::os::unix::fs::OpenOptionsExt;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::OFlags;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two looks at a condition; busy waiting would take the core that the program needs.
const LOOK_EVERY: Duration = Duration::from_millis(5);
const ROWS: NonZeroU16 = NonZeroU16::new(30).unwrap();
const COLUMNS: NonZeroU16 = NonZeroU16::new(100).unwrap();

/// A program that runs in a terminal.
pub(crate) struct Pty {
    keyboard: File,
    program_side: File,
    child: Child,
    written: Arc<Mutex<Vec<u8>>>,
}

impl Pty {
    /// Runs `stampede` with these words in a terminal.
    pub(crate) fn stampede(words: &[&str]) -> Self {
        let keyboard = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&keyboard).unwrap();
        unlockpt(&keyboard).unwrap();
        let size = Winsize { ws_row: ROWS.get(), ws_col: COLUMNS.get(), ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&keyboard, size).unwrap();
        let path = ptsname(&keyboard, Vec::new()).unwrap().into_string().unwrap();
        let no_ctty = i32::try_from(OFlags::NOCTTY.bits()).unwrap();
        let program_side = OpenOptions::new().read(true).write(true).custom_flags(no_ctty).open(path).unwrap();
        let another = || program_side.try_clone().unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_stampede"))
            .args(words)
            .env("TERM", "xterm")
            .stdin(another())
            .stdout(another())
            .stderr(another())
            .spawn()
            .unwrap();
        let keyboard = File::from(keyboard);
        let written = Arc::new(Mutex::new(Vec::new()));
        let (mut screen, for_reader) = (keyboard.try_clone().unwrap(), Arc::clone(&written));
        thread::spawn(move || {
            let mut some = [0; 4_096];
            while let Ok(length) = screen.read(&mut some) {
                for_reader.lock().unwrap().extend_from_slice(&some[..length]);
            }
        });
        Self { keyboard, program_side, child, written }
    }

    /// Everything written so far.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.written.lock().unwrap()).into_owned()
    }

    /// Waits until `text` was written, one byte after the other.
    pub(crate) fn wait_for(&self, text: &str) {
        self.wait_until(&format!("{text:?} written"), || self.text().contains(text));
    }

    /// Waits until `text` stands on the screen, however it got there.
    pub(crate) fn wait_to_see(&self, text: &str) {
        self.wait_until(&format!("{text:?} on the screen"), || self.screen().contains(text));
    }

    /// What stands on the screen.
    fn screen(&self) -> String {
        let mut screen = vt100::Parser::new(ROWS, COLUMNS, 0);
        screen.process(&self.written.lock().unwrap());
        screen.screen().contents()
    }

    /// Waits until `reached`.
    pub(crate) fn wait_until(&self, what: &str, reached: impl Fn() -> bool) {
        let started = Instant::now();
        while !reached() {
            assert!(started.elapsed() < PATIENCE, "no {what} within {PATIENCE:?}: {}", self.screen());
            thread::sleep(LOOK_EVERY);
        }
    }

    /// Types.
    pub(crate) fn press(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    /// Sends the signal of this name.
    pub(crate) fn signal(&self, name: &str) {
        assert!(Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap().success());
    }

    /// Whether the terminal echoes and edits lines, as it does for a shell.
    pub(crate) fn is_as_a_shell_wants_it(&self) -> bool {
        let modes = tcgetattr(&self.program_side).unwrap().local_modes;
        modes.contains(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG)
    }

    /// Waits for the end of the program.
    pub(crate) fn end(&mut self) -> ExitStatus {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(started.elapsed() < PATIENCE, "it does not end: {}", self.screen());
            thread::sleep(LOOK_EVERY);
        }
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
