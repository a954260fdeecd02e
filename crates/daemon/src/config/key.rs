//! One configuration key and one section of them: the rows of the table in `keys`.

use super::node::{Node, NodeValue};
use serde_json::{Map, Value};

/// A section of the file: one component.
pub(crate) struct Section {
    /// Dotted path of the table (`api.restapi`).
    pub(crate) path: &'static str,
    /// What the names of its environment variables begin with (api §5.6).
    pub(crate) env: &'static str,
    /// Whether the component runs only when the section is there (api §5.3).
    pub(crate) optional: bool,
    /// What the component is for: the comment over the section.
    pub(crate) doc: &'static str,
    /// Its keys in writing order; keys of sub-tables come last.
    pub(crate) keys: &'static [Key],
}

/// A key of a section.
pub(crate) struct Key {
    /// Name inside the section; a dot goes into a sub-table.
    pub(crate) name: &'static str,
    /// The rest of the environment variable's name, after the section's prefix and an underscore.
    pub(crate) env: &'static str,
    /// What it takes.
    pub(crate) kind: Kind,
    /// Whether it is written only when it differs from its default.
    pub(crate) hidden: bool,
    /// What it is for: the comment over it.
    pub(crate) doc: &'static str,
}

/// What a key takes, in the shape of the file and of a variable. Whether the text makes sense is judged later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Bool,
    Integer,
    Float,
    Text,
    Duration,
    Size,
    Multiaddr,
    Multiaddrs,
    PeerId,
    Texts,
    Map,
    ListMap,
    Secret,
    SecretMap,
}

impl Key {
    /// Makes a row.
    pub(crate) const fn new(name: &'static str, env: &'static str, kind: Kind, doc: &'static str) -> Self {
        Self { name, env, kind, hidden: false, doc }
    }

    /// Makes a row of a key that is written only when it differs from its default.
    pub(crate) const fn hidden(name: &'static str, env: &'static str, kind: Kind, doc: &'static str) -> Self {
        Self { name, env, kind, hidden: true, doc }
    }
}

impl Kind {
    /// Says whether a value must never be shown.
    pub(crate) fn is_secret(self) -> bool {
        matches!(self, Self::Secret | Self::SecretMap)
    }

    /// Says what would be right.
    pub(crate) fn expected(self) -> &'static str {
        match self {
            Self::Bool => "true or false",
            Self::Integer => "a whole number",
            Self::Float => "a number",
            Self::Text => "a text",
            Self::Duration => "a duration such as \"5m0s\" or \"200ms\"",
            Self::Size => "a size such as \"96MiB\"",
            Self::Multiaddr => "a multiaddress such as \"/ip4/127.0.0.1/tcp/5001\"",
            Self::Multiaddrs => "a multiaddress such as \"/ip4/127.0.0.1/tcp/9094\", or a list of them",
            Self::PeerId => "a peer ID such as \"12D3KooW…\"",
            Self::Texts => "a list of texts",
            Self::Map => "a table of texts such as { name = \"value\" }",
            Self::ListMap => "a table of lists such as { Name = [\"value\"] }",
            Self::Secret => "a secret in text form",
            Self::SecretMap => "a table of passwords such as { user = \"password\" }",
        }
    }

    /// Brings a value of a file into the shape of the raw structs; `None` when it cannot be.
    pub(crate) fn shape(self, node: &Node) -> Option<Value> {
        match (self, &node.value) {
            (Self::Bool, NodeValue::Bool(value)) => Some(Value::from(*value)),
            (Self::Integer, NodeValue::Integer(value)) => Some(Value::from(*value)),
            (Self::Float, NodeValue::Float(value)) => Some(Value::from(*value)),
            #[expect(clippy::cast_precision_loss, reason = "a probability or ratio: whole numbers are small")]
            (Self::Float, NodeValue::Integer(value)) => Some(Value::from(*value as f64)),
            (
                Self::Text | Self::Duration | Self::Size | Self::Multiaddr | Self::PeerId | Self::Secret,
                NodeValue::Text(value),
            ) => Some(Value::from(value.as_str())),
            (Self::Multiaddrs, NodeValue::Text(value)) if value.is_empty() => Some(Value::Array(Vec::new())),
            (Self::Multiaddrs, NodeValue::Text(value)) => Some(Value::from(vec![value.as_str()])),
            (Self::Multiaddrs | Self::Texts, NodeValue::List(items)) => texts(items),
            (Self::Map | Self::SecretMap, NodeValue::Table(entries)) => entries
                .iter()
                .map(|(name, entry)| Some((name.clone(), Self::Text.shape(&entry.node)?)))
                .collect::<Option<Map<_, _>>>()
                .map(Value::Object),
            (Self::ListMap, NodeValue::Table(entries)) => entries
                .iter()
                .map(|(name, entry)| Some((name.clone(), Self::Multiaddrs.shape(&entry.node)?)))
                .collect::<Option<Map<_, _>>>()
                .map(Value::Object),
            _ => None,
        }
    }

    /// Brings the text of a variable into the shape of the raw structs (api §5.6); `None` when it cannot be.
    pub(crate) fn read_variable(self, text: &str) -> Option<Value> {
        match self {
            Self::Bool => match text.trim() {
                "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(Value::from(true)),
                "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(Value::from(false)),
                _ => None,
            },
            Self::Integer => text.trim().parse::<i64>().ok().map(Value::from),
            Self::Float => text.trim().parse::<f64>().ok().filter(|n| n.is_finite()).map(Value::from),
            Self::Text | Self::Duration | Self::Size | Self::Multiaddr | Self::PeerId | Self::Secret => {
                Some(Value::from(text))
            }
            Self::Multiaddrs | Self::Texts => Some(parts(text).map(Value::from).collect()),
            Self::Map | Self::SecretMap => parts(text)
                .map(|pair| pair.split_once(':').map(|(k, v)| (k.to_owned(), Value::from(v))))
                .collect::<Option<Map<_, _>>>()
                .map(Value::Object),
            Self::ListMap => {
                let mut lists = Map::new();
                for pair in parts(text) {
                    let (name, value) = pair.split_once(':')?;
                    let list = lists.entry(name).or_insert_with(|| Value::Array(Vec::new()));
                    list.as_array_mut()?.push(Value::from(value));
                }
                Some(Value::Object(lists))
            }
        }
    }
}

/// Splits a comma separated list; an empty text is an empty list.
fn parts(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty())
}

fn texts(items: &[Node]) -> Option<Value> {
    items.iter().map(|item| Kind::Text.shape(item)).collect::<Option<Vec<_>>>().map(Value::Array)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn variables_take_the_shape_of_their_kind() {
        assert_eq!(Kind::Bool.read_variable("T"), Some(json!(true)));
        assert_eq!(Kind::Bool.read_variable("yes"), None);
        assert_eq!(Kind::Bool.read_variable(""), None);
        assert_eq!(Kind::Integer.read_variable("-1"), Some(json!(-1)));
        assert_eq!(Kind::Integer.read_variable("1.5"), None);
        assert_eq!(Kind::Texts.read_variable("a, b,"), Some(json!(["a", "b"])));
        assert_eq!(Kind::Texts.read_variable(""), Some(json!([])));
        assert_eq!(Kind::Map.read_variable("k:v,k2:v:2"), Some(json!({"k": "v", "k2": "v:2"})));
        assert_eq!(Kind::Map.read_variable(""), Some(json!({})));
        assert_eq!(Kind::Map.read_variable("k"), None);
        assert_eq!(Kind::ListMap.read_variable("A:1,A:2,B:3"), Some(json!({"A": ["1", "2"], "B": ["3"]})));
    }
}
