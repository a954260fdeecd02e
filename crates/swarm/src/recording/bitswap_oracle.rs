//! Reads bitswap messages with a generated decoder, to judge the one written by hand by.

use cluster_consensus::crdt::BlockId;
use prost::{Message, encoding::decode_varint};
use serde_json::{Value, json};

#[derive(Clone, PartialEq, Message)]
struct Frame {
    #[prost(message, optional, tag = "1")]
    wantlist: Option<WantList>,
    #[prost(message, repeated, tag = "3")]
    payload: Vec<Payload>,
    #[prost(message, repeated, tag = "4")]
    presences: Vec<Presence>,
}

#[derive(Clone, PartialEq, Message)]
struct WantList {
    #[prost(message, repeated, tag = "1")]
    entries: Vec<Entry>,
}

#[derive(Clone, PartialEq, Message)]
struct Entry {
    #[prost(bytes = "vec", tag = "1")]
    cid: Vec<u8>,
    #[prost(int32, tag = "2")]
    priority: i32,
    #[prost(bool, tag = "3")]
    cancel: bool,
    #[prost(int32, tag = "4")]
    kind: i32,
    #[prost(bool, tag = "5")]
    send_dont_have: bool,
}

#[derive(Clone, PartialEq, Message)]
struct Payload {
    #[prost(bytes = "vec", tag = "1")]
    prefix: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    data: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct Presence {
    #[prost(bytes = "vec", tag = "1")]
    cid: Vec<u8>,
    #[prost(int32, tag = "2")]
    kind: i32,
}

/// Cuts what one side wrote into messages, each with its length in front; what was not finished is left out.
pub(super) fn frames(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut frames = Vec::new();
    loop {
        let mut rest = bytes;
        let Ok(length) = decode_varint(&mut rest) else { return frames };
        let whole = bytes.len() - rest.len() + usize::try_from(length).unwrap();
        if bytes.len() < whole {
            return frames;
        }
        let (frame, later) = bytes.split_at(whole);
        frames.push(frame);
        bytes = later;
    }
}

/// Returns the blocks of one message with what their bytes hash to.
pub(super) fn blocks(frame: &[u8]) -> Vec<(BlockId, Vec<u8>)> {
    let payload = Frame::decode_length_delimited(frame).unwrap().payload;
    payload.into_iter().map(|block| (BlockId::of(&block.data), block.data)).collect()
}

/// Says what one message says, in the form of the recordings.
pub(super) fn reading(frame: &[u8]) -> Value {
    let frame = Frame::decode_length_delimited(frame).unwrap();
    let cid = |bytes: &[u8]| BlockId::from_cid_bytes(bytes).unwrap().cid().to_string();
    let wants = frame.wantlist.unwrap_or_default().entries.into_iter().map(|entry| {
        let mut want = json!({ "cid": cid(&entry.cid) });
        if entry.priority != 0 {
            want["priority"] = entry.priority.into();
        }
        if entry.cancel {
            want["cancel"] = 1.into();
        }
        if entry.kind == 1 {
            want["type"] = "have".into();
        }
        if entry.send_dont_have {
            want["sendDontHave"] = 1.into();
        }
        want
    });
    let blocks = frame.payload.iter().map(|block| {
        assert_eq!(hex::encode(&block.prefix), "01701220");
        json!({ "cid": BlockId::of(&block.data).cid().to_string(), "size": block.data.len() })
    });
    let presences = frame
        .presences
        .iter()
        .map(|one| json!({ "cid": cid(&one.cid), "type": if one.kind == 0 { "HAVE" } else { "DONT_HAVE" } }));
    json!({
        "wantlist": wants.collect::<Vec<_>>(),
        "blocks": blocks.collect::<Vec<_>>(),
        "presences": presences.collect::<Vec<_>>(),
    })
}
