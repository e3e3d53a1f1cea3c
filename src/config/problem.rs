//! Errors and warnings, with their places in the configuration.
#![forbid(unsafe_code)]

use std::fmt;
use std::path::{Path, PathBuf};

use super::position::{Place, Spot};

/// An error or a warning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The place; none if the file could not be read.
    pub place: Option<Place>,
    /// What is wrong and what to do, in one line.
    pub text: String,
}

/// The line of a key file that is wrong, 0 for the whole file, and why.
pub(super) type LineFault = (usize, String);

/// Problems of one file, in the order of their places. Each is printed as
/// `file:line:column: text`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems {
    file: PathBuf,
    list: Vec<Problem>,
}

impl Problems {
    pub(super) fn new(file: &Path, mut list: Vec<Problem>) -> Self {
        list.sort_by_key(|problem| problem.place);
        Self { file: file.to_owned(), list }
    }

    pub(super) fn one(file: &Path, place: Option<Place>, text: impl Into<String>) -> Self {
        Self::new(file, vec![Problem { place, text: text.into() }])
    }

    /// Returns the problems in order.
    #[must_use]
    pub fn list(&self) -> &[Problem] {
        &self.list
    }

    /// Returns a line to print for each problem, in order.
    pub fn lines(&self) -> impl Iterator<Item = String> + '_ {
        self.list.iter().map(|Problem { place, text }| match place {
            Some(Place { line, column }) => {
                format!("{}:{line}:{column}: {text}", self.file.display())
            }
            None => text.clone(),
        })
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines().collect::<Vec<_>>().join("\n"))
    }
}

impl std::error::Error for Problems {}

/// Collects errors and warnings.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub errors: Vec<Problem>,
    pub warnings: Vec<Problem>,
}

impl Report {
    pub fn error(&mut self, at: Spot<'_>, text: impl Into<String>) {
        self.errors.push(Problem { place: Some(at.place()), text: text.into() });
    }

    pub fn warn(&mut self, at: Spot<'_>, text: impl Into<String>) {
        self.warnings.push(Problem { place: Some(at.place()), text: text.into() });
    }
}
