//! Findings as they are printed, and how it ends.
#![forbid(unsafe_code)]

use std::io::Write;

use crate::core::finding::{Finding, Grade};

/// How the look at the system ended.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// Of the worst finding.
    pub worst: Grade,
}

impl Outcome {
    /// The exit status: 1 for at least one error, else 0, also with warnings.
    #[must_use]
    pub fn exit_status(self) -> u8 {
        u8::from(self.worst == Grade::Error)
    }
}

/// Prints findings and counts them.
pub struct Report<'a> {
    out: &'a mut dyn Write,
    warnings: usize,
    errors: usize,
}

impl<'a> Report<'a> {
    /// Of nothing so far, to be printed on `out`.
    pub fn new(out: &'a mut dyn Write) -> Self {
        Self { out, warnings: 0, errors: 0 }
    }

    /// Prints findings, one line each.
    pub fn add(&mut self, findings: impl IntoIterator<Item = Finding>) {
        for finding in findings {
            match finding.grade {
                Grade::Ok => {}
                Grade::Warning => self.warnings += 1,
                Grade::Error => self.errors += 1,
            }
            // The exit status tells it all the same when nobody reads.
            drop(writeln!(self.out, "{finding}"));
        }
    }

    /// Prints the sum.
    pub fn finish(self) -> Outcome {
        let Self { out, warnings, errors } = self;
        drop(writeln!(out, "{}, {}", count(errors, "error"), count(warnings, "warning")));
        let worst = match (errors, warnings) {
            (0, 0) => Grade::Ok,
            (0, _) => Grade::Warning,
            _ => Grade::Error,
        };
        Outcome { worst }
    }
}

fn count(number: usize, name: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{number} {name}{ending}")
}
