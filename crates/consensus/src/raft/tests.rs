//! Raft's stores against openraft's suite, power cuts and each other.

mod damaged;
mod determinism;
mod disk;
mod forged;
mod peer;
mod power_cut;
mod snapshots;
mod suite;
mod unsynced;
