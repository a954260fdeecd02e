//! Cases of operations that succeed.

use super::{Harness, Violation, add, harness::Case, pin, remove};
use cluster_core::{
    PinKey, UnixSeconds,
    ports::consensus::{BarrierError, Operation, OperationKind, Precondition, Rejection},
};
use futures_util::future::join_all;

pub(super) async fn visibility(case: &Case, harness: &mut impl Harness) -> Result<(), Violation> {
    let consensus = harness.consensus();
    let first = case.ok(consensus.submit(add(pin(1, "first"))).await)?;
    let key = first.pin.key();
    case.ensure(
        harness.read(&key) == Some((first.pin.clone(), first.etag)),
        "the pin is not what was answered",
    )?;
    case.ensure(!first.repeated, "a first request is no repetition")?;
    case.ensure(first.pin.timestamp.is_some(), "the pin has no time stamp")?;
    let second = case.ok(consensus.submit(add(pin(1, "second"))).await)?;
    case.ensure(second.etag != first.etag, "another value has the same tag")?;
    case.ensure(
        harness.read(&key) == Some((second.pin.clone(), second.etag)),
        "the new value is not visible",
    )?;
    let removed = case.ok(consensus.submit(remove(1)).await)?;
    case.ensure(
        (removed.pin, removed.etag) == (second.pin, second.etag),
        "a removal answers with the pin as it was",
    )?;
    case.ensure(harness.read(&key).is_none(), "a removed pin is visible")
}

pub(super) async fn durability(case: &Case, harness: &mut impl Harness) -> Result<(), Violation> {
    let consensus = harness.consensus();
    let kept = case.ok(consensus.submit(add(pin(1, "kept"))).await)?;
    case.ok(consensus.submit(add(pin(2, "removed"))).await)?;
    case.ok(consensus.submit(remove(2)).await)?;
    drop(consensus);
    harness.power_cut().await;
    case.ensure(harness.read(&kept.pin.key()) == Some((kept.pin, kept.etag)), "an acknowledged pin is lost")?;
    case.ensure(harness.read(&pin(2, "").key()).is_none(), "an acknowledged removal is lost")?;
    let again = harness.consensus().submit(add(pin(2, "again"))).await;
    case.ok(again).map(|_| ())
}

pub(super) async fn barrier(case: &Case, harness: &mut impl Harness) -> Result<(), Violation> {
    let consensus = harness.consensus();
    let kept = case.ok(consensus.submit(add(pin(1, "kept"))).await)?;
    let passed = consensus.read_barrier().await;
    drop(consensus);
    match passed {
        Ok(()) => {}
        Err(BarrierError::Unsupported { .. }) => return Ok(()),
        Err(error) => return Err(case.broken(format!("the barrier was not passed: {error}"))),
    }
    let key = kept.pin.key();
    let kept = Some((kept.pin, kept.etag));
    case.ensure(harness.read(&key) == kept, "the pin is not visible behind the barrier")?;
    harness.power_cut().await;
    let passed = harness.consensus().read_barrier().await;
    case.ensure(passed.is_ok(), "the barrier is not passed after a power cut")?;
    case.ensure(harness.read(&key) == kept, "the pin is not visible behind the barrier after a power cut")
}

pub(super) async fn update(case: &Case, harness: &mut impl Harness) -> Result<(), Violation> {
    let consensus = harness.consensus();
    let mut source = pin(1, "source");
    source.options.metadata.insert("colour".to_owned(), "green".to_owned());
    source.options.expire_at = Some(UnixSeconds(4_000_000_000));
    let source = case.ok(consensus.submit(add(source)).await)?.pin;
    let operation = |number, name: &str, from: &PinKey| {
        let mut wish = pin(number, name);
        // Only name and expiry of the wish count.
        wish.options.metadata.insert("colour".to_owned(), "red".to_owned());
        Operation::new(OperationKind::PinUpdate { pin: Box::new(wish), from: from.cid() })
    };
    let made = case.ok(consensus.submit(operation(2, "", &source.key())).await)?.pin;
    let mut expected = source.clone();
    expected.cid = made.cid;
    expected.options.pin_update = Some(source.cid);
    expected.timestamp = made.timestamp;
    case.ensure(made == expected, "an update without a name is not the source under another CID")?;
    let named = case.ok(consensus.submit(operation(3, "named", &source.key())).await)?.pin;
    case.ensure(named.options.name == "named", "the name given is not taken")?;
    case.ensure(harness.read(&source.key()).is_some(), "the source is gone")?;
    let missing = consensus.submit(operation(4, "", &pin(9, "").key())).await;
    case.rejected(missing, &Rejection::NotPinned)
}

/// Of many adds of one absent key exactly one is made, and of many other changes none is lost.
pub(super) async fn concurrency(case: &Case, harness: &mut impl Harness) -> Result<(), Violation> {
    let consensus = harness.consensus();
    let contended = (0..64).map(|n| {
        let operation =
            Operation { precondition: Precondition::IfAbsent, ..add(pin(1, &format!("number {n}"))) };
        consensus.submit(operation)
    });
    let others = (2..200).map(|n| consensus.submit(add(pin(n, "other"))));
    let (contended, others) = futures_util::future::join(join_all(contended), join_all(others)).await;
    let mut made = Vec::new();
    for answer in contended {
        match answer {
            Ok(applied) => made.push(applied),
            Err(error) => case.rejected(Err(error), &Rejection::PreconditionFailed)?,
        }
    }
    case.ensure(made.len() == 1, "not exactly one add of an absent key was made")?;
    let winner = made.remove(0);
    case.ensure(
        harness.read(&winner.pin.key()) == Some((winner.pin, winner.etag)),
        "another add than the one acknowledged",
    )?;
    for answer in others {
        let applied = case.ok(answer)?;
        case.ensure(harness.read(&applied.pin.key()).is_some(), "one of many pins is missing")?;
    }
    Ok(())
}
