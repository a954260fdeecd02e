//! Whole peers on a disk that fills up, and on files that were damaged: what was acknowledged stays, and the error
//! names the thing and the remedy.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

use cluster_client::{Cid, Client, Host, IpfsPath, api_types::PinOptions};
use cluster_testkit::{
    service::{Programs, Service},
    small_disk::SmallDisk,
};
use sha2::{Digest, Sha256};
use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

const LIMIT: Duration = Duration::from_secs(60);

/// Nobody listens there: what the IPFS daemon does must not matter here.
const NO_KUBO: &str = "/ip4/127.0.0.1/tcp/1";

fn peer(base: &Path) -> Service {
    let mut peer = Service::init(&Programs::build().unwrap().service, base, NO_KUBO, &[]).unwrap();
    peer.start().unwrap();
    peer
}

async fn client(peer: &Service) -> Client {
    Client::builder(vec![Host::parse(peer.rest()).unwrap()]).build().await.unwrap()
}

fn cid(number: u64) -> Cid {
    let digest = Sha256::digest(number.to_be_bytes());
    Cid::try_from([&[1, 0x55, 0x12, 32], digest.as_slice()].concat()).unwrap()
}

/// Pins a CID under a long name; returns the status code of a failure.
async fn pin(client: &Client, number: u64) -> Result<(), i32> {
    let name = format!("{number} ").repeat(300);
    let path = IpfsPath::parse(&format!("/ipfs/{}", cid(number))).unwrap();
    let pinned = client.pin(&path, &PinOptions { name, ..PinOptions::default() }).await;
    pinned.map(|_| ()).map_err(|error| error.code())
}

async fn all_there(client: &Client, acknowledged: &[u64]) {
    for number in acknowledged {
        let pin = client.allocation(&cid(*number)).await;
        assert!(pin.is_ok(), "pin {number} was acknowledged and is not there: {pin:?}");
    }
}

/// Sends one request as it stands and returns the answer as it stands.
fn raw(peer: &Service, request: &str) -> String {
    let mut stream = TcpStream::connect(peer.socket().unwrap()).unwrap();
    write!(stream, "{request} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[tokio::test]
async fn a_full_disk_refuses_writes_answers_reads_and_heals_by_itself() {
    let Some(disk) = SmallDisk::mount(160).unwrap() else { return };
    let mut peer = peer(&disk.folder().join("peer"));
    let api = client(&peer).await;
    let mut acknowledged = Vec::new();
    for number in 0..20 {
        pin(&api, number).await.unwrap();
        acknowledged.push(number);
    }
    disk.fill(512 * 1024).unwrap();
    let mut number = 1000;
    let refusal = loop {
        match pin(&api, number).await {
            Ok(()) => acknowledged.push(number),
            Err(code) => break code,
        }
        number += 1;
        assert!(number < 200_000, "the disk never filled up");
    };
    // The write that found the disk full may be there or not; what comes after it was not tried.
    assert!(refusal == 500 || refusal == 429, "{refusal}");
    assert_eq!(pin(&api, 1_000_000).await, Err(429));
    let answer = raw(&peer, &format!("POST /pins/ipfs/{}", cid(1_000_001)));
    let head = answer.to_ascii_lowercase();
    assert!(head.starts_with("http/1.1 429") && head.contains("retry-after: "), "{answer}");
    assert!(answer.contains("disk") || answer.contains("space"), "names no cause: {answer}");
    all_there(&api, &acknowledged).await;

    disk.free().unwrap();
    let deadline = Instant::now() + LIMIT;
    while let Err(code) = pin(&api, 2_000_000).await {
        assert!(code == 429 && Instant::now() < deadline, "{code}\n{}", peer.log_text());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    acknowledged.push(2_000_000);
    all_there(&api, &acknowledged).await;
    peer.kill().unwrap();
    peer.start().unwrap();
    all_there(&client(&peer).await, &acknowledged).await;
    peer.stop().unwrap();
    let check = peer.command(&["state", "check"]).unwrap();
    assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stdout));
}

#[tokio::test]
async fn a_damaged_file_is_named_with_the_remedy_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let mut peer = peer(&folder.path().join("peer"));
    let api = client(&peer).await;
    for number in 0..200 {
        pin(&api, number).await.unwrap();
    }
    peer.stop().unwrap();
    let table = largest_table(&peer.base().join("store"));
    let whole = fs::read(&table).unwrap();
    let cut = &whole[..whole.len() / 2];
    fs::write(&table, cut).unwrap();

    let output = peer.command(&["daemon"]).unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{error}");
    let last = error.trim_end().lines().last().unwrap_or_default();
    assert!(last.starts_with("error ") && last.contains("damaged"), "{error}");
    assert!(last.contains(table.to_str().unwrap()), "does not name {}: {error}", table.display());
    assert!(last.contains("restore a backup"), "names no remedy: {error}");
    assert_eq!(fs::read(&table).unwrap(), cut);

    // A changed byte among the rows does not keep the peer from serving the others, and no pin is said to be gone.
    let mut changed = whole.clone();
    changed[whole.len() / 2] ^= 0x55;
    fs::write(&table, &changed).unwrap();
    peer.start().unwrap();
    let api = client(&peer).await;
    for number in 0..200 {
        let code = api.allocation(&cid(number)).await.map_or_else(|error| error.code(), |_| 200);
        assert!(code == 200 || code == 500, "pin {number}: {code}");
    }
    peer.kill().unwrap();

    // Mended, it works as before.
    fs::write(&table, &whole).unwrap();
    peer.start().unwrap();
    all_there(&client(&peer).await, &(0..200).collect::<Vec<_>>()).await;
}

fn largest_table(folder: &Path) -> PathBuf {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if path.is_dir() {
                open.push(path);
            } else if path.parent().is_some_and(|parent| parent.ends_with("tables")) {
                found.push((entry.metadata().unwrap().len(), path));
            }
        }
    }
    found.into_iter().max().unwrap().1
}
