//! Both sides over pipes, with time that passes by itself.

mod calling;
mod serving;
mod wire;

use super::*;
use wire::{Members, Wire};

#[test]
fn every_lane_has_a_protocol_of_its_own() {
    for lane in RaftLane::ALL {
        assert_eq!(protocol_of(lane).iter().map(lane_of).collect::<Vec<_>>(), [Some(lane)]);
    }
    assert_eq!(lane_of(&crate::host::OWN_RPC_PROTOCOL), None);
}
