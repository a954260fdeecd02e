//! Helping peers of the Go suite that hold another pinset than ours after they came back.
//!
//! One that was killed amid its first walk takes its part of the DAG for whole, and never asks for the rest (wire-protocol
//! §4.11). One that merges an element of a pin and the removal of the same or of another one at the same moment may end
//! with the wrong value, or keep or lose the pin: either merge looks at what there is first, and writes later.

use super::Peer;
use crate::gather::{Source, merge};
use cluster_core::{
    PeerId, PinKey, PinKindFilter, StatusFilter, TrackerStatus, UnixSeconds,
    ports::{
        BoxStream, ClusterApi,
        cluster_api::{ApiError, GlobalPinStatus},
        rpc::CallError,
    },
};
use cluster_runtime::now;
use futures_util::StreamExt;
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Arc, OnceLock},
    time::Duration,
};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};

/// Pins that are told of anew at once, of each kind.
const MAX_HELPED: usize = 20_000;

/// Peers that wait for a look.
const MAX_PEERS: usize = 256;

/// How many rebroadcast intervals a peer has before the first look.
const FIRST: u32 = 2;

/// How many it has to get on: everybody tells the heads again within 2.6 of them.
const SETTLE: u32 = 3;

/// In what a peer differs from the pinset.
#[derive(Debug, Default)]
struct Difference {
    /// Pins that it lacks, or has as they were before.
    lacks: usize,
    /// The first of them.
    lacking: Vec<PinKey>,
    /// Pins that it has and the pinset has not, the first of them.
    kept: BTreeSet<PinKey>,
}

impl Difference {
    /// Counts what was so at the last look, too: a removal may be on its way.
    fn lasting(&self, before: Option<&Self>) -> usize {
        let kept = before.map_or(self.kept.len(), |before| self.kept.intersection(&before.kept).count());
        self.lacks + kept
    }
}

/// What is known of a peer that came back.
#[derive(Default)]
struct Patient {
    /// How it differed at the last look.
    before: Option<Difference>,
    /// It was helped, and has not got on since.
    helped: bool,
}

/// What to do about a peer.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// It differs in nothing, and that some time after it came.
    Whole,
    /// It was not looked at before, or gets on.
    Wait,
    /// It differs as much as before.
    Help,
    /// It does so although it was helped.
    GiveUp,
}

impl Step {
    /// Chooses by what is seen now and was seen before.
    fn after(seen: &Difference, patient: &Patient) -> Self {
        let before = patient.before.as_ref();
        let lasting = seen.lasting(before);
        match before {
            None => Self::Wait,
            Some(_) if lasting == 0 => Self::Whole,
            Some(before) if lasting < before.lasting(None) => Self::Wait,
            Some(_) if patient.helped => Self::GiveUp,
            Some(_) => Self::Help,
        }
    }
}

impl Peer {
    /// Takes the peers of the Go suite that connect, and compares what each holds with the pinset: after two `intervals`, in
    /// which heads are told again, and later once more at least, for a walk takes time. It is looked at again as long as it
    /// catches up; when it stops before the end, or keeps what is removed, a delta tells of that anew, and when that does
    /// not help either, the log says what does.
    ///
    /// Of the peers of this suite one does it: the one with the least ID.
    pub async fn mend(self, mut came: mpsc::Receiver<PeerId>, interval: Duration) {
        let mut patients: BTreeMap<PeerId, (Instant, Patient)> = BTreeMap::new();
        loop {
            let next = patients.iter().map(|(peer, (due, _))| (*due, *peer)).min();
            let due = next.map_or_else(|| Instant::now() + interval, |(due, _)| due);
            tokio::select! {
                peer = came.recv() => {
                    let Some(peer) = peer else { return };
                    if patients.len() < MAX_PEERS || patients.contains_key(&peer) {
                        patients.insert(peer, (Instant::now() + FIRST * interval, Patient::default()));
                    }
                }
                () = sleep_until(due) => {
                    let Some((_, peer)) = next else { continue };
                    let Some((_, patient)) = patients.remove(&peer) else { continue };
                    if let Some((patient, intervals)) = self.look_at(peer, patient, interval).await {
                        patients.insert(peer, (Instant::now() + intervals * interval, patient));
                    }
                }
            }
        }
    }

    /// Looks at a peer once; returns what to look at again, and after how many intervals.
    async fn look_at(&self, peer: PeerId, patient: Patient, interval: Duration) -> Option<(Patient, u32)> {
        let parts = self.parts();
        if parts.network.is_ours(&peer) != Some(false) || !parts.trust.is_trusted(&peer) || !self.is_first() {
            return None;
        }
        let seen = match self.differs(peer, interval).await {
            Ok(seen) => seen,
            // It does not trust us, so our heads are nothing to it.
            Err(ApiError::Call(CallError::Refused { .. })) => return None,
            Err(error) => {
                tracing::debug!(target: "crdt", %peer, %error, "cannot compare a peer's pins with ours");
                return Some((patient, SETTLE));
            }
        };
        let (lacks, keeps) = (seen.lacks, seen.kept.len());
        match Step::after(&seen, &patient) {
            Step::Whole => {
                if patient.before.is_some_and(|before| before.lasting(None) > 0) {
                    tracing::info!(target: "crdt", %peer, "the peer agrees on the pinset again");
                }
                None
            }
            Step::Wait => {
                // What it lacks at first it may be about to fetch, or never: that shows soon.
                let soon = patient.before.is_none() && seen.lasting(None) > 0;
                Some((Patient { before: Some(seen), helped: false }, if soon { 1 } else { SETTLE }))
            }
            Step::GiveUp => {
                tracing::warn!(
                    target: "crdt", %peer, lacks, keeps,
                    "the peer lacks pins or keeps removed ones, whatever it is told: run `state cleanup` on it, and let it \
                     sync anew"
                );
                None
            }
            Step::Help => {
                let pins = seen.lacking.iter().chain(&seen.kept).cloned().collect();
                let helped = match parts.consensus.retell(pins).await {
                    // Of what it keeps nothing is known here: it is new.
                    Ok(0) if lacks == 0 => return None,
                    Ok(told) => {
                        tracing::warn!(
                            target: "crdt", %peer, lacks, keeps, told,
                            "the peer lacks pins that it takes for known, or keeps removed ones; a delta tells of them anew"
                        );
                        told > 0
                    }
                    Err(error) => {
                        tracing::debug!(target: "crdt", %peer, %error, "cannot tell anew of pins a peer has wrong");
                        false
                    }
                };
                Some((Patient { before: Some(seen), helped }, SETTLE))
            }
        }
    }

    /// Says whether this is the peer of this suite with the least ID.
    pub(super) fn is_first(&self) -> bool {
        let parts = self.parts();
        let me = self.config().id;
        let ours = |peer: &PeerId| parts.network.is_ours(peer) == Some(true);
        !parts.consensus.members().iter().any(|peer| *peer < me && ours(peer))
    }

    /// Compares what a peer lists with the pinset, pins younger than `interval` aside.
    async fn differs(&self, peer: PeerId, interval: Duration) -> Result<Difference, ApiError> {
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
            others: BTreeSet::new(),
        };
        let recent = now();
        let mut seen = Difference::default();
        let mut ours = ClusterApi::allocations(self, PinKindFilter::ALL);
        while let Some(page) = ours.next().await {
            for pin in page? {
                let key = pin.key();
                let is_old = pin.timestamp.is_none_or(|at| at.millis().plus(interval) <= recent);
                if !theirs.has(&key, pin.timestamp).await? && is_old {
                    seen.lacks += 1;
                    if seen.lacking.len() < MAX_HELPED {
                        seen.lacking.push(key);
                    }
                }
            }
        }
        seen.kept = theirs.others().await?;
        broken.get().map_or(Ok(seen), |error| Err(error.clone().into()))
    }
}

/// What a peer lists, in key order.
struct Theirs {
    pages: BoxStream<'static, Result<Vec<GlobalPinStatus>, ApiError>>,
    ahead: VecDeque<GlobalPinStatus>,
    /// The first pins that were passed over.
    others: BTreeSet<PinKey>,
}

impl Theirs {
    /// Says whether the peer lists a pin of that time. Asked for in key order.
    async fn has(&mut self, key: &PinKey, made: Option<UnixSeconds>) -> Result<bool, ApiError> {
        while let Some(status) = self.next().await? {
            match status.pin.key().cmp(key) {
                std::cmp::Ordering::Less => self.pass_over(&status),
                std::cmp::Ordering::Equal => {
                    let theirs = status.pin.timestamp;
                    return Ok(theirs.is_none() || made.is_none() || theirs == made);
                }
                std::cmp::Ordering::Greater => {
                    self.ahead.push_front(status);
                    return Ok(false);
                }
            }
        }
        Ok(false)
    }

    /// Returns the pins that were not asked for, the first of them.
    async fn others(mut self) -> Result<BTreeSet<PinKey>, ApiError> {
        while let Some(status) = self.next().await? {
            self.pass_over(&status);
        }
        Ok(self.others)
    }

    async fn next(&mut self) -> Result<Option<GlobalPinStatus>, ApiError> {
        while self.ahead.is_empty() {
            let Some(page) = self.pages.next().await else { return Ok(None) };
            self.ahead.extend(page?);
        }
        Ok(self.ahead.pop_front())
    }

    fn pass_over(&mut self, status: &GlobalPinStatus) {
        // A tracker lists what it unpins, or failed to unpin, as well: that is in the pinset no more.
        let unpins = |status: &TrackerStatus| {
            use TrackerStatus::{UnpinError, UnpinQueued, Unpinned, Unpinning};
            matches!(status, UnpinError | UnpinQueued | Unpinned | Unpinning)
        };
        if self.others.len() < MAX_HELPED && !status.peers.iter().all(|on| unpins(&on.status)) {
            self.others.insert(status.pin.key());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(names: &[u8]) -> BTreeSet<PinKey> {
        names.iter().map(|name| PinKey::from_bytes(&[1, 0x55, 0, 1, *name]).unwrap()).collect()
    }

    fn seen(lacks: usize, kept: &[u8]) -> Difference {
        Difference { lacks, lacking: Vec::new(), kept: keys(kept) }
    }

    fn before(lacks: usize, kept: &[u8], helped: bool) -> Patient {
        Patient { before: Some(seen(lacks, kept)), helped }
    }

    #[test]
    fn a_peer_is_helped_when_it_stops_getting_on_and_given_up_when_that_does_not_help() {
        let new = Patient::default();
        let after = |lacks, patient: &Patient| Step::after(&seen(lacks, &[]), patient);
        // It may not have begun to walk.
        assert_eq!(after(0, &new), Step::Wait);
        assert_eq!(after(0, &before(0, &[], false)), Step::Whole);
        // It may be amid a walk.
        assert_eq!(after(9, &new), Step::Wait);
        assert_eq!(after(8, &before(9, &[], false)), Step::Wait);
        assert_eq!(after(8, &before(8, &[], false)), Step::Help);
        assert_eq!(after(9, &before(8, &[], false)), Step::Help);
        // There may be more than one delta can link to: it gets on, and will be helped again.
        assert_eq!(after(3, &before(8, &[], true)), Step::Wait);
        assert_eq!(after(3, &before(3, &[], true)), Step::GiveUp);
        assert_eq!(after(0, &before(3, &[], true)), Step::Whole);
    }

    #[tokio::test]
    async fn what_a_peer_lists_is_compared_by_time_and_what_it_unpins_is_not_counted() {
        let listed = |name: u8, made: u64, on: TrackerStatus| {
            let key = keys(&[name]).pop_first().unwrap();
            let mut pin = crate::status::bare(&key);
            pin.timestamp = Some(UnixSeconds(made));
            let mut on_peer = crate::gather::template(PeerId::random(), String::new(), None);
            on_peer.status = on;
            GlobalPinStatus { pin, created: now(), peers: vec![on_peer] }
        };
        let page = vec![
            listed(1, 5, TrackerStatus::Pinned),
            listed(3, 7, TrackerStatus::Remote),
            listed(4, 7, TrackerStatus::Unpinning),
            listed(5, 7, TrackerStatus::PinError),
        ];
        let pages = futures_util::stream::iter([Ok(page)]).boxed();
        let mut theirs = Theirs { pages, ahead: VecDeque::new(), others: BTreeSet::new() };
        let mut has = Vec::new();
        for (name, made) in [(1, Some(6)), (2, Some(6)), (3, Some(7))] {
            let key = keys(&[name]).pop_first().unwrap();
            has.push(theirs.has(&key, made.map(UnixSeconds)).await.unwrap());
        }
        assert_eq!(has, [false, false, true]);
        assert_eq!(theirs.others().await.unwrap(), keys(&[5]));
    }

    #[test]
    fn a_peer_that_keeps_what_is_removed_is_helped_and_removals_on_their_way_are_not_held_against_it() {
        let after = |kept: &[u8], patient: &Patient| Step::after(&seen(0, kept), patient);
        assert_eq!(after(&[1, 2], &Patient::default()), Step::Wait);
        assert_eq!(after(&[1, 2], &before(0, &[1, 2], false)), Step::Help);
        assert_eq!(after(&[3, 4], &before(0, &[1, 2], true)), Step::Whole);
        assert_eq!(after(&[2, 3, 4], &before(0, &[1, 2], true)), Step::Wait);
        assert_eq!(after(&[2], &before(0, &[2], false)), Step::Help);
        assert_eq!(after(&[2], &before(0, &[2], true)), Step::GiveUp);
    }
}
