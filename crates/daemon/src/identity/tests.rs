use super::*;
use crate::config::Environment;
use std::{fs, os::unix::fs::PermissionsExt};

const GO_1: (&str, &str) = (
    "12D3KooWEzimCSQfZVrDWeSuz9ybdt3L8G4ioYfsXeRRhN3cwsQW",
    "CAESQKT05KAL8L89shWYkSk8C9d2Sq1PBzVIwyabrFkagIw0TPGHSV4we2r2o/8yrxkCopHGtmTFK7otjhTAj6sjwns=",
);

/// The keys of live Go peers.
fn go_peers() -> Vec<(String, String)> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/fixtures.json");
    let fixtures: serde_json::Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let peers = fixtures["peers"].as_object().unwrap().values();
    peers
        .filter_map(|peer| {
            Some((peer["id"].as_str()?.to_owned(), peer["private_key_base64"].as_str()?.to_owned()))
        })
        .collect()
}

fn nothing() -> Environment {
    Environment::default()
}

#[test]
fn keys_of_go_peers_have_the_ids_go_gave_them() {
    let peers = go_peers();
    assert_eq!(peers.len(), 3);
    assert!(peers.contains(&(GO_1.0.to_owned(), GO_1.1.to_owned())));
    for (id, key) in peers {
        let identity = Identity::from_private_key(&key).unwrap();
        assert_eq!(identity.id().to_string(), id);
        assert_eq!(*identity.expose_private_key(), key);
    }
}

#[test]
fn an_rsa_key_of_an_old_peer_loads_and_is_kept_as_it_is() {
    let fixture: serde_json::Value =
        serde_json::from_str(include_str!("../../tests/fixtures/rsa.json")).unwrap();
    let key = fixture["private_key"].as_str().unwrap();
    let identity = Identity::from_private_key(key).unwrap();
    assert_eq!(identity.id().to_string(), fixture["id"].as_str().unwrap());
    assert!(identity.id().to_string().starts_with("Qm"));
    assert_eq!(*identity.expose_private_key(), key);
}

#[test]
fn a_saved_identity_is_private_and_byte_for_byte_what_go_writes() {
    let base = tempfile::tempdir().unwrap();
    let identity = Identity::from_private_key(GO_1.1).unwrap();
    identity.save(base.path()).unwrap();
    let path = Identity::path(base.path());
    let (id, key) = GO_1;
    let expected = format!("{{\n    \"id\": \"{id}\",\n    \"private_key\": \"{key}\"\n}}");
    assert_eq!(fs::read_to_string(&path).unwrap(), expected);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(Identity::load(base.path(), &nothing()).unwrap(), identity);
    assert_eq!(fs::read_dir(base.path()).unwrap().count(), 1, "a temporary file is left");
}

#[test]
fn mistakes_are_named_and_never_show_the_key() {
    let base = tempfile::tempdir().unwrap();
    let load = || Identity::load(base.path(), &nothing()).unwrap_err().to_string();
    assert!(load().contains("identity.json does not exist"));
    let stranger = Identity::generate().unwrap().id();
    for (text, expected) in [
        (
            format!(r#"{{"id": "{stranger}", "private_key": "{}"}}"#, GO_1.1),
            "identity ID does not match the private_key",
        ),
        (format!(r#"{{"id": "xyz", "private_key": "{}"}}"#, GO_1.1), "\"xyz\" is not a peer ID"),
        (format!(r#"{{"id": "{stranger}", "private_key": "{}"#, GO_1.1), "is not JSON"),
        (format!(r#"{{"id": "{stranger}"}}"#), "is not JSON with the keys id and private_key"),
        (
            format!(r#"{{"id": "{stranger}", "private_key": "CAES!{}"}}"#, &GO_1.1[..63]),
            "is not base64 (character 5)",
        ),
        (format!(r#"{{"id": "{stranger}", "private_key": "{}"}}"#, &GO_1.1[..40]), "not a private key"),
    ] {
        fs::write(Identity::path(base.path()), text).unwrap();
        let error = load();
        assert!(error.contains(expected), "{error}");
        assert!(!error.contains(&GO_1.1[8..24]), "{error}");
    }
    let identity = Identity::from_private_key(GO_1.1).unwrap();
    assert!(!format!("{identity:?}").contains(&GO_1.1[8..24]));
}

#[test]
fn each_variable_works_alone() {
    let base = tempfile::tempdir().unwrap();
    let own = Identity::generate().unwrap();
    own.save(base.path()).unwrap();
    let load = |pairs: &[(&str, &str)]| {
        Identity::load(base.path(), &Environment::of(pairs.iter().copied()))
            .map(|identity| identity.id().to_string())
    };
    let own_id = own.id().to_string();
    assert_eq!(load(&[("CLUSTER_PRIVATEKEY", GO_1.1)]).unwrap(), GO_1.0);
    assert_eq!(load(&[("CLUSTER_ID", &own_id)]).unwrap(), own_id);
    assert_eq!(load(&[("CLUSTER_ID", GO_1.0), ("CLUSTER_PRIVATEKEY", GO_1.1)]).unwrap(), GO_1.0);
    for wrong in [&[("CLUSTER_ID", GO_1.0)][..], &[("CLUSTER_ID", &own_id), ("CLUSTER_PRIVATEKEY", GO_1.1)]] {
        assert!(load(wrong).unwrap_err().to_string().contains("identity ID does not match the private_key"));
    }
    let broken = load(&[("CLUSTER_PRIVATEKEY", "CAES!secretsecret")]).unwrap_err().to_string();
    assert!(broken.contains("CLUSTER_PRIVATEKEY") && !broken.contains("secretsecret"), "{broken}");
    let elsewhere = tempfile::tempdir().unwrap();
    let only_key = Environment::of([("CLUSTER_PRIVATEKEY", GO_1.1)]);
    assert_eq!(Identity::load(elsewhere.path(), &only_key).unwrap().id().to_string(), GO_1.0);
}

#[test]
fn the_identity_of_an_old_configuration_is_saved_as_a_file_of_its_own() {
    let base = tempfile::tempdir().unwrap();
    let old = base.path().join("service.json");
    let load = || Identity::load(base.path(), &nothing());
    fs::write(&old, r#"{"cluster": {"peername": "no identity here"}}"#).unwrap();
    assert!(matches!(load(), Err(IdentityError::Missing { .. })));
    let stranger = Identity::generate().unwrap().id();
    let text = |id: &str| format!(r#"{{"cluster": {{"id": "{id}", "private_key": "{}"}}}}"#, GO_1.1);
    fs::write(&old, text(&stranger.to_string())).unwrap();
    assert!(load().unwrap_err().to_string().contains("identity ID does not match the private_key"));
    assert!(!Identity::path(base.path()).exists());
    fs::write(&old, text(GO_1.0)).unwrap();
    assert_eq!(load().unwrap().id().to_string(), GO_1.0);
    fs::remove_file(&old).unwrap();
    assert_eq!(load().unwrap().id().to_string(), GO_1.0);
}
