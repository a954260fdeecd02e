//! Which processes speak for the members. Two that run at once with one identity are two disks under one name: what one of them
//! promises, the other does not keep.

use super::chance;
use cluster_core::PeerId;
use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{sync::watch, time::Instant};

/// How long after a new process was first heard of something of the one before may still come that was on its way.
const LATE: Duration = Duration::from_secs(5);

/// How far apart such messages are at least that count: what lay in one buffer comes at once.
const APART: Duration = Duration::from_secs(1);

/// How many of them prove that both live, each with something of the new process since the one before.
const PROOFS: u32 = 3;

/// Earlier processes of a peer that are known again.
const EARLIER: usize = 16;

/// A random number that a process draws at its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct RunId([u8; Self::LEN]);

impl RunId {
    /// Bytes of a number.
    pub(super) const LEN: usize = 8;

    pub(super) fn random() -> Self {
        Self(chance::bytes())
    }

    pub(super) fn to_bytes(self) -> [u8; Self::LEN] {
        self.0
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// Cuts the number off an answer.
    pub(super) fn split(answer: &[u8]) -> Option<(&[u8], Self)> {
        let (answer, run) = answer.split_at_checked(answer.len().checked_sub(Self::LEN)?)?;
        Some((answer, Self::from_bytes(run)?))
    }
}

impl std::fmt::Display for RunId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
    }
}

/// What a message of a process counts for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Speaker {
    /// It speaks for its peer.
    Peer,
    /// A later one does.
    Replaced,
    /// Nobody does: two run at once.
    OneOfTwo(RunId, RunId),
}

/// What is known of the processes of one peer.
#[derive(Debug)]
struct Heard {
    current: RunId,
    since: Instant,
    /// When the current one was last heard of.
    spoke: Instant,
    earlier: VecDeque<RunId>,
    /// When an earlier one was last heard of too late, and how many times.
    late: Option<(Instant, u32)>,
    /// The one that lives beside the current one.
    twin: Option<RunId>,
}

impl Heard {
    fn note(&mut self, run: RunId, now: Instant) {
        if run == self.current {
            self.spoke = now;
            return;
        }
        if self.earlier.contains(&run) {
            self.note_late(run, now);
            return;
        }
        // Whoever starts anew may be the one that is left: the other is heard again, or not.
        if self.earlier.len() == EARLIER {
            self.earlier.pop_front();
        }
        self.replace(run, now);
    }

    fn replace(&mut self, run: RunId, now: Instant) {
        self.earlier.push_back(std::mem::replace(&mut self.current, run));
        (self.since, self.spoke, self.late, self.twin) = (now, now, None, None);
    }

    /// Takes note of an earlier process that speaks.
    fn note_late(&mut self, run: RunId, now: Instant) {
        if self.twin.is_some() || now.saturating_duration_since(self.since) < LATE {
            return;
        }
        let Some((last, count)) = self.late else {
            self.late = Some((now, 1));
            return;
        };
        if now.saturating_duration_since(last) < APART {
            return;
        }
        if self.spoke < last {
            // What made the other one the current one was late itself: this one lives, and only this one.
            self.earlier.retain(|earlier| *earlier != run);
            self.replace(run, now);
        } else if count + 1 >= PROOFS {
            self.twin = Some(run);
        } else {
            self.late = Some((now, count + 1));
        }
    }
}

struct Shared {
    own: RunId,
    heard: Mutex<HashMap<PeerId, Heard>>,
    /// The last peer that two processes were found to speak for.
    twins: watch::Sender<Option<PeerId>>,
    /// The process beside this one, once a member has told of it.
    beside: watch::Sender<Option<RunId>>,
}

/// The processes that this one has heard of. Cheap to clone.
#[derive(Clone)]
pub(super) struct Runs(Arc<Shared>);

impl std::fmt::Debug for Runs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runs").field("own", &self.0.own).finish_non_exhaustive()
    }
}

impl Default for Runs {
    fn default() -> Self {
        Self(Arc::new(Shared {
            own: RunId::random(),
            heard: Mutex::default(),
            twins: watch::Sender::new(None),
            beside: watch::Sender::new(None),
        }))
    }
}

impl Runs {
    fn lock(&self) -> MutexGuard<'_, HashMap<PeerId, Heard>> {
        self.0.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the number of this process.
    pub(super) fn own(&self) -> RunId {
        self.0.own
    }

    /// Takes note of a message, and says what it counts for.
    pub(super) fn hear(&self, peer: PeerId, run: RunId, now: Instant) -> Speaker {
        let mut all = self.lock();
        let first = || Heard {
            current: run,
            since: now,
            spoke: now,
            earlier: VecDeque::new(),
            late: None,
            twin: None,
        };
        let heard = all.entry(peer).or_insert_with(first);
        let before = heard.twin;
        heard.note(run, now);
        let (current, twin) = (heard.current, heard.twin);
        drop(all);
        match twin {
            None if run == current => Speaker::Peer,
            None => Speaker::Replaced,
            Some(twin) => {
                if before.is_none() {
                    self.0.twins.send_replace(Some(peer));
                    tracing::error!(
                        target: "raft", %peer, one = %current, other = %twin,
                        "two processes run with the identity of this peer: neither is taken for it until one of them has ended and the \
                         other was started again"
                    );
                }
                Speaker::OneOfTwo(current, twin)
            }
        }
    }

    /// Returns the two processes of a peer that has two.
    pub(super) fn twins_of(&self, peer: &PeerId) -> Option<(RunId, RunId)> {
        let all = self.lock();
        let heard = all.get(peer)?;
        heard.twin.map(|twin| (heard.current, twin))
    }

    /// Returns the peers that have two processes.
    pub(super) fn doubled(&self) -> Vec<PeerId> {
        let all = self.lock();
        let doubled = all.iter().filter(|(_, heard)| heard.twin.is_some());
        let mut doubled: Vec<PeerId> = doubled.map(|(peer, _)| *peer).collect();
        doubled.sort_unstable();
        doubled
    }

    /// Follows which peer was last found to have two processes.
    pub(super) fn twins(&self) -> watch::Receiver<Option<PeerId>> {
        self.0.twins.subscribe()
    }

    /// Takes note of what a member says: that these two run at once. It means nothing to a process that is neither.
    pub(super) fn told(&self, one: RunId, other: RunId) {
        let beside = match self.0.own {
            own if own == one => other,
            own if own == other => one,
            _ => return,
        };
        self.0.beside.send_if_modified(|known| known.replace(beside) != Some(beside));
    }

    /// Follows whether another process runs beside this one.
    pub(super) fn beside(&self) -> watch::Receiver<Option<RunId>> {
        self.0.beside.subscribe()
    }

    /// Says why this process takes no part; `None` as long as it does.
    pub(super) fn out_of_service(&self) -> Option<String> {
        let beside = (*self.0.beside.borrow())?;
        Some(format!(
            "another process (run {beside}) speaks to the members with the identity of this peer (run {own}), so this one takes no part in \
             Raft any more: end the one that is not wanted, give its folder another identity (`init`) before it is started again, and \
             restart the other, which must be the one with the older data folder, not the copy",
            own = self.0.own
        ))
    }

    /// Says which peer has two processes; `None` when no peer does.
    pub(super) fn complaint(&self) -> Option<String> {
        let all = self.lock();
        let (peer, heard) =
            all.iter().filter(|(_, heard)| heard.twin.is_some()).min_by_key(|(peer, _)| **peer)?;
        Some(format!(
            "{peer}: two processes run with its identity (runs {} and {}), so it counts as away: end one of them, and restart the other",
            heard.current, heard.twin?
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs() -> [RunId; 3] {
        [1, 2, 3].map(|number| RunId([number; RunId::LEN]))
    }

    #[test]
    fn a_restart_is_no_twin_whatever_was_on_its_way() {
        let (known, peer, start) = (Runs::default(), PeerId::random(), Instant::now());
        let [one, two, _] = runs();
        assert_eq!(known.hear(peer, one, start), Speaker::Peer);
        assert_eq!(known.hear(peer, two, start), Speaker::Peer);
        assert_eq!(known.hear(peer, one, start + LATE / 2), Speaker::Replaced);
        // One buffer that was read very late.
        for _ in 0..10 {
            assert_eq!(known.hear(peer, one, start + LATE * 2), Speaker::Replaced);
        }
        assert_eq!(known.hear(peer, two, start + LATE * 3), Speaker::Peer);
        assert_eq!(known.complaint(), None);
    }

    /// Both speak, one after the other, until they are found or a minute has passed.
    fn both_speak(known: &Runs, peer: PeerId, both: [RunId; 2], mut at: Instant) -> Option<Instant> {
        for _ in 0..120 {
            for run in both {
                if let Speaker::OneOfTwo(..) = known.hear(peer, run, at) {
                    return Some(at);
                }
            }
            at += APART / 2;
        }
        None
    }

    #[test]
    fn two_that_both_go_on_are_both_refused_until_one_starts_anew() {
        let (known, peer, start) = (Runs::default(), PeerId::random(), Instant::now());
        let [one, two, three] = runs();
        known.hear(peer, one, start);
        known.hear(peer, two, start);
        let at = both_speak(&known, peer, [one, two], start).unwrap();
        assert!(at <= start + LATE + APART * PROOFS, "{:?}", at - start);
        assert_eq!(known.hear(peer, one, at), Speaker::OneOfTwo(two, one));
        assert_eq!(known.hear(peer, two, at), Speaker::OneOfTwo(two, one));
        assert_eq!(*known.twins().borrow(), Some(peer));
        assert!(known.complaint().is_some_and(|said| said.contains(&peer.to_string())));
        assert_eq!(known.hear(PeerId::random(), one, at), Speaker::Peer, "another peer is not concerned");
        assert_eq!(known.hear(peer, three, at), Speaker::Peer);
        assert_eq!((known.complaint(), known.twins_of(&peer)), (None, None));
        // The other one lives on.
        assert!(both_speak(&known, peer, [two, three], at).is_some());
        assert_eq!(known.twins_of(&peer), Some((three, two)));
    }

    #[test]
    fn one_that_comes_late_and_goes_on_is_the_peer() {
        let (known, peer, start) = (Runs::default(), PeerId::random(), Instant::now());
        let [one, two, _] = runs();
        // What the one before sent last comes behind what the new one sent first.
        known.hear(peer, two, start);
        assert_eq!(known.hear(peer, one, start), Speaker::Peer);
        assert_eq!(known.hear(peer, two, start + LATE), Speaker::Replaced);
        assert_eq!(known.hear(peer, two, start + LATE + APART), Speaker::Peer);
        assert_eq!(both_speak(&known, peer, [two; 2], start + LATE + APART), None);
        assert_eq!(known.complaint(), None);
    }

    #[test]
    fn only_the_two_that_are_meant_stop() {
        let known = Runs::default();
        let [one, two, _] = runs();
        known.told(one, two);
        assert_eq!(known.out_of_service(), None);
        known.told(one, known.own());
        assert!(known.out_of_service().is_some_and(|said| said.contains(&one.to_string())));
    }
}
