//! A recorded session of a live cluster, played to a fresh peer of ours.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use cluster_testkit::hostile::{Asked, Session};
use cluster_tests::replay::{recorded, replay};

// Several threads: questions wait for their answers on the test's own.
#[tokio::test(flavor = "multi_thread")]
async fn a_peer_of_ours_comes_to_what_the_go_peer_had() {
    let session = Session::read(&recorded()).unwrap();
    let asked = replay(&session).await.unwrap();
    let nothing_else = Asked { answered: asked.answered, served: asked.served, ..Asked::default() };
    assert_eq!(asked, nothing_else);
    assert!(asked.served >= session.blocks.len() && asked.answered > 0, "{asked:?}");
}
