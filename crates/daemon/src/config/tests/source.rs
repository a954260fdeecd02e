//! Configurations that are kept elsewhere.

use super::*;
use cluster_testkit::file_server::FileServer;
use std::{os::unix::fs::PermissionsExt, path::PathBuf};

fn folder_of(url: &str) -> tempfile::TempDir {
    let base = tempfile::tempdir().unwrap();
    fs::write(base.path().join("service.toml"), format!("source = \"{url}\"\n")).unwrap();
    base
}

fn load(base: &tempfile::TempDir) -> Result<Config, ConfigError> {
    Config::load(base.path(), &nothing())
}

fn refused(base: &tempfile::TempDir) -> String {
    load(base).unwrap_err().to_string()
}

fn copy_of(base: &tempfile::TempDir) -> PathBuf {
    base.path().join("source-copy.json")
}

fn settings(peername: &str) -> String {
    format!("{MINIMAL}[cluster]\npeername = \"{peername}\"\nsecret = \"{SECRET}\"\n")
}

#[test]
fn settings_come_from_the_url_and_from_the_copy_when_it_is_down() {
    let mut server = FileServer::start(&settings("first")).unwrap();
    let base = folder_of(&server.url("/a/service.toml"));
    let config = load(&base).unwrap();
    assert_eq!((config.cluster.peername.as_str(), config.format), ("first", ConfigFormat::Toml));
    assert_eq!(config.sourced.unwrap().unavailable, None);
    assert!(server.last_request().starts_with("GET /a/service.toml HTTP/1.1"), "{}", server.last_request());
    assert_eq!(fs::metadata(copy_of(&base)).unwrap().permissions().mode() & 0o777, 0o600);

    // What is served is what counts, and the environment over it.
    server.serve(&settings("second"));
    assert_eq!(load(&base).unwrap().cluster.peername, "second");
    let environment = Environment::of([("CLUSTER_PEERNAME", "third")]);
    assert_eq!(Config::load(base.path(), &environment).unwrap().cluster.peername, "third");
    assert_eq!(server.asked(), 3);

    // A server that refuses is as good as none.
    server.answer("503 Service Unavailable", &[], "try\nlater");
    let config = load(&base).unwrap();
    assert_eq!(config.cluster.peername, "second");
    let reason = config.sourced.unwrap().unavailable.unwrap();
    assert_eq!(reason, "unsuccessful request (503): try later");
    server.shut();
    let config = load(&base).unwrap();
    assert_eq!(config.cluster.peername, "second");
    assert!(config.sourced.unwrap().unavailable.unwrap().contains("refused"));

    // A copy of what another URL served is none.
    let other = server.url("/b");
    fs::write(base.path().join("service.toml"), format!("source = \"{other}\"\n")).unwrap();
    let error = refused(&base);
    assert!(error.starts_with(&format!("could not fetch configuration from source: {other}: ")), "{error}");
    assert!(error.contains("with init"), "{error}");
}

#[test]
fn a_url_that_never_answered_is_an_error_and_a_damaged_copy_is_none() {
    let server = FileServer::start("").unwrap();
    let base = folder_of(&server.url("/x"));
    server.answer("404 Not Found", &[], "no such thing\n");
    let error = refused(&base);
    assert!(error.contains("unsuccessful request (404): no such thing;"), "{error}");
    fs::write(copy_of(&base), "{").unwrap();
    assert!(refused(&base).contains("(404)"));
    server.answer("200 OK", &[], &"#".repeat((4 << 20) + 1));
    assert!(refused(&base).contains("larger than the 4 MiB"), "{}", refused(&base));
}

#[test]
fn what_is_served_must_be_settings() {
    let server = FileServer::start(&settings("good")).unwrap();
    let base = folder_of(&server.url("/x"));
    load(&base).unwrap();
    let good = fs::read(copy_of(&base)).unwrap();
    for (served, expected) in [
        ("source = \"http://127.0.0.1:1/\"", "a sourced configuration cannot point to another source"),
        ("{\"source\": \"http://127.0.0.1:1/\"}", "a sourced configuration cannot point to another source"),
        ("<html></html>", "is not valid TOML"),
        ("{\"cluster\": ", "is not valid JSON"),
        ("[consensus.crdt]\n[cluster]\npeernam = \"x\"", "cluster.peernam: unknown key"),
    ] {
        server.serve(served);
        let error = refused(&base);
        assert!(error.contains(expected) && error.contains(&server.url("/x")), "{error}");
    }
    assert_eq!(fs::read(copy_of(&base)).unwrap(), good, "a bad answer replaced the good copy");
}

#[test]
fn redirections_are_followed_and_paths_are_seen_from_the_folder() {
    let target = FileServer::start(
        &settings("moved").replace(&format!("secret = \"{SECRET}\""), "secret_file = \"key\""),
    )
    .unwrap();
    let server = FileServer::start("").unwrap();
    server.answer("302 Found", &[&format!("Location: {}", target.url("/there"))], "");
    let base = folder_of(&server.url("/here"));
    fs::write(base.path().join("key"), SECRET).unwrap();
    fs::set_permissions(base.path().join("key"), fs::Permissions::from_mode(0o600)).unwrap();
    let config = load(&base).unwrap();
    assert_eq!(config.cluster.peername, "moved");
    assert_eq!(*config.cluster.secret.unwrap().expose_hex(), SECRET);
}

#[test]
fn a_source_stands_alone() {
    let server = FileServer::start(&settings("served")).unwrap();
    let base = folder_of(&server.url("/x"));
    let file = base.path().join("service.toml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{text}[cluster]\npeername = \"local\"\n")).unwrap();
    assert!(refused(&base).contains("cluster: means nothing beside a source"), "{}", refused(&base));
    for bad in ["source = 5", "source = \"ftp://example.org\"", "source = \"example.org\""] {
        fs::write(&file, bad).unwrap();
        assert!(refused(&base).contains("source: found what is no URL"), "{}", refused(&base));
    }
    assert_eq!(server.asked(), 0);
    // As in Go, the rest of a service.json says nothing.
    fs::remove_file(&file).unwrap();
    let json = json!({"source": server.url("/x"), "cluster": {"peername": "local"}});
    fs::write(base.path().join("service.json"), json.to_string()).unwrap();
    assert_eq!(load(&base).unwrap().cluster.peername, "served");
}
