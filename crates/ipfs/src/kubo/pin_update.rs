//! Pinning what is mostly the same as something pinned already.

use super::Kubo;
use crate::{
    answer::PinUpdateAnswer,
    rpc::{Deadline, MAX_BODY},
};
use cid::Cid;
use cluster_core::{
    PinDepth,
    ports::ipfs_connector::{IpfsError, IpfsPinStatus, PinRequest},
};

/// How many times `pin_timeout` an update may take. The daemon tells nothing while it works, so a long update cannot
/// be told from a stuck one; giving one up costs little, as the ordinary pin after it finds the blocks already
/// fetched and shows progress.
const PATIENCE: u32 = 5;

impl Kubo {
    /// Pins by updating another pin, which stays. Says whether it did: it does not when there is nothing to start
    /// from or the wish is not for the whole graph, and when anything goes wrong, as the ordinary pin is left then.
    pub(super) async fn update_pin(&self, request: &PinRequest) -> bool {
        let Some(from) = request.update_from.filter(|_| request.depth != PinDepth::DIRECT) else {
            return false;
        };
        let updated = match self.ask_pin_status(from, PinDepth::RECURSIVE).await {
            Ok(IpfsPinStatus::Recursive) => self.ask_pin_update(from, request.cid).await,
            Ok(_) => return false,
            Err(error) => Err(error),
        };
        if let Err(error) = &updated {
            tracing::info!(%from, to = %request.cid, %error, "cannot update the pin, will pin it anew");
        }
        updated.is_ok()
    }

    async fn ask_pin_update(&self, from: Cid, to: Cid) -> Result<(), IpfsError> {
        let path = format!("pin/update?arg={from}&arg={to}&unpin=false");
        let deadline = Deadline::within(self.pin_timeout.saturating_mul(PATIENCE));
        let answer: PinUpdateAnswer = self.read_object(&path, deadline, MAX_BODY).await?;
        let ours = |text: &String| text.parse().is_ok_and(|pin: Cid| pin.hash() == to.hash());
        if answer.pins.iter().any(ours) {
            Ok(())
        } else {
            Err(self.rpc.bad_answer(&path, "it says that something else is pinned"))
        }
    }
}
