//! The program as scripts see it: output, error output and exit code against a server made for the purpose.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod arguments;
mod fake_server;
mod health;
mod membership;
mod pins;
mod reads;

use std::process::Stdio;
use tokio::process::Command;

/// A CID, and one peer of the invented cluster.
const CID: &str = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy";
const PEER: &str = "12D3KooWRmuMWTCRDPJgU6Lhgovh16Mc6pUAeynoz9uii3NSraDu";
const SECOND: &str = "12D3KooWEzimCSQfZVrDWeSuz9ybdt3L8G4ioYfsXeRRhN3cwsQW";
const THIRD: &str = "12D3KooWNAaixiCUx7PAnE4w7NPYYAt6dLh9uVM4iNPeYZHxeR7Y";

/// What a run left behind.
#[derive(Debug)]
struct Run {
    code: i32,
    out: String,
    err: String,
}

/// Runs the program with the words of `line`, under its own name.
async fn run(line: &str) -> Run {
    run_as("cluster-ctl", line).await
}

async fn run_as(name: &str, line: &str) -> Run {
    let output = Command::new(env!("CARGO_BIN_EXE_cluster-ctl"))
        .arg0(name)
        .args(line.split(' ').filter(|w| !w.is_empty()))
        .env_remove("CLUSTER_CREDENTIALS")
        // A proxy that nobody runs: this machine's own addresses must not be asked through it.
        .env("http_proxy", "http://127.0.0.1:1")
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap();
    Run {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A stored pin on every peer.
fn pin() -> String {
    format!(
        "{{\"replication_factor_min\":-1,\"replication_factor_max\":-1,\"name\":\"n\",\"mode\":\"recursive\",\"shard_size\":0,\
         \"user_allocations\":null,\"expire_at\":\"0001-01-01T00:00:00Z\",\"metadata\":null,\"pin_update\":null,\
         \"origins\":[],\"cid\":\"{CID}\",\"type\":\"pin\",\"allocations\":[],\"max_depth\":-1,\"reference\":null,\
         \"timestamp\":\"2026-01-31T10:20:30Z\"}}\n"
    )
}

/// Its line.
fn pin_text() -> String {
    format!(
        "{CID} | n | PIN | Repl. Factor: -1 | Allocations: [everywhere] | Recursive | Metadata: no | Exp: ∞ | \
         Added: 2026-01-31 10:20:30\n"
    )
}

/// Its status on the one peer.
fn status(name: &str) -> String {
    status_on(&[(PEER, name)])
}

/// Its status on several.
fn status_on(peers: &[(&str, &str)]) -> String {
    let on = |(peer, status): &(&str, &str)| {
        format!(
            "\"{peer}\":{{\"peername\":\"{}\",\"status\":\"{status}\",\"timestamp\":\"2026-01-31T10:20:30Z\",\
             \"error\":\"\",\"attempt_count\":0,\"priority_pin\":false}}",
            if *peer == PEER { "alpha" } else { "" }
        )
    };
    let map = peers.iter().map(on).collect::<Vec<_>>().join(",");
    format!(
        "{{\"cid\":\"{CID}\",\"name\":\"n\",\"allocations\":[],\"origins\":[],\"created\":\"2026-01-31T10:20:30Z\",\
         \"metadata\":null,\"peer_map\":{{{map}}}}}\n"
    )
}

fn status_text(name: &str) -> String {
    format!(
        "{CID} | n:\n    > alpha                : {name} | 2026-01-31T10:20:30Z | Attempts: 0 | Priority: false\n"
    )
}
