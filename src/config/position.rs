//! The places of values in a text that RON has accepted.
//!
//! RON reports the place of the first syntax error only. This index has the places
//! of all values, for errors of meaning. A text that RON does not accept gives a
//! wrong index, but no panic.
#![forbid(unsafe_code)]

pub use super::lexer::Place;
use super::lexer::{Lexeme, Lexer};

/// Deeper values are not indexed. RON itself stops at 128.
const MAX_DEPTH: usize = 256;

/// The places of all values of a text.
#[derive(Debug)]
pub struct Index<'t>(Node<'t>);

#[derive(Debug)]
struct Node<'t> {
    place: Place,
    children: Vec<Child<'t>>,
}

#[derive(Debug)]
struct Child<'t> {
    name: Option<&'t str>,
    key: Place,
    node: Node<'t>,
}

/// A value in the text, with its place and the values within.
///
/// A value that is not written has the place of the value around it.
#[derive(Debug, Clone, Copy)]
pub struct Spot<'i> {
    place: Place,
    node: Option<&'i Node<'i>>,
}

impl<'t> Index<'t> {
    /// Indexes `text`.
    #[must_use]
    pub fn new(text: &'t str) -> Self {
        let mut lexer = Lexer::new(text);
        skip_attributes(&mut lexer);
        Self(value(&mut lexer, 0).0)
    }

    /// Returns the outermost value.
    #[must_use]
    pub fn root(&self) -> Spot<'_> {
        Spot { place: self.0.place, node: Some(&self.0) }
    }
}

impl<'i> Spot<'i> {
    /// Returns the place where the value begins.
    #[must_use]
    pub const fn place(self) -> Place {
        self.place
    }

    /// Returns the value of the field `name`.
    #[must_use]
    pub fn field(self, name: &str) -> Self {
        let found = self.children().iter().find(|child| child.name == Some(name));
        self.enter(found, |child| child.node.place)
    }

    /// Returns the value number `ordinal`, from 0, of a list, a tuple or a variant of
    /// an enum.
    #[must_use]
    pub fn item(self, ordinal: usize) -> Self {
        self.enter(self.children().get(ordinal), |child| child.node.place)
    }

    /// Returns the entry number `ordinal`, from 0, of a map: it begins at its key,
    /// and contains the values within its value.
    #[must_use]
    pub fn entry(self, ordinal: usize) -> Self {
        self.enter(self.children().get(ordinal), |child| child.key)
    }

    fn children(self) -> &'i [Child<'i>] {
        self.node.map_or(&[], |node| &node.children)
    }

    fn enter(self, child: Option<&'i Child<'i>>, place: fn(&Child<'_>) -> Place) -> Self {
        match child {
            Some(child) => Self { place: place(child), node: Some(&child.node) },
            None => Self { place: self.place, node: None },
        }
    }
}

/// Skips attributes like `#![enable(...)]`.
fn skip_attributes(lexer: &mut Lexer<'_>) {
    while matches!(lexer.peek(), Some(Lexeme::Word(word)) if word.starts_with('#')) {
        while lexer.next().is_some_and(|(_, lexeme)| !matches!(lexeme, Lexeme::Open(_))) {}
        children(lexer, '[', 0);
    }
}

/// Reads a value. Returns also its text, if it may be the name of a field.
fn value<'t>(lexer: &mut Lexer<'t>, depth: usize) -> (Node<'t>, Option<&'t str>) {
    let place = lexer.place();
    let leaf = Node { place, children: Vec::new() };
    let deeper = depth < MAX_DEPTH;
    let (word, bracket) = match lexer.next() {
        Some((_, Lexeme::Open(bracket))) if deeper => (None, bracket),
        Some((_, Lexeme::Word(word))) => match lexer.peek() {
            Some(Lexeme::Open('(')) if deeper => {
                lexer.next();
                (Some(word), '(')
            }
            _ => return (leaf, Some(word)),
        },
        _ => return (leaf, None),
    };
    let mut children = children(lexer, bracket, depth + 1);
    // `Some(value)` and `value` mean the same.
    if word == Some("Some") && matches!(&children[..], [only] if only.name.is_none()) {
        return (children.remove(0).node, None);
    }
    (Node { place, children }, None)
}

/// Reads the values up to the closing bracket.
fn children<'t>(lexer: &mut Lexer<'t>, bracket: char, depth: usize) -> Vec<Child<'t>> {
    let mut children = Vec::new();
    loop {
        match lexer.peek() {
            None => return children,
            Some(Lexeme::Close) => {
                lexer.next();
                return children;
            }
            Some(Lexeme::Comma | Lexeme::Colon) => {
                lexer.next();
            }
            Some(_) => children.push(child(lexer, bracket, depth)),
        }
    }
}

/// Reads a value, with its name or its key if it has one.
fn child<'t>(lexer: &mut Lexer<'t>, bracket: char, depth: usize) -> Child<'t> {
    let (first, word) = value(lexer, depth);
    if lexer.peek() != Some(Lexeme::Colon) {
        return Child { name: None, key: first.place, node: first };
    }
    lexer.next();
    let name =
        word.filter(|_| bracket == '(').map(|word| word.strip_prefix("r#").unwrap_or(word));
    Child { name, key: first.place, node: value(lexer, depth).0 }
}
