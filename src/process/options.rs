//! knockd's command line.

use std::path::PathBuf;

use clap::Parser;

use crate::config::DEFAULT_CONFIG;

/// Opens doors in pf for addresses that prove themselves.
#[derive(Debug, Parser)]
#[command(name = "knockd", version, disable_help_subcommand = true)]
pub struct Options {
    /// Stay in the foreground and log to standard error.
    #[arg(short = 'd')]
    pub foreground: bool,
    /// Configuration file.
    #[arg(short = 'f', value_name = "FILE", default_value = DEFAULT_CONFIG)]
    pub config: PathBuf,
    /// Check the configuration and exit.
    #[arg(short = 'n', conflicts_with = "savefile")]
    pub check: bool,
    /// Judge the packets of a capture file, print each verdict and exit.
    #[arg(short = 'r', value_name = "FILE")]
    pub savefile: Option<PathBuf>,
    /// Keep the process id in a file.
    #[arg(short = 'p', value_name = "FILE")]
    pub pidfile: Option<PathBuf>,
    /// Log what strangers and half-done knocks do, too.
    #[arg(short = 'v')]
    pub verbose: bool,
    /// Show the whole path at work in a network of its own, and exit.
    #[cfg(feature = "demo")]
    #[arg(long, exclusive = true)]
    pub demo: bool,
}
