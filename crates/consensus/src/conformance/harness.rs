//! What the cases need of a backend beyond the port.

use super::{Answer, Violation};
use cluster_core::{
    Pin, PinKey,
    ports::{
        BoxFuture,
        consensus::{Consensus, Etag, Rejection, SubmitError},
    },
};
use std::sync::Arc;

/// A backend under test, with power switch and disk faults.
pub trait Harness: Send {
    /// Returns the backend as it runs now.
    fn consensus(&self) -> Arc<dyn Consensus>;

    /// Reads a pin as a client of this peer does.
    fn read(&self, key: &PinKey) -> Option<(Pin, Etag)>;

    /// Cuts the power of all replicas and starts them again; returns when operations are taken.
    fn power_cut(&mut self) -> BoxFuture<'_, ()>;

    /// Makes the outcome of the next submission unknown. Whether the change is made is up to `survives`.
    fn break_next(&mut self, survives: bool);

    /// Waits until operations are taken again after [`Harness::break_next`].
    fn healed(&mut self) -> BoxFuture<'_, ()>;
}

/// Makes backends, each new and empty. Factors of pins that name none are −1.
pub trait MakeHarness {
    /// What it makes.
    type Made: Harness;

    /// Makes one.
    fn make(&mut self) -> Self::Made;
}

impl<H: Harness, F: FnMut() -> H> MakeHarness for F {
    type Made = H;

    fn make(&mut self) -> H {
        self()
    }
}

/// The case at hand.
pub(super) struct Case {
    pub(super) name: &'static str,
}

impl Case {
    pub(super) fn broken(&self, detail: String) -> Violation {
        Violation { case: self.name, detail }
    }

    pub(super) fn ensure(&self, holds: bool, what: &str) -> Result<(), Violation> {
        if holds { Ok(()) } else { Err(self.broken(what.to_owned())) }
    }

    pub(super) fn ok(&self, answer: Answer) -> Result<super::Applied, Violation> {
        answer.map_err(|error| self.broken(format!("refused: {error}")))
    }

    pub(super) fn rejected(&self, answer: Answer, by: &Rejection) -> Result<(), Violation> {
        match answer {
            Err(SubmitError::Rejected(rejection)) if rejection == *by => Ok(()),
            other => Err(self.broken(format!("should be refused with {by:?}, but: {other:?}"))),
        }
    }
}
