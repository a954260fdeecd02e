//! Pipes between two peers, and members that answer.

use crate::{
    open_streams::{BoxedStream, OpenError, OpenStreams},
    raft::{RaftServer, lane_of},
};
use cluster_core::{
    PeerId,
    ports::{BoxFuture, RaftAnswers, raft::RaftRefusal},
};
use libp2p::StreamProtocol;
use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};
use tokio::{
    io::{DuplexStream, duplex},
    sync::{Notify, Semaphore},
};
use tokio_util::{compat::TokioAsyncReadCompatExt, sync::CancellationToken};

/// Bytes that lie in a pipe.
pub(super) const PIPE: usize = 64 * 1024;

pub(super) fn boxed(end: DuplexStream) -> BoxedStream {
    Box::pin(end.compat())
}

/// Answers with what was asked, once it may.
pub(super) struct Members {
    /// In the order in which they were handed over.
    pub(super) asked: Mutex<Vec<Vec<u8>>>,
    news: Notify,
    pub(super) strangers: Mutex<HashSet<PeerId>>,
    /// One for each answer.
    pub(super) answers: Semaphore,
    /// Answers that are being waited for.
    pub(super) waiting: AtomicUsize,
}

struct Waits<'a>(&'a AtomicUsize);

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Members {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            asked: Mutex::default(),
            news: Notify::new(),
            strangers: Mutex::default(),
            answers: Semaphore::new(Semaphore::MAX_PERMITS),
            waiting: AtomicUsize::new(0),
        })
    }

    /// Answers nothing, until permits are added.
    pub(super) fn silent() -> Arc<Self> {
        let members = Self::new();
        members.answers.forget_permits(usize::MAX);
        members
    }

    pub(super) fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }

    /// Waits until so many requests were handed over.
    pub(super) async fn wait_for(&self, count: usize) {
        while self.asked() < count {
            self.news.notified().await;
        }
    }
}

impl RaftAnswers for Members {
    fn admit(&self, from: &PeerId) -> Result<(), RaftRefusal> {
        if self.strangers.lock().unwrap().contains(from) { Err(RaftRefusal::NotMember) } else { Ok(()) }
    }

    fn answer(&self, _: PeerId, request: Vec<u8>) -> BoxFuture<'_, Vec<u8>> {
        Box::pin(async move {
            self.asked.lock().unwrap().push(request.clone());
            self.news.notify_one();
            self.waiting.fetch_add(1, Ordering::Relaxed);
            let _waits = Waits(&self.waiting);
            self.answers.acquire().await.unwrap().forget();
            request
        })
    }
}

/// Leads from one peer to the servers of others.
pub(super) struct Wire {
    pub(super) from: PeerId,
    pub(super) server: Arc<RaftServer>,
    /// A peer that never answers when it is dialled.
    pub(super) silent: Mutex<Option<PeerId>>,
    pub(super) broken: AtomicBool,
    pub(super) opened: AtomicUsize,
    cut: Mutex<CancellationToken>,
}

impl Wire {
    pub(super) fn to(members: Arc<Members>) -> Arc<Self> {
        let server = Arc::new(RaftServer::new(CancellationToken::new()));
        server.serve(members);
        Arc::new(Self {
            from: PeerId::random(),
            server,
            silent: Mutex::default(),
            broken: AtomicBool::new(false),
            opened: AtomicUsize::new(0),
            cut: Mutex::default(),
        })
    }

    /// Breaks every stream, with what lies in it.
    pub(super) fn cut(&self) {
        std::mem::take(&mut *self.cut.lock().unwrap()).cancel();
    }
}

impl OpenStreams for Wire {
    fn open(
        &self,
        peer: PeerId,
        protocols: &'static [StreamProtocol],
    ) -> BoxFuture<'_, Result<(StreamProtocol, BoxedStream), OpenError>> {
        Box::pin(async move {
            self.opened.fetch_add(1, Ordering::Relaxed);
            if *self.silent.lock().unwrap() == Some(peer) {
                std::future::pending::<()>().await;
            }
            if self.broken.load(Ordering::Relaxed) {
                return Err(OpenError::NotConnected("no route".to_owned()));
            }
            let (near, mut near_end) = duplex(PIPE);
            let (far, mut far_end) = duplex(PIPE);
            let cut = self.cut.lock().unwrap().clone();
            tokio::spawn(async move {
                let pump = tokio::io::copy_bidirectional(&mut near_end, &mut far_end);
                let _ = cut.run_until_cancelled(pump).await;
            });
            let protocol = protocols[0].clone();
            self.server.on_stream(self.from, lane_of(&protocol).unwrap(), boxed(far));
            Ok((protocol, boxed(near)))
        })
    }
}
