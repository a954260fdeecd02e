//! Writes a configuration as a commented `service.toml`.

use super::{Config, key::Kind, keys, raw::RawConfig};
use serde_json::Value;
use zeroize::Zeroizing;

const HEADING: &str = "\
# Configuration of this cluster peer. A missing key has its default; a section marked so may be left out.
# An environment variable overrides a key: CLUSTER_RESTAPI_READTIMEOUT is read_timeout below [api.restapi].
# Durations read 5m0s, 1h30m or 200ms; addresses are multiaddresses, one as a text or several as a list.
";

/// Writes all sections that are there; keys marked hidden only where they differ from their defaults. The text
/// holds the secrets.
pub(super) fn write(config: &Config, defaults: &RawConfig) -> Zeroizing<String> {
    let tree = |raw: &RawConfig| serde_json::to_value(raw).unwrap_or_default();
    let (values, defaults) = (tree(&config.to_raw()), tree(defaults));
    let mut text = Zeroizing::new(HEADING.to_owned());
    for section in keys::SECTIONS {
        let Some(values) = at(&values, section.path).filter(|section| section.is_object()) else { continue };
        text.push_str(&format!("\n# {}\n[{}]\n", section.doc, section.path));
        let mut group = "";
        for key in section.keys {
            let value = at(values, key.name).unwrap_or(&Value::Null);
            let default = at(&defaults, section.path).and_then(|section| at(section, key.name));
            if key.hidden && (value.is_null() || Some(value) == default || is_empty(value)) {
                continue;
            }
            let (parent, name) = key.name.rsplit_once('.').unwrap_or(("", key.name));
            if parent != group {
                text.push_str(&format!("\n[{}.{parent}]\n", section.path));
                group = parent;
            }
            for line in key.doc.lines() {
                text.push_str(&format!("# {line}\n"));
            }
            match (value, key.kind) {
                (Value::Null, Kind::SecretMap) => {
                    text.push_str(&format!("# {name} = {{ user = \"password\" }}\n"))
                }
                (Value::Null, _) => text.push_str(&format!("# {name} = \"\"\n")),
                (value, kind) => {
                    let shown = Zeroizing::new(show(value, kind));
                    text.push_str(&format!("{name} = {}\n", *shown));
                }
            }
        }
    }
    text
}

fn is_empty(value: &Value) -> bool {
    value.as_str() == Some("") || value.as_array().is_some_and(Vec::is_empty)
}

pub(super) fn at<'a>(tree: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(tree, |tree, name| tree.get(name))
}

/// Prints a value in one line.
pub(super) fn show(value: &Value, kind: Kind) -> String {
    match (value, kind) {
        // One address is written as a text, any other number of them as a list (api §6.1).
        (Value::Array(items), Kind::Multiaddrs) if items.len() == 1 => show(&items[0], Kind::Multiaddr),
        (Value::Array(items), _) => {
            let items: Vec<String> = items.iter().map(|item| show(item, Kind::Text)).collect();
            format!("[{}]", items.join(", "))
        }
        (Value::Object(entries), _) if entries.is_empty() => "{}".to_owned(),
        (Value::Object(entries), _) => {
            let entry = |(name, value): (&String, &Value)| {
                format!("{} = {}", toml::Value::String(name.clone()), show(value, Kind::Texts))
            };
            format!("{{ {} }}", entries.iter().map(entry).collect::<Vec<_>>().join(", "))
        }
        (Value::String(text), _) => toml::Value::String(text.clone()).to_string(),
        (other, _) => other.to_string(),
    }
}
