//! Which cluster a peer's rows belong to.

use super::chance;
use cluster_core::pinset::{RowReader, RowWriter};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// First byte of the entry that gives a cluster its id. No version of a proposal is that.
const FOUNDING: u8 = 0;

/// A random id, given by the first leader and carried by every peer, and a random mark of the last recovery from a lost
/// majority: whoever has another one must not have a say in this cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClusterId {
    id: [u8; 16],
    recovery: [u8; 8],
}

/// What is wrong about a peer of the cluster `theirs`, and what helps; `None` when nothing is, or one of the two knows of no
/// cluster yet.
pub(super) fn complaint(ours: Option<ClusterId>, theirs: Option<ClusterId>) -> Option<String> {
    ClusterId::relation(ours, theirs).complaint(ours?, theirs?)
}

/// How two peers' ids go together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Relation {
    /// One cluster, or one of the two knows of none yet.
    Same,
    /// One of the two was recovered without the other.
    Recovered,
    /// Two clusters.
    Other,
}

impl ClusterId {
    /// Bytes of an id.
    pub(super) const LEN: usize = 24;

    pub(super) fn random() -> Self {
        Self { id: chance::bytes(), recovery: [0; 8] }
    }

    /// Returns the id after a recovery.
    pub(super) fn recovered(self) -> Self {
        Self { recovery: chance::bytes(), ..self }
    }

    pub(super) fn to_bytes(self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        bytes[..16].copy_from_slice(&self.id);
        bytes[16..].copy_from_slice(&self.recovery);
        bytes
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (id, recovery) = bytes.split_at_checked(16)?;
        Some(Self { id: id.try_into().ok()?, recovery: recovery.try_into().ok()? })
    }

    pub(super) fn write_optional(id: Option<Self>, row: RowWriter) -> RowWriter {
        match id {
            Some(id) => row.byte(1).raw(&id.to_bytes()),
            None => row.byte(0),
        }
    }

    pub(super) fn read_optional(row: &mut RowReader<'_>) -> Option<Option<Self>> {
        match row.byte()? {
            0 => Some(None),
            1 => Some(Some(Self::from_bytes(row.fixed(Self::LEN)?)?)),
            _ => None,
        }
    }

    /// Makes the entry that gives the cluster its id.
    pub(super) fn founding(self) -> Vec<u8> {
        [[FOUNDING].as_slice(), &self.to_bytes()].concat()
    }

    /// Reads such an entry; `None` when it is another one.
    pub(super) fn of_founding(entry: &[u8]) -> Option<Self> {
        entry.strip_prefix(&[FOUNDING]).and_then(Self::from_bytes)
    }

    /// Says whether two ids are of one cluster, before or after a recovery.
    pub(super) fn is_of_one_foundation(self, other: Self) -> bool {
        self.id == other.id
    }

    fn relation(one: Option<Self>, other: Option<Self>) -> Relation {
        match (one, other) {
            (Some(one), Some(other)) if one.id != other.id => Relation::Other,
            (Some(one), Some(other)) if one.recovery != other.recovery => Relation::Recovered,
            _ => Relation::Same,
        }
    }
}

impl std::fmt::Display for ClusterId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&data_encoding::HEXLOWER.encode(&self.id))?;
        if self.recovery != [0; 8] {
            write!(f, "-{}", data_encoding::HEXLOWER.encode(&self.recovery))?;
        }
        Ok(())
    }
}

impl Relation {
    /// Says what is wrong about a peer of the cluster `theirs`, and what helps; `None` when nothing is.
    fn complaint(self, ours: ClusterId, theirs: ClusterId) -> Option<String> {
        match self {
            Self::Same => None,
            Self::Recovered => Some(format!(
                "its data folder is of the cluster {theirs}, this one of {ours}: it is one cluster, which was recovered from a lost \
                 majority without one of the two. Run `state cleanup` on the peer that was left out, and start it with --bootstrap"
            )),
            Self::Other => Some(format!(
                "its data folder is of the cluster {theirs}, this one of {ours}: nothing of either is taken. Run `state cleanup` on the \
                 peer that is to join, and start it with --bootstrap; or start it with the configuration and the secret of its own cluster"
            )),
        }
    }
}

/// The cluster that this peer's rows belong to, as everything here knows it.
#[derive(Debug, Clone, Default)]
pub struct Identity(Arc<Mutex<Known>>);

#[derive(Debug, Clone, Copy, Default)]
struct Known {
    /// What the leader said that took this peer in, or a recovery: a log that is replayed begins with an older one.
    adopted: Option<ClusterId>,
    /// What the log says.
    founded: Option<ClusterId>,
}

impl Identity {
    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn get(&self) -> Option<ClusterId> {
        let known = self.lock();
        known.adopted.or(known.founded)
    }

    pub(super) fn set_founded(&self, id: Option<ClusterId>) {
        self.lock().founded = id;
    }

    pub(super) fn set_adopted(&self, id: Option<ClusterId>) {
        self.lock().adopted = id;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clusters_are_told_apart() {
        let one = ClusterId::random();
        let recovered = one.recovered();
        let relation = |other| ClusterId::relation(Some(one), other);
        assert_eq!((relation(None), relation(Some(one))), (Relation::Same, Relation::Same));
        assert_eq!(relation(Some(recovered)), Relation::Recovered);
        assert_eq!(relation(Some(ClusterId::random())), Relation::Other);
        assert_ne!(recovered.to_string(), one.to_string());
        assert_eq!(complaint(Some(one), None), None);
        for other in [recovered, ClusterId::random()] {
            let said = complaint(Some(one), Some(other)).unwrap();
            for word in [&one.to_string(), &other.to_string(), "state cleanup"] {
                assert!(said.contains(word), "{said}");
            }
        }
    }

    #[test]
    fn an_id_is_read_as_it_was_written() {
        let id = ClusterId::random().recovered();
        assert_eq!(ClusterId::from_bytes(&id.to_bytes()), Some(id));
        assert_eq!(ClusterId::of_founding(&id.founding()), Some(id));
        assert_eq!(ClusterId::of_founding(&[1, 2, 3]), None);
        for id in [None, Some(id)] {
            let row = ClusterId::write_optional(id, RowWriter::new(1)).finish();
            let mut reader = RowReader::new(&row, 1).unwrap();
            assert_eq!(ClusterId::read_optional(&mut reader), Some(id));
            assert!(reader.is_empty());
        }
    }
}
