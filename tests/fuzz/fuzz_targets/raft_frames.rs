#![no_main]

cluster_fuzz::target!(cluster_swarm, "raft_frames");
