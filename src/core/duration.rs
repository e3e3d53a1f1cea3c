//! Spans of time as people write them: `500ms`, `30s`, `1h30m`, `2d`.

use std::fmt;
use std::time::Duration;

/// The units in falling order, each with its length in milliseconds.
const UNITS: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Reads numbers with their units, the larger unit first, each unit at most
/// once, with nothing between them.
///
/// `None` for any other text, and for what exceeds 2^64 milliseconds.
#[must_use]
pub fn parse(text: &str) -> Option<Duration> {
    let mut units = UNITS.iter();
    let mut rest = text;
    let mut total = 0_u64;
    while !rest.is_empty() {
        let (number, tail) = split(rest, |byte| byte.is_ascii_digit());
        let (unit, tail) = split(tail, |byte| byte.is_ascii_alphabetic());
        let (_, millis) = units.find(|(name, _)| *name == unit)?;
        total = total.checked_add(number.parse::<u64>().ok()?.checked_mul(*millis)?)?;
        rest = tail;
    }
    (!text.is_empty()).then(|| Duration::from_millis(total))
}

/// Reads a word of a command line: as [`parse`], or a number of seconds.
///
/// # Errors
/// When it is anything else, no whole seconds, or not 1 second to 2^32 - 1.
pub fn argument(text: &str) -> Result<Duration, String> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    let span = if is_number { parse(&format!("{text}s")) } else { parse(text) };
    let is_whole = |span: &Duration| {
        span.subsec_nanos() == 0 && (1..=u64::from(u32::MAX)).contains(&span.as_secs())
    };
    span.filter(is_whole).ok_or_else(|| "a time is whole seconds, as in 90, 8h or 1h30m".into())
}

/// The longest beginning of `text` whose bytes are all `wanted`, and the rest.
fn split(text: &str, wanted: fn(&u8) -> bool) -> (&str, &str) {
    let length = text.bytes().take_while(wanted).count();
    text.split_at_checked(length).unwrap_or((text, ""))
}

/// Shows a span in the form that [`parse`] reads. Fractions of a millisecond
/// are dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Text(pub Duration);

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0.as_millis();
        if rest == 0 {
            return f.write_str("0s");
        }
        for (unit, millis) in UNITS {
            let count = rest / u128::from(millis);
            if count > 0 {
                write!(f, "{count}{unit}")?;
            }
            rest %= u128::from(millis);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn spans_are_read_as_they_are_written() {
        for (text, millis) in [
            ("500ms", 500),
            ("30s", 30_000),
            ("5m", 300_000),
            ("1h30m", 5_400_000),
            ("8h", 28_800_000),
            ("2d", 172_800_000),
            ("0s", 0),
            ("1d1ms", 86_400_001),
            ("90m", 5_400_000),
        ] {
            assert_eq!(parse(text), Some(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "5",
            "s",
            "5 s",
            "5S",
            "-5s",
            "5s5s",
            "5s1m",
            "1.5h",
            "5sec",
            "5m s",
            "5µs",
            "٥s",
            "213503982335d",
            "18446744073709551616ms",
            "+5s",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_command_line_takes_whole_seconds_with_or_without_a_unit() {
        for (text, seconds) in
            [("90", 90), ("90s", 90), ("1h30m", 5_400), ("8h", 28_800), ("1000ms", 1)]
        {
            assert_eq!(argument(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "0", "0h", "h", "8 h", "-1", "1.5h", "500ms", "99999d", "8w", "8µ"] {
            assert!(argument(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_back(millis in any::<u64>()) {
            let span = Duration::from_millis(millis);
            prop_assert_eq!(parse(&Text(span).to_string()), Some(span));
        }

        #[test]
        fn no_text_makes_it_panic(text in "[0-9dhms.µ ]{0,12}|.{0,8}") {
            let _ = parse(&text);
        }
    }
}
