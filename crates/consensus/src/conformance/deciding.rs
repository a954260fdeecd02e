//! Cases of what is decided where operations are put in order.

use super::{Harness, Violation, add, harness::Case, pin, remove};
use cluster_core::{
    Cid, PeerId, Pin, PinDepth, PinKind, ReplicationFactors, UnixSeconds,
    ports::consensus::{Etag, Operation, OperationKind, Precondition, Rejection, RequestId},
};

fn if_match(operation: Operation, etag: Etag) -> Operation {
    Operation { precondition: Precondition::IfMatch(etag), ..operation }
}

fn with_id(operation: Operation, id: &str) -> Operation {
    Operation { request_id: RequestId::new(id), ..operation }
}

pub(super) async fn preconditions(case: &Case, harness: &mut impl Harness) -> Result<(), Violation> {
    let consensus = harness.consensus();
    let if_absent = |name: &str| Operation { precondition: Precondition::IfAbsent, ..add(pin(1, name)) };
    let early = consensus.submit(if_match(add(pin(1, "early")), Etag([0; 16]))).await;
    case.rejected(early, &Rejection::PreconditionFailed)?;
    let first = case.ok(consensus.submit(if_absent("first")).await)?;
    case.rejected(consensus.submit(if_absent("second")).await, &Rejection::PreconditionFailed)?;
    let second = case.ok(consensus.submit(if_match(add(pin(1, "second")), first.etag)).await)?;
    let late = consensus.submit(if_match(remove(1), first.etag)).await;
    case.rejected(late, &Rejection::PreconditionFailed)?;
    case.ensure(
        harness.read(&second.pin.key()) == Some((second.pin, second.etag)),
        "a refused change was made",
    )?;
    case.ok(consensus.submit(if_match(remove(1), second.etag)).await)?;
    case.ok(consensus.submit(if_absent("again")).await).map(|_| ())
}

pub(super) async fn idempotency(case: &Case, harness: &mut impl Harness) -> Result<(), Violation> {
    let consensus = harness.consensus();
    let first = case.ok(consensus.submit(with_id(add(pin(1, "one")), "id")).await)?;
    // Somebody else changes the pin meanwhile; the repetition neither undoes that nor answers with it.
    let other = case.ok(consensus.submit(add(pin(1, "two"))).await)?;
    let again = case.ok(consensus.submit(with_id(add(pin(1, "one")), "id")).await)?;
    case.ensure(again.repeated, "a repetition is not marked")?;
    case.ensure((again.pin, again.etag) == (first.pin, first.etag), "a repetition has another answer")?;
    case.ensure(
        harness.read(&other.pin.key()) == Some((other.pin, other.etag)),
        "a repetition was made again",
    )?;
    for different in [add(pin(1, "three")), add(pin(2, "one")), remove(1)] {
        let answer = consensus.submit(with_id(different, "id")).await;
        case.rejected(answer, &Rejection::RequestMismatch)?;
    }
    // A refused request is not remembered: it may succeed later under its id.
    let refused = consensus.submit(with_id(remove(3), "refused")).await;
    case.rejected(refused, &Rejection::NotPinned)?;
    case.ok(consensus.submit(add(pin(3, ""))).await)?;
    let removed = case.ok(consensus.submit(with_id(remove(3), "refused")).await)?;
    case.ensure(!removed.repeated, "a request after a refusal is no repetition")
}

pub(super) async fn idempotency_across_a_power_cut(
    case: &Case,
    harness: &mut impl Harness,
) -> Result<(), Violation> {
    let consensus = harness.consensus();
    let first = case.ok(consensus.submit(with_id(add(pin(1, "one")), "id")).await)?;
    drop(consensus);
    harness.power_cut().await;
    let consensus = harness.consensus();
    let again = case.ok(consensus.submit(with_id(add(pin(1, "one")), "id")).await)?;
    case.ensure(again.repeated && again.etag == first.etag, "the request was forgotten")?;
    let answer = consensus.submit(with_id(remove(1), "id")).await;
    case.rejected(answer, &Rejection::RequestMismatch)
}

pub(super) async fn candidates(case: &Case, harness: &mut impl Harness) -> Result<(), Violation> {
    let consensus = harness.consensus();
    let peers: Vec<PeerId> = (0..4).map(|_| PeerId::random()).collect();
    let allocate = |min, max, candidates: &[PeerId]| {
        let mut pin = pin(1, "");
        pin.options.replication = ReplicationFactors { min, max };
        Operation { ranked_candidates: candidates.to_vec(), ..add(pin) }
    };
    let first = case.ok(consensus.submit(allocate(1, 2, &peers)).await)?;
    case.ensure(first.pin.allocations == peers[..2], "not the best ranked up to the maximum")?;
    let worst_ranked = [peers[2], peers[3], peers[0], peers[1]];
    let kept = case.ok(consensus.submit(allocate(2, 3, &worst_ranked)).await)?;
    case.ensure(kept.pin.allocations == peers[..2], "peers that are enough do not stay")?;
    let fewer = case.ok(consensus.submit(allocate(1, 1, &peers)).await)?;
    case.ensure(fewer.pin.allocations == peers[..1], "the worst ranked does not go")?;
    let too_few = consensus.submit(allocate(4, 4, &peers[..2])).await;
    case.rejected(too_few, &Rejection::NotEnoughPeers { needed: 3, wanted: 3, available: 1 })?;
    let mut preset = pin(2, "");
    preset.options.replication = ReplicationFactors { min: 1, max: 1 };
    preset.allocations = vec![peers[3]];
    let operation = Operation { ranked_candidates: peers.clone(), ..add(preset) };
    let preset = case.ok(consensus.submit(operation).await)?;
    case.ensure(preset.pin.allocations == peers[3..], "preset allocations are not kept")
}

/// Every rule of api §10.2, with the text that clients match on.
pub(super) async fn refusals(case: &Case, harness: &mut impl Harness) -> Result<(), Violation> {
    let consensus = harness.consensus();
    let cid: Cid = pin(100, "").cid;
    let of = |number, kind, depth, reference| Pin { kind, depth, reference, ..pin(number, "") };
    let deep = PinDepth::RECURSIVE;
    case.ok(consensus.submit(add(pin(1, "data"))).await)?;
    case.ok(consensus.submit(add(of(2, PinKind::Shard, PinDepth(1), None))).await)?;
    case.ok(consensus.submit(add(of(3, PinKind::ClusterDag, PinDepth::DIRECT, Some(cid)))).await)?;
    case.ok(consensus.submit(add(of(4, PinKind::Meta, deep, Some(cid)))).await)?;
    let factors = |min, max| {
        let mut pin = pin(5, "");
        pin.options.replication = ReplicationFactors { min, max };
        add(pin)
    };
    let mut expired = pin(5, "");
    expired.options.expire_at = Some(UnixSeconds(1_000_000_000));
    let update = Operation::new(OperationKind::PinUpdate { pin: Box::new(pin(6, "")), from: pin(4, "").cid });
    let cases: [(Operation, &str); 17] = [
        (remove(9), "pin is not part of the pinset"),
        (remove(2), "cannot unpin a shard directly. Unpin content root CID instead"),
        (remove(3), "cannot unpin a Cluster DAG directly. Unpin content root CID instead"),
        (update, "this pin type cannot be updated"),
        (add(expired), "pin.ExpireAt set before current time"),
        (factors(3, 2), "cluster.replication_factor_min is larger than max"),
        (factors(-2, -1), "cluster.replication_factor_min is wrong"),
        (factors(-1, -2), "cluster.replication_factor_max is wrong"),
        (factors(-1, 2), "cluster.replication_factor_min and max must be -1 when one of them is"),
        (
            factors(2, 3),
            "not enough peers to allocate CID. Needed at least: 2. Wanted at most: 3. Available candidates: 0. See logs for more info.",
        ),
        (
            add(of(1, PinKind::Meta, deep, Some(cid))),
            "cannot repin CID with different tracking method, clear state with pin rm to proceed. New: meta-pin. Was: pin",
        ),
        (
            add(of(1, PinKind::Data, PinDepth::DIRECT, None)),
            "cannot repin a CID which is already pinned in recursive mode (new pin is pinned as direct). Unpin it first.",
        ),
        (add(of(1, PinKind::Data, deep, Some(cid))), "data pins should not reference other pins"),
        (add(of(2, PinKind::Shard, PinDepth::DIRECT, None)), "must pin shards go depth 1"),
        (add(of(3, PinKind::ClusterDag, deep, Some(cid))), "must pin roots directly"),
        (
            add(of(3, PinKind::ClusterDag, PinDepth::DIRECT, None)),
            "clusterDAG pins should reference a Meta pin",
        ),
        (add(of(4, PinKind::Meta, deep, None)), "metaPins should reference a ClusterDAG"),
    ];
    for (operation, text) in cases {
        match consensus.submit(operation).await {
            Err(error) if error.to_string() == text => {}
            other => return Err(case.broken(format!("should be refused with {text:?}, but: {other:?}"))),
        }
    }
    Ok(())
}
