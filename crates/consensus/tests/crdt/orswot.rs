//! Visibility against the observed-remove set of the `crdts` crate, on random histories.

use super::replica::{Replica, cid};
use cluster_consensus::crdt::Packing;
use cluster_core::{
    PinKey,
    ports::{consensus::OperationKind, datastore::Tree},
};
use crdts::{CmRDT, CvRDT, Orswot};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const REPLICAS: usize = 3;
const KEYS: u8 = 4;
const STEPS: usize = 120;

/// Hands over every block that `to` lacks, parents first, as the model's merge hands over the whole state.
fn sync(from: &Replica, to: &mut Replica) {
    let have: std::collections::BTreeSet<Vec<u8>> =
        to.rows(Tree::Merged).into_iter().map(|(key, _)| key).collect();
    let mut missing: Vec<(u64, Vec<u8>)> = from
        .rows(Tree::Blocks)
        .into_iter()
        .filter(|(key, _)| !have.contains(key))
        .map(|(_, bytes)| (cluster_consensus::crdt::Block::decode(&bytes).unwrap().delta.priority, bytes))
        .collect();
    missing.sort();
    for (_, bytes) in missing {
        to.merge(&bytes);
    }
}

fn visible(replica: &Replica) -> Vec<u8> {
    (0..KEYS).filter(|n| replica.name(&cid(*n)).is_some()).collect()
}

fn modelled(model: &Orswot<u8, usize>) -> Vec<u8> {
    (0..KEYS).filter(|n| model.contains(n).val).collect()
}

#[test]
fn a_pin_is_visible_exactly_when_the_set_of_crdts_contains_it() {
    for seed in 0..40 {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut replicas: Vec<Replica> = (0..REPLICAS).map(|_| Replica::new(Packing::Immediate)).collect();
        let mut models: Vec<Orswot<u8, usize>> = vec![Orswot::new(); REPLICAS];
        for step in 0..STEPS {
            let (at, key) = (random.random_range(0..REPLICAS), random.random_range(0..KEYS));
            match random.random_range(0..3) {
                0 => {
                    replicas[at].pin(&cid(key), &format!("{at} {step}"));
                    let add = models[at].add(key, models[at].read_ctx().derive_add_ctx(at));
                    models[at].apply(add);
                }
                1 => {
                    let (result, _) = replicas[at].submit(OperationKind::Unpin(PinKey::from_cid(&cid(key))));
                    assert_eq!(result.is_ok(), models[at].contains(&key).val, "seed {seed} step {step}");
                    let remove = models[at].rm(key, models[at].contains(&key).derive_rm_ctx());
                    models[at].apply(remove);
                }
                _ => {
                    let to = random.random_range(0..REPLICAS);
                    if to != at {
                        let model = models[at].clone();
                        models[to].merge(model);
                        let [from, to] = replicas.get_disjoint_mut([at, to]).unwrap();
                        sync(from, to);
                    }
                }
            }
            for (replica, model) in replicas.iter().zip(&models) {
                assert_eq!(visible(replica), modelled(model), "seed {seed} step {step}");
            }
        }
    }
}
