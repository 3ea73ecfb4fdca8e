//! The history of a run under construction, shared by all generator threads.
//!
//! Invariants: numbers are given once; operations are written as they end, so memory does not grow with a run; after the first
//! failure of the writer nothing more is written, and everybody who comes later is told why.

use std::io::{self, BufWriter, Write};
use std::mem;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use stampede_model::history::{Heading, HistoryWriter, Operation};
use thiserror::Error;

/// Bytes that are kept before they go to the file: some hundred operations, so that users rarely wait for a disk.
const BUFFER: usize = 256 << 10;

/// A history whose writer failed.
#[derive(Debug, Error)]
#[error("the history cannot be written: {0}")]
pub struct NotWritten(io::Error);

type Sink = BufWriter<Box<dyn Write + Send>>;

/// The history of one run.
pub struct RunHistory {
    heading: Heading,
    /// When the run's clock began, nanoseconds since 1970; known from the first operation on.
    started_unix_ns: OnceLock<u64>,
    operations: AtomicU64,
    processes: AtomicU64,
    to: Mutex<To>,
}

/// How far the writing is.
enum To {
    /// The heading waits for the run's clock.
    New(Sink),
    Open(HistoryWriter<Sink>),
    Ended,
    Broken(io::ErrorKind, String),
}

impl RunHistory {
    /// A history that begins with `heading` and goes to `to`; nothing is written before the first operation or the end.
    pub fn new(heading: Heading, to: impl Write + Send + 'static) -> Self {
        let sink = BufWriter::with_capacity(BUFFER, Box::new(to) as Box<dyn Write + Send>);
        Self {
            heading,
            started_unix_ns: OnceLock::new(),
            operations: AtomicU64::new(0),
            processes: AtomicU64::new(0),
            to: Mutex::new(To::New(sink)),
        }
    }

    /// The number of an operation that is called at `now_ns` of the run's clock.
    pub(super) fn operation(&self, now_ns: u64) -> u64 {
        self.started_unix_ns.get_or_init(|| unix_ns().saturating_sub(now_ns));
        self.operations.fetch_add(1, Ordering::Relaxed)
    }

    /// A process nobody was before.
    pub(super) fn process(&self) -> u64 {
        self.processes.fetch_add(1, Ordering::Relaxed)
    }

    /// Writes an operation that has ended.
    pub(super) fn add(&self, operation: &Operation) -> Result<(), NotWritten> {
        let add = |mut writer: HistoryWriter<Sink>| writer.add(operation).map(|()| To::Open(writer));
        self.write(add)
    }

    /// Writes the closing line, when nobody acts any more. What comes later is refused.
    ///
    /// # Errors
    /// When this or any earlier line could not be written; the history is then cut off.
    pub fn end(&self) -> Result<(), NotWritten> {
        self.write(|writer| writer.end().map(|_sink| To::Ended))
    }

    fn write(&self, line: impl FnOnce(HistoryWriter<Sink>) -> io::Result<To>) -> Result<(), NotWritten> {
        let mut to = self.to.lock().unwrap_or_else(PoisonError::into_inner);
        let writer = match mem::replace(&mut *to, To::Ended) {
            To::New(sink) => {
                let started_unix_ns = *self.started_unix_ns.get_or_init(unix_ns);
                HistoryWriter::begin(sink, &Heading { started_unix_ns, ..self.heading.clone() })
            }
            To::Open(writer) => Ok(writer),
            To::Ended => Err(io::Error::other("it has ended")),
            To::Broken(kind, why) => Err(io::Error::new(kind, why)),
        };
        match writer.and_then(line) {
            Ok(next) => {
                *to = next;
                Ok(())
            }
            Err(error) => {
                *to = To::Broken(error.kind(), error.to_string());
                Err(NotWritten(error))
            }
        }
    }
}

fn unix_ns() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use stampede_model::history::{Fields, Model, Outcome, read};

    use super::*;

    /// A file with room for so many bytes.
    #[derive(Clone)]
    struct Disk {
        room: usize,
        bytes: Arc<Mutex<Vec<u8>>>,
    }

    impl Disk {
        fn with_room(room: usize) -> Self {
            Self { room, bytes: Arc::default() }
        }
    }

    impl Write for Disk {
        fn write(&mut self, part: &[u8]) -> io::Result<usize> {
            let mut bytes = self.bytes.lock().unwrap();
            if bytes.len() + part.len() > self.room {
                return Err(io::Error::new(io::ErrorKind::StorageFull, "no space left"));
            }
            bytes.extend_from_slice(part);
            Ok(part.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn operation(history: &RunHistory, now_ns: u64) -> Operation {
        Operation {
            id: history.operation(now_ns),
            process: history.process(),
            key: "p".to_owned(),
            op: "reserve".to_owned(),
            input: Fields::new(),
            call_ns: now_ns,
            return_ns: Some(now_ns + 1),
            outcome: Outcome::Ok,
            refused: None,
            output: Fields::new(),
            note: "x".repeat(1_000),
            idempotency_key: None,
        }
    }

    #[test]
    fn a_history_is_whole_also_without_an_operation_and_knows_when_the_clock_began() {
        for count in [0, 3] {
            let disk = Disk::with_room(1 << 20);
            let history = RunHistory::new(Heading::of(Model::Stock), disk.clone());
            let before = unix_ns();
            for number in 0..count {
                history.add(&operation(&history, 5_000 + number)).unwrap();
            }
            history.end().unwrap();
            let bytes = disk.bytes.lock().unwrap();
            let back = read(bytes.as_slice(), "t").unwrap();
            assert!(back.is_whole && back.operations.len() as u64 == count);
            assert!(back.heading.started_unix_ns >= before - 5_000 && back.heading.started_unix_ns <= unix_ns());
        }
    }

    #[test]
    fn a_full_disk_is_told_to_everybody() {
        let history = RunHistory::new(Heading::of(Model::Stock), Disk::with_room(300_000));
        let mut failed = 0;
        for number in 0..1_000 {
            failed += u64::from(history.add(&operation(&history, number)).is_err());
        }
        assert!(failed > 0 && failed < 1_000, "{failed}");
        assert_eq!(history.end().unwrap_err().to_string(), "the history cannot be written: no space left");
    }
}
