//! The register of one key: of all live elements the one with the greatest priority wins, on a tie the bytewise
//! greatest value (wire-protocol §4.9). The rule does not depend on the order in which elements arrive.

use super::BlockId;
use cluster_core::mutate::{Mutation, active};
use crdts::{CmRDT, CvRDT};
use std::convert::Infallible;

/// An element as the register ranks it: priority, then value, then, only to name one of two equal elements, block.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// Priority of the block.
    pub priority: u64,
    /// Value.
    pub value: Vec<u8>,
    /// Block that added it.
    pub block: BlockId,
}

/// Keeps the greatest entry offered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Register(Option<Entry>);

impl Register {
    /// Offers an entry.
    pub fn offer(&mut self, priority: u64, value: &[u8], block: BlockId) {
        let better = match &self.0 {
            None => true,
            Some(best) if active(Mutation::WrongTieBreak) && priority == best.priority => {
                value < &best.value[..]
            }
            Some(best) => (priority, value, block) > (best.priority, &best.value[..], best.block),
        };
        if better {
            self.0 = Some(Entry { priority, value: value.to_vec(), block });
        }
    }

    /// Returns the winning value and its block.
    pub fn winner(&self) -> Option<(&[u8], BlockId)> {
        self.0.as_ref().map(|entry| (entry.value.as_slice(), entry.block))
    }
}

impl CmRDT for Register {
    type Op = Entry;
    type Validation = Infallible;

    fn validate_op(&self, _: &Entry) -> Result<(), Infallible> {
        Ok(())
    }

    fn apply(&mut self, op: Entry) {
        self.offer(op.priority, &op.value, op.block);
    }
}

impl CvRDT for Register {
    type Validation = Infallible;

    fn validate_merge(&self, _: &Self) -> Result<(), Infallible> {
        Ok(())
    }

    fn merge(&mut self, other: Self) {
        if let Some(entry) = other.0 {
            self.apply(entry);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registers() -> Vec<Register> {
        let mut all = vec![Register::default()];
        for priority in [1, 2] {
            for value in [b"a".as_slice(), b"b", b""] {
                for block in [BlockId([1; 32]), BlockId([2; 32])] {
                    let mut register = Register::default();
                    register.offer(priority, value, block);
                    all.push(register);
                }
            }
        }
        all
    }

    fn merged(left: &Register, right: &Register) -> Register {
        let mut result = left.clone();
        result.merge(right.clone());
        result
    }

    #[test]
    fn merging_is_commutative_associative_and_idempotent() {
        let all = registers();
        for a in &all {
            assert_eq!(merged(a, a), *a);
            for b in &all {
                assert_eq!(merged(a, b), merged(b, a));
                for c in &all {
                    assert_eq!(merged(&merged(a, b), c), merged(a, &merged(b, c)));
                }
            }
        }
    }

    #[test]
    fn priority_beats_value_and_value_breaks_ties() {
        let mut register = Register::default();
        register.offer(2, b"a", BlockId([1; 32]));
        register.offer(1, b"z", BlockId([2; 32]));
        assert_eq!(register.winner(), Some((b"a".as_slice(), BlockId([1; 32]))));
        register.offer(2, b"b", BlockId([3; 32]));
        assert_eq!(register.winner(), Some((b"b".as_slice(), BlockId([3; 32]))));
    }
}
