//! Deliberate defects, to prove that the simulator notices them.
//!
//! Every place named here asks [`active`] whether to misbehave. Without `--cfg cluster_mutations` the answer is
//! a constant and the compiler removes the question; no released build can be asked to misbehave.

/// Writes the list of defects, with the name that the command line uses for each.
macro_rules! mutations {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)* ; raft: $($(#[$raft_doc:meta])* $raft:ident = $raft_name:literal,)*) => {
        /// One deliberate defect.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Mutation {
            $($(#[$doc])* $variant,)*
            $($(#[$raft_doc])* $raft,)*
        }

        impl Mutation {
            /// Every defect that the simulator of the Merkle-CRDT notices, in the order of the list.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Every defect that the simulator of Raft notices.
            pub const RAFT: &[Self] = &[$(Self::$raft,)* Self::ForgetRequest, Self::IgnorePrecondition];

            /// Returns the name that the command line uses.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                    $(Self::$raft => $raft_name,)*
                }
            }
        }
    };
}

mutations! {
    /// An operation is acknowledged although its batch is not flushed.
    AcknowledgeBeforeFlush = "acknowledge-before-flush",
    /// An operation is seen although its batch is not flushed.
    ShowBeforeFlush = "show-before-flush",
    /// What the backend wants done is handed out although the commit failed.
    AnnounceBeforeCommit = "announce-before-commit",
    /// A removed pin stays in the totals.
    ForgetCounter = "forget-counter",
    /// The row of the old state stays in `by-status`.
    KeepOldStatusRow = "keep-old-status-row",
    /// The row of an allocation that went stays in `by-peer`.
    KeepOldPeerRow = "keep-old-peer-row",
    /// A pin's expiry is not indexed.
    SkipExpiryRow = "skip-expiry-row",
    /// A pin's name, metadata and creation time are not indexed.
    SkipSearchRow = "skip-search-row",
    /// The row of a name, an entry of metadata or a creation time that went stays.
    KeepOldSearchRow = "keep-old-search-row",
    /// The retry of a failed request is not indexed.
    SkipNextAttemptRow = "skip-next-attempt-row",
    /// A removed pin is not unpinned.
    SkipUntrack = "skip-untrack",
    /// A result for an older revision of a tracker row is taken.
    AcceptStaleResult = "accept-stale-result",
    /// A change of a pin has no event.
    MissEvent = "miss-event",
    /// The outcome of a request with an id is not stored.
    ForgetRequest = "forget-request",
    /// A precondition is not looked at.
    IgnorePrecondition = "ignore-precondition",
    /// A removed element stays in the fingerprint.
    MissFingerprint = "miss-fingerprint",
    /// After a failed commit the totals in memory are kept.
    KeepTotalsAfterFailure = "keep-totals-after-failure",
    /// A tombstone of a delta of our own is not recorded.
    DropTombstone = "drop-tombstone",
    /// An element that is tombstoned already is merged all the same.
    MergeTombstoned = "merge-tombstoned",
    /// A head that is announced alone is not looked at.
    SkipHead = "skip-head",
    /// Elements that a waiting removal observed are shown again when something else is merged.
    IgnoreObserved = "ignore-observed",
    /// A removal amid a first walk leaves what the walk still finds.
    LeaveFound = "leave-found",
    /// The same, once the removal is in a delta.
    CloseRemoval = "close-removal",
    /// A removal does not observe the last element.
    ObserveTooLittle = "observe-too-little",
    /// An element that is merged replaces the value of an add that waits.
    OverwritePendingAdd = "overwrite-pending-add",
    /// Of two values of one priority the smaller one wins.
    WrongTieBreak = "wrong-tie-break",
    /// A packed operation stays in `pending`.
    KeepPending = "keep-pending",
    /// The new head is not stored.
    ForgetHead = "forget-head",
    /// A block of our own is not stored.
    ForgetBlock = "forget-block",
    /// A missing block is fetched, but not noted as missing.
    SkipFrontierRow = "skip-frontier-row",
    /// A delta has the greatest priority seen, not the next one.
    RepeatPriority = "repeat-priority",
    /// The value that leaves the pin's row is not kept with its element.
    LoseParkedValue = "lose-parked-value",
    /// A walk ends while it misses blocks.
    EndWalkEarly = "end-walk-early",
    /// A walk ends while another that it relies on misses blocks.
    IgnoreOtherWalks = "ignore-other-walks",
    /// A block that could not be fetched is not asked for again.
    ForgetFailedFetch = "forget-failed-fetch",
    /// Heads are broadcast once and never again.
    NeverRebroadcast = "never-rebroadcast",
    /// Bytes that do not hash to the block asked for are taken.
    TrustBytes = "trust-bytes",
    ;
    raft:
    /// A member that does not answer counts as one that has the entries.
    CountUnanswered = "count-unanswered",
    /// A read that has to be up to date asks no majority.
    ReadWithoutQuorum = "read-without-quorum",
    /// Such a read does not wait until this peer has carried out what the leader had committed.
    ReadBeforeApplied = "read-before-applied",
    /// Such a read takes the answer of a round that began before it came.
    JoinOldRound = "join-old-round",
    /// A vote is answered without a flush.
    SkipVoteFlush = "skip-vote-flush",
    /// Entries are answered without a flush.
    SkipEntriesFlush = "skip-entries-flush",
    /// Entries are carried out before their own flush.
    ApplyBeforeFlush = "apply-before-flush",
    /// Entries that another leader's replace stay on the disk.
    KeepTruncated = "keep-truncated",
    /// A candidate whose log is shorter gets the vote.
    VoteForShorterLog = "vote-for-shorter-log",
    /// Up to where the log is carried out is noted now and then only.
    ForgetPlace = "forget-place",
    /// Entries are dated by the clock of whoever carries them out.
    DateWhereApplied = "date-where-applied",
    /// Of two outcomes of one batch each goes to the other submission.
    MixUpOutcomes = "mix-up-outcomes",
    /// A change that was handed over and not answered is handed over again.
    ProposeAgain = "propose-again",
    /// A change whose outcome is not known is said not to be made.
    DenyUnknown = "deny-unknown",
    /// A snapshot has no requests.
    SnapshotWithoutRequests = "snapshot-without-requests",
    /// A snapshot is said to have one entry more than it has.
    SnapshotAhead = "snapshot-ahead",
    /// Rows that a snapshot does not have stay.
    KeepSurplusRows = "keep-surplus-rows",
    /// A snapshot is acknowledged without a flush.
    SkipInstallFlush = "skip-install-flush",
    /// A pinset that a snapshot is half-way into is shown.
    ShowHalfInstalled = "show-half-installed",
    /// A peer that knows nothing of a cluster votes in it.
    VoteWithNothing = "vote-with-nothing",
    /// A voter that comes with nothing keeps its vote.
    EnterWithVote = "enter-with-vote",
    /// A peer's reads are ready as soon as it runs.
    ReadyAtOnce = "ready-at-once",
    /// A peer's reads stay ready although its store failed.
    StayReady = "stay-ready",
}

/// Says whether to misbehave in this way.
#[cfg(not(cluster_mutations))]
#[inline(always)]
pub const fn active(_: Mutation) -> bool {
    false
}

#[cfg(cluster_mutations)]
mod selected {
    use super::Mutation;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Number of the selected mutation, from 1; 0 for none.
    static SELECTED: AtomicUsize = AtomicUsize::new(0);

    /// Says whether to misbehave in this way.
    pub fn active(mutation: Mutation) -> bool {
        SELECTED.load(Ordering::Relaxed) == mutation as usize + 1
    }

    /// Selects one defect for the whole process, or none.
    pub fn select(mutation: Option<Mutation>) {
        SELECTED.store(mutation.map_or(0, |m| m as usize + 1), Ordering::Relaxed);
    }
}

#[cfg(cluster_mutations)]
pub use selected::{active, select};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_distinct_and_nothing_is_active_by_default() {
        for list in [Mutation::ALL, Mutation::RAFT] {
            let names: std::collections::BTreeSet<&str> = list.iter().map(|m| m.name()).collect();
            assert_eq!(names.len(), list.len());
            assert!(list.len() >= 20);
            assert!(list.iter().all(|m| !active(*m)));
        }
    }
}
