//! A configuration that is kept at a URL (api §5.2, §6.1).
#![allow(clippy::unwrap_used, clippy::expect_used)]

use cluster_testkit::file_server::FileServer;
use cluster_tests::world::World;
use std::{fs, os::unix::fs::PermissionsExt};

const NAME: &str = "served by a URL";

#[tokio::test]
async fn a_peer_starts_by_a_url_and_while_it_is_down_by_the_copy() {
    let mut world = World::with_mock(&[]).await.unwrap();
    world.peer.stop().unwrap();
    let base = world.peer.base().to_owned();
    let file = base.join("service.toml");
    let settings = fs::read_to_string(&file).unwrap();
    let secret = settings.lines().find_map(|line| line.strip_prefix("secret = ")).unwrap().to_owned();
    let settings = settings.replacen("peername = ", &format!("peername = \"{NAME}\" # "), 1);
    let mut server = FileServer::start(&settings).unwrap();
    let url = server.url("/service.toml");

    // The URL is not asked, and nothing but it is written.
    let output = world.peer.command(&["init", "--force", &url]).unwrap();
    assert!(output.status.success(), "{output:?}");
    let lines = fs::read_to_string(&file).unwrap();
    let lines: Vec<&str> = lines.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(lines, [format!("source = \"{url}\"")]);
    assert_eq!(server.asked(), 0);

    world.start_again().await.unwrap();
    assert_eq!(world.client.id().await.unwrap().peername, NAME);
    assert_eq!(server.asked(), 1);
    world.peer.stop().unwrap();
    let copy = base.join("source-copy.json");
    assert_eq!(fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);

    server.shut();
    world.start_again().await.unwrap();
    assert_eq!(world.client.id().await.unwrap().peername, NAME);
    let log = world.peer.log_text();
    assert!(log.contains("using the copy of") && log.contains(&url) && log.contains("refused"), "{log}");
    assert!(!log.contains(secret.trim_matches('"')), "{log}");
    world.peer.stop().unwrap();

    // Without a copy there is nothing to start from.
    fs::remove_file(copy).unwrap();
    let output = world.peer.command(&["daemon"]).unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{error}");
    let expected =
        format!("error loading configurations: could not fetch configuration from source: {url}: ");
    assert!(error.contains(&expected), "{error}");
}

#[tokio::test]
async fn go_names_get_gos_file() {
    let programs = cluster_testkit::service::Programs::build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let base = folder.path().join("peer");
    let output = std::process::Command::new(&programs.service)
        .arg("--config")
        .arg(&base)
        .args(["init", "--format", "json", "http://127.0.0.1:1/a\"b"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = fs::read_to_string(base.join("service.json")).unwrap();
    assert_eq!(text, "{\n  \"source\": \"http://127.0.0.1:1/a\\\"b\"\n}");
}
