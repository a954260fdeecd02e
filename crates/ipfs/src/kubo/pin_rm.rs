//! Removing a pin.

use super::Kubo;
use crate::{answer::PinRmAnswer, lanes::Lane, rpc::Deadline};
use cid::Cid;
use cluster_core::ports::ipfs_connector::IpfsError;

/// Kubo's words for "there is nothing to remove".
const NOT_PINNED: &str = "not pinned or pinned indirectly";

impl Kubo {
    pub(super) async fn remove_pin(&self, cid: Cid) -> Result<(), IpfsError> {
        if self.unpin_disable {
            return Err(IpfsError::UnpinDisabled);
        }
        let path = format!("pin/rm?arg={cid}");
        let deadline = Deadline::within(self.unpin_timeout);
        match self.object::<PinRmAnswer>(Lane::Unpin, &path, deadline).await {
            Ok(_) => Ok(()),
            Err(IpfsError::Api { message, .. }) if message.contains(NOT_PINNED) => Ok(()),
            Err(error) => Err(error),
        }
    }
}
