//! Raft's stores against openraft's suite, power cuts and each other.

mod determinism;
mod disk;
mod peer;
mod power_cut;
mod snapshots;
mod suite;
mod unsynced;
