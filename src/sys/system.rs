//! The words and paths of a system.

/// A system's words and paths.
#[derive(Debug)]
pub struct System {
    /// Its name.
    pub name: &'static str,
    /// The configuration, unless `-f` names another file.
    pub config: &'static str,
    /// The command that creates a user without rights, except for the user's name.
    pub add_user: &'static str,
    /// The device that packets are read from, the first one where there are many; none
    /// where a capability is enough.
    pub bpf: Option<&'static str>,
}
