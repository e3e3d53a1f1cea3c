//! The old daemon's configuration, from text to structure.
//!
//! The old daemon is knockd 0.8 by Judd Vinet. Whatever it accepts is read as
//! it reads it: numbers end where digits end, the last of several equal
//! directives counts, and keys may be in upper or lower case.

use std::fmt::{self, Display};

use crate::core::sequence::MAX_STEPS;
use crate::core::sighting::{FlagMask, Port, Protocol, TcpFlags};
use crate::core::text::unmarked;

/// The most sequences of our configuration.
pub const MAX_SECTIONS: usize = 256;
/// The old daemon reads no more of a line at once, and takes the rest as the
/// next line.
const MAX_LINE: usize = 4095;
/// How many unknown directives are kept.
const MAX_UNKNOWN: usize = 32;
/// How many characters of a text an error shows.
const MAX_SHOWN: usize = 64;

/// The flags of TCP by name.
pub const FLAGS: [(&str, TcpFlags); 6] = [
    ("Fin", TcpFlags::FIN),
    ("Syn", TcpFlags::SYN),
    ("Rst", TcpFlags::RST),
    ("Psh", TcpFlags::PSH),
    ("Ack", TcpFlags::ACK),
    ("Urg", TcpFlags::URG),
];

/// What is wrong in the old configuration.
#[derive(Debug, PartialEq, Eq)]
pub struct Fault {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong, and what to do.
    pub text: String,
}

/// A whole configuration.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Old {
    /// The first interface that is named.
    pub interface: Option<String>,
    pub log_file: Option<String>,
    pub pid_file: Option<String>,
    /// Sections other than `options`, at most [`MAX_SECTIONS`], in order.
    pub sections: Vec<Section>,
    /// The first directives that the old daemon does not know either, each
    /// with its line.
    pub unknown: Vec<(usize, String)>,
    /// How many more of them there are.
    pub more_unknown: usize,
}

/// A section other than `options`.
#[derive(Debug, PartialEq, Eq)]
pub struct Section {
    /// The line of its title, counted from 1.
    pub line: usize,
    /// Its title; another section may have the same.
    pub name: String,
    /// At most [`MAX_STEPS`]; empty with a list alone. A port is 0 if the text
    /// is no number of a port.
    pub steps: Vec<Port>,
    /// The file of sequences that work once each.
    pub one_time: Option<String>,
    /// In seconds.
    pub seq_timeout: i64,
    /// Flags that must be set.
    pub set: TcpFlags,
    /// Flags that must be clear; none of [`Section::set`].
    pub clear: TcpFlags,
    /// The address that is knocked at.
    pub target: Option<String>,
    /// The first command, for both families.
    pub start: Option<String>,
    /// The first command for IPv6, instead of `start`; empty for none.
    pub start_6: Option<String>,
    /// In seconds.
    pub cmd_timeout: i64,
    /// The command that follows after `cmd_timeout`.
    pub stop: Option<String>,
    /// That command for IPv6, instead of `stop`; empty for none.
    pub stop_6: Option<String>,
}

impl Section {
    /// Whether a step is TCP, or may be.
    #[must_use]
    pub fn has_tcp(&self) -> bool {
        self.one_time.is_some() || self.steps.iter().any(Port::is_tcp)
    }

    /// Which segments are knocks; `None` if the default, an initial SYN, will do.
    #[must_use]
    pub fn mask(&self) -> Option<FlagMask> {
        let Self { set, clear, .. } = *self;
        let is_any = set == TcpFlags::default() && clear == TcpFlags::default();
        let is_syn = set == TcpFlags::SYN && FlagMask::INITIAL_SYN.clear.contains(clear);
        (!is_any && !is_syn).then_some(FlagMask { set, clear })
    }

    fn new(line: usize, name: &str) -> Self {
        Self {
            line,
            name: name.into(),
            steps: Vec::new(),
            one_time: None,
            seq_timeout: 25,
            set: TcpFlags::default(),
            clear: TcpFlags::default(),
            target: None,
            start: None,
            start_6: None,
            cmd_timeout: 10,
            stop: None,
            stop_6: None,
        }
    }

    /// Sets a directive. Returns whether its key is known.
    fn set(&mut self, key: &str, value: &str) -> Result<bool, String> {
        let text = || Some(value.to_owned());
        match key {
            "sequence" => self.steps = steps(value)?,
            "one_time_sequences" => self.one_time = text(),
            "seq_timeout" | "timeout" => self.seq_timeout = number(value),
            "tcpflags" => self.flags(value)?,
            "target" => self.target = text(),
            "start_command" | "command" => self.start = text(),
            "start_command_6" | "command_6" => self.start_6 = text(),
            "cmd_timeout" => self.cmd_timeout = number(value),
            "stop_command" => self.stop = text(),
            "stop_command_6" => self.stop_6 = text(),
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn flags(&mut self, value: &str) -> Result<(), String> {
        for word in value.split(',').map(trim) {
            let (name, is_set) =
                word.strip_prefix('!').map_or((word, true), |name| (name, false));
            let known = FLAGS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
            let Some((_, flag)) = known else {
                let word = Quoted(word);
                return Err(format!("there is no flag {word}, use fin syn rst psh ack urg"));
            };
            let (to, from) = match is_set {
                true => (&mut self.set, &mut self.clear),
                false => (&mut self.clear, &mut self.set),
            };
            *to = to.union(*flag);
            from.0 &= !flag.0;
        }
        Ok(())
    }
}

/// The section that a directive is in.
enum Place {
    None,
    Options,
    Section,
}

/// Reads a configuration.
///
/// # Errors
/// The first line that the old daemon could not read either, or the first
/// section beyond [`MAX_SECTIONS`].
pub fn read(bytes: &[u8]) -> Result<Old, Fault> {
    let mut old = Old::default();
    let mut place = Place::None;
    for (line, bytes) in (1..).zip(unmarked(bytes).split(|byte| *byte == b'\n')) {
        // The old daemon ends a line at a zero.
        let bytes = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
        let text = String::from_utf8_lossy(bytes);
        let text = trim(&text);
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        let read = if bytes.len() > MAX_LINE {
            Err(format!("the line is longer than {MAX_LINE} bytes, shorten it"))
        } else if let Some(title) =
            text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'))
        {
            old.begin(line, title).map(|begun| place = begun)
        } else {
            old.directive(line, text, &place)
        };
        read.map_err(|text| Fault { line, text })?;
    }
    let mut sections = old.sections.iter();
    match sections.find(|section| section.steps.is_empty() && section.one_time.is_none()) {
        None => Ok(old),
        Some(Section { line, name, .. }) => {
            let name = Quoted(name);
            let text = format!("section {name} has no sequence, add one or remove the section");
            Err(Fault { line: *line, text })
        }
    }
}

impl Old {
    fn begin(&mut self, line: usize, title: &str) -> Result<Place, String> {
        match title {
            "" => Err("the section has no name, write one between the brackets".into()),
            "options" => Ok(Place::Options),
            _ if self.sections.len() == MAX_SECTIONS => {
                Err(format!("more than {MAX_SECTIONS} doors, import the file in parts"))
            }
            _ => {
                self.sections.push(Section::new(line, title));
                Ok(Place::Section)
            }
        }
    }

    fn directive(&mut self, line: usize, text: &str, place: &Place) -> Result<(), String> {
        if matches!(place, Place::None) {
            return Err("the directive comes before the first section, write [options] \
                        or the name of a door above it"
                .into());
        }
        let Some((key, value)) = text.split_once('=') else {
            if text.eq_ignore_ascii_case("usesyslog") {
                return Ok(());
            }
            return Err(format!("{} has no value, write it after =", Quoted(text)));
        };
        let (key, value) = (trim(key).to_ascii_lowercase(), trim(value));
        let is_known = match (place, self.sections.last_mut()) {
            (Place::Section, Some(section)) => section.set(&key, value)?,
            _ => self.option(&key, value),
        };
        if !is_known && self.unknown.len() < MAX_UNKNOWN {
            self.unknown.push((line, text.into()));
        } else if !is_known {
            self.more_unknown += 1;
        }
        Ok(())
    }

    /// Sets an option. Returns whether its key is known.
    fn option(&mut self, key: &str, value: &str) -> bool {
        let text = || Some(value.to_owned());
        match key {
            "logfile" => self.log_file = text(),
            "pidfile" => self.pid_file = text(),
            "interface" => {
                let named = self.interface.take().filter(|named| !named.is_empty());
                self.interface = named.or_else(text);
            }
            _ => return false,
        }
        true
    }
}

fn steps(value: &str) -> Result<Vec<Port>, String> {
    let mut steps = Vec::new();
    for step in value.split(',') {
        if steps.len() == MAX_STEPS {
            return Err(format!("the sequence has more than {MAX_STEPS} ports, shorten it"));
        }
        let mut parts = step.split(':');
        let port = parts.next().unwrap_or_default();
        let number = number(port);
        if number > u16::MAX.into() {
            return Err(format!("{} is not a port, use 1 to 65535", Quoted(port)));
        }
        let protocol = match parts.next().map(trim) {
            None => Protocol::Tcp,
            Some(word) if word.eq_ignore_ascii_case("tcp") => Protocol::Tcp,
            Some(word) if word.eq_ignore_ascii_case("udp") => Protocol::Udp,
            Some(word) => {
                return Err(format!("protocol {} is neither tcp nor udp", Quoted(word)));
            }
        };
        steps.push(Port { protocol, number: number.try_into().unwrap_or(0) });
    }
    Ok(steps)
}

/// Returns the number that `text` begins with, as atoi(3) does; 0 for none.
fn number(text: &str) -> i64 {
    let text = text.trim_start_matches(is_space);
    let (digits, sign) = match text.strip_prefix('-') {
        Some(rest) => (rest, -1),
        None => (text.strip_prefix('+').unwrap_or(text), 1),
    };
    let digits = digits.bytes().map_while(|byte| char::from(byte).to_digit(10));
    let add = |sum: i64, digit: u32| sum.saturating_mul(10).saturating_add(digit.into());
    sign * digits.fold(0, add)
}

/// Like isspace(3).
fn is_space(character: char) -> bool {
    character.is_ascii_whitespace() || character == '\x0b'
}

fn trim(text: &str) -> &str {
    text.trim_matches(is_space)
}

/// Shows a text in quotes, on one line and cut.
pub struct Quoted<'t>(pub &'t str);

impl Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.char_indices().nth(MAX_SHOWN) {
            None => write!(f, "{:?}", self.0),
            Some((end, _)) => write!(f, "{:?}..", &self.0[..end]),
        }
    }
}
