//! Peers that exchange blocks over streams in memory. Most tests run on a stopped clock, which moves on when
//! nothing else can happen.

mod client;
mod hostile;
mod network;
mod server;
mod walk;
