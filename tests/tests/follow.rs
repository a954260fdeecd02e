//! `cluster-follow` as a person or a script meets it (api §7), beside a peer that publishes its configuration.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use cluster_client::api_types::PinOptions;
use cluster_testkit::{
    file_server::FileServer,
    mock_kubo::{Endpoint, MockKubo, Script},
};
use cluster_tests::{
    follower::{COLUMNS, Follower, NAME, published, text},
    world::{LIMIT, World, made_up_cid},
};
use std::{fs, os::unix::net::UnixListener, time::Duration};

#[tokio::test]
async fn a_follower_follows_a_published_cluster() {
    let trusted = World::with_mock(&[]).await.unwrap();
    let program = Follower::beside_mock().await.unwrap();
    let mut server = FileServer::start(&published(&trusted).unwrap()).unwrap();
    let url = server.url("/friends");

    // Nothing is there; then a folder with little in it.
    assert!(program.said(&[]).await.unwrap().contains("\nNo clusters configured yet!"));
    for command in ["info", "run", "list", "stop", "remove"] {
        let output = program.run(&[NAME, command]).await.unwrap();
        assert_eq!(output.status.code(), Some(1), "{command}");
        let said = text(&output.stdout);
        assert!(said.starts_with("\nThis cluster peer has not been initialized."), "{command}: {said}");
    }
    assert_eq!(program.refused(&[NAME, "init"]).await.unwrap(), "configuration URL not provided\n");
    let said = program.said(&[NAME, "init", &url]).await.unwrap();
    assert!(said.contains("Cluster \"friends\" follower peer initialized.\n\n"), "{said}");
    assert_eq!(server.asked(), 0);
    let mut files: Vec<_> = fs::read_dir(program.base()).unwrap().map(|e| e.unwrap().file_name()).collect();
    files.sort();
    assert_eq!(files, ["identity.json", "service.toml"]);
    let again = program.refused(&[NAME, "init", &url]).await.unwrap();
    assert!(again.starts_with("Configuration for this cluster already exists.\nPlease delete "), "{again}");
    assert!(program.said(&[]).await.unwrap().contains("Configurations found for 1 follower peers."));
    let info = |cluster: bool| {
        format!(
            "Information about follower peer for Cluster \"friends\":\n\nConfig folder: {}\n\
             Config source URL: Available ({url})\nCluster Peer online: {cluster}\nIPFS peer online: true\n{}",
            program.base().display(),
            if cluster {
                "Sync: 2 pins: 2 pinned, 0 pinning, 0 errors | 4 blocks: 4 merged, 0 missing\n"
            } else {
                ""
            }
        )
    };
    assert_eq!(program.said(&[NAME, "info"]).await.unwrap(), info(false));
    assert!(program.said(&[NAME]).await.unwrap().starts_with(&(info(false) + "\nAdditional help:\n\n")));
    assert_eq!(program.said(&[NAME, "list"]).await.unwrap(), "");
    assert!(!program.base().join("store").exists(), "a list made a store");

    // It follows pins and unpins. What a crash left where its socket belongs does not keep it from that.
    let pins: Vec<_> = (1..=3).map(|number| made_up_cid(number).unwrap()).collect();
    for (number, cid) in pins.iter().enumerate() {
        let options = PinOptions { name: format!("pin {number}"), ..PinOptions::default() };
        trusted.pin(cid, &options).await.unwrap();
    }
    drop(UnixListener::bind(program.socket()).unwrap());
    let mut running = program.start(&[NAME, "run"]).unwrap();
    let lines = |status: &str, all: &[usize]| {
        let line = |number: &usize| format!("{status:<20} {} pin {number}\n", pins[*number]);
        let mut lines: Vec<String> = all.iter().map(line).collect();
        lines.sort();
        lines.concat()
    };
    program
        .until_listed(&mut running, "all pins", |list| sorted(list) == lines("pinned", &[0, 1, 2]))
        .await
        .unwrap();
    trusted.unpin(&pins[1]).await.unwrap();
    program
        .until_listed(&mut running, "the unpin", |list| sorted(list) == lines("pinned", &[0, 2]))
        .await
        .unwrap();
    let gone = |ipfs: &MockKubo| ipfs.pinned(&pins[1]).is_none();
    assert!(program.ipfs.wait_until(LIMIT, gone).await, "the IPFS daemon still has it");
    assert_eq!(program.said(&[NAME, "info"]).await.unwrap(), info(true));
    assert!(
        running
            .log()
            .unwrap()
            .starts_with("Starting the IPFS Cluster follower peer for \"friends\".\nCTRL-C")
    );
    // Nothing of what a person at a terminal sees.
    assert!(!running.log().unwrap().contains(['\r', '\x1b']), "{}", running.log().unwrap());

    // There is one at a time, and it is not removed meanwhile.
    for command in [&["run"][..], &["remove", "--force"]] {
        let error = program.refused(&[&[NAME], command].concat()).await.unwrap();
        let remedy = "or another command works on its folder; end it with: cluster-follow friends stop\n";
        assert!(error.contains("someone else has the lock. ") && error.ends_with(remedy), "{error}");
    }
    assert!(program.said(&[NAME, "stop"]).await.unwrap().contains("has stopped"));
    assert!(running.child.wait().unwrap().success(), "{}", running.log().unwrap());
    assert!(!program.socket().exists(), "the socket stayed");
    assert!(program.said(&[NAME, "stop"]).await.unwrap().contains("does not run"));
    assert_eq!(sorted(&program.said(&[NAME, "list"]).await.unwrap()), lines("offline", &[0, 2]));

    // Without the URL it goes by the copy, and after a crash it starts again.
    server.shut();
    let failed = format!("Config source URL: failed retrieving configuration source ({url})\n");
    assert!(program.said(&[NAME, "info"]).await.unwrap().contains(&failed));
    for _ in 0..2 {
        let mut running = program.start(&[NAME, "run", "--init", &url]).unwrap();
        running.until_logged("peer started").await.unwrap();
        assert!(running.log().unwrap().contains("--init is skipped"), "{}", running.log().unwrap());
        assert!(running.log().unwrap().contains("using the copy of"), "{}", running.log().unwrap());
        running.child.kill().unwrap();
        running.child.wait().unwrap();
        assert!(program.socket().exists(), "a crash leaves the socket");
    }
    assert_eq!(sorted(&program.said(&[NAME, "list"]).await.unwrap()), lines("offline", &[0, 2]));

    assert!(program.refused(&[NAME, "remove"]).await.unwrap().contains("use --force"));
    program.said(&[NAME, "remove", "--force"]).await.unwrap();
    assert!(!program.base().exists());
}

fn sorted(list: &str) -> String {
    let mut lines: Vec<&str> = list.split_inclusive('\n').collect();
    lines.sort_unstable();
    lines.concat()
}

#[tokio::test]
async fn a_name_is_looked_up_by_the_gateway_and_the_ipfs_daemon_is_waited_for() {
    let program = Follower::beside_mock().await.unwrap();
    let server = FileServer::start("").unwrap();
    server.answer("500 Internal Server Error", &[], "no link");
    program.ipfs.shut();
    let gateway = server.url("");
    let mut running = program
        .start(&[NAME, "run", "--init", "example.org", "--gateway", &gateway["http://".len()..]])
        .unwrap();
    running.until_logged("Checking if IPFS is online").await.unwrap();
    assert_eq!(server.asked(), 0);
    program.ipfs.reopen().await.unwrap();
    assert_eq!(running.until_ended().await.unwrap(), Some(1));
    assert!(
        running.log().unwrap().contains("unsuccessful request (500): no link"),
        "{}",
        running.log().unwrap()
    );
    assert!(server.last_request().starts_with("GET /ipns/example.org "), "{}", server.last_request());

    // A signal ends the wait.
    program.ipfs.shut();
    let mut running = program.start(&[NAME, "run"]).unwrap();
    running.until_logged("Checking if IPFS is online").await.unwrap();
    assert!(program.said(&[NAME, "stop"]).await.unwrap().contains("has stopped"));
    assert_eq!(running.child.wait().unwrap().code(), Some(1), "{}", running.log().unwrap());
}

#[tokio::test]
async fn gos_name_makes_gos_file() {
    let mut program = Follower::beside_mock().await.unwrap();
    let link = program.folder().join("ipfs-cluster-follow");
    std::os::unix::fs::symlink(&program.program, &link).unwrap();
    program.program = link;
    let said = program.said(&[NAME, "init", "example.org"]).await.unwrap();
    assert!(said.contains("http://127.0.0.1:8080/ipns/example.org"), "{said}");
    assert!(said.contains("ipfs-cluster-follow \"friends\" run"), "{said}");
    let written = fs::read_to_string(program.base().join("service.json")).unwrap();
    assert_eq!(written, "{\n  \"source\": \"http://127.0.0.1:8080/ipns/example.org\"\n}");
    assert!(program.said(&["--version"]).await.unwrap().starts_with("ipfs-cluster-follow version "));
    program.ipfs.shut();
    let mut running = program.start(&[NAME, "run"]).unwrap();
    running.until_logged("Checking if IPFS is online").await.unwrap();
    let error = program.refused(&[NAME, "remove", "--force"]).await.unwrap();
    assert!(error.ends_with("end it with: ipfs-cluster-follow friends stop\n"), "{error}");
    let output = program.run(&[NAME, "nonsense"]).await.unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(
        program.refused(&["../friends", "info"]).await.unwrap().contains("cannot be the name of a cluster")
    );
}

/// Pins of the sync that is watched, and how long each takes: some seconds in all, ten at a time.
const WATCHED: u64 = 80;
const EACH: Duration = Duration::from_millis(800);

#[tokio::test]
async fn a_person_at_a_terminal_sees_how_the_first_sync_goes_on() {
    let trusted = World::with_mock(&[]).await.unwrap();
    let program = Follower::beside_mock().await.unwrap();
    let server = FileServer::start(&published(&trusted).unwrap()).unwrap();
    program.ipfs.script(Endpoint::PinAdd, Script::after(EACH));
    for number in 0..WATCHED {
        trusted.pin(&made_up_cid(number).unwrap(), &PinOptions::default()).await.unwrap();
    }
    let mut running = program.start_on_terminal(&[NAME, "run", "--init", &server.url("")]).unwrap();
    let end = "s: 80 pins: 80 pinned, 0 pinning, 0 errors | 80 blocks: 80 merged, 0 missing\r\n";
    running.until_logged(end).await.unwrap();
    let shown = running.log().unwrap();
    let statuses = statuses(&shown);
    let counted = |status: &str| {
        let (before, _) = status.split_once(" pinned, ")?;
        before.rsplit(' ').next()?.parse::<u64>().ok()
    };
    let pinned: Vec<u64> = statuses.iter().filter_map(|status| counted(status)).collect();
    assert!(pinned.is_sorted() && pinned.iter().any(|count| (1..WATCHED).contains(count)), "{statuses:?}");
    let estimated =
        |status: &&&str| status.starts_with("First sync: about ") && status.contains("s left | 80 pins: ");
    assert!(statuses.iter().any(|status| estimated(&status)), "{statuses:?}");
    let widest = statuses.iter().map(|status| status.chars().count()).max();
    assert!(widest < Some(usize::from(COLUMNS)), "{widest:?}: {statuses:?}");
    assert!(shown.contains("All that is known of is here after "), "{shown}");

    // It is over for good.
    let length = running.log().unwrap().matches("First sync: ").count();
    trusted.pin(&made_up_cid(WATCHED).unwrap(), &PinOptions::default()).await.unwrap();
    let listed = |list: &str| list.lines().filter(|line| line.starts_with("pinned ")).count() == 81;
    program.until_listed(&mut running, "one more", listed).await.unwrap();
    assert!(program.said(&[NAME, "stop"]).await.unwrap().contains("has stopped"));
    assert_eq!(running.log().unwrap().matches("First sync: ").count(), length);
}

/// What stood on the line that changes, one after the other.
fn statuses(shown: &str) -> Vec<&str> {
    let lines = shown.split("\r\x1b[K").filter_map(|part| part.split("\r\n").last());
    lines.filter(|line| line.starts_with("First sync: ")).collect()
}
