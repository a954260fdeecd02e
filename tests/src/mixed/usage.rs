//! What a peer takes of the machine.

use anyhow::Result;
use std::{fmt, fs};

/// The swarm's port of every peer of a mixed cluster, as the system's tables write it.
const SWARM_PORT: &str = ":2388";

/// What one process holds at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Memory that is really there, in KiB.
    pub resident_kib: u64,
    /// Open file descriptors.
    pub descriptors: usize,
    /// Established connections of the swarm.
    pub connections: usize,
    /// Threads.
    pub threads: usize,
}

impl Usage {
    /// Looks at a process, which must be the only peer on its machine.
    ///
    /// # Errors
    /// When it is gone.
    pub fn of(pid: u32) -> Result<Self> {
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let number = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
            line.split_whitespace().next().and_then(|word| word.parse().ok()).unwrap_or(0)
        };
        let descriptors = fs::read_dir(format!("/proc/{pid}/fd"))?.count();
        // Columns: number, local address, remote address, state; 01 is an established connection.
        let is_swarm = |line: &&str| {
            let columns: Vec<&str> = line.split_whitespace().collect();
            columns.get(3) == Some(&"01") && columns[1..3].iter().any(|address| address.ends_with(SWARM_PORT))
        };
        let mut connections = 0;
        for table in ["tcp", "tcp6"] {
            let table = fs::read_to_string(format!("/proc/{pid}/net/{table}")).unwrap_or_default();
            connections += table.lines().filter(is_swarm).count();
        }
        let threads = usize::try_from(number("Threads:"))?;
        Ok(Self { resident_kib: number("VmRSS:"), descriptors, connections, threads })
    }
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { resident_kib, descriptors, connections, threads } = self;
        write!(f, "{} MiB, {descriptors} fds, {connections} conns, {threads} threads", resident_kib / 1024)
    }
}
