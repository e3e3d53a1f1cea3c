//! What each choice of a firewall stands for.
#![forbid(unsafe_code)]

use super::{Backend, Choice, Dialect, Firewall, FirewallError, FirewallErrorKind};

/// The firewall of this system, and how its rules are written there.
pub const NATIVE: &Dialect = if cfg!(target_os = "linux") {
    &super::nft::DIALECT
} else if cfg!(target_os = "macos") {
    &super::pf::dialect::MACOS
} else if cfg!(target_os = "freebsd") {
    &super::pf::dialect::FREEBSD
} else {
    &super::pf::dialect::OPENBSD
};

impl Choice {
    /// One that touches nothing, in place of one that is not known.
    pub const NONE: Self = Self::Memory;

    /// What it can do, and what its field says.
    fn row(&self) -> (&'static Backend, &str) {
        match self {
            Self::Pf => (&super::pf::BACKEND, ""),
            Self::Nft { table } => (&super::nft::BACKEND, table),
            Self::Memory => (&super::memory::BACKEND, ""),
        }
    }

    /// What it can do.
    #[must_use]
    pub fn backend(&self) -> &'static Backend {
        self.row().0
    }

    /// The name of its field, and what is wrong with it.
    #[must_use]
    pub fn fault(&self) -> Option<(&'static str, &'static str)> {
        let (backend, text) = self.row();
        let (name, fault) = backend.field?;
        Some((name, fault(text)?))
    }

    /// Whether this system has it, and can keep it enabled by reference if
    /// that is asked.
    ///
    /// # Errors
    /// [`FirewallErrorKind::Unsupported`].
    pub fn check(&self, by_reference: bool) -> Result<(), FirewallError> {
        let backend = self.backend();
        let uncounted = backend.uncounted.filter(|_| by_reference);
        backend.absent.or(uncounted).map_or(Ok(()), |advice| {
            Err(FirewallError::new(FirewallErrorKind::Unsupported, advice, None))
        })
    }

    /// Opens it.
    ///
    /// # Errors
    /// [`FirewallErrorKind::Unsupported`] where the system has no such firewall, else what
    /// the system says.
    pub fn open(&self) -> Result<Box<dyn Firewall>, FirewallError> {
        self.check(false)?;
        let (backend, text) = self.row();
        (backend.open)(text)
    }
}
