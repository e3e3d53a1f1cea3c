//! Dates in UTC: `2027-01-31` and `2027-01-31T12:00:00Z`.
#![forbid(unsafe_code)]

use crate::core::time::Wall;

const DAY: u64 = 86_400_000;

/// Returns the last millisecond of the day or the second that `text` names. Years
/// are 1970 to 9999, without leap seconds.
///
/// `None` for any other text, and for a day that the calendar lacks.
#[must_use]
pub fn parse_end(text: &str) -> Option<Wall> {
    match text.split_once('T') {
        Some(_) => parse_start(text).map(end_of_second),
        None => Some(Wall::from_millis(midnight(text)? + DAY - 1)),
    }
}

/// The last millisecond of the second that starts at `start`.
fn end_of_second(start: Wall) -> Wall {
    Wall::from_millis(start.as_millis() + 999)
}

/// Returns the first millisecond of the day or the second that `text` names.
///
/// `None` as [`parse_end`].
#[must_use]
pub fn parse_start(text: &str) -> Option<Wall> {
    let (date, time) = match text.split_once('T') {
        Some((date, time)) => (date, time.strip_suffix('Z')?),
        None => (text, "00:00:00"),
    };
    let [hour, minute, second] = numbers(time, ':', [2, 2, 2])?;
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let seconds = u64::from((hour * 60 + minute) * 60 + second);
    Some(Wall::from_millis(midnight(date)? + seconds * 1_000))
}

/// Returns the last millisecond of a key's expiry-time in the form of
/// ssh-keygen(1): `20270131`, `202701311200` or `20270131120000`. The key is valid
/// to the end of the second, as for sshd(8).
#[must_use]
pub fn parse_compact(text: &str) -> Option<Wall> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) || ![8, 12, 14].contains(&text.len()) {
        return None;
    }
    let (date, time) = (text.get(..8)?, text.get(8..)?);
    let part = |from: usize, to| time.get(from..to).filter(|part| !part.is_empty());
    let (hour, minute) = (part(0, 2).unwrap_or("00"), part(2, 4).unwrap_or("00"));
    let second = part(4, 6).unwrap_or("00");
    let (year, month, day) = (date.get(..4)?, date.get(4..6)?, date.get(6..)?);
    parse_start(&format!("{year}-{month}-{day}T{hour}:{minute}:{second}Z")).map(end_of_second)
}

/// Returns the day of a moment, in the form that [`parse_end`] reads.
#[must_use]
pub fn day_of(wall: Wall) -> String {
    let mut days = wall.as_millis() / DAY;
    let mut year = 1970;
    loop {
        let length = if is_leap(year) { 366 } else { 365 };
        if days < length || year == 9999 {
            break;
        }
        days -= length;
        year += 1;
    }
    let mut month = 1;
    while month < 12 && days >= u64::from(days_in(year, month)) {
        days -= u64::from(days_in(year, month));
        month += 1;
    }
    format!("{year:04}-{month:02}-{:02}", days + 1)
}

const fn is_leap(year: u32) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

/// The days of a month; 0 if there is no such month.
const fn days_in(year: u32, month: u32) -> u32 {
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if is_leap(year) => 29,
        2 => 28,
        _ => 0,
    }
}

/// The first millisecond of a day.
fn midnight(date: &str) -> Option<u64> {
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    Some(days_since_1970(year, month, day)? * DAY)
}

/// Parses three decimal numbers, each with exactly the given number of digits.
fn numbers(text: &str, separator: char, digits: [usize; 3]) -> Option<[u32; 3]> {
    let mut parts = text.split(separator);
    let mut numbers = [0; 3];
    for (number, digits) in numbers.iter_mut().zip(digits) {
        let part = parts.next()?;
        if part.len() != digits || !part.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        *number = part.parse().ok()?;
    }
    parts.next().is_none().then_some(numbers)
}

/// Days from 1970-01-01 to a day of the Gregorian calendar.
///
/// Counts years from March on, so that the leap day is the last of its year.
fn days_since_1970(year: u32, month: u32, day: u32) -> Option<u64> {
    if year < 1970 || !(1..=days_in(year, month)).contains(&day) {
        return None;
    }
    let march_year = if month > 2 { year } else { year - 1 };
    let months = (month + 9) % 12;
    let leap_days = march_year / 4 - march_year / 100 + march_year / 400;
    // There are 719 468 days from 0000-03-01 to 1970-01-01. From March on, months
    // alternate between 31 and 30 days, which the fraction 153/5 reproduces.
    let days = march_year * 365 + leap_days + (153 * months + 2) / 5 + day - 1;
    Some(u64::from(days - 719_468))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(text: &str) -> Option<u64> {
        parse_end(text).map(|wall| wall.as_millis() / 1_000)
    }

    #[test]
    fn known_times_are_parsed() {
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2000-02-29T00:00:00Z", 951_782_400),
            ("2027-01-31T12:00:00Z", 1_801_396_800),
            ("2038-01-19T03:14:07Z", 2_147_483_647),
            ("9999-12-31T23:59:59Z", 253_402_300_799),
        ] {
            assert_eq!(seconds(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn a_bare_date_covers_its_whole_day() {
        let end = parse_end("2024-02-29").unwrap().as_millis();
        assert_eq!(end + 1, parse_start("2024-03-01T00:00:00Z").unwrap().as_millis());
    }

    #[test]
    fn every_day_to_the_year_9999_follows_the_one_before() {
        let mut expected = 0;
        for year in 1970..=9999 {
            for month in 1..=12 {
                for day in 1..=31 {
                    if let Some(days) = days_since_1970(year, month, day) {
                        assert_eq!(days, expected, "{year}-{month}-{day}");
                        expected += 1;
                    }
                }
            }
        }
        // Twenty cycles of 400 years less the days before 1970, and one day more.
        assert_eq!(expected, 2_932_897);
    }

    #[test]
    fn days_that_the_calendar_lacks_are_rejected() {
        for text in [
            "2023-02-29",
            "2100-02-29",
            "2024-02-30",
            "2024-04-31",
            "2024-13-01",
            "2024-00-01",
            "2024-01-00",
            "1969-12-31",
            "2024-01-01T24:00:00Z",
            "2024-01-01T00:60:00Z",
            "2024-06-30T23:59:60Z",
            "2024-01-01T00:00:00",
            "2024-01-01T00:00:00+00:00",
            "2024-1-1",
            "24-01-01",
            "2024-01-01-01",
            "+024-01-01",
            "2024-01-01 00:00:00Z",
            "",
            "T",
            "2024-01-01T",
            "١٩٧٠-01-01",
        ] {
            assert_eq!(parse_end(text), None, "{text}");
        }
        assert!(parse_end("2000-02-29").is_some() && parse_end("2400-02-29").is_some());
    }
}
