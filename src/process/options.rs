//! knockd's command line.

use std::path::PathBuf;

use clap::Parser;

use crate::sys::SYSTEM;

/// Opens doors in pf for addresses that prove themselves.
#[derive(Debug, Parser)]
#[command(name = "knockd", version, disable_help_subcommand = true)]
pub struct Options {
    /// Stay in the foreground and log to standard error.
    #[arg(short = 'd')]
    pub foreground: bool,
    /// Use this configuration file.
    #[arg(short = 'f', value_name = "FILE", default_value = SYSTEM.config)]
    pub config: PathBuf,
    /// Only check the configuration for validity.
    #[arg(short = 'n', conflicts_with = "savefile")]
    pub check: bool,
    /// Judge the packets of a capture file, print each verdict and exit.
    #[arg(short = 'r', value_name = "FILE")]
    pub savefile: Option<PathBuf>,
    /// Write the process ID to a file and lock it.
    #[arg(short = 'p', value_name = "FILE")]
    pub pidfile: Option<PathBuf>,
    /// Also log what strangers and unfinished sequences do.
    #[arg(short = 'v')]
    pub verbose: bool,
    /// Show client, stranger and daemon in a network of their own, and exit.
    #[cfg(feature = "demo")]
    #[arg(long, exclusive = true)]
    pub demo: bool,
}
