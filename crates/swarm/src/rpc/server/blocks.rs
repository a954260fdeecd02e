//! Blocks that a peer streams to our IPFS daemon (`IPFSConnector.BlockStream`, wire-protocol §5.8).

use super::{RpcServer, write_call_error};
use crate::rpc::{
    call_stream::{CallStream, ReadError},
    decoder::Decoder,
    encoder::Encoder,
    limits::Limits,
    method::Method,
    response::{ErrorType, write_failure},
    wire::Wire,
};
use cluster_core::ports::{ipfs_connector::ContentBlock, rpc::CallError};
use futures_util::{
    StreamExt,
    future::{Either, select},
    stream,
};
use std::{io, pin::pin, time::Duration};
use tokio::{sync::mpsc, time::timeout};

/// How long the next block may take, to come or to be stored: whoever adds content may be slow, and the daemon too.
const BLOCK_LIMIT: Duration = Duration::from_secs(10 * 60);

/// Blocks of a call that wait for the daemon; the stream is not read on meanwhile.
const WAITING: usize = 1;

/// Why no further block is read.
enum End {
    /// The caller goes, or something broke: nobody is told.
    Broken(io::Error),
    /// The caller is told so.
    Bad(String),
    /// The local peer takes nothing more; the caller is told.
    Late,
}

impl RpcServer {
    /// Hands the blocks to the local peer. Success is told by ending without a word.
    pub(super) async fn take_blocks(&self, stream: &mut CallStream) -> io::Result<()> {
        let mut answer = Encoder::default();
        {
            let (sender, receiver) = mpsc::channel(WAITING);
            let blocks = stream::unfold(receiver, async |mut receiver| {
                receiver.recv().await.map(|block| (block, receiver))
            });
            let put = self.calls.put_blocks(blocks.boxed());
            let read = pin!(read_blocks(stream, sender));
            let outcome = match select(put, read).await {
                Either::Left((outcome, _)) => Ok(outcome),
                Either::Right((Ok(()), put)) => timeout(BLOCK_LIMIT, put).await.map_err(|_| End::Late),
                Either::Right((Err(end), _)) => Err(end),
            };
            let id = Method::IpfsBlockStream.service_id();
            match outcome {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(error)) => write_call_error(&mut answer, Method::IpfsBlockStream, &error),
                Err(End::Bad(text)) => write_failure(&mut answer, Some(&id), &text, ErrorType::Server),
                Err(End::Late) => {
                    let method = Method::IpfsBlockStream.full_name();
                    let late = CallError::Timeout { method, after: BLOCK_LIMIT };
                    write_call_error(&mut answer, Method::IpfsBlockStream, &late);
                }
                Err(End::Broken(error)) => return Err(error),
            }
        }
        stream.send(answer.bytes()).await?;
        // Go's adder waits until what it has to say is taken, even by a peer that has failed.
        timeout(BLOCK_LIMIT, stream.input_end()).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }
}

/// Reads blocks until the caller closes; ends as well when nobody takes them any more.
async fn read_blocks(stream: &mut CallStream, sender: mpsc::Sender<ContentBlock>) -> Result<(), End> {
    loop {
        let read = timeout(BLOCK_LIMIT, stream.read_value(Limits::BLOCK));
        let read = read.await.map_err(|_| End::Broken(io::ErrorKind::TimedOut.into()))?;
        let value = match read {
            Ok(Some(value)) => value,
            Ok(None) => return Ok(()),
            Err(ReadError::Broken(error)) => return Err(End::Broken(error)),
            Err(error) => return Err(End::Bad(error.to_string())),
        };
        let block =
            ContentBlock::read(&mut Decoder::new(value)).map_err(|error| End::Bad(error.to_string()))?;
        match timeout(BLOCK_LIMIT, sender.send(block)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return Ok(()),
            Err(_) => return Err(End::Late),
        }
    }
}
