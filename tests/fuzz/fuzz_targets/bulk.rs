#![no_main]

cluster_fuzz::target!(cluster_api, "bulk");
