//! One line of the doctor's report.
#![forbid(unsafe_code)]

use std::fmt;

use crate::core::printable::is_unprintable;

/// How bad it is, from nothing to something that someone must act on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Grade {
    /// As it should be.
    Ok,
    /// It does not work as meant, or cannot be told.
    Warning,
    /// A promise does not hold, or a door does not work.
    Error,
}

impl Grade {
    /// The first word of the line.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// What was looked at, what was seen, and what to do.
#[must_use]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad.
    pub grade: Grade,
    /// What was looked at, as in `door ssh`.
    pub subject: String,
    /// What was seen, and after a colon what to do about it.
    pub text: String,
}

impl Finding {
    /// All is well.
    pub fn ok(subject: impl Into<String>, text: impl Into<String>) -> Self {
        Self { grade: Grade::Ok, subject: subject.into(), text: text.into() }
    }

    /// Worth a second look.
    pub fn warning(subject: impl Into<String>, text: impl Into<String>) -> Self {
        Self { grade: Grade::Warning, subject: subject.into(), text: text.into() }
    }

    /// The system denied us what `text` names. Root is not sent to root.
    pub fn denied(subject: impl Into<String>, text: &str, is_root: bool) -> Self {
        let advice =
            if is_root { "the system denies it to root too" } else { "run knockctl as root" };
        Self::warning(subject, format!("{text}: {advice}"))
    }

    /// Someone must act.
    pub fn error(subject: impl Into<String>, text: impl Into<String>) -> Self {
        Self { grade: Grade::Error, subject: subject.into(), text: text.into() }
    }
}

impl fmt::Display for Finding {
    /// One line, whatever it was made of: a control character of a daemon, a
    /// file name or a ruleset would be an order to the terminal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = format!("{:<8} {}: {}", self.grade.word(), self.subject, self.text);
        f.write_str(&line.replace(is_unprintable, "?"))
    }
}
