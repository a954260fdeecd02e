//! Writes a configuration as the Go suite's `service.json` (api §6.1).

use super::{
    Config,
    key::{Key, Kind},
    keys,
    raw::RawConfig,
};
use serde_json::Value;
use zeroize::Zeroizing;

/// A table: its values, then the tables in it, in the order they are written in.
#[derive(Default)]
struct Table {
    values: Vec<(String, Value)>,
    tables: Vec<(String, Table)>,
}

/// Writes all sections that are there; keys marked hidden only where they differ from their defaults. Of the store
/// only the section of the one named is written, since the Go suite wants exactly one: what is in it is up to Go. The
/// text holds the secrets.
pub(super) fn write(config: &Config, defaults: &RawConfig, datastore: &str) -> Zeroizing<String> {
    let tree = |raw: &RawConfig| serde_json::to_value(raw).unwrap_or_default();
    let (values, defaults) = (tree(&config.to_raw()), tree(defaults));
    let mut root = Table::default();
    let store = format!("datastore.{datastore}");
    for section in keys::SECTIONS {
        let Some(values) = at(&values, section.path).filter(|section| section.is_object()) else { continue };
        let defaults = at(&defaults, section.path);
        if section.path.starts_with("datastore.") && section.path != store && defaults == Some(values) {
            continue;
        }
        for key in section.keys {
            let value = at(values, key.name).unwrap_or(&Value::Null);
            let default = defaults.and_then(|section| at(section, key.name));
            if key.hidden && (value.is_null() || Some(value) == default || is_empty(value)) {
                continue;
            }
            let path = keys::path(section, key);
            let (table, name) = path.rsplit_once('.').unwrap_or(("", &path));
            root.table(table).values.push((name.to_owned(), shape(value, key)));
        }
    }
    root.table(&store);
    let mut text = Zeroizing::new(String::new());
    root.print(1, &mut text);
    text
}

impl Table {
    /// Finds a table by its dotted path, making what is missing on the way.
    fn table(&mut self, path: &str) -> &mut Self {
        let Some((first, rest)) = path.split_once('.').or((!path.is_empty()).then_some((path, ""))) else {
            return self;
        };
        let place = self.tables.iter().position(|(name, _)| name == first).unwrap_or_else(|| {
            self.tables.push((first.to_owned(), Self::default()));
            self.tables.len() - 1
        });
        self.tables[place].1.table(rest)
    }

    fn print(&self, depth: usize, text: &mut String) {
        let indent = "  ".repeat(depth);
        let mut separator = '{';
        let mut name_next = |name: &str, text: &mut String| {
            text.push(separator);
            separator = ',';
            text.push_str(&format!("\n{indent}{}: ", Value::from(name)));
        };
        for (name, value) in &self.values {
            name_next(name, text);
            let shown = Zeroizing::new(format!("{value:#}"));
            text.push_str(&shown.replace('\n', &format!("\n{indent}")));
        }
        for (name, table) in &self.tables {
            name_next(name, text);
            table.print(depth + 1, text);
        }
        if self.values.is_empty() && self.tables.is_empty() {
            text.push_str("{}");
        } else {
            text.push_str(&format!("\n{}}}", "  ".repeat(depth - 1)));
        }
    }
}

/// Brings a value into the shape Go reads: one address is a text, any other number of them a list, but for the one
/// key of which Go takes nothing but a list.
fn shape(value: &Value, key: &Key) -> Value {
    match (value, key.kind) {
        (Value::Array(items), Kind::Multiaddrs) if items.len() == 1 && key.name != "peer_addresses" => {
            items[0].clone()
        }
        (Value::Null, Kind::Secret) => Value::from(""),
        (other, _) => other.clone(),
    }
}

fn is_empty(value: &Value) -> bool {
    value.as_str() == Some("") || value.as_array().is_some_and(Vec::is_empty)
}

fn at<'a>(tree: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(tree, |tree, name| tree.get(name))
}
