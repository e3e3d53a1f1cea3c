//! The places of values, for any text that RON accepts.
#![forbid(unsafe_code)]

use knockd::config::position::{Index, Place, Spot};
use proptest::prelude::*;

/// A value to write.
#[derive(Debug, Clone)]
enum Value {
    /// A number, a string, a character, a byte string, a word.
    Leaf(String),
    List(Vec<Value>),
    /// A word before parentheses, or none.
    Tuple(String, Vec<Value>),
    Fields(String, Vec<(String, Value)>),
    Entries(Vec<(String, Value)>),
    Optional(Box<Value>),
}

fn leaf() -> impl Strategy<Value = String> {
    let fixed = [
        "7",
        "-1",
        "0xFF",
        "true",
        "Word",
        "'('",
        "'\\''",
        "'\"'",
        "b\"(\\\"\"",
        "r\"\\\"",
        "r#\"\"]}\"#",
        "br##\"\"#)\"##",
        "\"\"",
        "\"\\\\\"",
        "\"// /*\"",
        "b'\\''",
        "3.5e-2",
        "()",
        "\"two\nlines: ,\"",
        "'\\u{29}'",
        "'''",
    ];
    prop_oneof![
        prop::sample::select(fixed.to_vec()).prop_map(String::from),
        "[a-zä \\n(){},:'/*\\[\\]]{0,8}".prop_map(|text| format!("\"{text}\"")),
    ]
}

fn name() -> impl Strategy<Value = String> {
    let names = ["name", "r#doors", "a1", "_x", "ä", "users", "br", "r", "b"];
    prop::sample::select(names.to_vec()).prop_map(String::from)
}

fn word() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["", "Secret", "Tcp", "r#Odd"]).prop_map(String::from)
}

fn value() -> impl Strategy<Value = Value> {
    leaf().prop_map(Value::Leaf).prop_recursive(5, 60, 5, |inner| {
        let inner = inner.boxed();
        let many = prop::collection::vec(inner.clone(), 0..5);
        // A name twice in one struct would be found once only.
        let fields = prop::collection::btree_map(name(), inner.clone(), 1..4)
            .prop_map(|fields| fields.into_iter().collect());
        let entries = prop::collection::vec((leaf(), inner.clone()), 0..4);
        prop_oneof![
            many.clone().prop_map(Value::List),
            (word(), prop::collection::vec(inner.clone(), 1..4))
                .prop_map(|(word, values)| Value::Tuple(word, values)),
            (word(), fields).prop_map(|(word, fields)| Value::Fields(word, fields)),
            entries.prop_map(Value::Entries),
            inner.prop_map(|value| Value::Optional(Box::new(value))),
        ]
    })
}

/// Writes values, with blanks and comments in between.
struct Writer {
    text: String,
    blanks: Vec<&'static str>,
    next: usize,
    trailing_commas: bool,
}

impl Writer {
    fn blank(&mut self) {
        self.next = (self.next + 1) % self.blanks.len();
        self.text.push_str(self.blanks[self.next]);
    }

    fn put(&mut self, token: &str) -> Place {
        self.blank();
        let line = self.text.split('\n').count();
        let column = self.text.rsplit('\n').next().unwrap().chars().count() + 1;
        self.text.push_str(token);
        Place { line, column }
    }

    fn separated<T>(
        &mut self,
        items: &[T],
        close: &str,
        write: impl Fn(&mut Self, &T) -> Written,
    ) -> Vec<Written> {
        let mut written = Vec::new();
        for (count, item) in items.iter().enumerate() {
            written.push(write(self, item));
            if count + 1 < items.len() || self.trailing_commas {
                self.put(",");
            }
        }
        self.put(close);
        written
    }

    fn named(&mut self, key: &str, value: &Value) -> Written {
        let place = self.put(key);
        self.put(":");
        Written { key: Some((key.to_owned(), place)), ..self.value(value) }
    }

    fn open(&mut self, word: &str) -> Place {
        if word.is_empty() {
            return self.put("(");
        }
        let place = self.put(word);
        self.put("(");
        place
    }

    fn value(&mut self, value: &Value) -> Written {
        let (place, kind, children) = match value {
            Value::Leaf(text) => (self.put(text), Kind::Leaf, Vec::new()),
            Value::List(items) => {
                (self.put("["), Kind::Items, self.separated(items, "]", Self::value))
            }
            Value::Tuple(word, items) => {
                (self.open(word), Kind::Items, self.separated(items, ")", Self::value))
            }
            Value::Fields(word, fields) => {
                let write = |writer: &mut Self, (name, value): &(String, Value)| {
                    writer.named(name, value)
                };
                (self.open(word), Kind::Fields, self.separated(fields, ")", write))
            }
            Value::Entries(entries) => {
                let write = |writer: &mut Self, (key, value): &(String, Value)| {
                    writer.named(key, value)
                };
                (self.put("{"), Kind::Entries, self.separated(entries, "}", write))
            }
            Value::Optional(inner) => {
                self.open("Some");
                let written = self.value(inner);
                self.put(")");
                return written;
            }
        };
        Written { place, key: None, kind, children }
    }
}

/// What was written, and where.
struct Written {
    place: Place,
    key: Option<(String, Place)>,
    kind: Kind,
    children: Vec<Written>,
}

enum Kind {
    Leaf,
    Items,
    Fields,
    Entries,
}

impl Written {
    fn assert_found(&self, spot: Spot<'_>) {
        for (ordinal, child) in self.children.iter().enumerate() {
            match (&self.kind, &child.key) {
                (Kind::Fields, Some((name, _))) => {
                    let spot = spot.field(name.strip_prefix("r#").unwrap_or(name));
                    assert_eq!(spot.place(), child.place);
                    child.assert_found(spot);
                }
                (Kind::Entries, Some((_, key))) => {
                    assert_eq!(spot.entry(ordinal).place(), *key);
                    assert_eq!(spot.item(ordinal).place(), child.place);
                    child.assert_found(spot.entry(ordinal));
                }
                _ => {
                    assert_eq!(spot.item(ordinal).place(), child.place);
                    child.assert_found(spot.item(ordinal));
                }
            }
        }
    }
}

fn blanks() -> impl Strategy<Value = Vec<&'static str>> {
    let blank = prop::sample::select(vec![
        "",
        " ",
        "\n",
        "\r\n\t",
        "/* ( /* \" */ , */",
        "// } ' \"\n",
        "/**/",
        "\u{2028}",
        " /*ä*/ ",
    ]);
    // A word and the one before it need something between them; brackets,
    // commas and colons are always there.
    prop::collection::vec(blank, 1..9)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn every_value_is_found_where_it_was_written(
        value in value(),
        blanks in blanks(),
        trailing_commas in any::<bool>(),
        attribute in prop::sample::select(vec!["", "#![enable(implicit_some,)]", "# ! [type = \"(\"]"]),
    ) {
        let mut writer = Writer { text: String::new(), blanks, next: 0, trailing_commas };
        writer.put(attribute);
        let written = writer.value(&value);
        writer.blank();
        let text = writer.text;

        let accepted = ron::from_str::<serde::de::IgnoredAny>(&text);
        prop_assert!(accepted.is_ok(), "{:?} in {}", accepted, text);
        let index = Index::new(&text);
        prop_assert_eq!(index.root().place(), written.place);
        written.assert_found(index.root());
    }

    #[test]
    fn no_text_makes_the_index_panic(text in any::<String>()) {
        let _ = Index::new(&text).root().item(0).place();
    }
}

#[test]
fn a_missing_value_has_the_place_of_the_value_around_it() {
    let index = Index::new("(\n  a: (b: 1),\n)");
    let a = index.root().field("a");
    assert_eq!(a.place(), Place { line: 2, column: 6 });
    for spot in [a.field("c"), a.item(7), a.entry(7), a.field("c").field("d").item(0)] {
        assert_eq!(spot.place(), a.place());
    }
}

#[test]
fn a_hundred_thousand_open_brackets_do_no_harm() {
    for text in ["(", "[{", "a(", "a:", "Some("] {
        let text = text.repeat(100_000);
        assert_eq!(Index::new(&text).root().place().line, 1);
    }
}
