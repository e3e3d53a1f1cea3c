//! The current knocks of a rolling sequence.
#![forbid(unsafe_code)]

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use super::ClientError;
use crate::core::rolling::{PERIOD, PORTS, Rolling, STEPS};
use crate::core::sequence::MAX_STEPS;
use crate::core::sighting::Port;
use crate::core::time::Wall;
use crate::core::{duration, port};
use crate::keyfile::{self, KeyKind};

/// A rolling sequence as the server's configuration has it.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Course {
    /// Knock the sequence that follows from this secret and the time
    #[arg(long, value_name = "FILE", required = false)]
    pub rolling: PathBuf,
    /// Ports of the sequence [default: 20000-29999]
    #[arg(long, value_name = "FIRST-LAST", requires = "rolling", value_parser = ports)]
    ports: Option<RangeInclusive<u16>>,
    /// Number of knocks [default: 5]
    #[arg(long, value_name = "N", requires = "rolling", value_parser = steps)]
    steps: Option<u8>,
    /// How long it is valid [default: 60s]
    #[arg(long, value_name = "TIME", requires = "rolling", value_parser = duration::argument)]
    period: Option<Duration>,
}

impl Course {
    /// The knocks at `wall`.
    ///
    /// # Errors
    /// When the secret cannot be read.
    pub fn knocks(&self, wall: Wall) -> Result<Vec<Port>, ClientError> {
        let secret = read(&self.rolling)?;
        let ports = self.ports.clone().unwrap_or(PORTS);
        let (steps, period) = (self.steps.unwrap_or(STEPS), self.period.unwrap_or(PERIOD));
        let rolling = Rolling::new(secret, ports, steps, period);
        Ok(rolling.steps(rolling.period_at(wall)))
    }
}

fn read(file: &Path) -> Result<keyfile::KeyBytes, ClientError> {
    let key = keyfile::read(file).map_err(|error| ClientError::new(error.to_string()))?;
    if key.kind != KeyKind::Secret {
        let text = format!(
            "{} is a {} file, name a {} file",
            file.display(),
            key.kind,
            KeyKind::Secret
        );
        return Err(ClientError::new(text));
    }
    Ok(key.key)
}

fn ports(text: &str) -> Result<RangeInclusive<u16>, String> {
    port::range(text).ok_or_else(|| "write ports as FIRST-LAST, like 20000-29999".into())
}

fn steps(text: &str) -> Result<u8, String> {
    let steps =
        text.parse().ok().filter(|steps| (1..=MAX_STEPS).contains(&usize::from(*steps)));
    steps.ok_or_else(|| format!("a sequence has 1 to {MAX_STEPS} knocks"))
}
