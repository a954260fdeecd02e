//! Calls between peers, written by hand (wire-protocol §5): independent of the code under test.

use cluster_client::Cid;

/// What a method takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Argument {
    /// Nothing: the caller closes its side.
    Nothing,
    /// The empty struct.
    Empty,
    /// A peer ID.
    Peer,
    /// Peer IDs.
    Peers,
    /// A multiaddress.
    Address,
    /// A CID.
    Cid,
    /// A pin.
    Pin,
    /// A path to pin.
    Path,
    /// Statuses: all.
    Filter,
    /// A text.
    Text,
    /// Texts.
    Texts,
}

/// A method of Go's peers.
#[derive(Debug, Clone, Copy)]
pub struct Method {
    /// Service and name, joined by a dot.
    pub name: &'static str,
    /// Whether arguments and replies are streams.
    pub streams: bool,
    /// What it takes.
    pub argument: Argument,
}

const fn unary(name: &'static str, argument: Argument) -> Method {
    Method { name, streams: false, argument }
}

const fn streaming(name: &'static str, argument: Argument) -> Method {
    Method { name, streams: true, argument }
}

/// Every method of Go's peers.
pub const METHODS: [Method; 55] = [
    unary("Cluster.Alerts", Argument::Empty),
    unary("Cluster.BandwidthByProtocol", Argument::Empty),
    unary("Cluster.BlockAllocate", Argument::Pin),
    unary("Cluster.ConnectGraph", Argument::Empty),
    unary("Cluster.ID", Argument::Empty),
    streaming("Cluster.IDStream", Argument::Nothing),
    unary("Cluster.IPFSID", Argument::Peer),
    unary("Cluster.Join", Argument::Address),
    unary("Cluster.PeerAdd", Argument::Peer),
    unary("Cluster.PeerRemove", Argument::Peer),
    streaming("Cluster.Peers", Argument::Nothing),
    streaming("Cluster.PeersWithFilter", Argument::Peers),
    unary("Cluster.Pin", Argument::Pin),
    unary("Cluster.PinGet", Argument::Cid),
    unary("Cluster.PinPath", Argument::Path),
    streaming("Cluster.Pins", Argument::Nothing),
    unary("Cluster.Recover", Argument::Cid),
    streaming("Cluster.RecoverAll", Argument::Nothing),
    streaming("Cluster.RecoverAllLocal", Argument::Nothing),
    unary("Cluster.RecoverLocal", Argument::Cid),
    unary("Cluster.RepoGC", Argument::Empty),
    unary("Cluster.RepoGCLocal", Argument::Empty),
    unary("Cluster.SendInformerMetrics", Argument::Empty),
    unary("Cluster.SendInformersMetrics", Argument::Empty),
    unary("Cluster.Status", Argument::Cid),
    streaming("Cluster.StatusAll", Argument::Filter),
    streaming("Cluster.StatusAllLocal", Argument::Filter),
    unary("Cluster.StatusLocal", Argument::Cid),
    unary("Cluster.Unpin", Argument::Pin),
    unary("Cluster.UnpinPath", Argument::Path),
    unary("Cluster.Version", Argument::Empty),
    unary("PinTracker.PinQueueSize", Argument::Empty),
    unary("PinTracker.Recover", Argument::Cid),
    streaming("PinTracker.RecoverAll", Argument::Nothing),
    unary("PinTracker.Status", Argument::Cid),
    streaming("PinTracker.StatusAll", Argument::Filter),
    unary("PinTracker.Track", Argument::Pin),
    unary("PinTracker.Untrack", Argument::Pin),
    unary("IPFSConnector.BlockGet", Argument::Cid),
    streaming("IPFSConnector.BlockStream", Argument::Nothing),
    unary("IPFSConnector.ConfigKey", Argument::Text),
    unary("IPFSConnector.Pin", Argument::Pin),
    streaming("IPFSConnector.PinLs", Argument::Texts),
    unary("IPFSConnector.PinLsCid", Argument::Pin),
    unary("IPFSConnector.RepoStat", Argument::Empty),
    unary("IPFSConnector.Resolve", Argument::Text),
    unary("IPFSConnector.SwarmPeers", Argument::Empty),
    unary("IPFSConnector.Unpin", Argument::Pin),
    unary("Consensus.AddPeer", Argument::Peer),
    unary("Consensus.LogPin", Argument::Pin),
    unary("Consensus.LogUnpin", Argument::Pin),
    unary("Consensus.Peers", Argument::Empty),
    unary("Consensus.RmPeer", Argument::Peer),
    unary("PeerMonitor.LatestMetrics", Argument::Text),
    unary("PeerMonitor.MetricNames", Argument::Empty),
];

impl Method {
    /// Writes a call about a CID or a peer, given as its binary ID.
    pub fn call(&self, cid: &Cid, peer: &[u8]) -> Vec<u8> {
        let cid_bytes = raw(&cid.to_bytes());
        let argument = match self.argument {
            Argument::Nothing => Vec::new(),
            Argument::Empty => vec![0x80],
            Argument::Peer => raw(peer),
            Argument::Peers => [&[0x91][..], &raw(peer)].concat(),
            // /ip4/127.0.0.1/tcp/9, and whom to find there.
            Argument::Address => {
                let there = [4, 127, 0, 0, 1, 6, 0, 9, 0xa5, 3, 38];
                raw(&[&there[..], peer].concat())
            }
            Argument::Cid => cid_bytes,
            Argument::Pin => pin(cid),
            Argument::Path => [&[0x81][..], &text("path"), &text(&format!("/ipfs/{cid}"))].concat(),
            Argument::Filter => vec![0],
            Argument::Text => text("ping"),
            Argument::Texts => [&[0x91][..], &text("recursive")].concat(),
        };
        [service(self.name), argument].concat()
    }

    /// Writes what stands before the value of a good answer.
    pub fn success(&self) -> Vec<u8> {
        [&[0x81][..], &text("Service"), &service(self.name)].concat()
    }

    /// Writes the whole answer of a method that failed.
    pub fn failure(&self, error: &str) -> Vec<u8> {
        let header = [&[0x82][..], &text("Service"), &service(self.name)].concat();
        [header, text("Error"), text(error), vec![0xc0]].concat()
    }

    /// Writes the whole answer to who may not call the method.
    pub fn refusal(&self) -> Vec<u8> {
        let header = [&[0x83][..], &text("Service"), &service(self.name)].concat();
        let error = format!("client does not have permissions to call {}", self.name);
        [header, text("Error"), text(&error), text("ErrType"), vec![3, 0xc0]].concat()
    }
}

/// Writes the pin of a CID by everybody, for ever.
pub fn pin(cid: &Cid) -> Vec<u8> {
    let everywhere = [text("rn"), vec![0xff], text("rx"), vec![0xff]].concat();
    let data = [text("t"), vec![2], text("d"), vec![0xff]].concat();
    [vec![0x85], everywhere, text("c"), raw(&cid.to_bytes()), data].concat()
}

fn service(name: &str) -> Vec<u8> {
    let (service, method) = name.split_once('.').unwrap_or((name, ""));
    [&[0x82][..], &text("Name"), &text(service), &text("Method"), &text(method)].concat()
}

/// Writes a text of less than 64 KiB.
pub fn text(text: &str) -> Vec<u8> {
    raw(text.as_bytes())
}

/// Writes less than 64 KiB of bytes, which look the same as a text.
pub fn raw(bytes: &[u8]) -> Vec<u8> {
    match u8::try_from(bytes.len()) {
        Ok(length) if length < 32 => [&[0xa0 | length], bytes].concat(),
        _ => [&[0xda][..], &(bytes.len() as u16).to_be_bytes(), bytes].concat(),
    }
}
