//! knockd keeps services invisible behind pf until a source address proves
//! itself.
#![cfg_attr(test, allow(missing_docs))]

pub mod capture;
pub mod client;
pub mod config;
pub mod core;
pub mod firewall;
pub mod keyfile;
pub mod sys;
