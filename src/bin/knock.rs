//! The client.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    knockd::client::main()
}
