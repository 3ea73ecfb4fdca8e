//! What can go wrong when a run is written.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use super::Format;

/// A file that cannot be written.
#[derive(Debug, Error)]
pub enum ExportError {
    /// The name's ending is of no kind.
    #[error("{}: its ending names no kind of report: use {}, or --format", path.display(), Format::endings())]
    Ending {
        /// The path.
        path: PathBuf,
    },
    /// No room.
    #[error("cannot write {}: the disk is full; what stood there before is unharmed", path.display())]
    DiskFull {
        /// The path.
        path: PathBuf,
    },
    /// The folder is not there.
    #[error("cannot write {}: the folder {} does not exist", path.display(), folder.display())]
    Folder {
        /// The path.
        path: PathBuf,
        /// Its folder.
        folder: PathBuf,
    },
    /// A folder stands there.
    #[error("cannot write {}: it is a folder", path.display())]
    IsFolder {
        /// The path.
        path: PathBuf,
    },
    /// The file is marked read-only.
    #[error("cannot write {}: the file is read-only", path.display())]
    ReadOnly {
        /// The path.
        path: PathBuf,
    },
    /// Anything else.
    #[error("cannot write {}", path.display())]
    Io {
        /// The path.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The format holds what only load runs have.
    #[error("a stress run cannot be put into {format}: use html, json, md or junit")]
    NotForStress {
        /// The format's name.
        format: &'static str,
    },
    /// A figure that the format cannot hold.
    #[error("the run cannot be put into {format}")]
    Content {
        /// The format's name.
        format: &'static str,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// A word that names no format.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{given}` is no format: use one of {}", Format::names())]
pub struct BadFormat {
    pub(super) given: String,
}
