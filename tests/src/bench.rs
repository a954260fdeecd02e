//! The benchmark: real processes, one load generator, the machine's own limits beside every figure.

mod cids;
mod cluster;
mod connection;
mod control;
mod figures;
mod histogram;
mod import_file;
mod limits;
mod load;
mod measure;
mod peer;
mod process;
mod procfs;
mod program;
mod report;
mod server;
mod settings;
mod stage;
mod stream;
mod stub;
mod suite;
mod sync_probe;

pub use program::{main, stub_main};
