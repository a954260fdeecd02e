//! A configuration file as read, before anything is known about its keys.
//!
//! Readers of a notation (TOML, JSON) end here, so that every rule about keys stands once.

use std::collections::BTreeMap;

/// A value with the line it stands on.
pub(crate) struct Node {
    /// Line, from 1.
    pub(crate) line: usize,
    /// What stands there.
    pub(crate) value: NodeValue,
}

/// The values notations know.
pub(crate) enum NodeValue {
    Bool(bool),
    Integer(i64),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    Table(BTreeMap<String, Entry>),
    /// Something no key takes (a date, a number out of range); named for the report.
    Foreign(&'static str),
}

/// A named value of a table, with the line of its name.
pub(crate) struct Entry {
    pub(crate) name_line: usize,
    pub(crate) node: Node,
}

impl Node {
    /// Says what was found, without its value when that may be a secret.
    pub(crate) fn describe(&self, hide: bool) -> String {
        match &self.value {
            NodeValue::Bool(_) | NodeValue::Integer(_) | NodeValue::Float(_) if hide => {
                "a value that is not a text".to_owned()
            }
            NodeValue::Text(_) if hide => "a text (not shown)".to_owned(),
            NodeValue::Bool(value) => value.to_string(),
            NodeValue::Integer(value) => format!("the number {value}"),
            NodeValue::Float(value) => format!("the number {value}"),
            NodeValue::Text(value) => quote(value),
            NodeValue::List(_) => "a list".to_owned(),
            NodeValue::Table(_) => "a table".to_owned(),
            NodeValue::Foreign(name) => (*name).to_owned(),
        }
    }
}

/// Quotes a value for a report: one line, control characters escaped, cut to a length that fits one.
pub(crate) fn quote(value: &str) -> String {
    const SHOWN: usize = 80;
    let mut shown: String = value.chars().take(SHOWN).collect();
    if shown.len() < value.len() {
        shown.push('…');
    }
    format!("{shown:?}")
}
