//! The table of all keys: names, environment names, kinds and comments (api §6).
//!
//! Readers, the environment and the writer go by these rows; a test holds them against the raw structs.

mod api;
mod cluster;
mod components;
mod consensus;

use super::{
    file::ConfigFormat,
    key::{Key, Section},
};

/// All sections in writing order.
pub(crate) const SECTIONS: &[Section] = &[
    cluster::CLUSTER,
    consensus::CRDT,
    consensus::RAFT,
    api::RESTAPI,
    api::PINSVCAPI,
    api::IPFSPROXY,
    components::IPFSHTTP,
    components::STATELESS,
    components::PUBSUBMON,
    components::BALANCED,
    components::DISK,
    components::TAGS,
    components::PINQUEUE,
    components::METRICS,
    components::TRACING,
    components::FJALL,
    components::SLED,
];

/// Sections that exist elsewhere and are not taken here, each with a sentence that says what to do.
const REFUSED_IN_TOML: &[(&str, &str)] = &[
    ("datastore.pebble", "this datastore belongs to the Go implementation; use [datastore.fjall]"),
    ("datastore.badger", "this datastore belongs to the Go implementation; use [datastore.fjall]"),
    ("datastore.badger3", "this datastore belongs to the Go implementation; use [datastore.fjall]"),
    ("datastore.leveldb", "this datastore belongs to the Go implementation; use [datastore.fjall]"),
];

/// Datastores of the Go implementation: section, environment name, folder. Their sections of a `service.json` are
/// passed over.
pub(crate) const GO_STORES: &[(&str, &str, &str)] = &[
    ("datastore.pebble", "CLUSTER_PEBBLE", "pebble"),
    ("datastore.badger3", "CLUSTER_BADGER3", "badger3"),
    ("datastore.badger", "CLUSTER_BADGER", "badger"),
    ("datastore.leveldb", "CLUSTER_LEVELDB", "leveldb"),
];

/// What a key means that a `service.json` leaves out, where that is not the default (api §6.3, §6.6, §6.9).
pub(crate) const ABSENT_IN_JSON: &[(&str, &str)] = &[
    ("cluster.listen_multiaddress", "[]"),
    ("cluster.enable_relay_hop", "false"),
    ("cluster.disable_repinning", "false"),
    ("api.restapi.cors_allowed_origins", "[]"),
    ("api.restapi.cors_allowed_methods", "[]"),
    ("api.restapi.cors_exposed_headers", "[]"),
    ("api.restapi.cors_allow_credentials", "false"),
    ("api.pinsvcapi.cors_allowed_origins", "[]"),
    ("api.pinsvcapi.cors_allowed_methods", "[]"),
    ("api.pinsvcapi.cors_exposed_headers", "[]"),
    ("api.pinsvcapi.cors_allow_credentials", "false"),
    ("informer.tags.tags", "{}"),
    ("informer.pinqueue.weight_bucket_size", "0"),
];

/// Says why a section is not taken, if that is so.
pub(crate) fn refusal(wanted: &str, format: ConfigFormat) -> Option<&'static str> {
    let refused = match format {
        ConfigFormat::Toml => REFUSED_IN_TOML,
        ConfigFormat::Json => &[],
    };
    refused.iter().find(|(path, _)| *path == wanted).map(|(_, reason)| *reason)
}

/// Names the folders of the Go implementation's datastores.
pub(crate) fn go_store_folders() -> impl Iterator<Item = &'static str> {
    GO_STORES.iter().map(|(.., folder)| *folder)
}

/// Walks all keys with their sections.
pub(crate) fn all() -> impl Iterator<Item = (&'static Section, &'static Key)> {
    SECTIONS.iter().flat_map(|section| section.keys.iter().map(move |key| (section, key)))
}

/// Returns the dotted path of a key.
pub(crate) fn path(section: &Section, key: &Key) -> String {
    format!("{}.{}", section.path, key.name)
}

/// Returns the environment variable of a key.
pub(crate) fn variable(section: &Section, key: &Key) -> String {
    format!("{}_{}", section.env, key.env)
}

/// Walks the dotted paths of all keys.
pub(crate) fn paths() -> impl Iterator<Item = String> {
    all().map(|(section, key)| path(section, key))
}

/// Finds a key by its dotted path.
pub(crate) fn find(wanted: &str) -> Option<(&'static Section, &'static Key)> {
    all().find(|(section, key)| {
        wanted
            .strip_prefix(section.path)
            .and_then(|rest| rest.strip_prefix('.'))
            .is_some_and(|name| name == key.name)
    })
}

/// Says whether a dotted path is a table on the way to some key.
pub(crate) fn is_table(wanted: &str) -> bool {
    paths().any(|path| path.strip_prefix(wanted).is_some_and(|rest| rest.starts_with('.')))
}
