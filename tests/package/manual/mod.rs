//! The manuals and samples against the programs: every flag, field, message,
//! reason and limit is documented, nothing else is, and every example works.
#![forbid(unsafe_code)]

mod control;
mod coverage;
mod examples;
mod promises;

const KNOCKD: &str = include_str!("../../../man/knockd.8");
const MESSAGES: &str = include_str!("../../../man/knockd-messages.7");
const MIGRATE: &str = include_str!("../../../man/knockd-migrate.7");
const KNOCKCTL: &str = include_str!("../../../man/knockctl.8");
const KNOCK: &str = include_str!("../../../man/knock.1");
const SPA: &str = include_str!("../../../man/spa.7");
const CONFIGURATION: &str = include_str!("../../../man/knockd.ron.5");
