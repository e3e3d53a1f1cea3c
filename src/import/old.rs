//! The old daemon's configuration, from text to structure.
//!
//! The old daemon is knockd 0.8 by Judd Vinet. Whatever it accepts is read, as
//! it reads it: numbers end where digits end, the last of several directives
//! counts, titles are taken as they are written and keys in any case.

use std::fmt::{self, Display};

use crate::core::sequence::MAX_STEPS;
use crate::core::sighting::{Port, Protocol, TcpFlags};

/// As many as a configuration of ours may have sequences.
pub const MAX_DOORS: usize = 256;
/// The old daemon reads no more of a line at once, and takes the rest of it
/// for a line of its own.
const MAX_LINE: usize = 4095;
/// How many directives without a meaning are remembered.
const MAX_UNKNOWN: usize = 32;
/// How much of a text an error shows.
const MAX_SHOWN: usize = 64;

/// The names of the flags, with their bits.
pub const FLAGS: [(&str, TcpFlags); 6] = [
    ("Fin", TcpFlags::FIN),
    ("Syn", TcpFlags::SYN),
    ("Rst", TcpFlags::RST),
    ("Psh", TcpFlags::PSH),
    ("Ack", TcpFlags::ACK),
    ("Urg", TcpFlags::URG),
];

/// What is wrong, and in which line, counted from 1.
#[derive(Debug, PartialEq, Eq)]
pub struct Fault {
    /// The line.
    pub line: usize,
    /// What, and what to do.
    pub text: String,
}

/// A whole configuration.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Old {
    /// Where it listened; the first one that is named.
    pub interface: Option<String>,
    /// Its own log.
    pub log_file: Option<String>,
    /// Its process id.
    pub pid_file: Option<String>,
    /// At most [`MAX_DOORS`], in order.
    pub doors: Vec<Door>,
    /// Directives that the old daemon does not know either, with their lines;
    /// the first of them.
    pub unknown: Vec<(usize, String)>,
    /// How many more there are.
    pub more_unknown: usize,
}

/// A section other than `options`.
#[derive(Debug, PartialEq, Eq)]
pub struct Door {
    /// Where its title stands, counted from 1.
    pub line: usize,
    /// Its title, which another one may have, too.
    pub name: String,
    /// At most [`MAX_STEPS`]; none with a list alone. A port is 0 where what
    /// is written is the number of none.
    pub steps: Vec<Port>,
    /// The file with sequences for one use each.
    pub one_time: Option<String>,
    /// In seconds.
    pub seq_timeout: i64,
    /// Flags that must be set.
    pub set: TcpFlags,
    /// Flags that must not; none of [`Door::set`].
    pub clear: TcpFlags,
    /// The address that is knocked at.
    pub target: Option<String>,
    /// What is run first, for both families.
    pub start: Option<String>,
    /// What is run in its place for IPv6; empty for nothing.
    pub start_6: Option<String>,
    /// In seconds.
    pub cmd_timeout: i64,
    /// What is run after it.
    pub stop: Option<String>,
    /// What is run in its place for IPv6; empty for nothing.
    pub stop_6: Option<String>,
}

impl Door {
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

    /// Whether the key has a meaning there.
    fn take(&mut self, key: &str, value: &str) -> Result<bool, String> {
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

/// Where a directive belongs.
enum Section {
    None,
    Options,
    Door,
}

/// Reads a configuration.
///
/// # Errors
/// The first line that the old daemon could not read either, or the first
/// door that is too many.
pub fn read(bytes: &[u8]) -> Result<Old, Fault> {
    let mut old = Old::default();
    let mut section = Section::None;
    for (line, bytes) in (1..).zip(bytes.split(|byte| *byte == b'\n')) {
        // The old daemon sees nothing behind a zero.
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
            old.begin(line, title).map(|begun| section = begun)
        } else {
            old.directive(line, text, &section)
        };
        read.map_err(|text| Fault { line, text })?;
    }
    let empty = old.doors.iter().find(|door| door.steps.is_empty() && door.one_time.is_none());
    match empty {
        None => Ok(old),
        Some(Door { line, name, .. }) => {
            let name = Quoted(name);
            let text = format!("section {name} has no sequence, add one or remove the section");
            Err(Fault { line: *line, text })
        }
    }
}

impl Old {
    fn begin(&mut self, line: usize, title: &str) -> Result<Section, String> {
        match title {
            "" => Err("the section has no name, write one between the brackets".into()),
            "options" => Ok(Section::Options),
            _ if self.doors.len() == MAX_DOORS => {
                Err(format!("more than {MAX_DOORS} doors, import the file in parts"))
            }
            _ => {
                self.doors.push(Door::new(line, title));
                Ok(Section::Door)
            }
        }
    }

    fn directive(&mut self, line: usize, text: &str, section: &Section) -> Result<(), String> {
        if matches!(section, Section::None) {
            return Err("the directive stands before the first section, write [options] \
                        or the name of a door in front"
                .into());
        }
        let Some((key, value)) = text.split_once('=') else {
            if text.eq_ignore_ascii_case("usesyslog") {
                return Ok(());
            }
            return Err(format!("{} has no value, write it behind =", Quoted(text)));
        };
        let (key, value) = (trim(key).to_ascii_lowercase(), trim(value));
        let is_known = match (section, self.doors.last_mut()) {
            (Section::Door, Some(door)) => door.take(&key, value)?,
            _ => self.option(&key, value),
        };
        if !is_known && self.unknown.len() < MAX_UNKNOWN {
            self.unknown.push((line, text.into()));
        } else if !is_known {
            self.more_unknown += 1;
        }
        Ok(())
    }

    /// Whether the key has a meaning there.
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
            return Err(format!("port {} is none, use 1 to 65535", Quoted(port)));
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

/// The number that `text` begins with, as atoi(3) takes it; 0 for none.
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

/// As isspace(3) has it.
fn is_space(character: char) -> bool {
    character.is_ascii_whitespace() || character == '\x0b'
}

fn trim(text: &str) -> &str {
    text.trim_matches(is_space)
}

/// A text in quotes, on one line and not too long.
pub struct Quoted<'t>(pub &'t str);

impl Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.char_indices().nth(MAX_SHOWN) {
            None => write!(f, "{:?}", self.0),
            Some((end, _)) => write!(f, "{:?}..", &self.0[..end]),
        }
    }
}
