//! A peer that says again what a peer of a live cluster said.

use super::{Ears, Session, config, flood, metric_bytes, metric_of, read_metric, victim};
use anyhow::{Context, Result};
use cluster_consensus::crdt::BlockId;
use cluster_core::{
    Cid, Metric, PeerId,
    metric::UnixNanos,
    ports::{
        BlockSource, BoxFuture, Broadcast, SwarmListener,
        swarm::{PeerEvent, Verdict},
    },
};
use cluster_runtime::{Tasks, now};
use cluster_swarm::{
    BITSWAP_PROTOCOLS, Bitswap, BoxedStream, Host, HostHandle, HostParts, InboundStreams, OpenError,
    OpenStreams, STREAM_PROTOCOLS,
};
use data_encoding::HEXLOWER;
use futures_util::{AsyncReadExt, AsyncWriteExt};
use libp2p::StreamProtocol;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

/// How long what it says of itself holds.
const METRIC_TTL: Duration = Duration::from_secs(600);

/// How long a caller may take to say its call.
const CALL_LIMIT: Duration = Duration::from_secs(10);

/// The longest call.
const MAX_CALL: usize = 64 * 1024;

/// Between two broadcasts of heads.
const PAUSE: Duration = Duration::from_millis(50);

/// A peer with the identity of another that says what that one said: metrics, heads, blocks, answers to calls.
pub struct Player {
    host: HostHandle,
    session: Session,
    script: Arc<Script>,
    _tasks: Tasks,
}

/// What it has to answer with, and what it was asked besides.
#[derive(Debug)]
struct Script {
    calls: HashMap<Vec<u8>, Vec<u8>>,
    blocks: HashMap<Cid, Vec<u8>>,
    asked: Mutex<Asked>,
}

/// What a player was asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked {
    /// Calls it had the answer to.
    pub answered: usize,
    /// Blocks it had.
    pub served: usize,
    /// Calls that are not in the session, in hex.
    pub unknown_calls: Vec<String>,
    /// Blocks that are not in the session.
    pub unknown_blocks: Vec<String>,
}

impl Player {
    /// Starts one and connects it to a peer whose address ends in `/p2p/<id>`, as
    /// [`RawPeer::meet`](super::RawPeer::meet).
    ///
    /// # Errors
    /// When the session is none, or they do not meet.
    pub async fn meet(session: Session, address: &str) -> Result<Self> {
        let (victim, address) = victim(address)?;
        let script = Arc::new(Script::of(&session)?);
        let tasks = Tasks::new();
        let opener = Arc::new(Opener::default());
        let bitswap = Arc::new(Bitswap::new(opener.clone(), script.clone(), tasks.stopping()));
        let ears = Ears::of(victim);
        let parts = HostParts {
            listener: Arc::new(BothEars { bitswap: bitswap.clone(), ears: ears.clone() }),
            inbound: Arc::new(Streams { bitswap, script: script.clone() }),
            tasks: tasks.clone(),
            decode_metric: read_metric,
            encode_metric: metric_bytes,
        };
        let host = Host::start(config(&session.secret, session.identity()?)?, parts).await?;
        // Nobody else sets it.
        let _ = opener.0.set(host.clone());
        ears.meet(&host, address).await?;
        Ok(Self { host, session, script, _tasks: tasks })
    }

    /// Tells the metrics, which hold from now on, then the heads in order.
    ///
    /// # Errors
    /// When the session is none.
    pub async fn tell(&self) -> Result<()> {
        for metric in &self.session.metrics {
            let mut metric = bytes(metric)?;
            let expires = UnixNanos::from_millis(now().plus(METRIC_TTL));
            set_expiry(&mut metric, expires).context("a metric that does not say when it expires")?;
            self.say(|host| host.publish_metric(&metric_of(host.local_peer(), metric.clone()))).await;
        }
        for heads in &self.session.heads {
            let heads = bytes(heads)?;
            self.say(|host| host.publish_heads(heads.clone())).await;
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }

    async fn say(&self, publish: impl Fn(&HostHandle)) {
        flood(1, || self.host.counters().dropped_publishes.get(), |_| publish(&self.host)).await;
    }

    /// Returns what it was asked for so far.
    pub fn asked(&self) -> Asked {
        self.script.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Script {
    fn of(session: &Session) -> Result<Self> {
        let calls = session.calls.iter().map(|call| Ok((bytes(&call.call)?, bytes(&call.reply)?)));
        let blocks = session.blocks.iter().map(|block| {
            let block = bytes(block)?;
            Ok((BlockId::of(&block).cid(), block))
        });
        Ok(Self {
            calls: calls.collect::<Result<_>>()?,
            blocks: blocks.collect::<Result<_>>()?,
            asked: Mutex::default(),
        })
    }

    fn note(&self, change: impl FnOnce(&mut Asked)) {
        change(&mut self.asked.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Answers one call. A call that the session does not have is reset.
    async fn answer(&self, mut stream: BoxedStream) {
        let (mut call, mut piece) = (Vec::new(), [0; 4096]);
        let heard = async {
            while call.len() < MAX_CALL {
                if let Some(reply) = self.calls.get(&call) {
                    return Some(reply);
                }
                match stream.read(&mut piece).await {
                    Ok(0) | Err(_) => return None,
                    Ok(count) => call.extend_from_slice(&piece[..count]),
                }
            }
            None
        };
        let reply = tokio::time::timeout(CALL_LIMIT, heard).await.ok().flatten();
        let Some(reply) = reply else {
            return self.note(|asked| asked.unknown_calls.push(HEXLOWER.encode(&call)));
        };
        // Who hangs up has what it wanted.
        if stream.write_all(reply).await.is_ok() && stream.close().await.is_ok() {
            self.note(|asked| asked.answered += 1);
            // Until the caller has closed its side too: dropping the stream would reset it.
            let _ = tokio::time::timeout(CALL_LIMIT, stream.read(&mut piece)).await;
        }
    }
}

impl BlockSource for Script {
    fn block(&self, cid: &Cid) -> Option<Vec<u8>> {
        let block = self.blocks.get(cid).cloned();
        self.note(|asked| match block {
            Some(_) => asked.served += 1,
            None => asked.unknown_blocks.push(cid.to_string()),
        });
        block
    }
}

/// Tells the exchange of blocks about peers, too.
struct BothEars {
    bitswap: Arc<Bitswap>,
    ears: Arc<Ears>,
}

impl SwarmListener for BothEars {
    fn on_heads(&self, author: PeerId, payload: &[u8]) -> Verdict {
        self.ears.on_heads(author, payload)
    }

    fn on_metric(&self, metric: Metric) -> Verdict {
        self.ears.on_metric(metric)
    }

    fn on_peer(&self, event: PeerEvent) {
        self.bitswap.on_peer(&event);
        self.ears.on_peer(event);
    }
}

/// Sends streams where they belong.
struct Streams {
    bitswap: Arc<Bitswap>,
    script: Arc<Script>,
}

impl InboundStreams for Streams {
    /// Those of a Go peer: the first one is this suite's own.
    fn protocols(&self) -> &'static [StreamProtocol] {
        &STREAM_PROTOCOLS[1..]
    }

    fn on_stream(&self, peer: PeerId, protocol: StreamProtocol, stream: BoxedStream) {
        if BITSWAP_PROTOCOLS.contains(&protocol) {
            self.bitswap.on_stream(peer, stream);
        } else {
            let script = self.script.clone();
            tokio::spawn(async move { script.answer(stream).await });
        }
    }
}

/// The host, for the exchange of blocks, which exists before it.
#[derive(Default)]
struct Opener(OnceLock<HostHandle>);

impl OpenStreams for Opener {
    fn open(
        &self,
        peer: PeerId,
        protocols: &'static [StreamProtocol],
    ) -> BoxFuture<'_, Result<(StreamProtocol, BoxedStream), OpenError>> {
        match self.0.get() {
            Some(host) => host.open(peer, protocols),
            None => Box::pin(async { Err(OpenError::NotConnected("the player is starting".to_owned())) }),
        }
    }
}

fn bytes(hex: &str) -> Result<Vec<u8>> {
    HEXLOWER.decode(hex.as_bytes()).context("the session has bytes that are not hex")
}

/// Sets when a metric expires: eight bytes after the key (wire-protocol §3.5).
fn set_expiry(metric: &mut [u8], expires: UnixNanos) -> Option<()> {
    const KEY: &[u8] = b"\xa1e\xd3";
    let at = metric.windows(KEY.len()).position(|window| window == KEY)? + KEY.len();
    metric.get_mut(at..at + 8)?.copy_from_slice(&expires.0.to_be_bytes());
    Some(())
}
