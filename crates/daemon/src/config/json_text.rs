//! Reads JSON into nodes.

use super::{
    lines::Lines,
    mistake::SyntaxMistake,
    node::{Entry, Node, NodeValue},
};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// Tables and lists within each other; known keys need six.
const MAX_DEPTH: usize = 32;

/// Reads a text; a syntax error is reported with line and column and never with the text around it. A key that is
/// `null` counts as left out, and of two with one name the last one counts, as in Go.
pub(crate) fn read(text: &str) -> Result<Node, Vec<SyntaxMistake>> {
    let lines = Lines::of(text);
    let root: &RawValue = serde_json::from_str(text).map_err(|error| {
        let shown = error.to_string();
        let message = shown.split(" at line ").next().unwrap_or_default().to_owned();
        vec![SyntaxMistake { line: error.line(), column: error.column(), message }]
    })?;
    Ok(node(root, &Source { text, lines }, 0))
}

/// The whole text, to find places in it.
struct Source<'a> {
    text: &'a str,
    lines: Lines<'a>,
}

impl Source<'_> {
    fn line_of(&self, part: &RawValue) -> usize {
        // Every part borrows from the text.
        let byte = part.get().as_ptr().addr().saturating_sub(self.text.as_ptr().addr());
        self.lines.position(byte).0
    }
}

fn node(part: &RawValue, source: &Source<'_>, depth: usize) -> Node {
    let line = source.line_of(part);
    let value = value(part, source, depth).unwrap_or(NodeValue::Foreign("a text that is not Unicode"));
    Node { line, value }
}

/// Reads a value whose syntax is known to be right; `None` when a text in it stands for no characters.
fn value(part: &RawValue, source: &Source<'_>, depth: usize) -> Option<NodeValue> {
    Some(match part.get().as_bytes().first()? {
        b'{' | b'[' if depth == MAX_DEPTH => NodeValue::Foreign("a value that is nested too deeply"),
        b'{' => {
            let entries: BTreeMap<String, &RawValue> = parse(part)?;
            let named = entries.into_iter().filter(|(_, part)| part.get() != "null").map(|(name, part)| {
                let node = node(part, source, depth + 1);
                (name, Entry { name_line: node.line, node })
            });
            NodeValue::Table(named.collect())
        }
        b'[' => {
            let items: Vec<&RawValue> = parse(part)?;
            NodeValue::List(items.into_iter().map(|item| node(item, source, depth + 1)).collect())
        }
        b'"' => NodeValue::Text(parse(part)?),
        b't' | b'f' => NodeValue::Bool(parse(part)?),
        b'n' => NodeValue::Foreign("null"),
        _ => match (parse::<i64>(part), parse::<f64>(part)) {
            (Some(number), _) => NodeValue::Integer(number),
            (None, Some(number)) => NodeValue::Float(number),
            (None, None) => NodeValue::Foreign("a number out of range"),
        },
    })
}

fn parse<'a, T: Deserialize<'a>>(part: &'a RawValue) -> Option<T> {
    serde_json::from_str(part.get()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_with_their_lines() {
        let text = "{\n \"a\": {\n  \"b\": [1, 2.5,\n   \"x\"], \"gone\": null\n },\n \"c\": true, \"c\": false, \"d\": 1e999\n}";
        let Ok(Node { line: 1, value: NodeValue::Table(root) }) = read(text) else { panic!() };
        assert_eq!(root.keys().collect::<Vec<_>>(), ["a", "c", "d"]);
        let NodeValue::Table(a) = &root["a"].node.value else { panic!() };
        assert_eq!((root["a"].name_line, a["b"].name_line, a.len()), (2, 3, 1));
        let NodeValue::List(items) = &a["b"].node.value else { panic!() };
        assert!(
            matches!(items[0].value, NodeValue::Integer(1)) && matches!(items[1].value, NodeValue::Float(_))
        );
        assert_eq!((items[1].line, items[2].line), (3, 4));
        assert!(matches!(root["c"].node.value, NodeValue::Bool(false)));
        assert!(matches!(root["d"].node.value, NodeValue::Foreign(_)));
    }

    #[test]
    fn syntax_errors_have_line_and_column_and_never_the_text() {
        let Err(mistakes) = read("{\n \"secret\": \"5ec5ec5ec5\",,\n}") else { panic!("accepted") };
        assert_eq!((mistakes[0].line, mistakes[0].column), (2, 25), "{mistakes:?}");
        assert!(!format!("{mistakes:?}").contains("5ec5"), "{mistakes:?}");
        assert!(read("{\"secret\": \"5ec5ec5ec5\"").is_err_and(|m| !format!("{m:?}").contains("5ec5")));
        assert!(read("").is_err());
    }

    #[test]
    fn depth_and_wrong_texts_harm_nobody() {
        let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(read(&deep).is_ok());
        let Ok(Node { value: NodeValue::List(items), .. }) = read("[\"\\ud800\"]") else { panic!() };
        assert!(matches!(items[0].value, NodeValue::Foreign(_)));
    }
}
