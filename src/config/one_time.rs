//! Files of sequences that are used once each.
//!
//! A line is a sequence as the old knockd has it, ports between commas, each
//! with `:udp` or `:tcp` behind it if wanted. It begins with a space or a tab;
//! when it was used, a # stands in place of that. Other lines that begin with #
//! and empty lines are skipped.
#![forbid(unsafe_code)]

use std::collections::HashSet;

use crate::core::one_time::{Line, OneTime};
use crate::core::port;
use crate::core::sequence::MAX_STEPS;
use crate::core::sighting::{Port, Protocol};
use crate::core::text::unmarked;

/// More lines are refused.
const MAX_LINES: usize = 1_000;

/// In which line, 0 being none, and what is wrong.
type Fault = (usize, String);

/// The lines of a file that were not used yet.
///
/// # Errors
/// What is no such line, or was used or is there before.
pub fn parse(bytes: &[u8]) -> Result<OneTime, Fault> {
    let unmarked = unmarked(bytes);
    let text = std::str::from_utf8(unmarked)
        .map_err(|_| (0, "the file is not text, name a list of sequences".to_owned()))?;
    let mut lines = Vec::new();
    let mut known: HashSet<Vec<Port>> = HashSet::new();
    // Lines are struck out in the file, which keeps its mark.
    let mut offset = bytes.len() - unmarked.len();
    for (number, text) in (1..).zip(text.split('\n')) {
        let fault = |why: &str| (number, why.to_owned());
        let begin = u32::try_from(offset).unwrap_or(u32::MAX);
        offset += text.len() + 1;
        if number > MAX_LINES {
            return Err((
                0,
                format!("more than {MAX_LINES} lines, remove those that were used"),
            ));
        }
        if let Some(rest) = text.strip_prefix('#') {
            // What reads as a sequence was one once.
            known.extend(steps(rest));
            continue;
        }
        if text.trim().is_empty() {
            continue;
        }
        if !text.starts_with([' ', '\t']) {
            let why = "the line must begin with a space, which a # replaces when it was used";
            return Err(fault(why));
        }
        let steps = steps(text)
            .ok_or_else(|| fault("not a sequence of 1 to 32 ports as in 7000,8000:udp,9000"))?;
        if !known.insert(steps.clone()) {
            return Err(fault("this sequence was used or is there before, change it"));
        }
        let line = u32::try_from(number).unwrap_or(u32::MAX);
        lines.push(Line { number: line, offset: begin, text: text.to_owned(), steps });
    }
    Ok(OneTime { lines })
}

/// The steps of a line; none if it is nothing of the kind.
fn steps(text: &str) -> Option<Vec<Port>> {
    let steps: Option<Vec<Port>> =
        text.split(',').map(|word| port::parse(word.trim(), Protocol::Tcp)).collect();
    steps.filter(|steps| steps.len() <= MAX_STEPS)
}
