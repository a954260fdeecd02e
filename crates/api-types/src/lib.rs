//! Wire structs of the REST API with the JSON of the reference (api §2): field order, `null` against `[]`, times
//! and HTML escaping are byte-equal to what Go's `encoding/json` writes.
//!
//! Decoding is lenient where the reference is: unknown keys are ignored, missing ones take zero values, `null` is
//! accepted for lists and maps. [`json`] holds the writers; [`convert`] the way to and from the domain's types.

pub mod convert;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
pub mod json;

mod added;
mod bandwidth;
mod bulk;
mod crdt_health;
mod error;
mod event;
mod graph;
mod id;
mod metric;
mod names;
mod peer_address;
mod peer_id;
mod pin;
mod pin_options;
mod query;
mod raft_health;
mod repo;
mod status;
mod text;
mod text_cache;
mod timestamp;
mod token;
mod totals;
mod version;

pub use added::AddedOutput;
pub use bandwidth::{Bandwidth, BandwidthByProtocol};
pub use bulk::{BulkAction, BulkChange, BulkLineError, BulkOutcome};
pub use cluster_core as core;
pub use convert::{ConvertError, ConvertProblem};
pub use crdt_health::CrdtHealth;
pub use error::Error;
pub use event::Event;
pub use graph::ConnectGraph;
pub use id::{Id, IpfsId};
pub use metric::{Alert, Metric};
pub use peer_address::{PeerAddress, PeerAddressError};
pub use peer_id::{NotAPeerId, parse_peer_id};
pub use pin::{IpfsPinInfo, Pin, PinPath};
pub use pin_options::PinOptions;
pub use raft_health::{RaftHealth, RaftMember};
pub use repo::{GlobalRepoGc, IpfsRepoGc, RepoGc, RepoStat};
pub use status::{GlobalPinInfo, PinInfo, PinInfoShort};
pub use text::{AddrText, CidText, PeerText};
pub use text_cache::TextCache;
pub use timestamp::{Timestamp, TimestampError};
pub use token::{PeerAddBody, Token};
pub use totals::Totals;
pub use version::Version;
