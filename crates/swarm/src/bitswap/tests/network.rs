//! Peers in memory: real ones, and ones that a test plays itself.

use crate::{
    Bitswap, BoxedStream, OpenError, OpenStreams,
    bitswap::{
        dialect::{Dialect, PROTOCOLS},
        fields::{put_bytes, put_number},
        frame::FrameReader,
        message::{Ask, Message, Want, dag_cid},
    },
};
use cid::Cid;
use cluster_core::{
    PeerId,
    ports::{BlockSource, BoxFuture, swarm::PeerEvent},
};
use futures_util::io::AsyncWriteExt;
use libp2p::StreamProtocol;
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};
use tokio::sync::mpsc;
use tokio_util::{compat::TokioAsyncReadCompatExt, sync::CancellationToken};

/// Bytes that a stream holds before its writer has to wait for its reader.
const PIPE: usize = 64 * 1024;

/// How long a test waits for what must happen; the clock of most tests is not the real one.
const DEADLINE: Duration = Duration::from_secs(300);

/// Blocks of a peer.
#[derive(Default)]
pub(super) struct Store {
    blocks: Mutex<HashMap<Cid, Vec<u8>>>,
    /// Size of the block that is returned for every CID that is not there.
    filler: Option<usize>,
    /// Makes the next read wait until the other end is dropped, and what that read then finds.
    held: Mutex<Option<(std::sync::mpsc::Receiver<()>, Vec<u8>)>>,
    pub(super) reads: AtomicUsize,
}

impl BlockSource for Store {
    fn block(&self, cid: &Cid) -> Option<Vec<u8>> {
        self.reads.fetch_add(1, SeqCst);
        let held = self.held.lock().unwrap().take();
        if let Some((released, data)) = held {
            let _ = released.recv();
            return Some(data);
        }
        let block = self.blocks.lock().unwrap().get(cid).cloned();
        block.or_else(|| self.filler.map(|size| vec![7; size]))
    }
}

impl Store {
    pub(super) fn put(&self, block: &(Cid, Vec<u8>)) {
        self.blocks.lock().unwrap().insert(block.0, block.1.clone());
    }

    /// Makes a store that has a block of this size for every CID.
    pub(super) fn bottomless(size: usize) -> Arc<Self> {
        Arc::new(Self { filler: Some(size), ..Self::default() })
    }

    /// Lets the next read find this, but only when what is returned is dropped.
    pub(super) fn hold(&self, data: &[u8]) -> std::sync::mpsc::Sender<()> {
        let (release, released) = std::sync::mpsc::channel();
        *self.held.lock().unwrap() = Some((released, data.to_vec()));
        release
    }

    pub(super) fn of(blocks: &[(Cid, Vec<u8>)]) -> Arc<Self> {
        let store = Self::default();
        blocks.iter().for_each(|block| store.put(block));
        Arc::new(store)
    }
}

/// Makes a block of the DAG (wire-protocol §4.4) of at least `size` bytes that differs from others by `salt`.
pub(super) fn block(links: &[Cid], salt: u64, size: usize) -> (Cid, Vec<u8>) {
    let (mut node, mut data) = (Vec::new(), salt.to_be_bytes().to_vec());
    for link in links {
        let mut entry = Vec::new();
        put_bytes(&mut entry, 1, &link.to_bytes());
        put_bytes(&mut entry, 2, b"");
        put_number(&mut entry, 3, 0);
        put_bytes(&mut node, 2, &entry);
    }
    data.resize(size.max(8), 0x5a);
    put_bytes(&mut node, 1, &data);
    (dag_cid(&node).unwrap(), node)
}

/// Makes a chain, the head first.
pub(super) fn chain(length: u64, size: usize) -> Vec<(Cid, Vec<u8>)> {
    let mut blocks: Vec<(Cid, Vec<u8>)> = Vec::new();
    for salt in 0..length {
        let links: Vec<_> = blocks.last().map(|(cid, _)| *cid).into_iter().collect();
        blocks.push(block(&links, salt, size));
    }
    blocks.reverse();
    blocks
}

enum End {
    Real(Bitswap),
    Played(mpsc::UnboundedSender<BoxedStream>),
}

struct Node {
    end: End,
    protocol: StreamProtocol,
    refusal: Option<OpenError>,
    opened: usize,
}

/// All peers.
#[derive(Default)]
pub(super) struct Network {
    nodes: Mutex<HashMap<PeerId, Node>>,
}

struct Opener {
    me: PeerId,
    network: Weak<Network>,
}

impl OpenStreams for Opener {
    fn open(
        &self,
        peer: PeerId,
        protocols: &'static [StreamProtocol],
    ) -> BoxFuture<'_, Result<(StreamProtocol, BoxedStream), OpenError>> {
        let network = self.network.upgrade();
        Box::pin(async move {
            let network = network.ok_or(OpenError::Stopping)?;
            let (protocol, stream) = network.open(self.me, peer)?;
            assert!(protocols.contains(&protocol));
            Ok((protocol, stream))
        })
    }
}

impl Network {
    pub(super) fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Starts a real peer.
    pub(super) fn start(self: &Arc<Self>, store: &Arc<Store>) -> (PeerId, Bitswap) {
        self.start_until(store, CancellationToken::new())
    }

    pub(super) fn start_until(
        self: &Arc<Self>,
        store: &Arc<Store>,
        stop: CancellationToken,
    ) -> (PeerId, Bitswap) {
        let me = PeerId::random();
        let opener = Opener { me, network: Arc::downgrade(self) };
        let bitswap = Bitswap::new(Arc::new(opener), store.clone(), stop);
        self.add(me, End::Real(bitswap.clone()));
        (me, bitswap)
    }

    /// Adds a peer that the test plays.
    pub(super) fn play(self: &Arc<Self>) -> Played {
        let (sender, streams) = mpsc::unbounded_channel();
        let me = PeerId::random();
        self.add(me, End::Played(sender));
        Played { me, network: Arc::clone(self), streams, reader: None }
    }

    fn add(&self, peer: PeerId, end: End) {
        let node = Node { end, protocol: PROTOCOLS[0].clone(), refusal: None, opened: 0 };
        self.nodes.lock().unwrap().insert(peer, node);
    }

    pub(super) fn speak(&self, peer: PeerId, protocol: usize) {
        self.nodes.lock().unwrap().get_mut(&peer).unwrap().protocol = PROTOCOLS[protocol].clone();
    }

    /// Lets nobody open streams to a peer, or everybody again.
    pub(super) fn refuse(&self, peer: PeerId, refusal: Option<OpenError>) {
        self.nodes.lock().unwrap().get_mut(&peer).unwrap().refusal = refusal;
    }

    /// Counts the streams opened to a peer.
    pub(super) fn opened(&self, peer: PeerId) -> usize {
        self.nodes.lock().unwrap()[&peer].opened
    }

    pub(super) fn connect(&self, one: PeerId, other: PeerId) {
        self.tell(one, other, PeerEvent::Connected);
    }

    /// Connects two peers of this suite.
    pub(super) fn connect_ours(&self, one: PeerId, other: PeerId) {
        self.connect(one, other);
        self.tell(one, other, |peer| PeerEvent::Identified { peer, ours: true });
    }

    pub(super) fn disconnect(&self, one: PeerId, other: PeerId) {
        self.tell(one, other, PeerEvent::Disconnected);
    }

    pub(super) fn tell(&self, one: PeerId, other: PeerId, event: impl Fn(PeerId) -> PeerEvent) {
        for (to, about) in [(one, other), (other, one)] {
            let bitswap = match &self.nodes.lock().unwrap()[&to].end {
                End::Real(bitswap) => bitswap.clone(),
                End::Played(_) => continue,
            };
            bitswap.on_peer(&event(about));
        }
    }

    fn open(&self, from: PeerId, to: PeerId) -> Result<(StreamProtocol, BoxedStream), OpenError> {
        let (near, far) = tokio::io::duplex(PIPE);
        let (near, far): (BoxedStream, BoxedStream) = (Box::pin(near.compat()), Box::pin(far.compat()));
        let mut nodes = self.nodes.lock().unwrap();
        let node = nodes.get_mut(&to).ok_or(OpenError::NotConnected("unknown".into()))?;
        if let Some(refusal) = &node.refusal {
            return Err(refusal.clone());
        }
        node.opened += 1;
        match &node.end {
            End::Played(streams) => streams.send(far).map_err(|_| OpenError::Stopping)?,
            End::Real(bitswap) => bitswap.on_stream(from, far),
        }
        Ok((node.protocol.clone(), near))
    }
}

/// A peer that a test plays: it sees one stream at a time.
pub(super) struct Played {
    pub(super) me: PeerId,
    network: Arc<Network>,
    streams: mpsc::UnboundedReceiver<BoxedStream>,
    reader: Option<FrameReader<BoxedStream>>,
}

impl Played {
    /// Waits for the next message; `None` at the end of the stream it is on.
    pub(super) async fn hear(&mut self) -> Option<Message> {
        let heard = async {
            if self.reader.is_none() {
                self.reader = Some(FrameReader::new(self.streams.recv().await.unwrap()));
            }
            self.reader.as_mut().unwrap().next(|_| std::future::ready(())).await
        };
        let frame = tokio::time::timeout(DEADLINE, heard).await.expect("nothing was heard").unwrap();
        if frame.is_none() {
            self.reader = None;
        }
        frame.map(|(frame, ())| Message::decode(&frame).unwrap())
    }

    /// Waits for the next message, which has to be one want.
    pub(super) async fn hear_want(&mut self) -> Want {
        let message = self.hear().await.expect("the stream ended");
        assert_eq!((message.wants.len(), message.blocks.len()), (1, 0));
        message.wants[0]
    }

    /// Waits for a stream and keeps it unread.
    pub(super) async fn accept(&mut self) -> BoxedStream {
        tokio::time::timeout(DEADLINE, self.streams.recv()).await.expect("no stream was opened").unwrap()
    }

    /// Closes the stream it hears on.
    pub(super) fn hang_up(&mut self) {
        self.reader = None;
    }

    /// Opens a stream to a real peer.
    pub(super) fn open(&self, to: PeerId) -> BoxedStream {
        self.network.open(self.me, to).unwrap().1
    }

    /// Sends a message on a stream of its own, as Go answers.
    pub(super) async fn say(&self, to: PeerId, message: &Message) {
        let mut stream = self.open(to);
        stream.write_all(&message.encode(Dialect::Current)).await.unwrap();
        stream.close().await.unwrap();
    }

    pub(super) async fn say_blocks(&self, to: PeerId, blocks: &[(Cid, Vec<u8>)]) {
        self.say(to, &Message { blocks: blocks.to_vec(), ..Message::default() }).await;
    }

    pub(super) async fn say_presence(&self, to: PeerId, cid: Cid, have: bool) {
        self.say(to, &Message { presences: vec![(cid, have)], ..Message::default() }).await;
    }

    pub(super) async fn say_wants(&self, to: PeerId, cids: &[Cid], ask: Ask) {
        let want = |cid: &Cid| Want { cid: *cid, ask, priority: 1, dont_have: true };
        self.say(to, &Message { wants: cids.iter().map(want).collect(), ..Message::default() }).await;
    }
}

/// Waits until something is so. Only for tests whose clock is stopped: there the waiting takes no time.
pub(super) async fn until(what: impl Fn() -> bool) {
    let holds = async {
        while !what() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(DEADLINE, holds).await.expect("it did not become so");
}
