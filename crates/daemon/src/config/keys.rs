//! The table of all keys: names, environment names, kinds and comments (api §6).
//!
//! Readers, the environment and the writer go by these rows; a test holds them against the raw structs.

mod api;
mod cluster;
mod components;
mod consensus;

use super::key::{Key, Section};

/// All sections in writing order.
pub(crate) const SECTIONS: &[Section] = &[
    cluster::CLUSTER,
    consensus::CRDT,
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
];

/// Sections that exist elsewhere and are not taken here, each with a sentence that says what to do.
pub(crate) const REFUSED: &[(&str, &str)] = &[
    (
        "source",
        "reading the configuration from a URL is not in this version; write the settings into this file",
    ),
    ("consensus.raft", "Raft consensus is not in this version; use [consensus.crdt]"),
    ("datastore.sled", "the sled datastore is not in this version; use [datastore.fjall]"),
    ("datastore.pebble", "this datastore belongs to the Go implementation; use [datastore.fjall]"),
    ("datastore.badger", "this datastore belongs to the Go implementation; use [datastore.fjall]"),
    ("datastore.badger3", "this datastore belongs to the Go implementation; use [datastore.fjall]"),
    ("datastore.leveldb", "this datastore belongs to the Go implementation; use [datastore.fjall]"),
];

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
