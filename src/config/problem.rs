//! What is wrong with a configuration, and where.
#![forbid(unsafe_code)]

use std::fmt;
use std::path::{Path, PathBuf};

use super::position::{Place, Spot};

/// One mistake, or one thing worth a second look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where, unless the file could not be read at all.
    pub place: Option<Place>,
    /// What, and what to do; one line.
    pub text: String,
}

/// Problems of one file, in the order of their places. One line each:
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

    /// Each of them, in order.
    #[must_use]
    pub fn list(&self) -> &[Problem] {
        &self.list
    }

    /// Each of them as a line to print, in order.
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

/// What the checks found so far.
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
