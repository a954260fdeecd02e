//! Turning rows into statuses.

use cluster_core::{
    Pin, PinKey, StatusFilter, TrackerStatus, UnixMillis,
    pinset::{TrackedState, TrackerRow, read::Tracked},
    ports::cluster_api::{LocalPinStatus, PinStatusOnPeer},
    tracker::{InFlight, InFlightPin},
};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// How long a look at the daemon counts for the status of one CID.
pub(crate) const FRESH: Duration = Duration::from_secs(5);

/// CIDs whose last look is remembered; the oldest goes first.
const REMEMBERED: usize = 4096;

/// When single CIDs were last looked at on the daemon.
#[derive(Debug, Default)]
pub struct CheckMemory(Mutex<(BTreeMap<PinKey, UnixMillis>, VecDeque<PinKey>)>);

impl CheckMemory {
    /// Says whether a CID was looked at lately; if not, notes that it is being looked at now.
    pub(crate) fn is_fresh(&self, key: &PinKey, now: UnixMillis) -> bool {
        let mut memory = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (times, order) = &mut *memory;
        if times.get(key).is_some_and(|at| now.since(*at) < FRESH) {
            return true;
        }
        if times.insert(key.clone(), now).is_none() {
            order.push_back(key.clone());
        }
        if order.len() > REMEMBERED
            && let Some(oldest) = order.pop_front()
        {
            times.remove(&oldest);
        }
        false
    }
}

/// States whose rows may have a status that passes the filter. A running request hides behind a queued or
/// waiting state; those rows are found by the list of running requests instead.
pub(crate) fn states_of(filter: StatusFilter) -> Vec<TrackedState> {
    TrackedState::ALL.into_iter().filter(|state| filter.matches(state.status())).collect()
}

/// Makes the status of one pin on this peer.
pub(crate) fn on_peer(
    template: &PinStatusOnPeer,
    row: &TrackerRow,
    request: Option<&InFlightPin>,
) -> PinStatusOnPeer {
    let status = InFlight::status(request, row);
    let running = matches!(status, TrackerStatus::Pinning | TrackerStatus::Unpinning);
    PinStatusOnPeer {
        status,
        timestamp: request.filter(|_| running).map_or(row.since, |r| r.since),
        error: if running { String::new() } else { row.error.clone() },
        attempt_count: row.attempts + u32::from(running),
        priority_pin: row.state == TrackedState::PinQueuedPriority,
        ..template.clone()
    }
}

/// Makes the status of a tracked pin.
pub(crate) fn of_tracked(
    template: &PinStatusOnPeer,
    tracked: Tracked,
    in_flight: &BTreeMap<PinKey, InFlightPin>,
) -> LocalPinStatus {
    let Tracked { key, pin, row } = tracked;
    let on_peer = on_peer(template, &row, in_flight.get(&key));
    let created = pin.as_ref().and_then(|pin| pin.timestamp).map_or(row.since, |t| t.millis());
    LocalPinStatus { pin: pin.unwrap_or_else(|| bare(&key)), created, on_peer }
}

/// Makes what stands for a CID outside the pinset.
pub(crate) fn bare(key: &PinKey) -> Pin {
    Pin::new(key.cid())
}
