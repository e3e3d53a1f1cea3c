//! Imports point one way: from room to room as the table in src/lib.rs allows,
//! and from file to file without a circle.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

mod source;

use source::{Arrow, Module, Tree};

fn house() -> Tree {
    Tree::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"))
}

/// The rooms that each room may import: the first and the last cell of each
/// row in a documentation's table.
fn table(text: &str) -> BTreeMap<String, BTreeSet<String>> {
    let rows = text.lines().filter_map(|line| line.strip_prefix("//! | ["));
    rows.map(|row| {
        let cells: Vec<_> = row.trim_end_matches(" |").split(" | ").collect();
        let imports = cells.last().unwrap().split(", ").filter(|room| *room != "nothing");
        let room = cells[0].trim_matches(['`', ']']);
        (room.to_owned(), imports.map(str::to_owned).collect())
    })
    .collect()
}

/// The rooms that each room imports.
fn imports(tree: &Tree) -> BTreeMap<String, BTreeSet<String>> {
    let mut imports: BTreeMap<_, _> =
        tree.rooms().map(|room| (room.to_owned(), BTreeSet::new())).collect();
    for Arrow { from, to } in tree.arrows() {
        if let (Some(from), Some(to)) = (from.first(), to.first())
            && from != to
            && let Some(list) = imports.get_mut(from)
        {
            list.insert(to.clone());
        }
    }
    imports
}

/// The files of each circle; a folder's head and its own files do not count
/// as one.
fn circles(arrows: &[Arrow]) -> BTreeSet<Vec<String>> {
    let mut next: BTreeMap<&Module, Vec<&Module>> = BTreeMap::new();
    for Arrow { from, to } in arrows {
        if !from.starts_with(to) && !to.starts_with(from) {
            next.entry(from).or_default().push(to);
        }
    }
    let reached = |start| {
        let mut seen = BTreeSet::new();
        let mut waiting = vec![start];
        while let Some(module) = waiting.pop() {
            let ahead = next.get(module).into_iter().flatten();
            waiting.extend(ahead.filter(|module| seen.insert(**module)));
        }
        seen
    };
    let reached: BTreeMap<_, _> =
        next.keys().map(|module| (*module, reached(*module))).collect();
    let round = reached.iter().filter(|(module, ahead)| ahead.contains(*module));
    round
        .map(|(module, ahead)| {
            let both = ahead.iter().filter(|other| {
                reached.get(*other).is_some_and(|ahead| ahead.contains(module))
            });
            both.map(|module| module.join("/")).collect()
        })
        .collect()
}

#[test]
fn rooms_import_what_the_table_allows_and_the_table_allows_no_more() {
    assert_eq!(imports(&house()), table(include_str!("../../../src/lib.rs")));
}

#[test]
fn no_rooms_import_each_other_in_a_circle() {
    let rooms = table(include_str!("../../../src/lib.rs"));
    let arrows = rooms.iter().flat_map(|(from, list)| {
        list.iter().map(|to| Arrow { from: vec![from.clone()], to: vec![to.clone()] })
    });
    let found = circles(&arrows.collect::<Vec<_>>());
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let found = circles(&house().arrows());
    assert!(found.is_empty(), "{found:#?}");
}

const LIB: (&str, &str) = ("lib.rs", "pub mod a; pub mod b;");

fn arrows(texts: &[(&str, &str)]) -> Vec<String> {
    let arrows = Tree::of(texts).arrows();
    arrows
        .iter()
        .map(|Arrow { from, to }| format!("{} {}", from.join("/"), to.join("/")))
        .collect()
}

#[test]
fn every_way_to_name_another_room_is_an_arrow() {
    for text in [
        "use crate::b::Thing;",
        "use crate::{b, b::Thing};",
        "use super::b::{self, Thing as Other};",
        "use crate::b::*;",
        "pub fn f() -> crate::b::Thing { todo() }",
        "mod tests { use super::super::b::Thing; }",
        "macro_rules! m { () => { $crate::b::f() } }",
        "/* { */ const C: char = '{'; const S: &str = r#\"}\"#; fn f<'a>() { super::b::f() }",
    ] {
        assert_eq!(arrows(&[LIB, ("a.rs", text), ("b.rs", "")]), ["a b"], "{text}");
    }
    for text in
        ["// use crate::b::Thing;", "/// [`crate::b`]", "const S: &str = \"crate::b::f\";"]
    {
        assert!(arrows(&[LIB, ("a.rs", text), ("b.rs", "")]).is_empty(), "{text}");
    }
}

#[test]
fn what_a_folder_lends_comes_from_the_file_that_has_it() {
    let head = ("a/mod.rs", "mod one; mod two; pub use one::Thing; pub struct Own;");
    let two = |text| arrows(&[LIB, head, ("a/one.rs", ""), ("a/two.rs", text)]);
    assert_eq!(two("use super::Thing;"), ["a a/one", "a/two a/one"]);
    assert_eq!(two("use super::Own;"), ["a a/one", "a/two a"]);
    let circle =
        [LIB, head, ("a/one.rs", "use super::two;"), ("a/two.rs", "use super::Thing;")];
    let found = circles(&Tree::of(&circle).arrows());
    assert_eq!(found.into_iter().collect::<Vec<_>>(), [["a/one", "a/two"]]);
    let heads = [LIB, head, ("a/one.rs", "use super::Own;")];
    assert!(circles(&Tree::of(&heads).arrows()).is_empty());
}

#[test]
fn a_module_that_names_its_file_is_that_file() {
    let head =
        "#[path = \"x.rs\"]\npub(super) mod system; #[path = \"y.rs\"] mod system; mod two;";
    let texts = [
        ("a/mod.rs", head),
        ("a/x.rs", ""),
        ("a/y.rs", ""),
        ("a/two.rs", "use super::system::f;"),
    ];
    assert_eq!(arrows(&texts), ["a/two a/x", "a/two a/y"]);
}
