//! Cases of submissions whose outcome nobody learns.

use super::{Harness, MakeHarness, Violation, add, harness::Case, pin};
use cluster_core::ports::consensus::{Operation, Precondition, RequestId, SubmitError};
use std::task::{Context, Waker};

/// Whether the change was made or not, a repetition under the same id ends with it made once.
pub(super) async fn unknown<M: MakeHarness>(case: &Case, make: &mut M) -> Result<(), Violation> {
    for survives in [false, true] {
        let mut harness = make.make();
        case.ok(harness.consensus().submit(add(pin(2, "before"))).await)?;
        let operation = Operation {
            precondition: Precondition::IfAbsent,
            request_id: RequestId::new("id"),
            ..add(pin(1, "once"))
        };
        harness.break_next(survives);
        match harness.consensus().submit(operation.clone()).await {
            Err(SubmitError::Unknown { .. }) => {}
            other => return Err(case.broken(format!("should be unknown, but: {other:?}"))),
        }
        harness.healed().await;
        let shown = harness.read(&pin(1, "").key()).is_some();
        case.ensure(shown == survives, "after the failure the change is neither made nor not made")?;
        // A repetition that was applied before must not fail on its own precondition.
        let again = case.ok(harness.consensus().submit(operation).await)?;
        case.ensure(again.repeated == survives, "the repetition was made although the change was there")?;
        case.ensure(harness.read(&again.pin.key()).is_some(), "the change is not made")?;
        case.ensure(harness.read(&pin(2, "").key()).is_some(), "an earlier change is lost")?;
    }
    Ok(())
}

/// A future that is dropped half-way loses or tears nothing.
pub(super) async fn dropped(case: &Case, harness: &mut impl Harness) -> Result<(), Violation> {
    let consensus = harness.consensus();
    {
        let mut submission = consensus.submit(add(pin(1, "dropped")));
        // One poll hands it over; whatever it says, nobody waits for more.
        let _ = submission.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    }
    // What was handed over first is made first.
    case.ok(consensus.submit(add(pin(2, "after"))).await)?;
    case.ensure(harness.read(&pin(1, "").key()).is_some(), "a submission was undone by dropping its future")?;
    // Never polled, never made.
    drop(consensus.submit(add(pin(3, "unpolled"))));
    case.ok(consensus.submit(add(pin(4, "after"))).await)?;
    case.ensure(harness.read(&pin(4, "").key()).is_some(), "a later submission is lost")
}
