//! Configurations: any text is one, or a mistake that is reported in full.
#![no_main]

use std::path::Path;

use knockd::config;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Err(problems) = config::parse(text, Path::new("it"), Path::new("/nonexistent")) {
        assert!(!problems.to_string().is_empty());
    }
});
