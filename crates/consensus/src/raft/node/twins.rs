//! Telling two processes of one identity about each other, until one of them is left.

use super::{GREETING, RaftNode, Request};
use std::{sync::Arc, time::Duration};

/// How often they are told.
const AGAIN: Duration = Duration::from_secs(2);

/// Tells the processes of each peer that has two, also when this member has nothing else to ask of it. Whichever gets it answers, and
/// one that was started anew is taken for the peer again.
pub(super) async fn tell(node: Arc<RaftNode>) {
    let mut found = node.caller.runs.twins();
    loop {
        let doubled = node.caller.runs.doubled();
        for peer in &doubled {
            // The caller makes of it what these have to know.
            let _ = node.caller.call(*peer, &Request::Greet, GREETING).await;
        }
        tokio::select! {
            biased;
            () = node.stop.cancelled() => return,
            () = tokio::time::sleep(AGAIN), if !doubled.is_empty() => {}
            // The sender lives as long as the node.
            _ = found.changed() => {}
        }
    }
}
