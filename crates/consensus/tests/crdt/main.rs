//! The writer with the Merkle-CRDT's books, on the store in memory.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod captured;
mod damage;
mod orswot;
mod own_blocks;
mod replica;
mod visibility;
