//! The exchange of blocks (wire-protocol §4.16).
//!
//! Two machines decide, each behind a lock of its own: [`want_list`] whom to ask for what, [`ledger`] whom to
//! answer what. Three kinds of tasks do the rest: one reader for each inbound stream, and for each connected peer
//! a writer of wants and a writer of answers, each with one stream that stays open. A writer takes what is there
//! when it gets to write: what is wanted at one moment goes out in one message, and nothing piles up behind a
//! peer that does not read.

mod answer_writer;
mod answers;
mod block_cache;
mod counters;
mod dag_links;
mod dialect;
mod exchange;
mod fetches;
mod fields;
mod frame;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod inbound;
mod ledger;
mod message;
mod ordered_map;
mod out_stream;
mod read_ahead;
mod session;
mod want_list;
mod want_writer;

pub use counters::BitswapCounters;
pub(crate) use dialect::IDS;
pub use dialect::PROTOCOLS as BITSWAP_PROTOCOLS;
pub use exchange::Bitswap;

#[cfg(test)]
mod tests;
