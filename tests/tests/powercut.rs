//! Power cuts: a short slice of `cargo run -p cluster-tests --bin powercut`, and proof that it can fail.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

use cluster_testkit::powercut::{Campaign, CampaignOptions, NameModel, Summary, Workload, is_permitted};
use cluster_tests::powercut::{
    ClusterWorkload, Engine, Fault, PeerProgram, ServiceWorkload, ToyWorkload, Variant,
};
use std::path::PathBuf;

const SEED: u64 = 20_240_613;

fn cut(workload: &dyn Workload, disks: usize, recordings: usize) -> Option<Summary> {
    if !is_permitted() {
        println!("skipped: strace is missing or may not trace here");
        return None;
    }
    let keep = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("powercut");
    let options = CampaignOptions { disks, recordings, seed: SEED, names: NameModel::Strict, keep };
    let summary = Campaign::new(workload, options).run().unwrap();
    println!("{summary}");
    Some(summary)
}

fn toy(fault: Fault, disks: usize) -> Option<Summary> {
    cut(&ToyWorkload::new(env!("CARGO_BIN_EXE_powercut").into(), fault, 60), disks, 1)
}

fn service(variant: Variant, engine: Engine) {
    let workload = ServiceWorkload::new(PeerProgram::find(variant, engine).unwrap(), 320);
    let Some(summary) = cut(&workload, 10, 2) else { return };
    assert!(summary.is_clean(), "{summary}");
    assert_eq!((summary.cuts, summary.reopened, summary.lost), (10, 10, 0));
    // An add that a removal in the same batch took back leaves no bytes to recognise.
    assert_eq!(summary.proven + summary.weak, summary.acknowledged);
    assert!(summary.weak * 50 <= summary.acknowledged, "{summary}");
}

#[test]
fn a_store_that_syncs_before_it_answers_loses_nothing() {
    let Some(summary) = toy(Fault::None, 60) else { return };
    assert!(summary.is_clean(), "{summary}");
    assert_eq!((summary.cuts, summary.reopened), (60, 60));
    assert_eq!((summary.acknowledged, summary.proven), (60, 60));
    assert!(summary.checked > 600, "the cuts come late enough to matter: {summary}");
}

#[test]
fn a_store_that_answers_before_it_syncs_is_caught() {
    let Some(summary) = toy(Fault::EarlyAnswer, 60) else { return };
    assert!(summary.lost > 0, "{summary}");
    assert_eq!(summary.proven, 0, "no answer came after a sync of its own bytes");
    assert!(summary.failures.iter().any(|failure| failure.contains("without a sync")), "{summary}");
}

#[test]
fn a_store_that_does_not_sync_its_folder_is_caught() {
    let Some(summary) = toy(Fault::NamelessLog, 20) else { return };
    assert!(summary.lost > 0, "{summary}");
    assert!(
        summary.failures.iter().any(|failure| failure.contains("ext4's order of names holds")),
        "{summary}"
    );
}

#[test]
fn a_store_that_trusts_a_torn_end_is_caught() {
    // Few of the torn ends can be mistaken for a record.
    let Some(summary) = toy(Fault::TrustingReader, 600) else { return };
    assert!(summary.lost > 0, "{summary}");
}

#[test]
fn a_peer_survives_power_cuts() {
    service(Variant::Default, Engine::Fjall);
}

#[test]
fn a_peer_with_batching_survives_power_cuts() {
    service(Variant::Batching, Engine::Fjall);
}

#[test]
fn a_peer_on_sled_survives_power_cuts() {
    service(Variant::Default, Engine::Sled);
}

#[test]
fn peers_that_agree_survive_a_power_cut_of_all_at_once() {
    let workload = ClusterWorkload::new(200).unwrap();
    let Some(summary) = cut(&workload, 4, 2) else { return };
    assert!(summary.is_clean(), "{summary}");
    assert_eq!((summary.cuts, summary.reopened, summary.lost), (4, 4, 0));
    assert_eq!(summary.proven + summary.weak, summary.acknowledged);
}
