//! Files of YAML documents, as JSON values with the place they come from.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde_json::Value;

/// A file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It cannot be read.
    #[error("cannot read {file}: {source}")]
    Read {
        /// Which.
        file: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is no YAML, or not of the shape that is wanted.
    #[error("{file}: {why}")]
    Shape {
        /// Which.
        file: PathBuf,
        /// Where and why.
        why: String,
    },
    /// Something it names is missing or does not fit.
    #[error("{file}: {why}")]
    Render {
        /// The kustomization.
        file: PathBuf,
        /// Why.
        why: String,
    },
    /// A program that is to be asked does not answer.
    #[error("{0}")]
    Program(String),
}

/// A file's text.
pub(crate) fn text(file: &Path) -> Result<String, ReadError> {
    fs::read_to_string(file).map_err(|source| ReadError::Read { file: file.to_path_buf(), source })
}

/// A file with one document of a known shape.
pub(crate) fn one<T: DeserializeOwned>(file: &Path) -> Result<T, ReadError> {
    let text = text(file)?;
    serde_saphyr::from_str(&text).map_err(|error| shape(file, &error))
}

/// A file's documents, those with nothing in them left out.
pub(crate) fn documents(file: &Path) -> Result<Vec<Value>, ReadError> {
    let text = text(file)?;
    let all: Vec<Value> = serde_saphyr::from_multiple(&text).map_err(|error| shape(file, &error))?;
    Ok(all.into_iter().filter(|document| !document.is_null()).collect())
}

/// The documents of a text, as another renderer prints them.
pub(crate) fn documents_of(text: &str) -> Result<Vec<Value>, String> {
    let all: Vec<Value> = serde_saphyr::from_multiple(text).map_err(|error| error.to_string())?;
    Ok(all.into_iter().filter(|document| !document.is_null()).collect())
}

fn shape(file: &Path, error: &serde_saphyr::Error) -> ReadError {
    // The parser draws the place below its first line.
    let why = error.to_string().lines().next().unwrap_or_default().to_owned();
    ReadError::Shape { file: file.to_path_buf(), why }
}
