//! The use cases of one peer: pin, unpin, status, recover; the tracker's worker that keeps the IPFS daemon in step
//! with the pinset; and the metrics that peers tell of themselves, with alerts about those that fall silent.

mod expiry;
mod gather;
mod informers;
mod ipfs_swarms;
mod ipfs_watch;
mod metrics_board;
mod monitor_worker;
mod pages;
mod peer;
mod ping_value;
mod status;
mod tracker_worker;
mod trust_watch;
mod turns;

pub use expiry::Expiry;
pub use informers::{
    DiskInformer, DiskMetric, Informers, InformersConfig, InformersParts, InformersWorker, PinqueueInformer,
    TagsInformer,
};
pub use ipfs_swarms::IpfsSwarms;
pub use ipfs_watch::IpfsWatch;
pub use metrics_board::MetricsBoard;
pub use monitor_worker::MonitorWorker;
pub use peer::{Peer, PeerConfig, PeerParts, PlaceOn, count};
pub use ping_value::PingValue;
pub use status::CheckMemory;
pub use tracker_worker::{TrackerParts, TrackerPort, TrackerWorker};
pub use trust_watch::TrustWatch;
