//! What peers say of themselves.

use super::Worker;
use crate::host::{
    address_book::MAX_ADDRESSES,
    own_addresses::without_peer,
    routing::{self, LAN_PROTOCOL, WAN_PROTOCOL},
    streams::OWN_RPC_PROTOCOL,
};
use cluster_core::{Multiaddr, PeerId, ports::swarm::PeerEvent};
use libp2p::{
    identify::{Event, Info},
    kad::{Behaviour as Table, store::MemoryStore},
    swarm::ConnectionId,
};

impl Worker {
    pub(super) fn on_identify(&mut self, event: Event) {
        if let Event::Received { connection_id, peer_id, info } = event {
            self.on_identified(peer_id, connection_id, &info);
        }
    }

    fn on_identified(&mut self, peer: PeerId, connection: ConnectionId, info: &Info) {
        let Some(connection) = self.connections.get(&connection) else { return };
        let on_this_machine = routing::is_loopback(&connection.remote);
        let mut addresses = routing::usable(&info.listen_addrs, on_this_machine);
        addresses.truncate(MAX_ADDRESSES);
        let ours = info.protocols.contains(&OWN_RPC_PROTOCOL);
        let news = {
            let mut state = self.shared.state();
            if state.forgotten.contains(&peer) {
                return;
            }
            state.book.learn(peer, &addresses);
            state.book.identified(&peer, ours)
        };
        let where_it_is = if connection.inbound { addresses.first() } else { Some(&connection.remote) };
        let where_it_is = where_it_is.map(without_peer).filter(|address| !routing::is_relayed(address));
        self.note_relay(peer, &info.protocols, where_it_is.as_ref());
        let behaviour = self.swarm.behaviour_mut();
        let public: Vec<Multiaddr> =
            addresses.iter().filter(|address| routing::is_public(address)).cloned().collect();
        // Who serves a table is in it; Go's own filters are left to the addresses, so that clusters whose peers have
        // public addresses find each other before anybody knows what is reachable.
        put(
            &mut behaviour.lan,
            peer,
            if info.protocols.contains(&LAN_PROTOCOL) { addresses } else { Vec::new() },
        );
        put(
            &mut behaviour.wan,
            peer,
            if info.protocols.contains(&WAN_PROTOCOL) { public } else { Vec::new() },
        );
        if news {
            self.listener.on_peer(PeerEvent::Identified { peer, ours });
        }
    }
}

/// Replaces what a table holds of a peer: adding alone would let a peer fill it with addresses.
fn put(table: &mut Table<MemoryStore>, peer: PeerId, addresses: Vec<Multiaddr>) {
    table.remove_peer(&peer);
    for address in addresses {
        table.add_address(&peer, address);
    }
}
