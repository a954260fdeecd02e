//! Helping peers of the Go suite that came back with holes: one that was killed amid its first walk takes its part of the
//! DAG for whole, and never asks for the rest (wire-protocol §4.11).

use super::Peer;
use crate::gather::{Source, merge};
use cluster_core::{
    PeerId, PinKey, PinKindFilter, StatusFilter,
    ports::{
        BoxStream, ClusterApi,
        cluster_api::{ApiError, GlobalPinStatus},
        rpc::CallError,
    },
};
use cluster_runtime::now;
use futures_util::StreamExt;
use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, OnceLock},
    time::Duration,
};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};

/// Pins that are linked to anew at once.
const MAX_HELPED: usize = 20_000;

/// Peers that wait for a look.
const MAX_PEERS: usize = 256;

/// What is known of a peer that came back.
struct Patient {
    due: Instant,
    /// Pins that it lacked at the last look.
    lacked: Option<usize>,
    /// It was helped, and has not got on since.
    helped: bool,
}

/// What to do about a peer.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// It lacks nothing.
    Whole,
    /// It was not looked at before, or gets on.
    Wait,
    /// It lacks as much as before.
    Help,
    /// It does so although it was helped.
    GiveUp,
}

impl Step {
    fn after(lacks: usize, patient: &Patient) -> Self {
        match patient.lacked {
            _ if lacks == 0 => Self::Whole,
            None => Self::Wait,
            Some(before) if lacks < before => Self::Wait,
            Some(_) if patient.helped => Self::GiveUp,
            Some(_) => Self::Help,
        }
    }
}

impl Peer {
    /// Takes the peers of the Go suite that connect, and compares what each holds with the pinset when `settle` has passed:
    /// long enough for it to hear of the heads. It is looked at again as long as it catches up; when it stops before the
    /// end, a delta links to what it lacks, and when that does not help either, the log says what does.
    ///
    /// Of the peers of this suite one does it: the one with the least ID.
    pub async fn mend(self, mut came: mpsc::Receiver<PeerId>, settle: Duration) {
        let mut patients: BTreeMap<PeerId, Patient> = BTreeMap::new();
        loop {
            let next = patients.iter().min_by_key(|(_, patient)| patient.due).map(|(peer, p)| (*peer, p.due));
            let due = next.map_or_else(|| Instant::now() + settle, |(_, due)| due);
            tokio::select! {
                peer = came.recv() => {
                    let Some(peer) = peer else { return };
                    if patients.len() < MAX_PEERS || patients.contains_key(&peer) {
                        let due = Instant::now() + settle;
                        patients.insert(peer, Patient { due, lacked: None, helped: false });
                    }
                }
                () = sleep_until(due) => {
                    let Some((peer, _)) = next else { continue };
                    let Some(patient) = patients.remove(&peer) else { continue };
                    if let Some(patient) = self.look_at(peer, patient, settle).await {
                        patients.insert(peer, patient);
                    }
                }
            }
        }
    }

    /// Looks at a peer once; returns what to look at again.
    async fn look_at(&self, peer: PeerId, patient: Patient, settle: Duration) -> Option<Patient> {
        let parts = self.parts();
        if parts.network.is_ours(&peer) != Some(false) || !parts.trust.is_trusted(&peer) || !self.is_first() {
            return None;
        }
        let again = |lacked, helped| Some(Patient { due: Instant::now() + settle, lacked, helped });
        let lacking = match self.lacking(peer, settle).await {
            Ok(lacking) => lacking,
            // It does not trust us, so our heads are nothing to it.
            Err(ApiError::Call(CallError::Refused { .. })) => return None,
            Err(error) => {
                tracing::debug!(target: "crdt", %peer, %error, "cannot compare a peer's pins with ours");
                return again(patient.lacked, patient.helped);
            }
        };
        match Step::after(lacking.count, &patient) {
            Step::Whole => {
                if patient.lacked.is_some() {
                    tracing::info!(target: "crdt", %peer, "the peer has fetched the pins it lacked");
                }
                None
            }
            Step::Wait => again(Some(lacking.count), false),
            Step::GiveUp => {
                tracing::warn!(
                    target: "crdt", %peer, lacks = lacking.count,
                    "the peer lacks pins and does not fetch them: run `state cleanup` on it, and let it sync anew"
                );
                None
            }
            Step::Help => {
                let linked = parts.consensus.relink(lacking.first).await;
                match &linked {
                    Ok(blocks) => tracing::warn!(
                        target: "crdt", %peer, lacks = lacking.count, blocks,
                        "the peer lacks pins that it takes for known; a delta links to them"
                    ),
                    Err(error) => {
                        tracing::debug!(target: "crdt", %peer, %error, "cannot link to the pins a peer lacks");
                    }
                }
                again(Some(lacking.count), linked.is_ok())
            }
        }
    }

    fn is_first(&self) -> bool {
        let parts = self.parts();
        let me = self.config().id;
        let ours = |peer: &PeerId| parts.network.is_ours(peer) == Some(true);
        !parts.consensus.members().iter().any(|peer| *peer < me && ours(peer))
    }

    /// Compares pins older than `settle` with what a peer lists.
    async fn lacking(&self, peer: PeerId, settle: Duration) -> Result<Lacking, ApiError> {
        // What breaks off would look like pins that it lacks.
        let broken = Arc::new(OnceLock::new());
        let note = broken.clone();
        let statuses = self.calls(peer).status_all(StatusFilter::ALL).inspect(move |page| {
            if let Err(error) = page {
                _ = note.set(error.clone());
            }
        });
        let source = Source { template: self.template(peer), ordered: false, statuses: statuses.boxed() };
        let mut theirs = Theirs {
            pages: merge(vec![source], self.config().scratch.clone()),
            ahead: VecDeque::new(),
            ended: false,
        };
        let recent = now();
        let mut lacking = Lacking::default();
        let mut ours = ClusterApi::allocations(self, PinKindFilter::ALL);
        while let Some(page) = ours.next().await {
            for pin in page? {
                let key = pin.key();
                let is_old = pin.timestamp.is_none_or(|at| at.millis().plus(settle) <= recent);
                if !theirs.has(&key).await? && is_old {
                    lacking.count += 1;
                    if lacking.first.len() < MAX_HELPED {
                        lacking.first.push(key);
                    }
                }
            }
        }
        broken.get().map_or(Ok(lacking), |error| Err(error.clone().into()))
    }
}

#[derive(Default)]
struct Lacking {
    count: usize,
    first: Vec<PinKey>,
}

/// What a peer lists, in key order.
struct Theirs {
    pages: BoxStream<'static, Result<Vec<GlobalPinStatus>, ApiError>>,
    ahead: VecDeque<GlobalPinStatus>,
    ended: bool,
}

impl Theirs {
    /// Says whether the peer lists a pin. Asked for in key order.
    async fn has(&mut self, key: &PinKey) -> Result<bool, ApiError> {
        loop {
            while let Some(status) = self.ahead.front() {
                match status.pin.key().cmp(key) {
                    std::cmp::Ordering::Less => drop(self.ahead.pop_front()),
                    std::cmp::Ordering::Equal => return Ok(true),
                    std::cmp::Ordering::Greater => return Ok(false),
                }
            }
            match self.pages.next().await {
                _ if self.ended => return Ok(false),
                Some(page) => self.ahead.extend(page?),
                None => self.ended = true,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_helped_when_it_stops_getting_on_and_given_up_when_that_does_not_help() {
        let after =
            |lacks, lacked, helped| Step::after(lacks, &Patient { due: Instant::now(), lacked, helped });
        assert_eq!(after(0, None, false), Step::Whole);
        // It may be amid a walk.
        assert_eq!(after(9, None, false), Step::Wait);
        assert_eq!(after(8, Some(9), false), Step::Wait);
        assert_eq!(after(8, Some(8), false), Step::Help);
        assert_eq!(after(9, Some(8), false), Step::Help);
        // There may be more than one delta can link to: it gets on, and will be helped again.
        assert_eq!(after(3, Some(8), true), Step::Wait);
        assert_eq!(after(3, Some(3), true), Step::GiveUp);
        assert_eq!(after(0, Some(3), true), Step::Whole);
    }
}
