//! What command lines print, in a form in which two of them can be compared.

use anyhow::Result;
use serde_json::Value;

/// What differs between any two peers, or any two moments; the last one names whom one asked.
const PASSING: [&str; 4] = ["timestamp", "version", "rpc_protocol_version", "cluster_id"];

/// Returns the lines of a text, in order, without times.
pub fn same_text(text: &str) -> Vec<String> {
    let words = |line: &str| {
        let words: Vec<&str> =
            line.split(' ').map(|word| if is_time(word) { "(time)" } else { word }).collect();
        words.join(" ")
    };
    let mut lines: Vec<String> = text.lines().map(words).collect();
    lines.sort();
    lines
}

/// Returns the objects of a JSON text, one a line, in order, without times and versions. Lists lose their order, which
/// means nothing in any of them; what is empty is left out, since Go says `[]` or `null` for it, depending on which peer
/// answered first.
///
/// # Errors
/// When the text is not JSON.
pub fn same_json(text: &str) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    for value in serde_json::Deserializer::from_str(text).into_iter::<Value>() {
        match settle(value?) {
            Value::Array(values) => lines.extend(values.iter().map(Value::to_string)),
            value => lines.push(value.to_string()),
        }
    }
    lines.sort();
    Ok(lines)
}

fn settle(value: Value) -> Value {
    match value {
        Value::Array(values) => {
            let mut values: Vec<Value> = values.into_iter().map(settle).collect();
            values.sort_by_key(Value::to_string);
            Value::Array(values)
        }
        Value::Object(fields) => fields
            .into_iter()
            .filter(|(name, value)| !PASSING.contains(&name.as_str()) && !is_empty(value))
            .map(|(name, value)| (name, settle(value)))
            .collect(),
        value => value,
    }
}

fn is_empty(value: &Value) -> bool {
    value.is_null() || value.as_array().is_some_and(Vec::is_empty)
}

fn is_time(word: &str) -> bool {
    let bytes = word.as_bytes();
    bytes.len() >= 20 && bytes[..4].iter().all(u8::is_ascii_digit) && bytes[4] == b'-' && bytes[10] == b'T'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_and_time_do_not_count_and_everything_else_does() {
        assert_eq!(
            same_text("b : PINNED | 2026-01-02T03:04:05Z | x\na"),
            same_text("a\nb : PINNED | 2027-01-02T03:04:05Z | x")
        );
        assert_ne!(same_text("b : PINNED"), same_text("b : REMOTE"));
        let one = r#"{"cid":"x","timestamp":"t","l":["a","b"]}{"cid":"y"}"#;
        let other = r#"[{"cid":"y","none":null},{"l":["b","a"],"timestamp":"u","cid":"x"}]"#;
        assert_eq!(same_json(one).unwrap(), same_json(other).unwrap());
        assert_ne!(same_json(one).unwrap(), same_json(r#"{"cid":"x","l":["a"]}{"cid":"y"}"#).unwrap());
    }
}
