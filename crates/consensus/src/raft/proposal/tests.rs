use super::*;
use cluster_core::{Multiaddr, PinDepth, PinKind};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

fn text(random: &mut ChaCha8Rng, longest: usize) -> String {
    let length = random.random_range(0..=longest);
    (0..length).map(|_| random.random_range('a'..='ÿ')).collect()
}

fn cid(random: &mut ChaCha8Rng) -> Cid {
    PinKey::from_bytes(&[1, 0x55, 0, 2, random.random(), random.random()]).unwrap().cid()
}

fn peers(random: &mut ChaCha8Rng, most: usize) -> Vec<PeerId> {
    (0..random.random_range(0..=most)).map(|_| PeerId::random()).collect()
}

fn pin(random: &mut ChaCha8Rng) -> Pin {
    let mut pin = Pin::new(cid(random));
    pin.kind = PinKind::from_stored(random.random_range(0..5));
    pin.depth = PinDepth(random.random_range(-1..4));
    pin.allocations = peers(random, 3);
    pin.reference = random.random_bool(0.3).then(|| cid(random));
    pin.timestamp = random.random_bool(0.5).then(|| UnixSeconds(random.random_range(1..u64::MAX)));
    let options = &mut pin.options;
    options.replication =
        ReplicationFactors { min: random.random_range(-2..5), max: random.random_range(i32::MIN..5) };
    options.name = text(random, 12);
    options.shard_size = random.random();
    options.user_allocations = peers(random, 3);
    options.expire_at = random.random_bool(0.5).then(|| UnixSeconds(random.random_range(0..3)));
    for _ in 0..random.random_range(0..3) {
        options.metadata.insert(text(random, 5), text(random, 5));
    }
    options.pin_update = random.random_bool(0.3).then(|| cid(random));
    if random.random_bool(0.3) {
        options.origins = vec!["/ip4/1.2.3.4/tcp/4001".parse::<Multiaddr>().unwrap()];
    }
    pin
}

fn proposal(random: &mut ChaCha8Rng) -> Proposal {
    let kind = match random.random_range(0..3) {
        0 => OperationKind::Pin(Box::new(pin(random))),
        1 => OperationKind::PinUpdate { pin: Box::new(pin(random)), from: cid(random) },
        _ => OperationKind::Unpin(PinKey::from_cid(&cid(random))),
    };
    let precondition = match random.random_range(0..3) {
        0 => Precondition::None,
        1 => Precondition::IfMatch(Etag(random.random())),
        _ => Precondition::IfAbsent,
    };
    let operation = Operation {
        kind,
        precondition,
        request_id: RequestId::new(&text(random, 20)),
        expires_in: random
            .random_bool(0.3)
            .then(|| Duration::new(random.random(), random.random_range(0..1_000_000_000))),
        ranked_candidates: peers(random, 5),
    };
    let replication = ReplicationFactors { min: random.random(), max: random.random() };
    Proposal {
        ordered: Ordered { operation, replication },
        at: UnixMillis(random.random()),
        nonce: random.random(),
    }
}

#[test]
fn what_is_written_is_read() {
    for seed in 0..500 {
        let proposal = proposal(&mut ChaCha8Rng::seed_from_u64(seed));
        let bytes = proposal.encode().unwrap();
        assert_eq!(Proposal::decode(&bytes).as_ref(), Ok(&proposal), "seed {seed}");
    }
}

#[test]
fn a_part_of_a_proposal_is_none_and_neither_is_more() {
    for seed in 0..50 {
        let bytes = proposal(&mut ChaCha8Rng::seed_from_u64(seed)).encode().unwrap();
        for length in 0..bytes.len() {
            assert_eq!(Proposal::decode(&bytes[..length]), Err(ProposalError::Unreadable), "seed {seed}");
        }
        assert_eq!(Proposal::decode(&[&bytes[..], &[0]].concat()), Err(ProposalError::Unreadable));
    }
}

/// Whatever the bytes are, they are read the same way after they were written again, or not at all.
#[test]
fn changed_bytes_are_refused_or_are_another_proposal() {
    let mut read = 0;
    for seed in 0..2000 {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut bytes = proposal(&mut random).encode().unwrap();
        for _ in 0..random.random_range(1..4) {
            let at = random.random_range(0..bytes.len());
            match random.random_range(0..3) {
                0 => bytes[at] = random.random(),
                1 => bytes.truncate(at),
                _ => bytes.insert(at, random.random()),
            }
            if bytes.is_empty() {
                break;
            }
        }
        if let Ok(proposal) = Proposal::decode(&bytes) {
            read += 1;
            let again = proposal.encode().unwrap();
            assert_eq!(Proposal::decode(&again), Ok(proposal), "seed {seed}");
        }
    }
    assert!(read > 100, "only {read} were read: the bytes change too much to try anything");
}

#[test]
fn a_later_version_is_told_apart() {
    let mut bytes = proposal(&mut ChaCha8Rng::seed_from_u64(1)).encode().unwrap();
    bytes[0] = VERSION + 1;
    assert_eq!(Proposal::decode(&bytes), Err(ProposalError::Newer { found: VERSION + 1 }));
    assert_eq!(Proposal::decode(&[]), Err(ProposalError::Unreadable));
}

#[test]
fn a_number_of_peers_reserves_nothing() {
    let row =
        RowWriter::new(VERSION).raw(&[0; 8]).int(0).int(0).int(0).byte(NO_CONDITION).bytes(b"").int(u64::MAX);
    assert_eq!(Proposal::decode(&row.finish()), Err(ProposalError::Unreadable));
}

#[test]
fn a_proposal_has_a_greatest_size() {
    let mut large = Pin::new(cid(&mut ChaCha8Rng::seed_from_u64(1)));
    large.options.name = "n".repeat(MAX_PROPOSAL);
    let operation = Operation::new(OperationKind::Pin(Box::new(large)));
    let ordered = Ordered { operation, replication: ReplicationFactors::EVERYWHERE };
    let refused = Proposal { ordered, at: UnixMillis(0), nonce: 0 }.encode();
    assert!(matches!(refused, Err(ProposalError::TooLarge { size }) if size > MAX_PROPOSAL));
    let bytes = [vec![VERSION], vec![0; MAX_PROPOSAL]].concat();
    assert!(matches!(Proposal::decode(&bytes), Err(ProposalError::TooLarge { .. })));
}
