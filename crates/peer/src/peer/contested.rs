//! Helping peers of the Go suite with pins that were added and removed within moments.
//!
//! One that merges an element of a pin and a removal of it at the same time may end with either: each merge looks at what
//! there is first, and writes later. That happens in the middle of its life too, so pins for which it can have happened are
//! looked at, one by one, once nobody has touched them for a while.

use super::Peer;
use cluster_core::{
    PeerId, PinKey, TrackerStatus,
    pinset::{ChangeKind, events},
    ports::{
        cluster_api::{ApiError, LocalPinStatus},
        datastore::Datastore,
        rpc::CallError,
    },
};
use std::{collections::BTreeMap, time::Duration};
use tokio::time::{Instant, sleep};

/// How close to each other an addition and a removal of a pin are for a peer to merge them at the same time: heads travel in
/// milliseconds, but a peer that is busy may take up both late.
const CLOSE: Duration = Duration::from_secs(10);

/// How often changes are read. Nothing is lost in between: they are stored.
const READ_EVERY: Duration = Duration::from_secs(1);

/// Batches of changes read at a time; what is behind more than [`MAX_BATCHES`] of them is not looked at.
const BATCHES: usize = 256;
const MAX_BATCHES: u64 = 16_384;

/// Pins that wait to be looked at; when there are more, those touched longest ago are given up.
const MAX_PINS: usize = 4096;

/// Pins that are asked about between two reads of the changes.
const MAX_LOOKS: usize = 64;

/// Looks at a pin that differs before it is told of anew, and after that before it is given up.
const LOOKS: u32 = 2;

/// What happened to one pin lately.
#[derive(Debug)]
struct Touched {
    last: Instant,
    added: Option<Instant>,
    removed: Option<Instant>,
    /// Looks that found it wrong at some peer.
    wrong: u32,
    told: bool,
}

/// The pins that were touched lately.
#[derive(Debug, Default)]
struct Pins(BTreeMap<PinKey, Touched>);

impl Pins {
    fn touch(&mut self, key: PinKey, removal: bool, now: Instant) {
        let pin = self.0.entry(key).or_insert(Touched {
            last: now,
            added: None,
            removed: None,
            wrong: 0,
            told: false,
        });
        (pin.last, pin.wrong, pin.told) = (now, 0, false);
        *if removal { &mut pin.removed } else { &mut pin.added } = Some(now);
    }

    /// Forgets what cannot be contested, and what is too much.
    fn tidy(&mut self, now: Instant) {
        self.0.retain(|_, pin| match (pin.added, pin.removed) {
            (Some(added), Some(removed)) => added.max(removed) - added.min(removed) <= CLOSE,
            _ => now - pin.last <= CLOSE,
        });
        if let Some(surplus @ 1..) = self.0.len().checked_sub(MAX_PINS) {
            let mut touched: Vec<(Instant, PinKey)> =
                self.0.iter().map(|(key, pin)| (pin.last, key.clone())).collect();
            touched.sort_unstable();
            for (_, key) in &touched[..surplus] {
                self.0.remove(key);
            }
        }
    }

    /// Returns the contested pins that are to be looked at: when nobody has touched them for one and a half intervals, in
    /// which everybody tells heads again, and after each look half of one later, so that what is on its way can arrive.
    fn quiet(&self, now: Instant, interval: Duration) -> Vec<PinKey> {
        let is_quiet = |pin: &Touched| {
            let halves = 3 + pin.wrong + if pin.told { 2 } else { 0 };
            pin.added.is_some() && pin.removed.is_some() && now - pin.last >= interval / 2 * halves
        };
        self.0.iter().filter(|(_, pin)| is_quiet(pin)).map(|(key, _)| key.clone()).collect()
    }
}

impl Peer {
    /// Watches for pins that are added and removed within moments, and asks the peers of the Go suite about each when it has
    /// rested for longer than an `interval`, in which heads are told again. A peer that has it wrong is told of it anew.
    ///
    /// Of the peers of this suite one does it: the one with the least ID.
    pub async fn watch_contested(self, interval: Duration) {
        let mut pins = Pins::default();
        let mut seen = *self.parts().batches.borrow();
        loop {
            sleep(READ_EVERY).await;
            let newest = *self.parts().batches.borrow();
            let others = self.peers_of_go();
            if others.is_empty() || newest - seen.min(newest) > MAX_BATCHES || !self.is_first() {
                (seen, pins) = (newest, Pins::default());
                continue;
            }
            while seen < newest {
                match self.read(move |store| changes(store, seen, newest)).await {
                    Ok(Changes { pins: changed, upto }) => {
                        let now = Instant::now();
                        changed.into_iter().for_each(|(key, removal)| pins.touch(key, removal, now));
                        pins.tidy(now);
                        seen = upto;
                    }
                    Err(error) => {
                        tracing::debug!(target: "crdt", %error, "cannot read what changed");
                        break;
                    }
                }
            }
            let now = Instant::now();
            pins.tidy(now);
            for key in pins.quiet(now, interval).into_iter().take(MAX_LOOKS) {
                self.look_at_pin(key, &others, &mut pins).await;
            }
        }
    }

    fn peers_of_go(&self) -> Vec<PeerId> {
        let parts = self.parts();
        let is_theirs =
            |peer: &PeerId| parts.network.is_ours(peer) == Some(false) && parts.trust.is_trusted(peer);
        parts.consensus.members().into_iter().filter(is_theirs).collect()
    }

    /// Asks the others about one pin.
    async fn look_at_pin(&self, key: PinKey, others: &[PeerId], pins: &mut Pins) {
        let mut wrong_at = Vec::new();
        for peer in others {
            match self.has_wrong(*peer, &key).await {
                Ok(true) => wrong_at.push(*peer),
                Ok(false) | Err(ApiError::Call(CallError::Refused { .. })) => {}
                Err(error) => {
                    tracing::debug!(target: "crdt", %peer, %error, "cannot ask a peer about a pin");
                }
            }
        }
        let Some(pin) = pins.0.get_mut(&key) else { return };
        if wrong_at.is_empty() {
            pins.0.remove(&key);
            return;
        }
        pin.wrong += 1;
        if pin.wrong < LOOKS {
            return;
        }
        let peers: Vec<String> = wrong_at.iter().map(PeerId::to_string).collect();
        if pin.told {
            tracing::warn!(
                target: "crdt", pin = %key, ?peers,
                "peers have a pin wrong, whatever they are told: run `state cleanup` on them, and let them sync anew"
            );
            pins.0.remove(&key);
            return;
        }
        (pin.told, pin.wrong) = (true, 0);
        match self.parts().consensus.retell(vec![key.clone()]).await {
            Ok(told) => tracing::warn!(
                target: "crdt", pin = %key, ?peers, told,
                "peers have a pin wrong that was added and removed within moments; a delta tells of it anew"
            ),
            Err(error) => {
                tracing::debug!(target: "crdt", %error, "cannot tell anew of a pin that peers have wrong")
            }
        }
    }

    /// Asks a peer whether it has a pin, or has it not, against what the pinset says.
    async fn has_wrong(&self, peer: PeerId, key: &PinKey) -> Result<bool, ApiError> {
        let theirs = self.calls(peer).status(key.clone()).await?;
        let ours = self.pin_of(key.clone()).await?.map(|(pin, _)| pin);
        Ok(match ours {
            None => is_held(&theirs),
            Some(pin) => {
                let (theirs_made, made) = (theirs.pin.timestamp, pin.timestamp);
                !is_held(&theirs) || theirs_made.is_some() && made.is_some() && theirs_made != made
            }
        })
    }
}

/// Says whether a peer has the pin in its pinset: a tracker lists what it unpins, or failed to unpin, as well.
fn is_held(status: &LocalPinStatus) -> bool {
    use TrackerStatus::{UnpinError, UnpinQueued, Unpinned, Unpinning};
    !matches!(status.on_peer.status, UnpinError | UnpinQueued | Unpinned | Unpinning)
}

/// Which pins were added (false) and removed (true), up to a batch.
struct Changes {
    pins: Vec<(PinKey, bool)>,
    upto: u64,
}

/// Reads the next batches behind `seen`.
fn changes(store: &dyn Datastore, seen: u64, newest: u64) -> Result<Changes, ApiError> {
    let rows = events::batches(&*store.snapshot()?, seen + 1, newest, BATCHES)?;
    let upto = rows.last().map_or(newest, |(last, _)| *last);
    let mut pins = Vec::new();
    for change in rows.into_iter().flat_map(|(_, batch)| batch.changes) {
        match change.kind {
            ChangeKind::Pinned(_) => pins.push((change.key, false)),
            ChangeKind::Unpinned => pins.push((change.key, true)),
            ChangeKind::Status(_) | ChangeKind::Forgotten => {}
        }
    }
    Ok(Changes { pins, upto })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn key(name: u8) -> PinKey {
        PinKey::from_bytes(&[1, 0x55, 0, 1, name]).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_pin_is_contested_when_it_is_added_and_removed_within_moments() {
        let interval = Duration::from_secs(20);
        let mut pins = Pins::default();
        let touch = |pins: &mut Pins, name, removal| pins.touch(key(name), removal, Instant::now());
        touch(&mut pins, 1, false);
        touch(&mut pins, 2, false);
        touch(&mut pins, 3, true);
        sleep(CLOSE / 2).await;
        touch(&mut pins, 1, true);
        sleep(CLOSE).await;
        pins.tidy(Instant::now());
        // Long after its addition, it is removed: whoever merges that has merged the addition before.
        touch(&mut pins, 2, true);
        pins.tidy(Instant::now());
        let left: BTreeSet<PinKey> = pins.0.keys().cloned().collect();
        assert_eq!(left, [key(1), key(2)].into());
        assert_eq!(pins.quiet(Instant::now(), interval), []);
        sleep(interval).await;
        pins.tidy(Instant::now());
        assert_eq!(pins.quiet(Instant::now(), interval), [key(1)]);
        // Added again long after, it is contested no more.
        touch(&mut pins, 1, false);
        pins.tidy(Instant::now());
        assert_eq!(pins.quiet(Instant::now(), interval), []);
    }

    #[tokio::test(start_paused = true)]
    async fn those_touched_longest_ago_are_given_up_when_there_are_too_many() {
        let mut pins = Pins::default();
        for n in 0..=u16::try_from(MAX_PINS).unwrap() {
            let [high, low] = n.to_be_bytes();
            pins.touch(PinKey::from_bytes(&[1, 0x55, 0, 2, high, low]).unwrap(), false, Instant::now());
            sleep(Duration::from_millis(1)).await;
        }
        pins.tidy(Instant::now());
        assert_eq!(pins.0.len(), MAX_PINS);
        assert!(!pins.0.contains_key(&PinKey::from_bytes(&[1, 0x55, 0, 2, 0, 0]).unwrap()));
    }
}
