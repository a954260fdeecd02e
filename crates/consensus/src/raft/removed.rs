//! What others say about this peer being no member any more.

use super::position::LogPosition;
use std::sync::Arc;
use tokio::sync::watch;

/// The last place of the log from which on this peer is said to be no member. What says so later counts more, be it
/// another member or this peer's own log.
#[derive(Debug, Clone)]
pub(super) struct Removed(Arc<watch::Sender<Option<LogPosition>>>);

impl Default for Removed {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(None)))
    }
}

impl Removed {
    /// Takes note of what a member says.
    pub(super) fn note(&self, since: LogPosition) {
        self.0.send_if_modified(|known| {
            let is_news = Some(since) > *known;
            if is_news {
                *known = Some(since);
            }
            is_news
        });
    }

    /// Says whether this peer is no member, whose own log names the members as of `own`.
    pub(super) fn is_later_than(&self, own: Option<LogPosition>) -> bool {
        *self.0.borrow() > own
    }

    /// Follows what is said.
    pub(super) fn subscribe(&self) -> watch::Receiver<Option<LogPosition>> {
        self.0.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_word_counts() {
        let at = |index| LogPosition { term: 1, index };
        let removed = Removed::default();
        assert!(!removed.is_later_than(None));
        removed.note(at(7));
        removed.note(at(3));
        assert!(removed.is_later_than(None) && removed.is_later_than(Some(at(6))));
        assert!(!removed.is_later_than(Some(at(7))), "it was added again");
    }
}
