use super::*;
use crate::config::keys;
use std::collections::BTreeSet;

fn leaves(prefix: &str, value: &serde_json::Value, into: &mut BTreeSet<String>) {
    match value.as_object() {
        Some(entries) => {
            for (name, value) in entries {
                leaves(&format!("{prefix}{}{name}", if prefix.is_empty() { "" } else { "." }), value, into);
            }
        }
        None => assert!(into.insert(prefix.to_owned())),
    }
}

#[test]
fn every_raw_key_has_one_row_in_the_table_and_an_environment_variable_of_its_own() {
    let raw = RawConfig {
        consensus: RawConsensus { crdt: Some(RawCrdt::default()), raft: Some(RawRaft::default()) },
        api: RawApi {
            restapi: Some(RawHttpApi::default()),
            pinsvcapi: Some(RawHttpApi::default()),
            ipfsproxy: Some(RawProxy::default()),
        },
        allocator: RawAllocator { balanced: Some(RawBalanced::default()) },
        informer: RawInformer {
            disk: Some(RawDisk::default()),
            tags: Some(RawTags::default()),
            pinqueue: Some(RawPinqueue::default()),
        },
        datastore: RawDatastore { fjall: Some(RawStore::default()), sled: Some(RawStore::default()) },
        ..RawConfig::default()
    };
    let mut fields = BTreeSet::new();
    leaves("", &serde_json::to_value(raw).unwrap(), &mut fields);
    let rows: Vec<String> = keys::paths().collect();
    assert_eq!(fields, rows.iter().cloned().collect::<BTreeSet<_>>());
    assert_eq!(rows.len(), fields.len(), "a row stands twice");
    let variables: BTreeSet<String> =
        keys::all().map(|(section, key)| keys::variable(section, key)).collect();
    assert_eq!(variables.len(), rows.len(), "two keys share a variable");
}

#[test]
fn keys_of_sub_tables_follow_the_plain_ones() {
    for section in keys::SECTIONS {
        let first_group =
            section.keys.iter().position(|key| key.name.contains('.')).unwrap_or(section.keys.len());
        assert!(section.keys[first_group..].iter().all(|key| key.name.contains('.')), "{}", section.path);
    }
}

#[test]
fn variables_are_named_by_the_rule() {
    // Upper case without underscores inside a name; an object adds one (api §5.6). Files of secrets are ours.
    for (section, key) in keys::all() {
        let by_rule = |name: &str| name.replace('_', "").replace('.', "_").to_uppercase();
        let expected = match key.name.strip_suffix("_file") {
            Some(secret) if section.keys.iter().any(|key| key.name == secret) => {
                format!("{}_FILE", by_rule(secret))
            }
            _ => by_rule(key.name),
        };
        assert_eq!(key.env, expected, "{}.{}", section.path, key.name);
    }
}
