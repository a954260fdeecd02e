//! What the suites share: real peers and real Kubo daemons on free loopback ports, power cuts and small disks.

pub mod file_server;
#[cfg(feature = "hostile")]
pub mod hostile;
pub mod kubo;
#[cfg(feature = "many-peers")]
pub mod many_peers;
pub mod mock_kubo;
pub mod mutants;
pub mod ports;
#[cfg(target_os = "linux")]
pub mod powercut;
pub mod raft_simulator;
pub mod seeds;
pub mod service;
pub mod simulation;
pub mod simulator;
#[cfg(target_os = "linux")]
pub mod small_disk;
pub mod stored;
#[cfg(target_os = "linux")]
pub mod two_sides;
