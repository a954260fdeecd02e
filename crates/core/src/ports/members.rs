//! The port through which a peer changes who is a member, where the consensus keeps a list of them.

use super::{BoxFuture, consensus::MembershipError};
use libp2p_identity::PeerId;

/// A change of the members.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemberChange {
    /// Take a peer in: it learns the state first and votes then. A member stays what it is.
    Add(PeerId),
    /// Remove a peer. One that is no member stays out.
    Remove(PeerId),
    /// Let a member vote.
    Promote(PeerId),
    /// Let a member learn, and not vote.
    Demote(PeerId),
    /// Let a voter lead.
    Lead(PeerId),
}

/// The list of members.
///
/// # Contract
/// * A change is in effect on a quorum of the members before and of those after it when it is reported as made.
/// * **Cancel safety.** Dropping the future does not take the change back.
pub trait Members: Send + Sync + 'static {
    /// Changes it.
    fn change(&self, change: MemberChange) -> BoxFuture<'_, Result<(), MembershipError>>;
}
