//! The source as a tree of modules, and what each file takes from others.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// A module's path from the crate's root, as `["core", "time"]`.
pub type Module = Vec<String>;

/// What one file says.
#[derive(Debug, Default)]
struct File {
    /// Every path that starts at the crate's root, a parent, or a name in scope.
    paths: Vec<Module>,
    /// Names that `use` brings into a module, and the paths that they stand for.
    aliases: BTreeMap<(Module, String), Module>,
}

/// All modules of the crate.
#[derive(Debug, Default)]
pub struct Tree {
    files: BTreeMap<PathBuf, (Module, File)>,
    /// More than one file where each system has its own.
    modules: BTreeMap<Module, Vec<PathBuf>>,
}

impl Tree {
    /// Reads every file below `directory`, which holds lib.rs.
    pub fn read(directory: &Path) -> Self {
        let mut tree = Self::default();
        tree.collect(directory, &mut Vec::new());
        tree
    }

    /// From texts by their paths below `src`.
    pub fn of(texts: &[(&str, &str)]) -> Self {
        let mut tree = Self::default();
        for (path, text) in texts {
            let path = Path::new(path);
            let mut module: Module = path
                .with_extension("")
                .iter()
                .map(|part| part.to_str().unwrap().to_owned())
                .collect();
            if ["mod", "lib"].contains(&module.last().unwrap().as_str()) {
                module.pop();
            }
            tree.add(path, module, text);
        }
        tree
    }

    fn collect(&mut self, directory: &Path, module: &mut Module) {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            if path.is_dir() {
                module.push(name);
                self.collect(&path, module);
                module.pop();
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let mut module = module.clone();
                if !["mod", "lib"].contains(&name.as_str()) {
                    module.push(name);
                }
                self.add(&path, module, &fs::read_to_string(&path).unwrap());
            }
        }
    }

    fn add(&mut self, path: &Path, module: Module, text: &str) {
        let tokens = tokens(text);
        let mut reader =
            Reader { file: File::default(), scope: module.clone(), named: Vec::new() };
        reader.read(&tokens);
        let directory = path.with_file_name("");
        for (alias, other) in reader.named {
            // A module whose file has another name.
            self.modules.entry(alias).or_default().push(directory.join(other));
        }
        self.modules.entry(module.clone()).or_default().push(path.to_owned());
        self.files.insert(path.to_owned(), (module, reader.file));
    }

    /// The module that `path` ends in, after every name that is only lent.
    fn resolve(&self, path: &[String], depth: usize) -> Module {
        let mut module = Module::new();
        for (at, name) in path.iter().enumerate() {
            let deeper: Module = module.iter().chain([name]).cloned().collect();
            if self.modules.contains_key(&deeper) {
                module = deeper;
                continue;
            }
            let files = self.modules.get(&module).into_iter().flatten();
            let lent = files
                .filter_map(|file| self.files.get(file))
                .find_map(|(_, file)| file.aliases.get(&(module.clone(), name.clone())));
            return match lent {
                Some(whole) if depth > 0 => {
                    let whole =
                        whole.iter().chain(&path[at + 1..]).cloned().collect::<Vec<_>>();
                    self.resolve(&whole, depth - 1)
                }
                _ => module,
            };
        }
        module
    }

    /// Which module takes something from which other, by their files.
    pub fn arrows(&self) -> Vec<Arrow> {
        let mut arrows = Vec::new();
        for (file, (module, content)) in &self.files {
            for path in &content.paths {
                let targets = self.modules.get(&self.resolve(path, 8)).into_iter().flatten();
                for target in targets.filter(|target| *target != file) {
                    let (to, _) = &self.files[target];
                    arrows.push(Arrow { from: module.clone(), to: to.clone() });
                }
            }
        }
        arrows.sort();
        arrows.dedup();
        arrows
    }

    /// The modules that are part of the crate's root.
    pub fn rooms(&self) -> impl Iterator<Item = &str> {
        self.modules.keys().filter(|module| module.len() == 1).map(|module| module[0].as_str())
    }
}

/// A module, and another that it takes something from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Arrow {
    pub from: Module,
    pub to: Module,
}

struct Reader {
    file: File,
    scope: Module,
    /// Modules that name their file.
    named: Vec<(Module, String)>,
}

impl Reader {
    fn read(&mut self, tokens: &[Token]) {
        let mut at = 0;
        // How deep in braces each inline module begins.
        let (mut depth, mut inline) = (0_usize, Vec::new());
        while let Some(token) = tokens.get(at) {
            match token.as_str() {
                "use" => {
                    at = self.tree(tokens, at + 1, &Module::new());
                    continue;
                }
                "mod" if tokens.get(at + 2).is_some_and(|next| next == "{") => {
                    self.scope.push(tokens[at + 1].clone());
                    inline.push(depth);
                    depth += 1;
                    at += 3;
                    continue;
                }
                "mod" if tokens.get(at + 2).is_some_and(|next| next == ";") => {
                    if let Some(file) = named(&tokens[..at]) {
                        let name = tokens[at + 1].clone();
                        let module = self.scope.iter().cloned().chain([name]).collect();
                        self.named.push((module, file.to_owned()));
                    }
                }
                "{" => depth += 1,
                "}" => {
                    depth -= 1;
                    if inline.last() == Some(&depth) {
                        inline.pop();
                        self.scope.pop();
                    }
                }
                _ if is_start(tokens, at) => {
                    let mut path = vec![token.clone()];
                    while tokens.get(at + 1).is_some_and(|next| next == "::")
                        && tokens.get(at + 2).is_some_and(|next| is_name(next))
                    {
                        path.push(tokens[at + 2].clone());
                        at += 2;
                    }
                    self.paths(path);
                }
                _ => {}
            }
            at += 1;
        }
    }

    fn paths(&mut self, path: Module) -> Option<Module> {
        let mut whole = self.scope.clone();
        let mut rest = path.into_iter().peekable();
        match rest.peek()?.as_str() {
            "crate" | "knockd" => whole.clear(),
            "self" => {}
            "super" => {
                whole.pop();
            }
            // A crate, or a module below this one: both as a name in scope.
            _ => {
                whole.extend(rest);
                self.file.paths.push(whole.clone());
                return Some(whole);
            }
        }
        rest.next();
        while rest.next_if(|name| name == "super").is_some() {
            whole.pop();
        }
        whole.extend(rest);
        self.file.paths.push(whole.clone());
        Some(whole)
    }

    /// The tree of a `use` that begins at `at`, below `before`; returns where
    /// it ends.
    fn tree(&mut self, tokens: &[Token], mut at: usize, before: &[String]) -> usize {
        let mut path = before.to_vec();
        loop {
            match tokens[at].as_str() {
                "::" => at += 1,
                "{" => {
                    at += 1;
                    while tokens[at] != "}" {
                        at = self.tree(tokens, at, &path);
                        if tokens[at] == "," {
                            at += 1;
                        }
                    }
                    return at + 1;
                }
                "*" => {
                    self.paths(path);
                    return at + 1;
                }
                name => {
                    if name != "self" || path.is_empty() {
                        path.push(name.to_owned());
                    }
                    at += 1;
                    if tokens[at] == "::" {
                        continue;
                    }
                    let mut alias = path.last().unwrap().clone();
                    if tokens[at] == "as" {
                        alias.clone_from(&tokens[at + 1]);
                        at += 2;
                    }
                    if let Some(whole) = self.paths(path) {
                        self.file.aliases.insert((self.scope.clone(), alias), whole);
                    }
                    return at;
                }
            }
        }
    }
}

/// Whether a path of this crate begins here.
fn is_start(tokens: &[Token], at: usize) -> bool {
    ["crate", "super", "knockd"].contains(&tokens[at].as_str())
        && tokens.get(at + 1).is_some_and(|next| next == "::")
        && (at == 0 || tokens[at - 1] != "::")
}

/// The file that `#[path = ".."]`, right before, gives to a module.
fn named(before: &[Token]) -> Option<&str> {
    let attribute = before
        .iter()
        .rev()
        .skip_while(|token| is_name(token) || *token == ")" || *token == "(");
    let [end, file, equals, path]: [&Token; 4] =
        attribute.take(4).collect::<Vec<_>>().try_into().ok()?;
    (end == "]" && equals == "=" && path == "path").then(|| file.trim_matches('"'))
}

type Token = String;

fn is_name(token: &str) -> bool {
    token.starts_with(|first: char| first.is_alphabetic() || first == '_')
}

/// The tokens of Rust that matter here: names, `::`, one character each of the
/// rest, literals as `"text`; no comments.
fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").unwrap() + 2
        } else if let Some(length) = literal(rest) {
            tokens.push(rest[..length].to_owned());
            length
        } else if first.is_alphanumeric() || first == '_' {
            let length = rest.find(|c: char| !c.is_alphanumeric() && c != '_');
            let length = length.unwrap_or(rest.len());
            tokens.push(rest[..length].to_owned());
            length
        } else if rest.starts_with("::") {
            tokens.push("::".into());
            2
        } else {
            if !first.is_whitespace() {
                tokens.push(first.into());
            }
            first.len_utf8()
        };
        rest = &rest[length..];
    }
    tokens
}

/// How long the literal is that `text` begins with.
fn literal(text: &str) -> Option<usize> {
    let bare = text.trim_start_matches(['b', 'c']);
    let prefix = text.len() - bare.len();
    if let Some(raw) = bare.strip_prefix('r') {
        let body = raw.trim_start_matches('#');
        let hashes = raw.len() - body.len();
        let body = body.strip_prefix('"')?;
        let end = format!("\"{}", "#".repeat(hashes));
        return Some(prefix + 2 + hashes + body.find(&end)? + end.len());
    }
    let body = bare.strip_prefix(['"', '\''])?;
    let end = bare.chars().next()?;
    let mut chars = body.char_indices();
    // 'a is a lifetime unless it ends as a character does.
    if end == '\'' && !body.starts_with('\\') && body.chars().nth(1) != Some('\'') {
        return None;
    }
    loop {
        match chars.next()? {
            (_, '\\') => {
                chars.next();
            }
            (at, c) if c == end => return Some(prefix + 1 + at + 1),
            _ => {}
        }
    }
}
