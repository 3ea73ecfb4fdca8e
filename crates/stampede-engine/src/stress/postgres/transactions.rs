//! Reads the single transactions that pgbench logged: one file for each of its threads.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use stampede_model::histogram::Histogram;
use stampede_model::stress::pgbench::{Logged, logged};

use crate::stress::StressError;

/// All logged transactions that came to an end; failed ones have no time.
pub(super) fn read(folder: &Path) -> Result<Histogram, StressError> {
    let cannot = || StressError::io(format!("read pgbench's log in {}", folder.display()));
    let mut histogram = Histogram::new();
    for entry in std::fs::read_dir(folder).map_err(cannot())? {
        let entry = entry.map_err(cannot())?;
        if !entry.file_name().to_string_lossy().starts_with("pgbench_log.") {
            continue;
        }
        let file = File::open(entry.path()).map_err(cannot())?;
        for line in BufReader::new(file).lines() {
            if let Some(Logged::Done(took_ns)) = logged(&line.map_err(cannot())?) {
                histogram.record(took_ns);
            }
        }
    }
    Ok(histogram)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_logs_of_all_threads_count_and_other_files_do_not() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("pgbench_log.17", "0 1 1000 0 1795385031 275259\n0 2 skipped 0 1795385031 5\n");
        write("pgbench_log.17.1", "1 1 3000 0 1795385031 275259\n1 2 40");
        write("pgbench.out", "0 1 9000 0 1795385031 275259\n");
        let histogram = read(folder.path()).unwrap();
        assert_eq!(histogram.count(), 2);
        assert_eq!(histogram.max().unwrap().ns / 1_000_000, 3);
    }
}
