//! Reads the whole ruleset, with the lines of anchors where they are called.
#![forbid(unsafe_code)]

use super::line::{Action, Line};
use super::services::Services;

/// Anchors within anchors that are followed; pf's own limit is 64.
const MAX_DEPTH: usize = 8;
/// The most calls of pfctl to read a ruleset.
const MAX_CALLS: usize = 64;

/// Runs pfctl with these arguments. Returns its output, or why there is none.
pub type Ask<'a> = dyn FnMut(&[&str]) -> Result<String, String> + 'a;

/// Reads the main ruleset and those that it calls, through `ask`. An anchor
/// that cannot be read stays without lines.
///
/// # Errors
/// Of `ask`, for the main ruleset.
pub fn read(ask: &mut Ask<'_>, services: &Services) -> Result<Vec<Line>, String> {
    // FreeBSD prints names of ports, several of which may share a name, unless
    // -P forbids it. Other systems do not know -P.
    let (rules, text) = match ask(&["-P", "-sr"]) {
        Ok(text) => (&["-P", "-sr"][..], text),
        Err(_) => (&["-sr"][..], ask(&["-sr"])?),
    };
    let mut reader = RulesetReader { ask, services, rules, calls: 2 };
    Ok(reader.lines(&text, None, 0))
}

/// Parses the lines of one ruleset, without those of its anchors.
#[must_use]
pub fn parse(text: &str, anchor: Option<&str>, services: &Services) -> Vec<Line> {
    text.lines().filter_map(|line| Line::parse(line, anchor, services)).collect()
}

struct RulesetReader<'a, 'b> {
    ask: &'a mut Ask<'b>,
    services: &'a Services,
    /// The arguments that make pfctl print the rules.
    rules: &'static [&'static str],
    calls: usize,
}

impl RulesetReader<'_, '_> {
    fn lines(&mut self, text: &str, anchor: Option<&str>, depth: usize) -> Vec<Line> {
        let mut lines = parse(text, anchor, self.services);
        for line in &mut lines {
            if let Action::Anchor(called) = &mut line.action {
                let path = called.name.as_deref().and_then(|name| path(anchor, name));
                called.lines = path.and_then(|path| self.called(&path, depth + 1));
            }
        }
        lines
    }

    /// Returns the lines of an anchor; those of `name/*` in alphabetical order, as
    /// pf evaluates them.
    fn called(&mut self, path: &str, depth: usize) -> Option<Vec<Line>> {
        if depth > MAX_DEPTH {
            return None;
        }
        let Some(above) = path.strip_suffix('*') else {
            let text = self.ask(&[&["-a", path], self.rules].concat())?;
            return Some(self.lines(&text, Some(path), depth));
        };
        let above = above.trim_end_matches('/');
        let listed = if above.is_empty() {
            self.ask(&["-sA"])?
        } else {
            self.ask(&["-a", above, "-sA"])?
        };
        let mut below: Vec<_> =
            listed.lines().map(str::trim).filter(|name| !name.is_empty()).collect();
        below.sort_unstable();
        let mut lines = Vec::new();
        for path in below {
            lines.append(&mut self.called(path, depth + 1)?);
        }
        Some(lines)
    }

    fn ask(&mut self, arguments: &[&str]) -> Option<String> {
        self.calls += 1;
        if self.calls > MAX_CALLS {
            return None;
        }
        (self.ask)(arguments).ok()
    }
}

/// Returns the path of the anchor `name` within `anchor`.
fn path(anchor: Option<&str>, name: &str) -> Option<String> {
    if name.is_empty() || name.starts_with('-') || name.contains("..") {
        return None;
    }
    Some(match (name.strip_prefix('/'), anchor) {
        (Some(absolute), _) => absolute.to_owned(),
        (None, None) => name.to_owned(),
        (None, Some(anchor)) => format!("{anchor}/{name}"),
    })
}
