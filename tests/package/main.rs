//! What is installed besides the programs, and says what they do: manuals,
//! samples, scripts, packing lists.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests may")]

mod completion;
mod dependencies;
mod install;
mod manual;
mod pf_examples;
mod ports;
mod rcd;
