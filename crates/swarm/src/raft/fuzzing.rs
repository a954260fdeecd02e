//! Raft's streams, for the fuzzer.

use super::{
    client_stream,
    frame::{FrameReader, write_frame},
    lane::Lane,
    server::RaftDrops,
    server_stream,
};
use cluster_core::{
    PeerId,
    ports::{
        BoxFuture, RaftAnswers,
        raft::{MAX_RAFT_MESSAGE, RaftLane, RaftRefusal},
    },
};
use futures_util::{
    FutureExt,
    io::{AsyncRead, AsyncWrite, Cursor},
};
use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

/// Requests that our side of a stream has sent when the bytes come.
const ASKED: usize = 8;

/// Reads the bytes as frames, as a stream of requests, and as a stream of answers.
pub(crate) fn frames(bytes: &[u8]) {
    let whole = read(bytes);
    thread_local! {
        static RUNTIME: Option<tokio::runtime::Runtime> =
            tokio::runtime::Builder::new_current_thread().enable_time().build().ok();
    }
    RUNTIME.with(|runtime| {
        if let Some(runtime) = runtime {
            runtime.block_on(requests(bytes, whole));
            runtime.block_on(answers(bytes));
        }
    });
}

/// Reads frames and writes them again; returns how many there are.
fn read(bytes: &[u8]) -> usize {
    let mut reader = FrameReader::new(Cursor::new(bytes));
    let (mut again, mut count) = (Vec::new(), 0);
    let reading = async {
        while let Ok(Some(header)) = reader.header().await {
            assert!(header.length <= MAX_RAFT_MESSAGE);
            let Ok(body) = reader.body(header.length).await else { break };
            write_frame(&mut again, header.number, header.kind, &body);
            count += 1;
        }
    };
    assert!(reading.now_or_never().is_some());
    assert!(bytes.starts_with(&again));
    count
}

async fn requests(bytes: &[u8], frames: usize) {
    let (stream, drops) = (Script::new(bytes), RaftDrops::default());
    let written = stream.written.clone();
    let _ = server_stream::serve(&Echo, PeerId::random(), RaftLane::Log, Box::pin(stream), &drops).await;
    let written = written.lock().unwrap_or_else(PoisonError::into_inner);
    assert!(read(&written) <= frames);
}

async fn answers(bytes: &[u8]) {
    let lane = Lane::new(RaftLane::Log);
    let now = tokio::time::Instant::now();
    let asked: Vec<_> = (0..ASKED).filter_map(|_| lane.enter(vec![7], now).ok()).collect();
    lane.fill(&mut Vec::new());
    let _ = client_stream::read_answers(&lane, Cursor::new(bytes)).await;
    lane.ended("the end".to_owned(), now);
    for mut asked in asked {
        assert!(asked.answer.try_recv().is_ok());
    }
}

/// Answers with what was asked.
struct Echo;

impl RaftAnswers for Echo {
    fn admit(&self, _: &PeerId) -> Result<(), RaftRefusal> {
        Ok(())
    }

    fn answer(&self, _: PeerId, request: Vec<u8>) -> BoxFuture<'_, Vec<u8>> {
        Box::pin(std::future::ready(request))
    }
}

/// A stream that says what is written down.
struct Script {
    said: Cursor<Vec<u8>>,
    written: Arc<Mutex<Vec<u8>>>,
}

impl Script {
    fn new(said: &[u8]) -> Self {
        Self { said: Cursor::new(said.to_vec()), written: Arc::default() }
    }
}

impl AsyncRead for Script {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.said).poll_read(context, buffer)
    }
}

impl AsyncWrite for Script {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod seeds {
    use super::*;
    use crate::raft::frame::Kind;
    use std::path::PathBuf;

    /// Name and bytes.
    fn all() -> Vec<(&'static str, Vec<u8>)> {
        let frames = |frames: &[(u64, Kind, &[u8])]| {
            let mut bytes = Vec::new();
            for (number, kind, body) in frames {
                write_frame(&mut bytes, *number, *kind, body);
            }
            bytes
        };
        vec![
            ("request", frames(&[(1, Kind::Request, b"ask")])),
            ("requests", frames(&[(1, Kind::Request, b""), (2, Kind::Request, &[7; 100])])),
            ("answers", frames(&[(2, Kind::Answer, b"two"), (1, Kind::Answer, b"")])),
            ("refusal", frames(&[(3, Kind::NotMember, b""), (4, Kind::Answer, b"four")])),
            ("twice", frames(&[(1, Kind::Request, b"a"), (1, Kind::Request, b"b")])),
            ("too-long", [&[0xff; 4][..], &[0; 9]].concat()),
        ]
    }

    fn file(name: &str) -> PathBuf {
        [env!("CARGO_MANIFEST_DIR"), "../../tests/fuzz/corpus/raft_frames", name].iter().collect()
    }

    /// Peers of two versions read each other, so these bytes may not change: another form needs another protocol.
    #[test]
    fn frames_are_written_as_they_were_when_the_seeds_were_made() {
        for (name, bytes) in all() {
            assert_eq!(std::fs::read(file(name)).unwrap(), bytes, "{name}");
        }
    }

    #[test]
    fn damaged_frames_are_refused_or_are_others() {
        let corpus: Vec<Vec<u8>> = all().into_iter().map(|(_, bytes)| bytes).collect();
        (0..2000).for_each(|seed| frames(&crate::rpc::mutation::mutated(&corpus, seed)));
    }

    #[test]
    #[ignore = "writes the seeds into the corpus"]
    fn write_the_seeds() {
        for (name, bytes) in all() {
            let file = file(name);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, bytes).unwrap();
        }
    }
}
