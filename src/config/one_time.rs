//! Lists of one-time sequences.
//!
//! A line is a sequence in the form of the old knockd: ports separated by commas,
//! each followed by `:udp` or `:tcp` if needed. It begins with a space or a tab,
//! which is replaced by # when the line is used. Other lines that begin with # and
//! empty lines are skipped.
#![forbid(unsafe_code)]

use std::collections::HashSet;

use super::problem::LineFault;
use crate::core::one_time::{Line, OneTime};
use crate::core::port;
use crate::core::sequence::MAX_STEPS;
use crate::core::sighting::{Port, Protocol};
use crate::core::text::unmarked;

/// The most lines of a list.
const MAX_LINES: usize = 1_000;

/// Parses a list. Returns the lines that are not used yet.
///
/// # Errors
/// The first line that is not a sequence, or that was used or appears above.
pub fn parse(bytes: &[u8]) -> Result<OneTime, LineFault> {
    let unmarked = unmarked(bytes);
    let text = std::str::from_utf8(unmarked)
        .map_err(|_| (0, "not a text file, name a list of sequences".to_owned()))?;
    let mut lines = Vec::new();
    let mut known: HashSet<Vec<Port>> = HashSet::new();
    // Lines are struck out in the file, which keeps its mark.
    let mut offset = bytes.len() - unmarked.len();
    for (number, text) in (1..).zip(text.split('\n')) {
        let fault = |why: &str| (number, why.to_owned());
        let begin = u32::try_from(offset).unwrap_or(u32::MAX);
        offset += text.len() + 1;
        if number > MAX_LINES {
            return Err((0, format!("more than {MAX_LINES} lines, remove used ones")));
        }
        if let Some(rest) = text.strip_prefix('#') {
            // A comment that is a sequence is a used line.
            known.extend(steps(rest));
            continue;
        }
        if text.trim().is_empty() {
            continue;
        }
        if !text.starts_with([' ', '\t']) {
            let why = "the line must begin with a space, which a # replaces after use";
            return Err(fault(why));
        }
        let steps = steps(text)
            .ok_or_else(|| fault("not a sequence of 1 to 32 ports like 7000,8000:udp,9000"))?;
        if !known.insert(steps.clone()) {
            return Err(fault("this sequence was used or appears above, change it"));
        }
        let line = u32::try_from(number).unwrap_or(u32::MAX);
        lines.push(Line { number: line, offset: begin, text: text.to_owned(), steps });
    }
    Ok(OneTime { lines })
}

/// The steps of a line; none if it is not a sequence.
fn steps(text: &str) -> Option<Vec<Port>> {
    let steps: Option<Vec<Port>> =
        text.split(',').map(|word| port::parse(word.trim(), Protocol::Tcp)).collect();
    steps.filter(|steps| steps.len() <= MAX_STEPS)
}
