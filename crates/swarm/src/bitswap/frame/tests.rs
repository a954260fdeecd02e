use super::{FrameError, FrameReader};
use crate::bitswap::message::MAX_MESSAGE;
use futures_util::io::Cursor;
use tokio::io::AsyncWriteExt;
use tokio_util::compat::TokioAsyncReadCompatExt;

async fn read_all(input: &[u8]) -> Result<Vec<Vec<u8>>, FrameError> {
    let mut reader = FrameReader::new(Cursor::new(input));
    let mut frames = Vec::new();
    while let Some((frame, ())) = reader.next(|_| std::future::ready(())).await? {
        frames.push(frame);
    }
    Ok(frames)
}

#[tokio::test]
async fn messages_follow_each_other() {
    assert_eq!(read_all(&[2, 7, 8, 0, 1, 9]).await.unwrap(), [vec![7, 8], vec![], vec![9]]);
    assert!(read_all(&[]).await.unwrap().is_empty());
}

#[tokio::test]
async fn the_value_of_a_length_counts_and_not_its_form() {
    assert_eq!(read_all(&[0x82, 0x80, 0x80, 0x80, 0x80, 0x00, 7, 8]).await.unwrap(), [[7, 8]]);
}

#[tokio::test]
async fn too_long_a_length_is_refused_before_anything_is_read() {
    let mut longest = vec![0x80, 0x80, 0x80, 0x02];
    longest.resize(4 + MAX_MESSAGE, 5);
    assert_eq!(read_all(&longest).await.unwrap()[0].len(), MAX_MESSAGE);
    for length in
        [&[0x81, 0x80, 0x80, 0x02][..], &[0xff; 12], &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]]
    {
        assert!(matches!(read_all(length).await, Err(FrameError::TooLong)), "{length:?}");
    }
}

#[tokio::test]
async fn an_end_within_a_message_is_an_error() {
    for cut in [&[5, 1, 2][..], &[0x80], &[1]] {
        assert!(matches!(read_all(cut).await, Err(FrameError::Broken(_))), "{cut:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_trickles_is_given_up_but_silence_between_messages_is_not() {
    let (ours, mut theirs) = tokio::io::duplex(64);
    let mut reader = FrameReader::new(ours.compat());
    let quiet = reader.next(|_| std::future::ready(()));
    assert!(tokio::time::timeout(super::FRAME_DEADLINE * 10, quiet).await.is_err());

    theirs.write_all(&[3, 1]).await.unwrap();
    let slow = reader.next(|_| std::future::ready(())).await;
    assert!(matches!(slow, Err(FrameError::Slow)));
}
