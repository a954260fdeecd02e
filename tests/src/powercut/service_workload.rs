//! `cluster-service` as a workload for power cuts.

use super::{
    load::{Clock, put_load},
    peer::PeerProgram,
    talk,
};
use crate::http::Connection;
use anyhow::{Result, ensure};
use cluster_testkit::{
    ports::free_ports,
    powercut::{Operation, Recording, Running, State, Workload},
};
use std::{
    path::Path,
    process::Command,
    sync::atomic::{AtomicU16, AtomicUsize, Ordering},
    time::{Duration, Instant},
};

/// How long a traced peer may take to its first answer.
const START_LIMIT: Duration = Duration::from_secs(120);

/// A peer under 16 connections of mixed pins and unpins.
#[derive(Debug)]
pub struct ServiceWorkload {
    program: PeerProgram,
    /// Requests in one recording.
    requests: usize,
    port: AtomicU16,
    read_backs: AtomicUsize,
}

impl ServiceWorkload {
    /// Makes a workload of `requests` requests a recording.
    pub fn new(program: PeerProgram, requests: usize) -> Self {
        Self { program, requests, port: AtomicU16::new(0), read_backs: AtomicUsize::new(0) }
    }
}

impl Workload for ServiceWorkload {
    fn name(&self) -> String {
        self.program.name()
    }

    /// Every second recording begins on a folder that was in use and killed, so that the recovery is recorded too.
    fn prepare(&self, root: &Path, round: usize, seed: u64) -> Result<State> {
        self.program.init(root)?;
        if round.is_multiple_of(2) {
            return Ok(State::new());
        }
        let mut peer = self.program.start(root)?;
        put_load(&[peer.port()], self.requests / 2, seed ^ 0x5eed, &Clock::default())?;
        let state = peer.pins();
        peer.kill()?;
        state
    }

    fn command(&self, root: &Path) -> Result<Command> {
        let [port] = free_ports()?;
        self.port.store(port, Ordering::SeqCst);
        self.program.daemon(root, port)
    }

    fn drive(&self, program: &mut Running, seed: u64) -> Result<()> {
        let port = self.port.load(Ordering::SeqCst);
        let deadline = Instant::now() + START_LIMIT;
        while Connection::open(port).and_then(|mut connection| connection.ask("GET", "/version")).is_err() {
            ensure!(!program.has_ended()?, "the peer ended");
            ensure!(Instant::now() < deadline, "the peer does not answer");
            std::thread::sleep(Duration::from_millis(5));
        }
        let clock = Clock::default();
        put_load(&[port], self.requests, seed, &clock)?;
        ensure!(clock.acknowledged() > self.requests / 2, "most requests were refused");
        Ok(())
    }

    fn operations(&self, recording: &Recording) -> Result<Vec<Operation>> {
        talk::operations(recording)
    }

    fn read_back(&self, root: &Path) -> Result<State> {
        let turn = self.read_backs.fetch_add(1, Ordering::SeqCst);
        self.program.read_back(root, turn.is_multiple_of(2))
    }
}
