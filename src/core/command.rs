//! The commands that a door runs when it opens and closes: words with places
//! to fill in. No shell runs them.

use std::fmt::{self, Display};
use std::net::IpAddr;

use super::printable::is_unprintable;

/// The most words of one command, program included.
pub const MAX_WORDS: usize = 32;
/// The most bytes of one word as configured.
pub const MAX_WORD: usize = 256;
/// The most bytes of all words with their places filled in, plus two a word.
pub const MAX_LENGTH: usize = 7936;
/// The user's name for a door that no user opened.
pub const NOBODY: &str = "-";

/// The most bytes of an address, a user's name and a number.
const LONGEST_ADDRESS: usize = 39;
const LONGEST_USER: usize = 32;
const LONGEST_NUMBER: usize = 20;

/// The commands of a door.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Commands {
    /// Runs when the door opens for an address.
    pub on_open: Option<Command>,
    /// Runs when the door closes for an address.
    pub on_close: Option<Command>,
}

impl Commands {
    /// Whether the door has no command.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.on_open.is_none() && self.on_close.is_none()
    }
}

/// A program and its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    program: String,
    arguments: Vec<Vec<Piece>>,
}

/// A part of an argument.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Address,
    Door,
    User,
    Seconds,
}

/// The values for the places of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Filling<'a> {
    /// The address that the door opens or closes for.
    pub address: IpAddr,
    /// The door's name.
    pub door: &'a str,
    /// The user that opened or last extended the lease, or [`NOBODY`].
    pub user: &'a str,
    /// The lifetime of the lease, or how long the door was open.
    pub seconds: u64,
}

/// What is wrong with the words of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// There are no words, or more than [`MAX_WORDS`].
    Count,
    /// The word at this place is longer than [`MAX_WORD`].
    Long(usize),
    /// The word at this place has a control character.
    Control(usize),
    /// The program is not an absolute path.
    Relative,
    /// The program has braces.
    Filled,
    /// The word at this place has braces around an unknown name.
    Unknown(usize),
    /// With its places filled in, the command could exceed [`MAX_LENGTH`].
    Total,
}

impl Fault {
    /// The place of the wrong word, the program being 0.
    #[must_use]
    pub const fn ordinal(&self) -> Option<usize> {
        match self {
            Self::Count | Self::Total => None,
            Self::Relative | Self::Filled => Some(0),
            Self::Long(ordinal) | Self::Control(ordinal) | Self::Unknown(ordinal) => {
                Some(*ordinal)
            }
        }
    }
}

impl Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count => write!(f, "a command has 1 to {MAX_WORDS} words, the program first"),
            Self::Long(_) => write!(f, "the word is longer than {MAX_WORD} bytes, shorten it"),
            Self::Control(_) => f.write_str("the word has a control character, remove it"),
            Self::Relative => f.write_str("the program must be an absolute path"),
            Self::Filled => f.write_str("the program must not contain { or }"),
            Self::Unknown(_) => {
                f.write_str("braces may hold address, door, user or seconds, nothing else")
            }
            Self::Total => write!(
                f,
                "the command could become longer than {MAX_LENGTH} bytes, shorten its words"
            ),
        }
    }
}

impl Command {
    /// Makes a command of `words` for the door called `door`.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn new(words: &[String], door: &str) -> Result<Self, Fault> {
        let Some((program, arguments)) = words.split_first() else { return Err(Fault::Count) };
        if words.len() > MAX_WORDS {
            return Err(Fault::Count);
        }
        for (ordinal, word) in words.iter().enumerate() {
            if word.len() > MAX_WORD {
                return Err(Fault::Long(ordinal));
            }
            if word.chars().any(is_unprintable) {
                return Err(Fault::Control(ordinal));
            }
        }
        if !program.starts_with('/') {
            return Err(Fault::Relative);
        }
        if program.contains(['{', '}']) {
            return Err(Fault::Filled);
        }
        let arguments = (1..).zip(arguments);
        let arguments = arguments
            .map(|(ordinal, word)| pieces(word).ok_or(Fault::Unknown(ordinal)))
            .collect::<Result<_, _>>()?;
        let command = Self { program: program.clone(), arguments };
        if command.longest(door) > MAX_LENGTH {
            return Err(Fault::Total);
        }
        Ok(command)
    }

    /// The program's path.
    #[must_use]
    pub fn program(&self) -> &str {
        &self.program
    }

    /// All words, the program first, with every place filled in.
    #[must_use]
    pub fn fill(&self, filling: &Filling<'_>) -> Vec<String> {
        let arguments = self.arguments.iter().map(|pieces| {
            pieces.iter().fold(String::new(), |word, piece| match piece {
                Piece::Text(text) => word + text,
                Piece::Address => word + &filling.address.to_string(),
                Piece::Door => word + filling.door,
                Piece::User => word + filling.user,
                Piece::Seconds => word + &filling.seconds.to_string(),
            })
        });
        std::iter::once(self.program.clone()).chain(arguments).collect()
    }

    /// The most bytes it can have with its places filled in, plus two a word.
    fn longest(&self, door: &str) -> usize {
        let of_piece = |piece: &Piece| match piece {
            Piece::Text(text) => text.len(),
            Piece::Address => LONGEST_ADDRESS,
            Piece::Door => door.len(),
            Piece::User => LONGEST_USER,
            Piece::Seconds => LONGEST_NUMBER,
        };
        let arguments = self.arguments.iter();
        let arguments = arguments.map(|pieces| 2 + pieces.iter().map(of_piece).sum::<usize>());
        2 + self.program.len() + arguments.sum::<usize>()
    }
}

/// The parts of a word; `None` for an unknown name in braces.
fn pieces(mut rest: &str) -> Option<Vec<Piece>> {
    let mut pieces = Vec::new();
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}')?;
        if !before.is_empty() {
            pieces.push(Piece::Text(before.to_owned()));
        }
        pieces.push(match name {
            "address" => Piece::Address,
            "door" => Piece::Door,
            "user" => Piece::User,
            "seconds" => Piece::Seconds,
            _ => return None,
        });
        rest = after;
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest.to_owned()));
    }
    Some(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(ToString::to_string).collect()
    }

    fn fault(given: &[&str]) -> Option<Fault> {
        Command::new(&words(given), "ssh").err()
    }

    #[test]
    fn places_are_filled_in_wherever_they_stand_and_all_else_stays() {
        let given = ["/bin/x", "{address}", "a{door}{user}b", "", "$(id) *", "}{seconds}"];
        let command = Command::new(&words(&given), "ssh").unwrap();
        let address = "2001:db8::1".parse().unwrap();
        let filling = Filling { address, door: "ssh", user: NOBODY, seconds: 60 };
        let expected = ["/bin/x", "2001:db8::1", "assh-b", "", "$(id) *", "}60"];
        assert_eq!(command.fill(&filling), expected);
        assert_eq!(command.program(), "/bin/x");
    }

    #[test]
    fn what_is_filled_in_is_not_looked_at_again() {
        let command = Command::new(&words(&["/bin/x", "{door}"]), "ssh").unwrap();
        let address = "192.0.2.7".parse().unwrap();
        let filling = Filling { address, door: "{user}", user: "bob", seconds: 0 };
        assert_eq!(command.fill(&filling), ["/bin/x", "{user}"]);
    }

    #[test]
    fn words_that_mean_nothing_or_too_much_are_refused() {
        assert_eq!(fault(&[]), Some(Fault::Count));
        assert_eq!(fault(&["/x"; MAX_WORDS]), None);
        assert_eq!(fault(&["/x"; MAX_WORDS + 1]), Some(Fault::Count));
        assert_eq!(fault(&["x"]), Some(Fault::Relative));
        assert_eq!(fault(&["/{door}"]), Some(Fault::Filled));
        assert_eq!(fault(&["/x", "a\nb"]), Some(Fault::Control(1)));
        assert_eq!(fault(&["/x", "\0"]), Some(Fault::Control(1)));
        assert_eq!(fault(&["/x", "", "{name}"]), Some(Fault::Unknown(2)));
        for text in ["{", "{door", "{}", "{ door }", "{{door}}"] {
            assert_eq!(fault(&["/x", text]), Some(Fault::Unknown(1)), "{text}");
        }
        let long = "a".repeat(MAX_WORD);
        assert_eq!(fault(&["/x", &long]), None);
        assert_eq!(fault(&["/x", &(long.clone() + "a")]), Some(Fault::Long(1)));
        assert_eq!(
            fault(&[&["/x"], &[long.as_str(); MAX_WORDS - 1][..]].concat()),
            Some(Fault::Total)
        );
        let grows = "{address}".repeat(28);
        assert_eq!(
            fault(&["/x", &grows, &grows, &grows, &grows, &grows, &grows, &grows]),
            None
        );
        assert_eq!(fault(&[&["/x"], &[grows.as_str(); 8][..]].concat()), Some(Fault::Total));
    }
}
