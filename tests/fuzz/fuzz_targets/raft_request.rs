#![no_main]

cluster_fuzz::target!(cluster_consensus, "raft_request");
