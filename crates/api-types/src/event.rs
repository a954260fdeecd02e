//! The stream of changes. Not in the Go suite.

use crate::{CidText, Timestamp};
use cluster_core::{
    pinset::ChangeKind,
    ports::browse_api::{Event as CoreEvent, EventPosition},
};
use serde::{Deserialize, Serialize};

/// One change of the pinset, or of a pin's status on the peer that tells it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Event {
    /// Where to go on after it.
    pub cursor: String,
    /// When it was written; the zero time for `quiet`.
    pub time: Timestamp,
    /// `pinned` (added or replaced), `unpinned` (removed), `status` (another state on this peer), `forgotten` (a removed pin
    /// is unpinned on this peer as well), or `quiet`: nothing happened for a while.
    #[serde(rename = "type")]
    pub kind: String,
    /// Which pin; missing for `quiet`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cid: Option<CidText>,
    /// For `pinned` the tag of the pin's value, as `ETag` has it, without quotation marks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// For `status` the name of the status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
}

impl Event {
    /// Says that nothing happened up to a position.
    pub fn quiet(position: EventPosition) -> Self {
        Self { cursor: position.to_string(), kind: "quiet".to_owned(), ..Self::default() }
    }
}

impl From<&CoreEvent> for Event {
    fn from(event: &CoreEvent) -> Self {
        let (kind, etag, status) = match event.change.kind {
            ChangeKind::Pinned(etag) => ("pinned", Some(etag.to_string()), None),
            ChangeKind::Unpinned => ("unpinned", None, None),
            ChangeKind::Status(state) => ("status", None, Some(state.status().name().to_owned())),
            ChangeKind::Forgotten => ("forgotten", None, None),
        };
        Self {
            cursor: event.position.to_string(),
            time: Timestamp::from(event.time),
            kind: kind.to_owned(),
            cid: Some(CidText::from(&event.change.key.cid())),
            etag,
            status,
        }
    }
}
