//! Tells the operator what other peers sent and was not taken: there is a limit on everything, and who runs into one
//! must be able to see it.

use cluster_consensus::CrdtInbox;
use cluster_peer::MetricsBoard;
use cluster_swarm::Swarm;
use std::time::Duration;

/// Time between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// Who counts.
#[derive(Clone)]
pub(super) struct Drops {
    pub(super) swarm: Swarm,
    /// None with another consensus.
    pub(super) crdt: Option<CrdtInbox>,
    pub(super) board: MetricsBoard,
}

type Counts = Vec<(&'static str, u64)>;

impl Drops {
    /// Logs what was dropped between two looks, if anything was.
    pub(super) async fn watch(self) {
        let mut before = self.counts();
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let counts = self.counts();
            if let Some(what) = describe(&counts, &before) {
                tracing::info!(target: "cluster", "not taken from other peers in the last minute: {what}");
            }
            before = counts;
        }
    }

    /// Logs what was dropped since the start, if anything was.
    pub(super) fn log_all(&self) {
        if let Some(what) = describe(&self.counts(), &[]) {
            tracing::info!(target: "cluster", "not taken from other peers since the start: {what}");
        }
    }

    fn counts(&self) -> Counts {
        let crdt = self.crdt.iter().flat_map(CrdtInbox::drops);
        self.swarm.drops().into_iter().chain(crdt).chain(self.board.drops()).collect()
    }
}

/// Lists what has grown; `before` has the same order, or is empty.
fn describe(counts: &[(&'static str, u64)], before: &[(&'static str, u64)]) -> Option<String> {
    let before = before.iter().map(|(_, count)| *count).chain(std::iter::repeat(0));
    let grown = counts.iter().zip(before).filter_map(|((name, count), before)| {
        let grown = count.saturating_sub(before);
        (grown > 0).then(|| format!("{name} {grown}"))
    });
    let grown: Vec<String> = grown.collect();
    (!grown.is_empty()).then(|| grown.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_has_grown_is_told() {
        let before = [("calls refused", 2), ("heads dropped", 0), ("wants dropped", 7)];
        let now = [("calls refused", 5), ("heads dropped", 1), ("wants dropped", 7)];
        assert_eq!(describe(&now, &before).unwrap(), "calls refused 3, heads dropped 1");
        assert_eq!(describe(&now, &[]).unwrap(), "calls refused 5, heads dropped 1, wants dropped 7");
        assert_eq!(describe(&now, &now), None);
    }
}
