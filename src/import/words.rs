//! Splits a line for sh(1) into commands, as far as that goes without a shell.

/// One command of a line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Command {
    /// Program and arguments, at least one word.
    pub words: Vec<String>,
    /// Whether a shell would replace, connect or redirect something, so that
    /// running the words differs.
    pub needs_shell: bool,
}

/// Returns the commands of `line`, in order.
#[must_use]
pub fn split(line: &str) -> Vec<Command> {
    let mut splitter = Splitter::default();
    for character in line.chars() {
        if !splitter.read(character) {
            break;
        }
    }
    splitter.end()
}

#[derive(Default)]
struct Splitter {
    commands: Vec<Command>,
    current: Command,
    word: Option<String>,
    quote: Option<char>,
    /// Whether the next word is the file of a redirection.
    redirects: bool,
    /// Whether commands are connected by a pipe.
    is_piped: bool,
}

impl Splitter {
    /// Reads a character. Returns whether the line goes on.
    fn read(&mut self, character: char) -> bool {
        match (self.quote, character) {
            (Some(quote), _) if quote == character => self.quote = None,
            (Some(quote), _) => {
                self.current.needs_shell |= quote == '"' && "$`\\".contains(character);
                self.push(character);
            }
            (None, '\'' | '"') => {
                self.quote = Some(character);
                self.word.get_or_insert_default();
            }
            (None, '#') if self.word.is_none() => return false,
            // As in 2>&1.
            (None, '&') if self.redirects && self.word.is_none() => {}
            (None, ';' | '&' | '|') => {
                self.is_piped |= character == '|';
                self.end_command();
            }
            (None, '<' | '>') => {
                self.current.needs_shell = true;
                // A number in front is a file descriptor.
                self.word.take_if(|word| word.bytes().all(|byte| byte.is_ascii_digit()));
                self.end_word();
                self.redirects = true;
            }
            (None, _) if character.is_ascii_whitespace() => self.end_word(),
            (None, _) => {
                self.current.needs_shell |= "$`\\*?[]()~".contains(character);
                self.push(character);
            }
        }
        true
    }

    fn push(&mut self, character: char) {
        self.current.needs_shell |= character.is_control();
        self.word.get_or_insert_default().push(character);
    }

    fn end_word(&mut self) {
        if let Some(word) = self.word.take()
            && !std::mem::take(&mut self.redirects)
        {
            self.current.words.push(word);
        }
    }

    fn end_command(&mut self) {
        self.end_word();
        self.redirects = false;
        let command = std::mem::take(&mut self.current);
        if !command.words.is_empty() {
            self.commands.push(command);
        }
    }

    fn end(mut self) -> Vec<Command> {
        self.current.needs_shell |= self.quote.is_some();
        self.end_command();
        for command in &mut self.commands {
            command.needs_shell |= self.is_piped;
        }
        self.commands
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(line: &str) -> Vec<String> {
        let mark = |command: &Command| if command.needs_shell { "sh " } else { "" };
        let show = |command: &Command| format!("{}{:?}", mark(command), command.words);
        split(line).iter().map(show).collect()
    }

    #[test]
    fn words_are_those_that_the_shell_makes() {
        for (line, expected) in [
            ("/bin/a  -s %IP% 'b c' \"d\"e", &[r#"["/bin/a", "-s", "%IP%", "b c", "de"]"#][..]),
            ("a;b && c &", &[r#"["a"]"#, r#"["b"]"#, r#"["c"]"#]),
            ("a | b", &[r#"sh ["a"]"#, r#"sh ["b"]"#]),
            ("a b >/dev/null 2>&1; c", &[r#"sh ["a", "b"]"#, r#"["c"]"#]),
            ("a $(id)", &[r#"sh ["a", "$(id)"]"#]),
            ("a '$b' # c", &[r#"["a", "$b"]"#]),
            ("a \"$b\"", &[r#"sh ["a", "$b"]"#]),
            ("a 'b", &[r#"sh ["a", "b"]"#]),
            ("a ''", &[r#"["a", ""]"#]),
            (" ;; ", &[]),
        ] {
            assert_eq!(shown(line), expected, "{line}");
        }
    }
}
