//! The figures, as a table for people and as JSON.

use std::fmt::Write as _;
use std::time::Duration;

/// One figure.
struct Figure {
    row: &'static str,
    what: String,
    value: f64,
    unit: &'static str,
    /// How it is made up, and what went with it.
    note: String,
}

/// All that was measured, and on what.
#[derive(Default)]
pub struct Report {
    machine: Vec<(&'static str, String)>,
    row: &'static str,
    figures: Vec<Figure>,
}

impl Report {
    /// Adds a fact about the machine or the run.
    pub fn machine(&mut self, name: &'static str, value: impl Into<String>) {
        self.machine.push((name, value.into()));
    }

    /// The figures from now on belong to this row.
    pub fn begin(&mut self, row: &'static str) {
        self.row = row;
    }

    pub fn add(
        &mut self,
        what: impl Into<String>,
        value: f64,
        unit: &'static str,
        note: impl Into<String>,
    ) {
        let figure =
            Figure { row: self.row, what: what.into(), value, unit, note: note.into() };
        self.figures.push(figure);
    }

    /// Adds the median of some times; the note gives the others.
    pub fn times(&mut self, what: impl Into<String>, mut times: Vec<Duration>, note: &str) {
        if times.is_empty() {
            return self.add(what, f64::NAN, "ms", format!("none; {note}"));
        }
        times.sort_unstable();
        let at = |share: usize| millis(times[(times.len() - 1) * share / 100]);
        let note = format!("p95 {:.2}, max {:.2}, of {}; {note}", at(95), at(100), times.len());
        self.add(what, at(50), "ms median", note.trim_end_matches("; "));
    }

    pub fn table(&self) -> String {
        let mut text = String::new();
        for (name, value) in &self.machine {
            writeln!(text, "{name:8} {value}").unwrap();
        }
        let width = self.figures.iter().map(|figure| figure.what.len()).max().unwrap_or(0);
        let mut row = "";
        for Figure { row: own, what, value, unit, note } in &self.figures {
            let name = if *own == row { "" } else { own };
            row = own;
            writeln!(text, "{name:12} {what:width$} {value:9.3} {unit:14} {note}").unwrap();
        }
        text
    }

    pub fn json(&self) -> String {
        let mut text = String::from("{\n");
        for (name, value) in &self.machine {
            writeln!(text, "  {}: {},", quoted(name), quoted(value)).unwrap();
        }
        text += "  \"figures\": [";
        for (number, figure) in self.figures.iter().enumerate() {
            let separator = if number == 0 { "" } else { "," };
            let Figure { row, what, value, unit, note } = figure;
            let value = if value.is_finite() { value.to_string() } else { "null".into() };
            write!(
                text,
                "{separator}\n    {{\"row\": {}, \"what\": {}, \"value\": {value}, \
                 \"unit\": {}, \"note\": {}}}",
                quoted(row),
                quoted(what),
                quoted(unit),
                quoted(note),
            )
            .unwrap();
        }
        text + "\n  ]\n}\n"
    }
}

pub fn millis(span: Duration) -> f64 {
    span.as_secs_f64() * 1_000.0
}

/// A string of JSON.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            control if control < ' ' => {
                write!(quoted, "\\u{:04x}", u32::from(control)).unwrap()
            }
            other => quoted.push(other),
        }
    }
    quoted + "\""
}
