//! The use cases of one peer: pin, unpin, status, recover, and the tracker's worker that keeps the IPFS daemon
//! in step with the pinset.

mod expiry;
mod gather;
mod ipfs_swarms;
mod ipfs_watch;
mod pages;
mod peer;
mod status;
mod tracker_worker;

pub use expiry::Expiry;
pub use ipfs_swarms::IpfsSwarms;
pub use ipfs_watch::IpfsWatch;
pub use peer::{Peer, PeerConfig, PeerParts, PlaceOn};
pub use status::CheckMemory;
pub use tracker_worker::{TrackerParts, TrackerPort, TrackerWorker};
