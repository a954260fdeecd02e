use super::*;
use futures_util::{FutureExt, io::Cursor};
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::{
    pin::Pin,
    task::{Context, Poll},
};

/// Gives bytes in pieces whose lengths follow from a seed.
struct Pieces<'a> {
    bytes: &'a [u8],
    random: StdRng,
}

impl AsyncRead for Pieces<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let most = buffer.len().min(self.bytes.len());
        let count = if most == 0 { 0 } else { self.random.random_range(1..=most.min(40)) };
        buffer[..count].copy_from_slice(&self.bytes[..count]);
        self.bytes = &self.bytes[count..];
        Poll::Ready(Ok(count))
    }
}

type Frame = (u64, Kind, Vec<u8>);

fn some_frames(random: &mut StdRng) -> Vec<Frame> {
    (0..random.random_range(0..6))
        .map(|_| {
            let kind = [Kind::Request, Kind::Answer, Kind::NotMember][random.random_range(0..3)];
            let length = if kind == Kind::NotMember { 0 } else { random.random_range(0..300) };
            (random.random(), kind, (0..length).map(|_| random.random()).collect())
        })
        .collect()
}

fn write_all(frames: &[Frame]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (number, kind, body) in frames {
        write_frame(&mut bytes, *number, *kind, body);
    }
    bytes
}

/// Reads until the end or an error; skips each body for which `skips` says so.
fn read_all(
    stream: impl AsyncRead + Unpin,
    mut skips: impl FnMut() -> bool,
) -> (Vec<Frame>, Result<(), FrameError>) {
    let (mut frames, mut reader) = (Vec::new(), FrameReader::new(stream));
    let reading = async {
        while let Some(Header { length, number, kind }) = reader.header().await? {
            let body = if skips() {
                reader.skip(length).await?;
                Vec::new()
            } else {
                reader.body(length).await?
            };
            frames.push((number, kind, body));
        }
        Ok(())
    };
    let end = reading.now_or_never().unwrap();
    (frames, end)
}

#[test]
fn frames_are_read_as_they_were_written_however_they_arrive() {
    for seed in 0..500 {
        let mut random = StdRng::seed_from_u64(seed);
        let frames = some_frames(&mut random);
        let bytes = write_all(&frames);
        let pieces = || Pieces { bytes: &bytes, random: StdRng::seed_from_u64(seed) };
        let (read, end) = read_all(pieces(), || false);
        assert!(end.is_ok(), "seed {seed}");
        assert_eq!(read, frames, "seed {seed}");
        let (read, end) = read_all(pieces(), || random.random());
        assert!(end.is_ok(), "seed {seed}");
        let headers = |frames: &[Frame]| frames.iter().map(|(n, kind, _)| (*n, *kind)).collect::<Vec<_>>();
        assert_eq!(headers(&read), headers(&frames), "seed {seed}");
        assert!(read.iter().zip(&frames).all(|(r, f)| r.2.is_empty() || r == f), "seed {seed}");
    }
}

#[test]
fn a_stream_that_ends_within_a_frame_is_broken_and_one_that_ends_behind_is_not() {
    let frames = vec![(1, Kind::Request, vec![7; 20]), (2, Kind::NotMember, Vec::new())];
    let bytes = write_all(&frames);
    let ends = [0, HEADER + 20, bytes.len()];
    for length in 0..=bytes.len() {
        let (read, end) = read_all(Cursor::new(&bytes[..length]), || false);
        assert_eq!(end.is_ok(), ends.contains(&length), "{length}");
        assert_eq!(read, frames[..read.len()], "{length}");
    }
}

/// Bytes that another peer chose are frames, or they are not; nothing else happens.
#[test]
fn changed_bytes_are_refused_or_are_other_frames() {
    let mut refused = 0;
    for seed in 0..3000 {
        let mut random = StdRng::seed_from_u64(seed);
        let mut bytes = write_all(&some_frames(&mut random));
        for _ in 0..random.random_range(1..4) {
            let at = random.random_range(0..=bytes.len());
            match random.random_range(0..3) {
                0 if at < bytes.len() => bytes[at] = random.random(),
                1 => bytes.truncate(at),
                _ => bytes.insert(at, random.random()),
            }
        }
        let (read, end) = read_all(Pieces { bytes: &bytes, random }, || false);
        assert!(bytes.starts_with(&write_all(&read)), "seed {seed}");
        refused += u32::from(end.is_err());
    }
    assert!(refused > 1000, "{refused}");
}

#[test]
fn what_is_too_long_or_of_no_kind_is_refused_by_its_header() {
    let header = |length: u32, kind: u8| {
        let mut bytes = [0; HEADER];
        bytes[..4].copy_from_slice(&length.to_be_bytes());
        bytes[12] = kind;
        Header::decode(bytes)
    };
    let most = u32::try_from(MAX_RAFT_MESSAGE).unwrap();
    assert!(header(most, 0).is_ok() && header(most, 1).is_ok() && header(0, 2).is_ok());
    assert!(matches!(header(most + 1, 0), Err(FrameError::TooLong(_))));
    assert!(matches!(header(u32::MAX, 1), Err(FrameError::TooLong(u32::MAX))));
    assert!(matches!(header(1, 2), Err(FrameError::UnknownKind)), "a refusal with a body");
    assert!(matches!(header(0, 3), Err(FrameError::UnknownKind)));
}

/// Waits for ever behind a few bytes.
struct Stuck(usize);

impl AsyncRead for Stuck {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        // What the reader has made room for so far; its own buffer is smaller.
        assert!(buffer.len() <= STEP, "{}", buffer.len());
        if self.0 == 0 {
            return Poll::Pending;
        }
        let count = buffer.len().min(self.0);
        self.0 -= count;
        Poll::Ready(Ok(count))
    }
}

#[test]
fn room_is_made_for_bytes_that_are_there_not_for_those_announced() {
    let mut reader = FrameReader::new(Stuck(3 * STEP + 5));
    assert!(reader.body(MAX_RAFT_MESSAGE).now_or_never().is_none());
}
