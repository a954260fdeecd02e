//! Many changes in one request. Not in the Go suite.

use crate::{CidText, PinOptions, json};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What one line of a bulk request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BulkAction {
    /// Add or replace a pin.
    #[default]
    Pin,
    /// Remove one.
    Unpin,
}

/// One line of a bulk request.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct BulkChange {
    /// What shall happen.
    pub op: BulkAction,
    /// To what.
    pub cid: CidText,
    /// Options of a pin; of a removal they must be missing.
    #[serde(flatten)]
    pub options: PinOptions,
    /// How long the pin shall live from now on, as `expire-in` has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expire_in: Option<String>,
    /// Only when the pin has this tag, as `ETag` has it, without quotation marks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub if_match: Option<String>,
    /// Only when there is no such pin.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub if_absent: bool,
    /// As the header `Idempotency-Key` of a single request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
}

/// Keys of a change, and those of a pin's options beside them.
const KEYS: [&str; 6] = ["op", "cid", "expire_in", "if_match", "if_absent", "idempotency_key"];
const OPTION_KEYS: [&str; 10] = [
    "replication_factor_min",
    "replication_factor_max",
    "name",
    "mode",
    "shard_size",
    "user_allocations",
    "expire_at",
    "metadata",
    "pin_update",
    "origins",
];

/// Why a line of a bulk request cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum BulkLineError {
    /// It is no JSON object, or a value has a wrong type.
    #[error("the line is no JSON object of a change: {0}")]
    Json(#[from] serde_json::Error),
    /// A key that means nothing: very likely a mistyped one.
    #[error("the line has an unknown key \"{key}\"")]
    UnknownKey {
        /// The key.
        key: String,
    },
    /// A removal has options.
    #[error("a removal has no \"{key}\"")]
    OptionOfRemoval {
        /// The option.
        key: String,
    },
}

impl BulkChange {
    /// Writes the line; that of a removal has no options.
    ///
    /// # Errors
    /// Never, unless a text cannot be JSON.
    pub fn to_line(&self, line: &mut Vec<u8>) -> Result<(), serde_json::Error> {
        if self.op == BulkAction::Pin {
            return json::to_line(self, line);
        }
        let mut value = serde_json::to_value(self)?;
        if let Value::Object(object) = &mut value {
            object.retain(|key, _| !OPTION_KEYS.contains(&key.as_str()) && key != "expire_in");
        }
        json::to_line(&value, line)
    }

    /// Reads a line. Unlike elsewhere unknown keys are errors: no older client sends such lines.
    ///
    /// # Errors
    /// When the line is no object of a change.
    pub fn parse(line: &[u8]) -> Result<Self, BulkLineError> {
        let object: Map<String, Value> = serde_json::from_slice(line)?;
        let unknown = |key: &&String| !KEYS.contains(&key.as_str()) && !OPTION_KEYS.contains(&key.as_str());
        if let Some(key) = object.keys().find(unknown) {
            return Err(BulkLineError::UnknownKey { key: key.clone() });
        }
        let option =
            object.keys().find(|key| OPTION_KEYS.contains(&key.as_str()) || *key == "expire_in").cloned();
        let change: Self = serde_json::from_value(Value::Object(object))?;
        match option {
            Some(key) if change.op == BulkAction::Unpin => Err(BulkLineError::OptionOfRemoval { key }),
            _ => Ok(change),
        }
    }
}

/// What became of one line of a bulk request.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct BulkOutcome {
    /// Number of the line, from 1; empty lines count.
    pub line: u64,
    /// The CID, as the line has it.
    pub cid: CidText,
    /// What the status of a single request would have been: 200 when it was done.
    pub code: u16,
    /// What went wrong.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub error: String,
    /// The tag of a pin that was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(line: &str) -> String {
        BulkChange::parse(line.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn lines_are_read_strictly() {
        let change = BulkChange::parse(br#"{"cid":"bafkqaaa","name":"a","if_absent":true}"#).unwrap();
        assert_eq!((change.op, change.cid.as_str(), change.if_absent), (BulkAction::Pin, "bafkqaaa", true));
        assert_eq!(change.options.name, "a");
        let removal = BulkChange::parse(br#"{"op":"unpin","cid":"bafkqaaa","if_match":"00"}"#).unwrap();
        assert_eq!((removal.op, removal.if_match.as_deref()), (BulkAction::Unpin, Some("00")));
        assert!(error("[]").starts_with("the line is no JSON object of a change: "));
        assert!(error(r#"{"cid":7}"#).starts_with("the line is no JSON object of a change: "));
        assert!(error(r#"{"op":"add","cid":"bafkqaaa"}"#).contains("unknown variant"));
        assert_eq!(error(r#"{"cid":"bafkqaaa","nmae":"a"}"#), "the line has an unknown key \"nmae\"");
        assert_eq!(error(r#"{"op":"unpin","cid":"bafkqaaa","name":"a"}"#), "a removal has no \"name\"");
    }

    #[test]
    fn what_is_written_is_read() {
        let pin = BulkChange { cid: "bafkqaaa".into(), if_absent: true, ..BulkChange::default() };
        let removal = BulkChange { op: BulkAction::Unpin, if_match: Some("00".to_owned()), ..pin.clone() };
        for change in [pin, removal] {
            let mut line = Vec::new();
            change.to_line(&mut line).unwrap();
            assert_eq!(BulkChange::parse(&line).unwrap(), change, "{}", String::from_utf8_lossy(&line));
        }
    }

    #[test]
    fn every_option_is_a_known_key() {
        let Value::Object(options) = serde_json::to_value(PinOptions::default()).unwrap() else { panic!() };
        assert!(options.keys().all(|key| OPTION_KEYS.contains(&key.as_str())));
        assert_eq!(options.len(), OPTION_KEYS.len());
    }
}
