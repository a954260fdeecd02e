//! What was asked and answered, so that it can be said what may be in the pinset.

use cluster_client::{Cid, api_types::Pin};
use cluster_testkit::powercut::Dice;
use cluster_tests::mixed::identity_cid;
use std::collections::{BTreeMap, BTreeSet};

/// CIDs that only one peer pins and unpins: what it did last is what must be there.
const OWN: usize = 25;

/// CIDs that everybody pins and unpins: all that is certain is that all agree on them.
const SHARED: usize = 40;

/// One thing to ask of a peer.
#[derive(Debug, Clone)]
pub(crate) struct Operation {
    /// What to pin or unpin.
    pub(crate) cid: Cid,
    /// The name to pin it with; `None` unpins.
    pub(crate) name: Option<String>,
    /// Both replication factors.
    pub(crate) factor: i32,
}

/// For every CID that belongs to one peer, what may be known of it: the names it may have, `None` for absent.
pub(crate) struct Book {
    own: Vec<BTreeMap<Cid, BTreeSet<Option<String>>>>,
    shared: Vec<Cid>,
    /// Every operation in order: through whom, what, and whether it was acknowledged.
    history: Vec<(usize, Operation, bool)>,
    acknowledged: usize,
    refused: usize,
}

impl Book {
    pub(crate) fn new(peers: usize) -> Self {
        let cid = |text: String| identity_cid(&text).unwrap();
        let own = |peer| {
            (0..OWN)
                .map(|n| (cid(format!("of {peer}, {n}")), BTreeSet::from([None])))
                .collect::<BTreeMap<_, _>>()
        };
        let shared = (0..SHARED).map(|n| cid(format!("of all, {n}"))).collect();
        Self { own: (0..peers).map(own).collect(), shared, history: Vec::new(), acknowledged: 0, refused: 0 }
    }

    /// Draws what to ask of a peer.
    pub(crate) fn draw(&self, peer: usize, number: usize, dice: &mut Dice) -> Operation {
        let own = &self.own[peer];
        let (cid, absent) = if dice.chance(60) {
            let (cid, may) = own.iter().nth(dice.index(own.len())).expect("there are some");
            (cid, may.contains(&None))
        } else {
            (&self.shared[dice.index(self.shared.len())], false)
        };
        let name = (absent || dice.chance(60)).then(|| format!("operation {number}"));
        let factor = if dice.chance(20) { 2 } else { -1 };
        Operation { cid: *cid, name, factor }
    }

    /// Notes whether an operation was acknowledged; returns whether it was one that may be refused.
    pub(crate) fn note(&mut self, peer: usize, operation: &Operation, is_acknowledged: bool) -> bool {
        self.history.push((peer, operation.clone(), is_acknowledged));
        let may = self.own[peer].get_mut(&operation.cid);
        let is_shared_unpin = may.is_none() && operation.name.is_none();
        if is_acknowledged || is_shared_unpin {
            // Nobody knows whether a shared one is there to be unpinned.
            self.acknowledged += 1;
        } else {
            self.refused += 1;
        }
        if let Some(may) = may {
            if is_acknowledged {
                may.clear();
            }
            may.insert(operation.name.clone());
        }
        is_shared_unpin
    }

    pub(crate) fn acknowledged(&self) -> usize {
        self.acknowledged
    }

    pub(crate) fn summary(&self) -> String {
        format!("{} acknowledged, {} without an answer", self.acknowledged, self.refused)
    }

    /// Tells what was done to the CIDs that a text mentions.
    pub(crate) fn history_of(&self, text: &str) -> String {
        let mut lines = String::new();
        for (number, (peer, operation, is_acknowledged)) in self.history.iter().enumerate() {
            let cid = operation.cid.to_string();
            if text.contains(&cid) {
                let what = operation.name.as_deref().unwrap_or("unpin");
                lines += &format!("{number}: {cid} {what} by {peer}, acknowledged {is_acknowledged}\n");
            }
        }
        lines
    }

    /// Lists what is not as the peer had acknowledged it.
    pub(crate) fn lost(&self, peer: usize, pins: &BTreeMap<String, String>) -> Vec<String> {
        let mut lost = Vec::new();
        for (cid, may) in &self.own[peer] {
            let found = pins.get(&cid.to_string()).map(|line| serde_json::from_str::<Pin>(line).unwrap());
            let found = found.map(|pin| pin.options.name);
            if !may.contains(&found) {
                lost.push(format!("{cid} is {found:?}, not one of {may:?}"));
            }
        }
        lost
    }
}
