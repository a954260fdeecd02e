//! Helping peers of the Go suite that came back with holes: one that was killed amid its first walk takes its part of the
//! DAG for whole, and never asks for the rest (wire-protocol §4.11).

use super::Peer;
use crate::gather::{Source, merge};
use cluster_core::{
    PeerId, PinKey, PinKindFilter, StatusFilter,
    ports::{
        BoxStream, ClusterApi,
        cluster_api::{ApiError, GlobalPinStatus},
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
    helped: bool,
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
            Err(error) => {
                tracing::debug!(target: "crdt", %peer, %error, "cannot compare a peer's pins with ours");
                return again(patient.lacked, patient.helped);
            }
        };
        let (count, before) = (lacking.count, patient.lacked.unwrap_or(usize::MAX));
        if count == 0 {
            if patient.helped {
                tracing::info!(target: "crdt", %peer, "the peer has fetched the pins it lacked");
            }
            return None;
        }
        if count < before {
            return again(Some(count), patient.helped);
        }
        if patient.helped {
            tracing::warn!(
                target: "crdt", %peer, lacks = count,
                "the peer lacks pins and does not fetch them: run `state cleanup` on it, and let it sync anew"
            );
            return None;
        }
        match parts.consensus.relink(lacking.first).await {
            Ok(blocks) => {
                tracing::warn!(
                    target: "crdt", %peer, lacks = count, blocks,
                    "the peer lacks pins that it takes for known; a delta links to them"
                );
                again(Some(count), true)
            }
            Err(error) => {
                tracing::debug!(target: "crdt", %peer, %error, "cannot link to the pins a peer lacks");
                again(Some(count), false)
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
