//! `kill -9` under load: a short slice of `cargo run -p cluster-tests --bin powercut`.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

use cluster_tests::powercut::{Engine, KillOptions, PeerProgram, Variant, kill_often};

fn kill(variant: Variant, engine: Engine) {
    let program = PeerProgram::find(variant, engine).unwrap();
    let summary = kill_often(&program, &KillOptions { kills: 5, seed: 20_240_613 }).unwrap();
    println!("{summary}");
    assert!(summary.failures.is_empty(), "{summary}");
    assert_eq!((summary.kills, summary.reopened, summary.lost), (5, 5, 0));
    assert!(summary.acknowledged >= 5);
}

#[test]
fn a_peer_survives_kills() {
    kill(Variant::Default, Engine::Fjall);
}

#[test]
fn a_peer_with_batching_survives_kills() {
    kill(Variant::Batching, Engine::Fjall);
}

#[test]
fn a_peer_on_sled_survives_kills() {
    kill(Variant::Default, Engine::Sled);
}
