//! Writes commands that change no packet filter as a door's field `commands`.

use super::words::Command;

/// The most words of a door's command.
const MAX_WORDS: usize = 32;
/// The longest of these words.
const MAX_WORD: usize = 256;

/// Returns the field, and whether a command must become a script first. `None`
/// if there are no commands.
#[must_use]
pub fn field(door: &str, on_open: &[Command], on_close: &[Command]) -> Option<(String, bool)> {
    let mut lists = Vec::new();
    let mut needs_script = false;
    for (event, commands) in [("on_open", on_open), ("on_close", on_close)] {
        let list = match commands {
            [] => continue,
            [command] if is_plain(command) => command
                .words
                .iter()
                .map(|word| quoted(&word.replace("%IP%", "{address}")))
                .collect(),
            _ => {
                needs_script = true;
                let script = format!("/usr/local/libexec/{door}-{event}");
                vec![quoted(&script), quoted("{address}")]
            }
        };
        lists.push(format!("{event}: [{}]", list.join(", ")));
    }
    (!lists.is_empty()).then(|| (format!("commands: ({}),", lists.join(", ")), needs_script))
}

/// Whether the command is valid for a door and means the same without a shell.
fn is_plain(command: &Command) -> bool {
    let is_word = |word: &String| {
        let length = word.replace("%IP%", "{address}").len();
        (1..=MAX_WORD).contains(&length) && !word.contains(['{', '}', '\u{fffd}'])
    };
    let is_program = |word: &String| word.starts_with('/') && !word.contains("%IP%");
    let mut words = command.words.iter();
    let is_shell = words.next().is_some_and(|word| {
        matches!(word.rsplit('/').next(), Some("sh" | "ash" | "bash" | "dash" | "ksh" | "zsh"))
    }) && words.any(|word| word == "-c");
    !command.needs_shell
        && !is_shell
        && command.words.len() <= MAX_WORDS
        && command.words.first().is_some_and(is_program)
        && command.words.iter().all(is_word)
}

fn quoted(text: &str) -> String {
    format!("{text:?}")
}

#[cfg(test)]
mod tests {
    use super::super::words::split;
    use super::*;

    #[test]
    fn commands_are_written_without_a_shell_where_they_need_none() {
        let field = |open, close| field("ssh", &split(open), &split(close));
        assert_eq!(field("", ""), None);
        for (open, close, expected, needs_script) in [
            (
                "/bin/a 'b c' ip=%IP%",
                "",
                r#"commands: (on_open: ["/bin/a", "b c", "ip={address}"]),"#,
                false,
            ),
            (
                "/bin/a",
                "/bin/b %IP%",
                r#"commands: (on_open: ["/bin/a"], on_close: ["/bin/b", "{address}"]),"#,
                false,
            ),
            (
                "echo %IP% | mail root",
                "",
                r#"commands: (on_open: ["/usr/local/libexec/ssh-on_open", "{address}"]),"#,
                true,
            ),
            (
                "",
                "mail root",
                r#"commands: (on_close: ["/usr/local/libexec/ssh-on_close", "{address}"]),"#,
                true,
            ),
            (
                "/bin/a; /bin/b",
                "/bin/c {}",
                "commands: (on_open: [\"/usr/local/libexec/ssh-on_open\", \"{address}\"], \
                 on_close: [\"/usr/local/libexec/ssh-on_close\", \"{address}\"]),",
                true,
            ),
        ] {
            assert_eq!(
                field(open, close),
                Some((expected.into(), needs_script)),
                "{open}{close}"
            );
        }
    }
}
