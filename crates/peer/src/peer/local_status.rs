//! Status and recovery of this peer alone.

use super::Peer;
use crate::{
    pages::stream,
    status::{bare, of_tracked, on_peer, states_of},
};
use cluster_core::{
    Pin, PinKey, StatusFilter, TrackerStatus,
    pinset::{TrackedState, TrackerInput, TrackerOutcome, TrackerRow, read},
    ports::{
        BoxStream,
        cluster_api::{ApiError, LocalPinStatus, PinStatusOnPeer},
    },
};
use cluster_runtime::now;
use std::{collections::BTreeSet, time::Duration};

/// Rows of a page that is streamed.
const PAGE: usize = 1024;

/// Rows of the first page: small, so that the first byte comes at once.
const FIRST_PAGE: usize = 32;

/// Memory of a page that is streamed, in bytes, judged by the page before. A reader that stops reading holds two pages, and
/// another peer may have many such readers.
const PAGE_BYTES: usize = 128 * 1024;

/// How long the status of one CID waits for the daemon before the stored row answers.
const CHECK_LIMIT: Duration = Duration::from_secs(1);

impl Peer {
    async fn rows_of(&self, key: &PinKey) -> Result<(Option<Pin>, Option<TrackerRow>), ApiError> {
        let key = key.clone();
        self.read(move |store| {
            let snapshot = store.snapshot()?;
            Ok((read::pin(&*snapshot, &key)?.map(|(pin, _)| pin), read::tracker_row(&*snapshot, &key)?))
        })
        .await
    }

    /// Looks on the daemon whether a pinned CID is still there, unless that was done a moment ago.
    async fn verify(&self, key: &PinKey, pin: Option<&Pin>, row: Option<&TrackerRow>) -> bool {
        let (Some(pin), Some(row)) = (pin, row) else { return false };
        if row.state != TrackedState::Pinned || self.0.checks.is_fresh(key, now()) {
            return false;
        }
        let look = self.parts().ipfs.pin_status(pin.cid, pin.depth);
        let Ok(Ok(status)) = tokio::time::timeout(CHECK_LIMIT, look).await else { return false };
        if status.satisfies(pin.depth) {
            return false;
        }
        let missing = TrackerInput::Missing { key: key.clone(), revision: row.revision, next_attempt: now() };
        self.parts().tracker.transition(missing).await == TrackerOutcome::Applied
    }

    pub(super) async fn local_status(&self, key: &PinKey) -> Result<LocalPinStatus, ApiError> {
        // Before the rows: a request that ends in between is done in them, and would be queued again without this.
        let request = self.parts().in_flight.get(key);
        let (mut pin, mut row) = self.rows_of(key).await?;
        if self.verify(key, pin.as_ref(), row.as_ref()).await {
            (pin, row) = self.rows_of(key).await?;
        }
        let template = self.template(self.config().id);
        let created = pin.as_ref().and_then(|p| p.timestamp).map_or_else(now, |t| t.millis());
        let on_peer = match &row {
            Some(row) => on_peer(&template, row, request.as_ref()),
            None => PinStatusOnPeer { status: TrackerStatus::Unpinned, ..template },
        };
        Ok(LocalPinStatus { pin: pin.unwrap_or_else(|| bare(key)), created, on_peer })
    }

    pub(super) fn local_statuses(
        &self,
        filter: StatusFilter,
        after: Option<PinKey>,
    ) -> BoxStream<'static, Result<Vec<LocalPinStatus>, ApiError>> {
        let (store, in_flight) = (self.parts().store.clone(), self.parts().in_flight.clone());
        let template = self.template(self.config().id);
        let mut limit = FIRST_PAGE;
        let mut cursor = tracked(filter, || in_flight.all().into_keys().collect());
        if let Some(after) = &after {
            cursor = cursor.after(after);
        }
        stream(move || {
            // Before the rows, as for a single status.
            let running = in_flight.all();
            let page = cursor.next_page(&*store, limit)?;
            if page.is_empty() {
                return Ok(None);
            }
            let statuses = page.into_iter().map(|tracked| of_tracked(&template, tracked, &running));
            let statuses: Vec<_> = statuses.filter(|s| filter.matches(s.on_peer.status)).collect();
            limit = next_limit(&statuses);
            Ok(Some(statuses))
        })
    }

    /// Tries a CID again where its last attempt failed; `None` when it is neither pinned nor tracked.
    pub(super) async fn local_recover(&self, key: &PinKey) -> Result<Option<LocalPinStatus>, ApiError> {
        let (pin, row) = self.rows_of(key).await?;
        if pin.is_none() && row.is_none() {
            return Ok(None);
        }
        self.verify(key, pin.as_ref(), row.as_ref()).await;
        self.parts().tracker.transition(TrackerInput::Recover { key: key.clone() }).await;
        self.local_status(key).await.map(Some)
    }

    pub(super) fn local_recover_all(&self) -> BoxStream<'static, Result<Vec<LocalPinStatus>, ApiError>> {
        let waiting: Vec<TrackedState> = TrackedState::ALL.into_iter().filter(|s| s.is_waiting()).collect();
        let mut cursor = read::TrackedCursor::of(&waiting, BTreeSet::new());
        let (store, in_flight) = (self.parts().store.clone(), self.parts().in_flight.clone());
        let template = self.template(self.config().id);
        let (tracker, runtime) = (self.parts().tracker.clone(), tokio::runtime::Handle::current());
        let mut limit = FIRST_PAGE;
        stream(move || {
            let page = cursor.next_page(&*store, limit)?;
            if page.is_empty() {
                return Ok(None);
            }
            let keys: Vec<PinKey> = page.into_iter().map(|tracked| tracked.key).collect();
            // All at once, so that they share commits.
            let transitions: Vec<_> = keys
                .iter()
                .map(|key| runtime.spawn(tracker.transition(TrackerInput::Recover { key: key.clone() })))
                .collect();
            let running = in_flight.all();
            let mut recovered = Vec::new();
            for (key, transition) in keys.into_iter().zip(transitions) {
                if runtime.block_on(transition).ok() != Some(TrackerOutcome::Applied) {
                    continue;
                }
                let snapshot = store.snapshot()?;
                if let Some(row) = read::tracker_row(&*snapshot, &key)? {
                    let pin = read::pin(&*snapshot, &key)?.map(|(pin, _)| pin);
                    recovered.push(of_tracked(&template, read::Tracked { key, pin, row }, &running));
                }
            }
            limit = next_limit(&recovered);
            Ok(Some(recovered))
        })
    }
}

/// Starts reading the rows whose status may pass the filter.
pub(super) fn tracked(
    filter: StatusFilter,
    running: impl FnOnce() -> BTreeSet<PinKey>,
) -> read::TrackedCursor {
    if filter.is_all() {
        read::TrackedCursor::all()
    } else {
        read::TrackedCursor::of(&states_of(filter), running())
    }
}

/// Returns how many statuses like these fit into a page.
fn next_limit(statuses: &[LocalPinStatus]) -> usize {
    let bytes: usize = statuses.iter().map(size_in_memory).sum();
    (PAGE_BYTES * statuses.len()).checked_div(bytes).unwrap_or(PAGE).clamp(1, PAGE)
}

/// Estimates the bytes that a status takes: itself, its addresses, and what users may make long.
fn size_in_memory(status: &LocalPinStatus) -> usize {
    let options = &status.pin.options;
    let metadata: usize = options.metadata.iter().map(|(key, value)| key.len() + value.len()).sum();
    let addresses: usize = status.on_peer.ipfs_peer_addresses.iter().map(|address| address.len()).sum();
    let peers = status.pin.allocations.len() + options.user_allocations.len();
    let origins: usize = options.origins.iter().map(|origin| origin.len()).sum();
    let texts = options.name.len() + metadata + status.on_peer.error.len() + status.on_peer.peername.len();
    size_of::<LocalPinStatus>() + texts + addresses + origins + peers * size_of::<cluster_core::PeerId>()
}
