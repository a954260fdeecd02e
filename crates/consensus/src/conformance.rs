//! What every backend of the `Consensus` port has to keep, as runnable cases.
//!
//! A backend brings a [`Harness`] and calls [`run_all`]; the first case that it breaks is returned.

mod applying;
mod deciding;
mod failing;
mod harness;

pub use harness::{Harness, MakeHarness};

use cluster_core::{
    Pin, PinKey,
    ports::consensus::{Applied, Operation, OperationKind, SubmitError},
};
use harness::Case;

/// A case that a backend does not keep.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{case}: {detail}")]
pub struct Violation {
    /// Name of the case.
    pub case: &'static str,
    /// What was seen.
    pub detail: String,
}

/// Names of all cases, in the order of [`run_all`].
pub const CASES: &[&str] = &[
    "an answer is visible to the next read",
    "what was acknowledged survives a power cut",
    "if-absent and if-match are decided where operations are put in order",
    "a request id makes a repetition apply once",
    "a request id is remembered across a power cut",
    "an update copies the source",
    "candidates are chosen from where operations are put in order",
    "every rule refuses with its text",
    "concurrent submissions are put in one order",
    "after an unknown outcome a repetition applies once",
    "a dropped submission is still made or never was",
    "a read after a barrier sees what was acknowledged, where there are barriers",
];

/// Runs every case, each on a backend of its own.
///
/// # Errors
/// The first case that is broken.
pub async fn run_all<M: MakeHarness>(mut make: M) -> Result<(), Violation> {
    for case in CASES {
        run_one(&mut make, case).await?;
    }
    Ok(())
}

/// Runs the case of that name on a new backend.
///
/// # Errors
/// When the case is broken, or nothing has that name.
pub async fn run_one<M: MakeHarness>(make: &mut M, case: &'static str) -> Result<(), Violation> {
    let mut harness = make.make();
    let case = Case { name: case };
    match CASES.iter().position(|name| *name == case.name) {
        Some(0) => applying::visibility(&case, &mut harness).await,
        Some(1) => applying::durability(&case, &mut harness).await,
        Some(2) => deciding::preconditions(&case, &mut harness).await,
        Some(3) => deciding::idempotency(&case, &mut harness).await,
        Some(4) => deciding::idempotency_across_a_power_cut(&case, &mut harness).await,
        Some(5) => applying::update(&case, &mut harness).await,
        Some(6) => deciding::candidates(&case, &mut harness).await,
        Some(7) => deciding::refusals(&case, &mut harness).await,
        Some(8) => applying::concurrency(&case, &mut harness).await,
        Some(9) => failing::unknown(&case, make).await,
        Some(10) => failing::dropped(&case, &mut harness).await,
        Some(11) => applying::barrier(&case, &mut harness).await,
        _ => Err(case.broken("there is no such case".to_owned())),
    }
}

/// Makes a pin of the identity CID of one byte.
fn pin(number: u8, name: &str) -> Pin {
    let key = PinKey::from_bytes(&[1, 0x55, 0, 1, number]);
    let mut pin = Pin::new(key.map(|key| key.cid()).unwrap_or_default());
    pin.options.name = name.to_owned();
    pin
}

fn add(pin: Pin) -> Operation {
    Operation::new(OperationKind::Pin(Box::new(pin)))
}

fn remove(number: u8) -> Operation {
    Operation::new(OperationKind::Unpin(pin(number, "").key()))
}

type Answer = Result<Applied, SubmitError>;
