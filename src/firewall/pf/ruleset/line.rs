//! One line of the ruleset, as pfctl(8) of OpenBSD 7, FreeBSD 12 to 15 and
//! macOS prints it.
//!
//! Only what decides whether a packet matches is kept. Words about states, queues,
//! labels and routes are known and skipped.
#![forbid(unsafe_code)]

use super::options::{ASIDE, PLAIN, WITH_ARGUMENT};
use super::parts::Endpoint;
use super::services::Services;
use super::words::Words;

/// What a line does with a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Pass it.
    Pass,
    /// Drop it without an answer.
    Drop,
    /// Drop it with an answer.
    Answer(Answer),
    /// Decide nothing.
    Match,
    /// Let the lines of an anchor decide.
    Anchor(Anchor),
    /// Unknown.
    Unread,
}

/// The answer of the kernel to a packet that is blocked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// A reset to TCP, ICMP to the rest (`return`), or ICMP to all
    /// (`return-icmp`).
    All,
    /// A reset to TCP alone (`return-rst`).
    Reset,
}

/// A call of the lines of an anchor.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Anchor {
    /// The name in the line; `None` when pfctl hides it.
    pub name: Option<String>,
    /// The lines; `None` until they are read, or when they cannot be.
    pub lines: Option<Vec<Line>>,
}

/// A line of a ruleset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The text that pfctl prints.
    pub text: String,
    /// The path of its anchor; `None` is the main ruleset.
    pub anchor: Option<String>,
    /// What it does.
    pub action: Action,
    /// Whether evaluation ends with it.
    pub is_quick: bool,
    /// Whether it matches only packets that leave.
    pub is_outward: bool,
    /// Whether it is negated, and the interface or group.
    pub interface: Option<(bool, String)>,
    /// `inet` or `inet6`.
    pub family: Option<String>,
    /// Such as `tcp`.
    pub protocol: Option<String>,
    /// After `from`.
    pub source: Endpoint,
    /// After `to`.
    pub target: Endpoint,
    /// The TCP flags that must be set, and those that are tested.
    pub flags: Option<(String, String)>,
    /// Whether no first packet to a port can match, because the line is for
    /// fragments or ICMP.
    pub is_aside: bool,
    /// Whether it matches only sometimes: by chance, rate or sender.
    pub is_partial: bool,
    /// Whether it changes where the packet goes.
    pub rewrites: bool,
    /// The first unknown word.
    pub unread: Option<String>,
}

impl Line {
    /// Parses a line of `anchor`. `None` when it filters no packet.
    #[must_use]
    pub fn parse(text: &str, anchor: Option<&str>, services: &Services) -> Option<Self> {
        let text = text.trim();
        let mut words = Words::of(text);
        // With -v lines are numbered.
        if words.peek()?.starts_with('@') {
            words.take();
        }
        let first = words.take()?;
        if ASIDE.contains(&first) {
            return None;
        }
        let mut line = Self::anywhere(text, anchor);
        line.action = action(first, &mut words);
        if line.action == Action::Unread {
            line.unread = Some(first.to_owned());
            return Some(line);
        }
        line.head(&mut words);
        line.ends(&mut words, services);
        while let Some(word) = words.take() {
            line.option(word, &mut words);
        }
        Some(line)
    }

    /// A line that matches everything.
    fn anywhere(text: &str, anchor: Option<&str>) -> Self {
        Self {
            text: text.to_owned(),
            anchor: anchor.map(str::to_owned),
            action: Action::Unread,
            is_quick: false,
            is_outward: false,
            interface: None,
            family: None,
            protocol: None,
            source: Endpoint::ANY,
            target: Endpoint::ANY,
            flags: None,
            is_aside: false,
            is_partial: false,
            rewrites: false,
            unread: None,
        }
    }

    /// Parses what comes before the addresses.
    fn head(&mut self, words: &mut Words<'_>) {
        if words.skip("out") {
            self.is_outward = true;
        } else {
            words.skip("in");
        }
        if words.skip("log") {
            words.parenthesis();
        }
        self.is_quick = words.skip("quick");
        if words.skip("on") {
            let negated = words.skip("!");
            match words.take() {
                Some("rdomain") => self.leave(words.take().map_or("rdomain", |_| "rdomain")),
                Some(name) => self.interface = Some((negated, name.to_owned())),
                None => self.leave("on"),
            }
        }
        // FreeBSD up to 13 and macOS print the route here.
        while let Some("route-to" | "reply-to" | "dup-to") = words.peek() {
            words.take();
            route(words);
        }
        if let Some(family @ ("inet" | "inet6")) = words.peek() {
            words.take();
            self.family = Some(family.to_owned());
        }
        if words.skip("proto") {
            self.protocol = words.take().map(|name| name.to_ascii_lowercase());
        }
    }

    /// Parses `all`, or source and destination.
    fn ends(&mut self, words: &mut Words<'_>, services: &Services) {
        if words.skip("all") {
            return;
        }
        let protocol = self.protocol.as_deref();
        if words.skip("from") {
            self.source = Endpoint::parse(words, protocol, services);
            if words.skip("os") {
                words.take();
                self.is_partial = true;
            }
        }
        if words.skip("to") {
            self.target = Endpoint::parse(words, protocol, services);
        }
    }

    /// Parses the option `word`.
    fn option(&mut self, word: &str, words: &mut Words<'_>) {
        match word {
            "flags" => self.flags = words.take().and_then(flags),
            "fragment" => self.is_aside = true,
            "icmp-type" | "icmp6-type" => {
                self.is_aside = true;
                words.take();
                if words.skip("code") {
                    words.take();
                }
            }
            "probability" | "max-pkt-rate" | "tos" | "prio" => {
                words.take();
                self.is_partial = true;
            }
            "rdr-to" | "nat-to" | "af-to" | "divert-to" | "divert-packet" => {
                self.rewrites = true;
                // The rest is a pool of addresses, and options of the pool.
                while words.take().is_some() {}
            }
            "no" if words.skip("state") => {}
            "route-to" | "reply-to" | "dup-to" => route(words),
            _ if PLAIN.contains(&word) || word.starts_with("queue(") => {}
            _ if word.starts_with("dnpipe(") || word.starts_with("dnqueue(") => {}
            // The options of a state.
            _ if word.starts_with('(') => {}
            _ if WITH_ARGUMENT.contains(&word) => drop(words.take()),
            _ => self.leave(word),
        }
    }

    fn leave(&mut self, word: &str) {
        self.unread.get_or_insert_with(|| word.to_owned());
    }
}

fn action(first: &str, words: &mut Words<'_>) -> Action {
    match first {
        "pass" => Action::Pass,
        "match" => Action::Match,
        "anchor" => {
            let name = words.peek().and_then(|word| word.strip_prefix('"'));
            let name = name.map(|word| word.trim_end_matches('"').to_owned());
            if name.is_some() {
                words.take();
            }
            Action::Anchor(Anchor { name, lines: None })
        }
        "block" => block(words),
        _ => Action::Unread,
    }
}

fn block(words: &mut Words<'_>) -> Action {
    let answer = match words.peek() {
        Some("return") => Answer::All,
        Some(word) if word.starts_with("return-icmp") => Answer::All,
        Some(word) if word.starts_with("return-rst") => Answer::Reset,
        _ => {
            words.skip("drop");
            return Action::Drop;
        }
    };
    words.take();
    Action::Answer(answer)
}

/// Skips the destination of a route: `(em0 192.0.2.1)`, `192.0.2.1@em0` or
/// a list in braces.
fn route(words: &mut Words<'_>) {
    words.take();
    while let Some("round-robin" | "random" | "sticky-address" | "bitmask") = words.peek() {
        words.take();
    }
}

/// `S/SA`; `None` for any.
fn flags(word: &str) -> Option<(String, String)> {
    let (set, looked_at) = word.split_once('/')?;
    Some((set.to_owned(), looked_at.to_owned()))
}
