//! Reads TOML into nodes.

use super::{
    lines::Lines,
    mistake::SyntaxMistake,
    node::{Entry, Node, NodeValue},
};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

/// Reads a text; every syntax error is reported with line and column, none with the text around it.
pub(crate) fn read(text: &str) -> Result<Node, Vec<SyntaxMistake>> {
    let lines = Lines::of(text);
    let (table, errors) = DeTable::parse_recoverable(text);
    if errors.is_empty() {
        return Ok(Node { line: 1, value: table_value(table.into_inner(), &lines) });
    }
    Err(errors
        .iter()
        .map(|error| {
            let (line, column) = lines.position(error.span().map_or(0, |span| span.start));
            SyntaxMistake { line, column, message: error.message().replace('\n', ", ") }
        })
        .collect())
}

fn table_value(table: DeTable<'_>, lines: &Lines<'_>) -> NodeValue {
    let entry = |(name, value): (Spanned<std::borrow::Cow<'_, str>>, Spanned<DeValue<'_>>)| {
        let name_line = lines.position(name.span().start).0;
        (name.into_inner().into_owned(), Entry { name_line, node: node(value, lines) })
    };
    NodeValue::Table(table.into_iter().map(entry).collect())
}

fn node(value: Spanned<DeValue<'_>>, lines: &Lines<'_>) -> Node {
    let line = lines.position(value.span().start).0;
    let value = match value.into_inner() {
        DeValue::String(text) => NodeValue::Text(text.into_owned()),
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => NodeValue::Integer(number),
            Err(_) => NodeValue::Foreign("a number out of range"),
        },
        DeValue::Float(number) => match number.as_str().parse() {
            Ok(number) => NodeValue::Float(number),
            Err(_) => NodeValue::Foreign("a number out of range"),
        },
        DeValue::Boolean(value) => NodeValue::Bool(value),
        DeValue::Datetime(_) => NodeValue::Foreign("a date"),
        DeValue::Array(list) => NodeValue::List(list.into_iter().map(|item| node(item, lines)).collect()),
        DeValue::Table(table) => table_value(table, lines),
    };
    Node { line, value }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn syntax_errors_have_line_and_column_and_never_the_text() {
        let text = "[cluster]\nsecret = \"5ec5ec5ec\npeername = \n";
        let Err(mistakes) = read(text) else { panic!("accepted") };
        assert_eq!((mistakes[0].line, mistakes[0].column), (2, 20), "{mistakes:?}");
        assert!(mistakes.iter().any(|m| m.line == 3), "{mistakes:?}");
        assert!(!format!("{mistakes:?}").contains("5ec5"), "{mistakes:?}");
    }
}
