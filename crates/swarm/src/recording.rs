//! Records what a live Go peer and this crate say to each other. The tests of each protocol play it again.

mod bitswap_oracle;
mod live;
mod live_peer;
mod replay;
mod tape;
mod taped_stream;
mod vectors;
