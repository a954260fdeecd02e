//! Raft's requests to other members and the answers to theirs, over streams that stay open.
//!
//! A stream belongs to one lane of one peer, and its protocol says which; it carries requests one way and answers the
//! other way, each a frame:
//!
//! | bytes | what |
//! |---|---|
//! | 4 | length of the body, big-endian, at most 4 MiB; 0 in a refusal |
//! | 8 | number of the request, big-endian |
//! | 1 | kind: 0 request, 1 answer, 2 refusal: the caller is not a member |
//! | length | body |
//!
//! Numbers of requests ascend on a stream; answers come in any order, one for each request. Requests of a stream are
//! handed over in order. A peer has one stream in each lane: a new one ends the one before, and nothing of that is handed
//! over afterwards. Whoever breaks these rules loses the stream.
//!
//! Lanes are streams of their own, rather than pieces of messages mixed in one stream, because order matters within a lane
//! only, and because the multiplexer mixes already, 16 KiB of each in turn: a heartbeat waits for what lies in the socket, not
//! for the rest of a snapshot's part.

mod client;
mod client_stream;
mod frame;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod lane;
mod outbox;
mod pause;
mod server;
mod server_stream;

pub(crate) use client::RaftClient;
pub(crate) use server::RaftServer;

use crate::host::{RAFT_CONTROL_PROTOCOL, RAFT_LOG_PROTOCOL, RAFT_SNAPSHOT_PROTOCOL};
use cluster_core::ports::raft::{MAX_RAFT_MESSAGE, RaftLane};
use libp2p::StreamProtocol;
use std::time::Duration;

/// Requests of one lane that a peer has and did not answer yet; more wait here. A peer takes no more from us either.
const MAX_IN_FLIGHT: usize = 1024;

/// Bytes of these requests. A peer that has so many unanswered is read no further.
const MAX_IN_FLIGHT_BYTES: usize = 16 * 1024 * 1024;

/// The same of a snapshot: room for one message of any size. What is on its way lies in the socket before everything else.
const MAX_SNAPSHOT_IN_FLIGHT_BYTES: usize = MAX_RAFT_MESSAGE;

/// Returns how many bytes of requests a peer has at most, and did not answer.
fn max_in_flight_bytes(lane: RaftLane) -> usize {
    match lane {
        RaftLane::Control | RaftLane::Log => MAX_IN_FLIGHT_BYTES,
        RaftLane::Snapshot => MAX_SNAPSHOT_IN_FLIGHT_BYTES,
    }
}

/// How long the other side may take nothing of what is written.
const STALL_LIMIT: Duration = Duration::from_secs(30);

/// How long a frame may take from its header to its end.
const FRAME_LIMIT: Duration = Duration::from_secs(60);

/// Bytes written at once, roughly; one frame may be longer.
const WRITE_SIZE: usize = 64 * 1024;

/// The protocols, where they can be lent from.
static PROTOCOLS: [StreamProtocol; 3] = [RAFT_CONTROL_PROTOCOL, RAFT_LOG_PROTOCOL, RAFT_SNAPSHOT_PROTOCOL];

/// Returns what a stream of the lane is offered as.
fn protocol_of(lane: RaftLane) -> &'static [StreamProtocol] {
    let place = match lane {
        RaftLane::Control => 0,
        RaftLane::Log => 1,
        RaftLane::Snapshot => 2,
    };
    std::slice::from_ref(&PROTOCOLS[place])
}

/// Returns the lane of a stream; `None` for another protocol.
pub(crate) fn lane_of(protocol: &StreamProtocol) -> Option<RaftLane> {
    RaftLane::ALL.into_iter().find(|lane| protocol_of(*lane).contains(protocol))
}

#[cfg(test)]
mod tests;
