//! What is wrong is named, with what would be right; the peer lives on where it can, stops with a clear last line where
//! it must, and loses nothing that it acknowledged.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use cluster_client::{Cid, TrackerStatus, api_types::PinOptions};
use cluster_testkit::{
    mock_kubo::MockKubo,
    service::{Programs, Service},
};
use cluster_tests::world::{World, made_up_cid};
use std::{fs, process::Output};

async fn world_with_a_pin() -> (World<MockKubo>, Cid) {
    let w = World::with_mock(&[]).await.unwrap();
    let cid = made_up_cid(1).unwrap();
    w.pin(&cid, &PinOptions { name: "kept".into(), ..PinOptions::default() }).await.unwrap();
    w.until(&cid, TrackerStatus::Pinned).await.unwrap();
    (w, cid)
}

async fn expect_kept(w: &World<MockKubo>, cid: &Cid) {
    assert_eq!(w.client.allocation(cid).await.unwrap().options.name, "kept");
    w.until(cid, TrackerStatus::Pinned).await.unwrap();
}

/// Returns the last line of a command that failed.
fn last_line(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{text}");
    let last = text.lines().last().unwrap_or_default();
    assert!(last.starts_with("error "), "the last line is no error: {text}");
    last.to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_malformed_cid_is_named_and_harms_nobody() {
    let (w, cid) = world_with_a_pin().await;
    let cut = &cid.to_string()[..20];
    for (method, path, text) in [
        ("POST", format!("/pins/{cut}"), format!("error decoding Cid: {cut:?} ")),
        ("DELETE", format!("/pins/{cut}"), format!("error decoding Cid: {cut:?} ")),
        ("GET", format!("/pins/{cut}"), format!("error decoding Cid: {cut:?} ")),
        ("GET", format!("/pins?cids={cid},{cut}"), format!("error decoding Cid: {cut:?} ")),
        ("GET", format!("/allocations/{cut}"), format!("error decoding Cid: {cut:?} ")),
        ("POST", format!("/pins/{cut}/recover"), format!("error decoding Cid: {cut:?} ")),
        ("POST", format!("/pins/ipfs/{cut}"), format!("error parsing path: invalid path \"/ipfs/{cut}\": ")),
        (
            "DELETE",
            format!("/pins/ipfs/{cut}/a"),
            format!("error parsing path: invalid path \"/ipfs/{cut}/a\": "),
        ),
    ] {
        let answer = w.ask(method, &path).unwrap();
        let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!((answer.status, &body["code"]), (400, &400.into()), "{method} {path}: {body}");
        let message = body["message"].as_str().unwrap();
        assert!(message.starts_with(&text), "{method} {path}: {message}");
        assert!(message.contains("bafy"), "{method} {path} does not say what a CID looks like: {message}");
    }
    for (arguments, doing) in [
        (["pin", "add", cut], "error parsing path: "),
        (["pin", "rm", cut], "error parsing path: "),
        (["pin", "ls", cut], "error parsing cid: "),
        (["status", cut, "--local"], "error parsing cid: "),
        (["recover", cut, "--local"], "error parsing cid: "),
    ] {
        let output = w.ctl(&arguments).unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {error}");
        assert!(error.starts_with(doing) && error.contains(cut), "{arguments:?}: {error}");
        assert!(error.contains("bafy"), "{arguments:?} does not say what a CID looks like: {error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
    expect_kept(&w, &cid).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mistakes_in_the_configuration_are_told_together_and_cost_no_pin() {
    let (mut w, cid) = world_with_a_pin().await;
    w.peer.stop().unwrap();
    let path = w.peer.base().join("service.toml");
    let good = fs::read_to_string(&path).unwrap();
    let secret = good.lines().find_map(|line| line.strip_prefix("secret = \"")).unwrap();
    let (line_of_secret, secret) = (format!("secret = \"{secret}"), secret.trim_matches('"'));
    let short = &secret[..30];
    let line = |text: &str, key: &str| 1 + text.lines().position(|line| line.starts_with(key)).unwrap();

    let broken = good.replace(&line_of_secret, &format!("secret = \"{short}\""));
    fs::write(&path, &broken).unwrap();
    let one = String::from_utf8_lossy(&w.peer.command(&["daemon"]).unwrap().stderr).into_owned();
    let wrong_secret = format!(
        "cluster.secret: found a text that is no secret (found 30 characters, but a cluster secret is 64 hexadecimal \
         digits (32 bytes)); expected 64 hexadecimal digits (32 bytes) (line {})",
        line(&broken, "secret = ")
    );
    assert!(one.contains(&wrong_secret), "{one}");

    let broken = broken
        .replace("concurrent_pins = 10", "concurrent_pins = \"ten\"")
        .replace("pin_recover_interval = \"12m0s\"", "pin_recover_interval = \"soon\"");
    fs::write(&path, &broken).unwrap();
    let output = w.peer.command(&["daemon"]).unwrap();
    let three = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1));
    let head = format!("error loading configurations: 3 mistakes in {}", path.display());
    assert!(three.starts_with(&head), "{three}");
    for (key, found, right) in [
        ("cluster.secret: ", "found 30 characters", "expected 64 hexadecimal digits"),
        ("cluster.pin_recover_interval: ", "found \"soon\"", "expected a duration"),
        ("pin_tracker.stateless.concurrent_pins: ", "found \"ten\"", "expected a whole number"),
    ] {
        let told =
            three.lines().find(|line| line.contains(key)).unwrap_or_else(|| panic!("{key} in {three}"));
        assert!(told.contains(found) && told.contains(right), "{told}");
        assert!(told.contains("(line "), "{told}");
    }
    assert!(!three.contains(short), "a part of the secret is shown: {three}");

    fs::write(&path, good).unwrap();
    w.start_again().await.unwrap();
    expect_kept(&w, &cid).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_process_on_the_folder_or_the_port_leaves_the_first_alone() {
    let (w, cid) = world_with_a_pin().await;
    let lock = w.peer.base().join("cluster.lock").display().to_string();
    let file = w.path("import");
    fs::write(&file, "").unwrap();
    for arguments in [
        &["daemon"][..],
        &["state", "cleanup", "--force"],
        &["state", "import", "--force", file.to_str().unwrap()],
        &["init", "--force"],
    ] {
        let second = last_line(&w.peer.command(arguments).unwrap());
        assert!(second.contains("someone else has the lock") && second.contains(&lock), "{second}");
    }

    let programs = Programs::build().unwrap();
    let mut other = Service::init(&programs.service, &w.path("other"), &w.ipfs.api(), &[]).unwrap();
    other.set_variable("CLUSTER_RESTAPI_HTTPLISTENMULTIADDRESS", w.peer.rest());
    let calls = w.ipfs.log().len();
    let taken = last_line(&other.command(&["daemon"]).unwrap());
    assert!(taken.contains("taken by another process") && taken.contains(w.peer.rest()), "{taken}");
    assert!(taken.contains("api.restapi.http_listen_multiaddress"), "the remedy is not named: {taken}");
    assert_eq!(w.ipfs.log().len(), calls, "a peer without its port spoke to the IPFS daemon");
    expect_kept(&w, &cid).await;
}
