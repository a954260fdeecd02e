//! Loopback ports for processes that are told where to listen.

use anyhow::{Context as _, Result, ensure};
use std::{
    collections::BTreeSet,
    net::{Ipv4Addr, TcpListener},
    sync::{Mutex, OnceLock, PoisonError},
};

/// The lowest port given out.
const LOWEST: u16 = 10_000;
/// Where the ports begin that the system itself chooses, unless it says otherwise.
const USUAL_EPHEMERAL: u16 = 32_768;

/// Ports this process gave out already.
static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

/// Returns TCP ports on 127.0.0.1 that nobody listens on, no port twice in the life of this process.
///
/// They lie below the range from which the system takes the ports of outgoing connections. A port of that range
/// can be taken again at any moment between its choice and the start of the process that is to listen there: by any
/// client, and by the very one that waits for that process (a connection to a free port of that range may be
/// connected to itself).
///
/// # Errors
/// When no port is left.
pub fn free_ports<const N: usize>() -> Result<[u16; N]> {
    let end = ephemeral_start();
    ensure!(end > LOWEST, "the system chooses ports from {end} on: none is left below them for tests");
    let count = end - LOWEST;
    // Processes that run at the same time begin at different places.
    let first = (std::process::id().wrapping_mul(97) % u32::from(count)) as u16;
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut ports = Vec::with_capacity(N);
    for step in 0..count {
        if ports.len() == N {
            break;
        }
        let port = LOWEST + ((u32::from(first) + u32::from(step)) % u32::from(count)) as u16;
        if !given.contains(&port) && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            given.insert(port);
            ports.push(port);
        }
    }
    ports.try_into().ok().context("no free port is left")
}

/// The multiaddress of a loopback port.
pub fn loopback(port: u16) -> String {
    format!("/ip4/127.0.0.1/tcp/{port}")
}

fn ephemeral_start() -> u16 {
    static START: OnceLock<u16> = OnceLock::new();
    *START.get_or_init(|| {
        let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
        range.split_whitespace().next().and_then(|first| first.parse().ok()).unwrap_or(USUAL_EPHEMERAL)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_differ_and_are_not_those_of_connections() {
        let mut all: Vec<u16> = [free_ports::<4>().unwrap(), free_ports::<4>().unwrap()].concat();
        assert!(all.iter().all(|port| *port < ephemeral_start()), "{all:?}");
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 8);
    }

    #[test]
    fn a_port_somebody_listens_on_is_not_given() {
        let [port] = free_ports().unwrap();
        let _listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
        GIVEN.lock().unwrap().remove(&port);
        let [next] = free_ports().unwrap();
        assert_ne!(next, port);
    }
}
