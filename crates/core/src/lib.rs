//! Pins, the pinset and its one writer, the pure machines (allocation, monitor, tracker) and every port of the suite.
//!
//! Nothing here performs input or output: no clock, thread, socket or file. Time and randomness come in as
//! arguments, what the world must do comes out as values, and what the machines need to read is a port.

pub mod allocation;
pub mod closest;
pub mod error_kind;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
pub mod go_duration;
pub mod metric;
pub mod monitor;
pub mod mutate;
pub mod pin;
pub mod pinset;
pub mod ports;
pub mod secret;
pub mod status;
pub mod time;
pub mod tracker;
pub mod trust;

pub use cid::Cid;
pub use error_kind::ErrorKind;
pub use libp2p_identity::PeerId;
pub use metric::Metric;
pub use multiaddr::Multiaddr;
pub use pin::{
    Metadata, NotACid, Pin, PinDecodeError, PinDepth, PinKey, PinKind, PinKindFilter, PinMode, PinOptions,
    ReplicationFactors, ReplicationPolicy, parse_cid,
};
pub use secret::ClusterSecret;
pub use status::{StatusFilter, TrackerStatus};
pub use time::{UnixMillis, UnixSeconds};
