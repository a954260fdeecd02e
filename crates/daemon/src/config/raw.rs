//! The raw layer: every key as written, all of them optional, nothing judged yet.
//!
//! One set of structs for all notations: lists and strings-or-lists are lists here, durations and addresses are
//! still text. A reader of another notation fills these, and sets explicitly what its notation means by a
//! missing key (a missing boolean may mean false there, while here it means the default).

mod api;
mod cluster;
mod components;
mod secret_text;

pub(crate) use api::{RawHttpApi, RawProxy};
pub(crate) use cluster::{
    RawBatching, RawCluster, RawConnectionManager, RawCrdt, RawPubsub, RawRaft, RawResourceManager,
};
pub(crate) use components::{
    RawBalanced, RawDisk, RawIpfsHttp, RawMetrics, RawPinqueue, RawPubsubmon, RawStateless, RawStore,
    RawTags, RawTracing,
};
pub(crate) use secret_text::SecretText;

/// Declares structs of optional keys.
macro_rules! raw_keys {
    ($($name:ident { $($key:ident: $type:ty,)* $(; $($group:ident: $group_type:ty,)*)? })*) => { $(
        #[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub(crate) struct $name {
            $(pub(crate) $key: Option<$type>,)*
            $($(pub(crate) $group: $group_type,)*)?
        }
    )* };
}
use raw_keys;

/// Declares the groups of sections; a section that is not there is `None`.
macro_rules! raw_sections {
    ($($name:ident { $($section:ident: $type:ty,)* })*) => { $(
        #[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub(crate) struct $name { $(pub(crate) $section: $type,)* }
    )* };
}

raw_sections! {
    RawConfig {
        cluster: RawCluster,
        consensus: RawConsensus,
        api: RawApi,
        ipfs_connector: RawIpfsConnector,
        pin_tracker: RawPinTracker,
        monitor: RawMonitor,
        allocator: RawAllocator,
        informer: RawInformer,
        observations: RawObservations,
        datastore: RawDatastore,
    }
    RawConsensus { crdt: Option<RawCrdt>, raft: Option<RawRaft>, }
    RawApi { restapi: Option<RawHttpApi>, pinsvcapi: Option<RawHttpApi>, ipfsproxy: Option<RawProxy>, }
    RawIpfsConnector { ipfshttp: RawIpfsHttp, }
    RawPinTracker { stateless: RawStateless, }
    RawMonitor { pubsubmon: RawPubsubmon, }
    RawAllocator { balanced: Option<RawBalanced>, }
    RawInformer { disk: Option<RawDisk>, tags: Option<RawTags>, pinqueue: Option<RawPinqueue>, }
    RawObservations { metrics: RawMetrics, tracing: RawTracing, }
    RawDatastore { fjall: Option<RawStore>, sled: Option<RawStore>, }
}

#[cfg(test)]
mod tests;
