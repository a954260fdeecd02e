//! What a caller wants, and why it does not get it.

use super::{RpcServer, not_allowed, unary_call::UnaryCall};
use crate::rpc::{
    call_stream::{CallStream, ReadError},
    decoder::{DecodeError, Decoder},
    encoder::Encoder,
    limits::Limits,
    method::Method,
    response::{ErrorType, write_failure},
    service_id::ServiceId,
    statuses_after::StatusesAfter,
    wire::Wire,
};
use cluster_core::{PeerId, PinKey, StatusFilter, TrackerStatus};
use std::io;

/// A call that is allowed, with its argument.
pub(super) enum Request {
    /// One argument, one reply.
    Unary(Method, UnaryCall),
    /// `Cluster.IDStream`
    Id,
    /// `Cluster.Peers`
    Peers,
    /// `Cluster.RecoverAllLocal`
    RecoverAll,
    /// `IPFSConnector.BlockStream`; the blocks follow.
    Blocks,
    /// `PinTracker.StatusAll`; `None` when nothing passes the filter.
    StatusAll(Option<StatusFilter>),
    /// `PinTracker.StatusAllAfter`
    StatusAllAfter(StatusFilter, PinKey),
}

/// Why a call ends before it begins.
pub(super) enum Refusal {
    /// The caller is told so with these bytes.
    Answer(Vec<u8>),
    /// There is nobody to tell.
    Broken(io::Error),
}

impl RpcServer {
    /// Reads what the caller wants. Its rights come before its argument: who may not call sends little.
    pub(super) async fn read_request(
        &self,
        peer: &PeerId,
        ours: bool,
        stream: &mut CallStream,
    ) -> Result<Request, Refusal> {
        let id = read_service_id(stream).await?;
        let refuse = |text: &str, kind| {
            let mut answer = Encoder::default();
            write_failure(&mut answer, Some(&id), text, kind);
            Refusal::Answer(answer.into_bytes())
        };
        let forbid = || refuse(&not_allowed(&id), ErrorType::Authorization);
        let method = Method::find(&id, ours).map_err(|text| refuse(&text, ErrorType::Server))?;
        if !self.allows(peer, method) {
            tracing::debug!(%peer, method = method.full_name(), "refused a call");
            return Err(forbid());
        }
        let read_argument = match method {
            Method::ClusterIdStream => return Ok(Request::Id),
            Method::ClusterPeers => return Ok(Request::Peers),
            Method::ClusterRecoverAllLocal => return Ok(Request::RecoverAll),
            Method::IpfsBlockStream => return Ok(Request::Blocks),
            Method::TrackerStatusAll | Method::TrackerStatusAllAfter => None,
            // What is not built is refused: any other error is shown as a fault of this peer.
            _ => Some(UnaryCall::reader(method).ok_or_else(forbid)?),
        };
        let bad = |error: &DecodeError| refuse(&error.to_string(), ErrorType::Server);
        let argument = match stream.read_value(method.argument_limits()).await {
            Ok(argument) => argument,
            Err(ReadError::Broken(error)) => return Err(Refusal::Broken(error)),
            Err(error) => return Err(refuse(&error.to_string(), ErrorType::Server)),
        };
        if method == Method::TrackerStatusAllAfter {
            let argument = argument.ok_or_else(|| bad(&DecodeError::Truncated))?;
            let wanted = StatusesAfter::read(&mut Decoder::new(argument)).map_err(|error| bad(&error))?;
            return Ok(match filter_of(wanted.filter) {
                Some(filter) => Request::StatusAllAfter(filter, PinKey::from_cid(&wanted.after)),
                None => Request::StatusAll(None),
            });
        }
        let Some(read_argument) = read_argument else {
            // No argument at all is that of Go's closed channel: zero.
            let bits = argument.map_or(Ok(0), |argument| Decoder::new(argument).int());
            return Ok(Request::StatusAll(filter_of(bits.map_err(|error| bad(&error))?)));
        };
        let argument = argument.ok_or_else(|| bad(&DecodeError::Truncated))?;
        let call = read_argument(&mut Decoder::new(argument)).map_err(|error| bad(&error))?;
        Ok(Request::Unary(method, call))
    }
}

/// Reads the names. Go answers unreadable ones twice: for themselves, and for the empty names that remain.
async fn read_service_id(stream: &mut CallStream) -> Result<ServiceId<'static>, Refusal> {
    let error = match stream.read_value(Limits::SERVICE_ID).await {
        Ok(Some(value)) => match ServiceId::read(&mut Decoder::new(value)) {
            Ok(id) => return Ok(id.into_owned()),
            Err(error) => error.to_string(),
        },
        Ok(None) => "EOF".to_owned(),
        Err(ReadError::Broken(error)) => return Err(Refusal::Broken(error)),
        Err(error) => error.to_string(),
    };
    let mut answer = Encoder::default();
    write_failure(&mut answer, None, &format!("error reading service ID: {error}"), ErrorType::Server);
    write_failure(&mut answer, None, "rpc: can't find service ", ErrorType::Server);
    Err(Refusal::Answer(answer.into_bytes()))
}

/// Makes a filter of bits; `None` when there are only unknown ones, which no status has.
fn filter_of(bits: i64) -> Option<StatusFilter> {
    let known: Vec<TrackerStatus> =
        TrackerStatus::ALL.into_iter().filter(|status| bits & i64::from(status.bit()) != 0).collect();
    (bits == 0 || !known.is_empty()).then(|| StatusFilter::of(&known))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_of_unknown_bits_lets_nothing_pass() {
        assert_eq!(filter_of(0), Some(StatusFilter::ALL));
        assert_eq!(filter_of(1), None);
        assert_eq!(filter_of(17), Some(StatusFilter::of(&[TrackerStatus::Pinned])));
    }
}
