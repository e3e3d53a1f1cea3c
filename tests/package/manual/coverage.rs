//! What the programs know is in the manuals, and nothing else.
#![forbid(unsafe_code)]

use std::collections::BTreeSet;
use std::process::Command;

use knockd::capture::filter;
use knockd::core::command::{MAX_LENGTH, MAX_WORD, MAX_WORDS};
use knockd::core::credential::ProofKind;
use knockd::core::door::Table;
use knockd::core::reason::Reason;
use knockd::core::token::PROOF_LENGTH;
use knockd::core::{gate, lease, replay, sequence, user};
use knockd::firewall::Warning;
use knockd::log::{self, Level, event, summary};
use knockd::process::{keeper, runner};

#[cfg(feature = "legacy")]
use super::MIGRATE;
use super::{CONFIGURATION, KNOCK, KNOCKD, MESSAGES, SPA};

/// What follows `.It` on every line of `page` that describes an item.
pub fn items<'a>(page: &'a str, macro_name: &str) -> Vec<&'a str> {
    let start = format!(".It {macro_name} ");
    page.lines().filter_map(|line| line.strip_prefix(start.as_str())).collect()
}

pub fn first_words<'a>(page: &'a str, macro_name: &str) -> Vec<&'a str> {
    items(page, macro_name)
        .iter()
        .filter_map(|item| item.split_ascii_whitespace().next())
        .collect()
}

pub fn documented_flags(page: &str) -> BTreeSet<String> {
    let mut flags = BTreeSet::new();
    for item in items(page, "Fl") {
        let words: Vec<_> = "Fl".split(' ').chain(item.split_ascii_whitespace()).collect();
        let mut dashes = String::new();
        for word in words {
            if word == "Fl" {
                dashes.push('-');
            } else if !dashes.is_empty() {
                flags.insert(format!("{}{word}", std::mem::take(&mut dashes)));
            }
        }
    }
    flags
}

/// The help of a program, or of a command of it.
pub fn help(program: &str, command: &[&str]) -> String {
    let output = Command::new(program).args(command).arg("--help").output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// The flags that a help lists.
pub fn offered_flags(text: &str) -> BTreeSet<String> {
    let options = text.lines().map(str::trim_start).filter(|line| line.starts_with('-'));
    // Alternatives stand behind a dash of their own.
    let options = options.filter(|line| !line.starts_with("- "));
    options
        .flat_map(|line| line.split_ascii_whitespace().take_while(|word| word.starts_with('-')))
        .map(|word| word.trim_end_matches(',').to_owned())
        .collect()
}

#[test]
fn every_flag_of_knockd_is_in_its_manual_and_no_other() {
    let mut documented = documented_flags(KNOCKD);
    if !cfg!(feature = "demo") {
        documented.remove("--demo");
    }
    assert_eq!(documented, offered_flags(&help(env!("CARGO_BIN_EXE_knockd"), &[])));
}

#[test]
fn every_flag_of_knock_is_in_its_manual_and_no_other() {
    assert_eq!(documented_flags(KNOCK), offered_flags(&help(env!("CARGO_BIN_EXE_knock"), &[])));
}

/// The lines between the braces of every public item that begins with `start`.
fn bodies<'a>(source: &'a str, start: &str) -> Vec<&'a str> {
    let mut lines = source.lines();
    let mut found = Vec::new();
    while let Some(line) = lines.next() {
        if line.starts_with(start) && line.ends_with('{') {
            found.extend(lines.by_ref().take_while(|line| *line != "}").map(str::trim));
        }
    }
    found
}

fn is_field(name: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    name.starts_with(|first: char| first.is_ascii_lowercase()) && name.bytes().all(is_part)
}

/// Names of the fields in lines of structures and of variants with fields.
fn fields<'a>(lines: &[&'a str]) -> Vec<&'a str> {
    let words = lines.iter().flat_map(|line| line.split_ascii_whitespace());
    let names = words.filter_map(|word| word.strip_suffix(':'));
    let mut names: Vec<_> = names.filter(|name| is_field(name)).collect();
    names.sort_unstable();
    names
}

fn documented_fields(page: &str) -> Vec<&str> {
    let mut names = first_words(page, "Ic");
    names.sort_unstable();
    names
}

/// Fields that have to be written.
const REQUIRED: [&str; 11] = [
    "credential",
    "doors",
    "doors",
    "gate_keys",
    "keys",
    "name",
    "opens",
    "secret",
    "table",
    "table",
    "user",
];

#[test]
fn every_field_that_can_be_left_out_says_what_is_then() {
    let items = CONFIGURATION.split("\n.It ").skip(1);
    let fields = items.filter_map(|item| Some((item.strip_prefix("Ic ")?, item)));
    let mut silent: Vec<_> = fields
        .filter(|(_, item)| !item.split("\n.Ss").next().unwrap().contains("default"))
        .filter_map(|(rest, _)| rest.split_ascii_whitespace().next())
        .collect();
    silent.sort_unstable();
    silent.retain(|name| !GROUPS.contains(name));
    assert_eq!(silent, REQUIRED);
}

/// Fields whose own fields have defaults.
const GROUPS: [&str; 2] = ["limits", "directories"];

const RAW: &str = concat!(
    include_str!("../../../src/config/raw.rs"),
    include_str!("../../../src/firewall/choice.rs")
);

#[test]
fn every_field_of_the_configuration_is_in_its_manual_and_no_other() {
    let mut lines = bodies(RAW, "pub struct");
    lines.extend(bodies(RAW, "pub enum"));
    let fields = fields(&lines);
    assert!(fields.contains(&"gate_keys"), "the source is read as it is written");
    assert_eq!(documented_fields(CONFIGURATION), fields);
}

#[test]
fn every_alternative_of_the_configuration_is_in_its_manual_and_no_other() {
    let mut lines = bodies(RAW, "pub enum");
    lines.extend(bodies(include_str!("../../../src/core/door.rs"), "pub enum OnClose"));
    lines.extend(bodies(include_str!("../../../src/core/policy.rs"), "pub enum OnRemove"));
    lines.extend(bodies(include_str!("../../../src/core/user.rs"), "pub enum SourcePolicy"));
    let variants: BTreeSet<_> = lines
        .iter()
        .filter(|line| line.starts_with(|first: char| first.is_ascii_uppercase()))
        .filter_map(|line| line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next())
        .collect();
    let documented: BTreeSet<_> = CONFIGURATION
        .lines()
        .filter_map(|line| line.split_once("Cm "))
        .flat_map(|(_, rest)| rest.split_ascii_whitespace())
        .filter(|word| word.starts_with("\\&") || word.len() > 2)
        .map(|word| word.trim_start_matches("\\&"))
        .filter(|word| word.starts_with(|first: char| first.is_ascii_uppercase()))
        .collect();
    assert!(variants.contains("Ed25519"), "the source is read as it is written");
    assert_eq!(documented, variants);
}

#[test]
fn every_field_of_the_hosts_file_is_in_its_manual_and_no_other() {
    let source = include_str!("../../../src/client/hosts.rs");
    assert_eq!(documented_fields(KNOCK), fields(&bodies(source, "pub struct Host {")));
}

#[test]
fn every_kind_of_proof_is_in_the_manuals_and_no_other() {
    let numbers: Vec<_> = ProofKind::ALL.iter().map(|kind| kind.number.to_string()).collect();
    let described = SPA.lines().filter_map(|line| line.strip_prefix(".It kind "));
    let described: Vec<_> = described.filter_map(|kind| kind.split(' ').next()).collect();
    assert_eq!(described, numbers);
    for kind in ProofKind::ALL {
        let (_, text) = SPA.split_once(&format!(".It kind {} ,", kind.number)).unwrap();
        let padding = format!("{} bytes of zero", PROOF_LENGTH - kind.length);
        assert!(text.split(".It ").next().unwrap().contains(&padding), "{kind:?}: {padding}");
    }
    for kind in ProofKind::ssh() {
        assert!(CONFIGURATION.contains(&format!(".Li {}", kind.name)), "{kind:?}");
    }
}

#[test]
fn every_reason_is_in_the_manual_in_the_order_of_the_packets_way() {
    let words: Vec<_> = Reason::ALL.iter().map(|reason| reason.word()).collect();
    let (_, reasons) = MESSAGES.split_once(".Ss Reasons").unwrap();
    let (reasons, _) = reasons.split_once(".Ss").unwrap();
    assert_eq!(first_words(reasons, "Sy"), words);
    assert!(reasons.contains("Those before\n.Sy length\nare noise"));
    assert!(Reason::ALL.is_sorted_by_key(|reason| !reason.is_noise()));
    let first_news = Reason::ALL.iter().find(|reason| !reason.is_noise());
    assert_eq!(first_news, Some(&Reason::Length));
}

/// Source text with literals of several lines in one.
pub fn unbroken(source: &str) -> String {
    let mut lines = source.split("\\\n");
    let first = lines.next().unwrap_or_default().to_owned();
    lines.fold(first, |text, line| text + line.trim_start())
}

/// Whether a text is long enough to be looked for.
pub fn is_telling(text: &str) -> bool {
    text.split_ascii_whitespace().count() > 1
}

pub fn trim(text: &str) -> &str {
    text.trim_matches(|c: char| !c.is_ascii_alphanumeric())
}

/// The message that an `.It` line shows, with `{}` for each macro and its
/// arguments.
fn format_of(item: &str) -> String {
    let mut text = String::new();
    let mut is_fixed = true;
    for word in item.split_ascii_whitespace() {
        is_fixed = match word {
            "No" => true,
            "Ar" | "Cm" | "Sy" => false,
            _ => is_fixed,
        };
        text += if is_fixed && word != "No" { word } else { "{}" };
        text.push(' ');
    }
    text
}

/// What stays the same in a message: its format without what is filled in.
fn pieces(format: &str) -> Vec<String> {
    let pieces = format.split(['{', '}']).step_by(2).map(trim);
    pieces.filter(|piece| !piece.is_empty()).map(str::to_owned).collect()
}

/// What stays the same in the messages that `.It` lines show.
pub fn fixed_texts(page: &str) -> Vec<String> {
    let items = page.lines().filter_map(|line| line.strip_prefix(".It "));
    let texts = items.flat_map(|item| pieces(&format_of(item)));
    texts.filter(|text| is_telling(text)).collect()
}

/// What a review of the firewall finds, which the log says as it is.
fn warnings() -> [Warning; 4] {
    let table = Table { anchor: None, name: "{}".into() };
    let idle = Warning::Idle { why: "{}".into(), todo: "{}" };
    [Warning::Disabled("{}"), idle, Warning::Unreferenced(table), Warning::Skipped("{}".into())]
}

#[test]
fn every_message_of_the_log_is_in_the_manual_at_its_level_and_no_other() {
    let (_, messages) = MESSAGES.split_once(".Ss The daemon").unwrap();
    let (messages, _) = messages.split_once(".Ss Reasons").unwrap();
    let documented: BTreeSet<_> = messages
        .split("\n.It ")
        .skip(1)
        .map(|item| {
            let (format, rest) = item.split_once('\n').unwrap();
            let level = rest.lines().next().and_then(|line| line.strip_prefix(".Pq "));
            (pieces(&format_of(format)), level.unwrap_or("notice"))
        })
        .filter(|(pieces, _)| !pieces.is_empty())
        .collect();
    let events = event::ALL.iter().map(|(level, format)| {
        let level = match level {
            Level::Error => "error",
            Level::Warning => "warning",
            Level::Notice => "notice",
        };
        (pieces(format), level)
    });
    let advice = |warning: &Warning| warning.to_string().rfind(": ").unwrap();
    let warnings = warnings().map(|it| (pieces(&it.to_string()[..advice(&it)]), "warning"));
    let over = self::warnings().map(|it| (pieces(&it.over()), "notice"));
    let said: BTreeSet<_> =
        events.chain(warnings).chain(over).filter(|(pieces, _)| !pieces.is_empty()).collect();
    assert_eq!(documented, said);
}

#[cfg(feature = "legacy")]
fn limits_of_older_clients() {
    use knockd::core::legacy::{MAX_KEYS, MAX_PORTS, fwknop, pyknock};

    for said in [
        format!("fwknop send to.\nThe default is {}.", fwknop::PORT),
        format!("pyknock send to.\nThe default is {}.", pyknock::PORT),
        format!("of 16 to {} bytes and a line", fwknop::MAX_KEY),
        format!(".Li HMAC_KEY_BASE64\nof 16 to {}.", fwknop::MAX_HMAC_KEY),
        format!("one line of 16 to {} bytes", pyknock::MAX_KEY),
        format!("At most {MAX_KEYS} users."),
    ] {
        assert!(CONFIGURATION.contains(&said), "{said}");
    }
    for said in [
        format!("of whom there may be {MAX_KEYS} of each kind"),
        format!(".Fl A ,\nat most {MAX_PORTS},"),
        format!(".Ic doors ,\nat most {}.", gate::MAX_CLAIMS),
    ] {
        assert!(MIGRATE.contains(&said), "{said}");
    }
}

#[test]
fn the_limits_in_the_manuals_are_those_of_the_programs() {
    let lines_a_second = 1_000 / log::LINE_INTERVAL.as_millis();
    let (running, queued) = (runner::MAX_RUNNING, keeper::doors::MAX_COMMANDS);
    for text in [
        format!("up to {} bytes", sequence::ATTEMPT_SIZE),
        format!("up to {} bytes", lease::LEASE_SIZE),
        format!("in order, 1 to {}", sequence::MAX_STEPS),
        format!("1 to {MAX_WORDS} words of at most {MAX_WORD} bytes"),
        format!("below {MAX_LENGTH} bytes"),
        format!("At most {running} run at once and {queued} are queued."),
        format!("in at most {} seconds", runner::GRACE.as_secs()),
        format!("at most {} doors", gate::MAX_CLAIMS),
        format!("{} tokens remembered for each user", replay::SHARE),
        format!(
            "{} proofs at once for each user and {} a second",
            gate::PROOF_BURST,
            user::PROOFS_PER_SECOND
        ),
        format!("{} instructions for the filter", filter::MAX_INSTRUCTIONS),
        format!("{} lines a minute", summary::MAX_LINES),
        format!(
            "{} for packets that name a user, and {} other sources",
            summary::MAX_KNOWN,
            summary::MAX_STRANGERS
        ),
        format!("{} lines at once about doors", log::LINE_BURST),
        format!("and {lines_a_second} a second thereafter. What is left out"),
    ] {
        let is_there = CONFIGURATION.replace('\n', " ").contains(&text);
        assert!(is_there, "knockd.ron(5) does not say: {text}");
    }
    let interval = keeper::doors::CHECK_INTERVAL.as_secs();
    assert!(MESSAGES.contains(&format!("looked for every {interval} seconds")));
    #[cfg(feature = "legacy")]
    limits_of_older_clients();
}
