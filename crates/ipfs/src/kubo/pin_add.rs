//! Pinning, with progress and a watch on it.

use super::Kubo;
use crate::{
    answer::PinAddLine,
    lanes::Lane,
    rpc::{Answer, Deadline},
};
use bytes::Bytes;
use cid::Cid;
use cluster_core::{
    PinDepth,
    ports::ipfs_connector::{IpfsError, PinProgress, PinRequest, ProgressSink},
};
use futures_util::future::{Either, select};
use std::{pin::pin, time::Duration};

/// How long the end of an answer is waited for after the pin is known to be made. Reaching the end lets the
/// connection serve the next call; missing it costs a connection.
const SETTLE: Duration = Duration::from_secs(1);

impl Kubo {
    pub(super) async fn add_pin(&self, request: PinRequest, sink: ProgressSink) -> Result<(), IpfsError> {
        let path = pin_add_path(&request);
        let turn = Deadline::within(self.pin_timeout);
        let _turn = self.enter(Lane::Pin, &path, turn).await?;
        let pinning = self.update_or_add(&path, &request, &sink);
        if request.origins.is_empty() {
            return pinning.await;
        }
        // The hints live no longer than the pin they are for.
        match select(pin!(pinning), pin!(self.connect_origins(&request.origins))).await {
            Either::Left((outcome, _)) => outcome,
            Either::Right(((), pinning)) => pinning.await,
        }
    }

    async fn update_or_add(
        &self,
        path: &str,
        request: &PinRequest,
        sink: &ProgressSink,
    ) -> Result<(), IpfsError> {
        if self.update_pin(request).await {
            return Ok(());
        }
        self.follow_pin(path, &request.cid, sink).await
    }

    /// Makes the call and follows it to its end. The clock of the watch starts again whenever a number grows, so a
    /// stall is noticed exactly `pin_timeout` after the last growth.
    async fn follow_pin(&self, path: &str, cid: &Cid, sink: &ProgressSink) -> Result<(), IpfsError> {
        let mut deadline = Deadline::progress_within(self.pin_timeout);
        let mut answer = self.rpc.open(path, deadline).await?;
        let mut watch = Watch::default();
        while let Some(line) = answer.next_line(deadline).await? {
            match watch.take(&answer, &line, cid)? {
                Seen::Growth => {
                    deadline = Deadline::progress_within(self.pin_timeout);
                    sink(watch.progress);
                }
                Seen::Nothing => {}
                Seen::Pinned => return settle(&mut answer).await,
            }
        }
        Err(answer.bad("it ended without saying that the pin is made"))
    }
}

/// Builds the call: arguments as the reference sends them (api §10.1).
fn pin_add_path(request: &PinRequest) -> String {
    let cid = request.cid;
    match request.depth {
        PinDepth::DIRECT => format!("pin/add?arg={cid}&recursive=false&progress=true"),
        PinDepth(depth) if depth > 0 => {
            format!("pin/add?arg={cid}&max-depth={depth}&recursive=true&progress=true")
        }
        _ => format!("pin/add?arg={cid}&recursive=true&progress=true"),
    }
}

/// Reads to the end of an answer that has said all we need, so that its connection is reused. Only an error that
/// the daemon itself adds still counts.
async fn settle(answer: &mut Answer<'_>) -> Result<(), IpfsError> {
    let deadline = Deadline::within(SETTLE);
    loop {
        match answer.next_line(deadline).await {
            Ok(Some(_)) => {}
            Err(error @ IpfsError::Api { .. }) => return Err(error),
            Ok(None) | Err(_) => return Ok(()),
        }
    }
}

/// What one line of the answer meant.
enum Seen {
    Nothing,
    Growth,
    Pinned,
}

/// The greatest numbers seen so far.
#[derive(Default)]
struct Watch {
    progress: PinProgress,
}

impl Watch {
    fn take(&mut self, answer: &Answer<'_>, line: &Bytes, cid: &Cid) -> Result<Seen, IpfsError> {
        // Usually one object; without newlines between them a line holds several.
        let mut seen = Seen::Nothing;
        for object in serde_json::Deserializer::from_slice(line).into_iter::<PinAddLine>() {
            let object = object.map_err(|e| answer.bad(e.to_string()))?;
            if let Some(message) = object.message {
                return Err(answer.api(message));
            }
            if let Some(pins) = object.pins {
                let ours = |text: &String| text.parse().is_ok_and(|pin: Cid| pin.hash() == cid.hash());
                return if pins.iter().any(ours) {
                    Ok(Seen::Pinned)
                } else {
                    Err(answer.bad("it says that something else is pinned"))
                };
            }
            if self.grow(object.progress, object.bytes) {
                seen = Seen::Growth;
            }
        }
        Ok(seen)
    }

    fn grow(&mut self, blocks: Option<u64>, bytes: Option<u64>) -> bool {
        let grown = PinProgress {
            blocks: blocks.unwrap_or(0).max(self.progress.blocks),
            bytes: bytes.max(self.progress.bytes),
        };
        let grew = grown.blocks > self.progress.blocks
            || grown.bytes.unwrap_or(0) > self.progress.bytes.unwrap_or(0);
        self.progress = grown;
        grew
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(depth: i32) -> String {
        let cid = "bafkqaaa".parse().unwrap();
        pin_add_path(&PinRequest { cid, depth: PinDepth(depth), origins: Vec::new(), update_from: None })
    }

    #[test]
    fn sends_the_arguments_of_the_depth() {
        assert_eq!(path(-1), "pin/add?arg=bafkqaaa&recursive=true&progress=true");
        assert_eq!(path(-7), "pin/add?arg=bafkqaaa&recursive=true&progress=true");
        assert_eq!(path(0), "pin/add?arg=bafkqaaa&recursive=false&progress=true");
        assert_eq!(path(2), "pin/add?arg=bafkqaaa&max-depth=2&recursive=true&progress=true");
    }

    #[test]
    fn counts_growth_of_either_number_and_nothing_else() {
        let mut watch = Watch::default();
        assert!(!watch.grow(None, None));
        assert!(!watch.grow(Some(0), Some(0)));
        assert!(watch.grow(Some(1), None));
        assert!(!watch.grow(Some(1), None));
        assert!(watch.grow(Some(1), Some(10)));
        assert!(watch.grow(Some(1), Some(11)));
        assert!(!watch.grow(Some(0), Some(11)));
        assert_eq!(watch.progress, PinProgress { blocks: 1, bytes: Some(11) });
    }
}
