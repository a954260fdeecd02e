//! The suite of the `Consensus` port, seen by a member that follows and by the one that leads.

use crate::{cluster::Cluster, wire::NextCall};
use cluster_consensus::conformance::{CASES, Harness, run_all, run_one};
use cluster_core::{
    Pin, PinKey,
    ports::{BoxFuture, Consensus, consensus::Etag},
};
use std::sync::Arc;

/// Which member the cases talk to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Seat {
    Follower,
    Leader,
}

/// Three members, seen by one of them.
struct Raft {
    cluster: Cluster,
    local: usize,
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(work))
}

impl Raft {
    fn new(seat: Seat) -> Self {
        block_on(async {
            let cluster = Cluster::start(1000).await;
            let leader = cluster.leader().await;
            let local = if seat == Seat::Leader { leader } else { (leader + 1) % 3 };
            cluster.working(local).await;
            Self { cluster, local }
        })
    }
}

impl Drop for Raft {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            block_on(async {
                self.cluster.agree().await;
                self.cluster.stop().await;
            });
        }
    }
}

impl Harness for Raft {
    fn consensus(&self) -> Arc<dyn Consensus> {
        self.cluster.members[self.local].consensus()
    }

    fn read(&self, key: &PinKey) -> Option<(Pin, Etag)> {
        self.cluster.members[self.local].read(key)
    }

    fn power_cut(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            let left: Vec<_> = self.cluster.members.iter().map(|member| member.store.power_cut()).collect();
            for (number, left) in left.into_iter().enumerate() {
                self.cluster.stop_member(number).await;
                self.cluster.members[number].store = left;
            }
            for number in 0..3 {
                self.cluster.start_member(number).await;
            }
            self.cluster.working(self.local).await;
        })
    }

    fn break_next(&mut self, survives: bool) {
        let leader = block_on(self.cluster.leader());
        assert_ne!(leader, self.local, "this fault is between a follower and its leader");
        let peer = self.cluster.members[self.local].peer;
        let next = if survives { NextCall::Last } else { NextCall::Lost };
        self.cluster.wires.on_next_proposal(peer, next);
    }

    fn healed(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            self.cluster.wires.reconnect(self.cluster.members[self.local].peer);
            self.cluster.working(self.local).await;
        })
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_keeps_every_case() {
    run_all(|| Raft::new(Seat::Follower)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_leader_keeps_every_case() {
    // The fault of one case is between a follower and its leader.
    let cases = CASES.iter().filter(|case| !case.starts_with("after an unknown outcome"));
    assert_eq!(cases.clone().count(), CASES.len() - 1);
    for case in cases {
        run_one(&mut || Raft::new(Seat::Leader), case).await.unwrap();
    }
}
