//! How many peers hold a pin (api §2.4, §6.3).

/// The two factors exactly as clients and stored values carry them: −1 everywhere, 0 unset, n that many peers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct ReplicationFactors {
    /// At least so many peers.
    pub min: i32,
    /// At most so many peers.
    pub max: i32,
}

/// What a valid pair of factors asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplicationPolicy {
    /// Every peer, those that join later included.
    Everywhere,
    /// At least `min`, at most `max` peers.
    Between {
        /// At least so many peers; 1 or more.
        min: usize,
        /// At most so many peers; `min` or more.
        max: usize,
    },
}

/// Says what is wrong with a pair of factors, in the words operators know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReplicationError {
    /// One of them is 0.
    #[error("cluster.replication_factor_min and max must be set")]
    Unset,
    /// Min is larger than max.
    #[error("cluster.replication_factor_min is larger than max")]
    MinAboveMax,
    /// Min is below −1.
    #[error("cluster.replication_factor_min is wrong")]
    Min,
    /// Max is below −1.
    #[error("cluster.replication_factor_max is wrong")]
    Max,
    /// Exactly one of them is −1.
    #[error("cluster.replication_factor_min and max must be -1 when one of them is")]
    HalfEverywhere,
}

impl ReplicationFactors {
    /// Every peer.
    pub const EVERYWHERE: Self = Self { min: -1, max: -1 };

    /// Says whether both are −1.
    pub fn is_everywhere(self) -> bool {
        self == Self::EVERYWHERE
    }

    /// Replaces unset factors by those of `defaults`.
    #[must_use]
    pub fn or(self, defaults: Self) -> Self {
        Self {
            min: if self.min == 0 { defaults.min } else { self.min },
            max: if self.max == 0 { defaults.max } else { self.max },
        }
    }

    /// Checks the pair (api §6.3) and says what it asks for.
    ///
    /// # Errors
    /// The first rule it breaks, in the reference's order.
    pub fn policy(self) -> Result<ReplicationPolicy, ReplicationError> {
        let Self { min, max } = self;
        if min == 0 || max == 0 {
            return Err(ReplicationError::Unset);
        }
        if max > 0 && min > max {
            return Err(ReplicationError::MinAboveMax);
        }
        if min < -1 {
            return Err(ReplicationError::Min);
        }
        if max < -1 {
            return Err(ReplicationError::Max);
        }
        match (min, max) {
            (-1, -1) => Ok(ReplicationPolicy::Everywhere),
            (-1, _) | (_, -1) => Err(ReplicationError::HalfEverywhere),
            (min, max) => Ok(ReplicationPolicy::Between {
                min: min.unsigned_abs() as usize,
                max: max.unsigned_abs() as usize,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_has_its_message() {
        let policy = |min, max| ReplicationFactors { min, max }.policy();
        assert_eq!(policy(-1, -1), Ok(ReplicationPolicy::Everywhere));
        assert_eq!(policy(2, 3), Ok(ReplicationPolicy::Between { min: 2, max: 3 }));
        assert_eq!(policy(0, 3), Err(ReplicationError::Unset));
        assert_eq!(policy(3, 2), Err(ReplicationError::MinAboveMax));
        assert_eq!(policy(-2, -1), Err(ReplicationError::Min));
        assert_eq!(policy(-1, -2), Err(ReplicationError::Max));
        assert_eq!(policy(-1, 2), Err(ReplicationError::HalfEverywhere));
        assert_eq!(policy(2, -1), Err(ReplicationError::HalfEverywhere));
    }
}
