//! What a consensus backend adds to the writer: its own rules and its bookkeeping rows.

use super::{counters::Counters, fingerprint::Fingerprint, mutation::Mutation, staged::Staged};
use crate::{PinKey, UnixMillis, ports::datastore::StoreError};

/// An accepted change of one pin, as the backend is told of it.
#[derive(Debug, Clone, Copy)]
pub struct Accepted<'a> {
    /// Which pin.
    pub key: &'a PinKey,
    /// The new value; `None` for a removal.
    pub value: Option<&'a [u8]>,
    /// The value before, if there was a pin.
    pub previous: Option<&'a [u8]>,
}

/// The part of the writer's state that a backend may read and write.
#[derive(Debug)]
pub struct Books<'a> {
    /// Rows.
    pub staged: &'a mut Staged,
    /// Totals.
    pub counters: &'a mut Counters,
    /// Digest of what was published.
    pub fingerprint: &'a mut Fingerprint,
}

/// A consensus backend's part of the pinset's writer. Everything it stages goes into the same batch as the
/// change that caused it.
///
/// # Contract
/// * A method that fails leaves its memory as it was before the batch, or puts it right in [`Backend::reload`],
///   which follows every failed commit.
/// * What `seal` returns is performed only after the batch is durable.
pub trait Backend: Send {
    /// What it is told by its worker.
    type Input: Send;
    /// What it wants done after the commit.
    type Output: Send;

    /// (Re)reads its memory from the store.
    ///
    /// # Errors
    /// When the store fails.
    fn reload(&mut self, staged: &Staged, counters: &Counters) -> Result<(), StoreError>;

    /// Takes note of a change that `plan` accepted, before the pin's row changes.
    ///
    /// # Errors
    /// When the store fails.
    fn accept(&mut self, books: Books<'_>, change: Accepted<'_>, now: UnixMillis) -> Result<(), StoreError>;

    /// Carries out an input of its own; may change pins through `mutation`.
    ///
    /// # Errors
    /// When the store fails.
    fn apply(
        &mut self,
        mutation: &mut Mutation<'_>,
        input: Self::Input,
        now: UnixMillis,
    ) -> Result<(), StoreError>;

    /// Says whether somebody waits for what was staged, so that the batch should be written at once.
    fn is_urgent(&self) -> bool {
        false
    }

    /// Completes the batch that is about to be written.
    ///
    /// # Errors
    /// When the store fails.
    fn seal(&mut self, books: Books<'_>, now: UnixMillis) -> Result<Vec<Self::Output>, StoreError>;

    /// Says whether the batch that was sealed last holds something that only this peer has: nobody sees that before it
    /// is durable.
    fn sealed_own(&self) -> bool {
        false
    }

    /// Says whether the backend itself forgets old requests ([`super::requests::trim`]). Where several peers carry out the
    /// same operations all of them must have forgotten the same ones, which batches and clocks of their own cannot decide.
    fn forgets_requests(&self) -> bool {
        false
    }
}

/// A backend without books, for pinsets that nobody shares.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoBackend;

impl Backend for NoBackend {
    type Input = std::convert::Infallible;
    type Output = std::convert::Infallible;

    fn reload(&mut self, _: &Staged, _: &Counters) -> Result<(), StoreError> {
        Ok(())
    }

    fn accept(&mut self, _: Books<'_>, _: Accepted<'_>, _: UnixMillis) -> Result<(), StoreError> {
        Ok(())
    }

    fn apply(&mut self, _: &mut Mutation<'_>, input: Self::Input, _: UnixMillis) -> Result<(), StoreError> {
        match input {}
    }

    fn seal(&mut self, _: Books<'_>, _: UnixMillis) -> Result<Vec<Self::Output>, StoreError> {
        Ok(Vec::new())
    }
}
