//! Why a request to the firewall failed.

use std::fmt;
use std::io;

/// The kind of a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FirewallErrorKind {
    /// The table does not exist, or not yet.
    Missing,
    /// There is no room for another entry.
    Full,
    /// The system denies the request.
    Denied,
    /// This system or table cannot do it.
    Unsupported,
    /// The answer of the kernel was lost. The request may have succeeded.
    Unanswered,
    /// Another error of the system.
    System,
}

/// Why a request to the firewall failed, and what to do.
#[derive(Debug)]
pub struct FirewallError {
    /// For the caller to decide what to do.
    pub kind: FirewallErrorKind,
    request: String,
    advice: String,
    source: Option<io::Error>,
}

impl FirewallError {
    /// `advice` states what is wrong and what to do. The error of the system
    /// comes last in the message.
    #[must_use]
    pub fn new(
        kind: FirewallErrorKind,
        advice: impl Into<String>,
        source: Option<io::Error>,
    ) -> Self {
        Self { kind, request: String::new(), advice: advice.into(), source }
    }

    /// Names what failed, such as `cannot add 192.0.2.7 to table <knock>`. The advice
    /// comes after it.
    #[must_use]
    pub fn of(self, request: impl Into<String>) -> Self {
        Self { request: request.into(), ..self }
    }

    /// The error without what failed, for a message that has named it.
    #[must_use]
    pub fn why(&self) -> impl fmt::Display {
        match &self.source {
            Some(source) if self.advice.is_empty() => source.to_string(),
            Some(source) => format!("{}: {source}", self.advice),
            None => self.advice.clone(),
        }
    }

    /// The same error, for another entry of the same request.
    #[must_use]
    pub fn again(&self) -> Self {
        let source = self.source.as_ref().map(|source| match source.raw_os_error() {
            Some(code) => io::Error::from_raw_os_error(code),
            None => io::Error::new(source.kind(), source.to_string()),
        });
        let (request, advice) = (self.request.clone(), self.advice.clone());
        Self { kind: self.kind, request, advice, source }
    }
}

impl fmt::Display for FirewallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.request.as_str() {
            "" => write!(f, "{}", self.why()),
            request if self.advice.is_empty() => write!(f, "{request}: {}", self.why()),
            request => write!(f, "{request}, {}", self.why()),
        }
    }
}

impl std::error::Error for FirewallError {}
