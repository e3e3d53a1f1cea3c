//! The daemon.

use std::process::ExitCode;

fn main() -> ExitCode {
    #[cfg(feature = "demo")]
    if knockd::process::demo::is_client() {
        return knockd::client::main();
    }
    knockd::process::main()
}
