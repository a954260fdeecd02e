//! Watching the first sync of a follower.

use super::{
    SyncFigures,
    time_left::{Pace, TimeLeft},
};
use crate::{daemon::Counts, logging::StatusLine};
use cluster_core::go_duration;
use std::time::Duration;
use tokio::time::Instant;

/// How often a person at a terminal sees new figures.
const SHOW_EVERY: Duration = Duration::from_secs(1);

/// How often the log has them if there is none.
const LOG_EVERY: Duration = Duration::from_secs(30);

/// The first sync of a follower, or its going on after a restart: over when all is here that is known of.
pub(super) struct FirstSync {
    counts: Counts,
    start: Instant,
    /// For a person who watches; without one the log is told.
    line: Option<StatusLine>,
}

impl FirstSync {
    pub(super) fn new(counts: Counts, line: Option<StatusLine>) -> Self {
        Self { counts, start: Instant::now(), line }
    }

    /// Tells how it goes on until it is over.
    pub(super) async fn watch(self) {
        let every = if self.line.is_some() { SHOW_EVERY } else { LOG_EVERY };
        let mut looks = tokio::time::interval(every);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        if self.line.is_none() {
            // What is so at the start is nothing to tell a log of.
            looks.tick().await;
        }
        let (mut pace, mut was_settled) = (Pace::default(), false);
        loop {
            let now = looks.tick().await;
            let Some(read) = self.counts.read().await else { continue };
            let seen = SyncFigures::from(&read);
            // Once is not enough: before what a new head follows is looked at, nothing is missing for a moment.
            if seen.is_settled() && was_settled {
                return self.tell_end(&seen);
            }
            was_settled = seen.is_settled();
            let left = pace.note(now, seen, read.0.priority);
            self.tell(&seen, left);
        }
    }

    fn tell(&self, seen: &SyncFigures, left: Option<TimeLeft>) {
        let left = left.map(|left| left.to_string());
        match &self.line {
            Some(line) => line.show(&match left {
                _ if !seen.is_anything_known() => "First sync: nothing heard from the cluster yet".to_owned(),
                Some(left) => format!("First sync: {left} | {seen}"),
                None => format!("First sync: {seen}"),
            }),
            None => {
                let SyncFigures { merged, missing, pins, pinned, pinning, errors } = seen;
                tracing::info!(
                    target: "cluster", pins, pinned, pinning, errors, merged, missing, left, "first sync"
                );
            }
        }
    }

    fn tell_end(self, seen: &SyncFigures) {
        match self.line {
            Some(line) => {
                let took = go_duration::print(Duration::from_secs(self.start.elapsed().as_secs()));
                line.finish(&format!("All that is known of is here after {took}: {seen}"));
            }
            None => {
                let SyncFigures { merged, pins, pinned, errors, .. } = seen;
                tracing::info!(target: "cluster", pins, pinned, errors, merged, "all that is known of is here");
            }
        }
    }
}
