//! The host, from outside: real hosts on loopback, and peers that misbehave.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod abuse;
mod connecting;
mod discovery;
mod go_peer;
mod gossip;
mod harness;
mod namespaces;
mod peers_file;
mod relaying;
