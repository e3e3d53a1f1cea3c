//! Prints findings.
#![forbid(unsafe_code)]

use std::io::Write;

use crate::core::finding::{Finding, Grade};

/// Prints findings and counts them.
pub struct Printer<'a> {
    out: &'a mut dyn Write,
    warnings: usize,
    errors: usize,
}

impl<'a> Printer<'a> {
    /// Creates one that prints on `out`.
    pub fn new(out: &'a mut dyn Write) -> Self {
        Self { out, warnings: 0, errors: 0 }
    }

    /// Prints findings, one line each.
    pub fn print(&mut self, findings: impl IntoIterator<Item = Finding>) {
        for finding in findings {
            match finding.grade {
                Grade::Ok => {}
                Grade::Warning => self.warnings += 1,
                Grade::Error => self.errors += 1,
            }
            // The exit status has the result even if nobody reads the lines.
            drop(writeln!(self.out, "{finding}"));
        }
    }

    /// Prints the numbers of errors and warnings. Returns the worst grade.
    pub fn finish(self) -> Grade {
        let Self { out, warnings, errors } = self;
        drop(writeln!(out, "{}, {}", count(errors, "error"), count(warnings, "warning")));
        match (errors, warnings) {
            (0, 0) => Grade::Ok,
            (0, _) => Grade::Warning,
            _ => Grade::Error,
        }
    }
}

fn count(number: usize, name: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{number} {name}{ending}")
}
