//! Calls between peers (wire-protocol §5), and the metrics of the gossip, which are written alike.

mod call_stream;
mod client;
mod decoder;
mod encoder;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod head;
mod limits;
mod method;
mod metric_codec;
mod protocols;
mod response;
mod scanner;
mod server;
mod service_id;
mod statuses_after;
mod wire;

#[cfg(test)]
pub(crate) mod fake_peer;
#[cfg(test)]
mod fixtures;
#[cfg(test)]
pub(crate) mod mutation;
#[cfg(test)]
pub(crate) mod oracle;
#[cfg(test)]
mod pipe_opener;

pub(crate) use client::RpcClient;
pub(crate) use metric_codec::{decode_metric, encode_metric};
pub(crate) use protocols::PROTOCOLS;
pub(crate) use server::RpcServer;
