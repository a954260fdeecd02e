#!/bin/sh
# Makes the peer's folder at the first start, then becomes cluster-service. CLUSTER_… variables count for both.
set -eu
if [ "${1:-}" = daemon ] && [ ! -e "$IPFS_CLUSTER_PATH/identity.json" ]; then
    cluster-service init
fi
exec cluster-service "$@"
