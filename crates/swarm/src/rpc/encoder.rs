//! Writes msgpack as Go peers do (wire-protocol §5.3).

use cid::Cid;
use cluster_core::{Multiaddr, PeerId, UnixMillis};
use std::collections::BTreeMap;

/// Collects values in the old dialect: no `bin`, no `str8`, no extension, signed numbers in signed widths.
#[derive(Debug, Default)]
pub(super) struct Encoder {
    out: Vec<u8>,
}

impl Encoder {
    /// Returns what was written.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.out
    }

    /// Returns what was written so far.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.out
    }

    /// Forgets what was written, and keeps the memory.
    pub(super) fn clear(&mut self) {
        self.out.clear();
    }

    /// Adds values that are encoded already.
    pub(super) fn encoded(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    /// Writes nil.
    pub(super) fn nil(&mut self) {
        self.out.push(0xc0);
    }

    /// Writes a truth value.
    pub(super) fn flag(&mut self, value: bool) {
        self.out.push(if value { 0xc3 } else { 0xc2 });
    }

    /// Writes a signed number.
    pub(super) fn int(&mut self, value: i64) {
        if let Ok(small) = i8::try_from(value) {
            if small < -32 {
                self.out.push(0xd0);
            }
            self.out.extend_from_slice(&small.to_be_bytes());
        } else if let Ok(short) = i16::try_from(value) {
            self.marked(0xd1, &short.to_be_bytes());
        } else if let Ok(middle) = i32::try_from(value) {
            self.marked(0xd2, &middle.to_be_bytes());
        } else {
            self.marked(0xd3, &value.to_be_bytes());
        }
    }

    /// Writes an unsigned number.
    pub(super) fn uint(&mut self, value: u64) {
        if let Ok(small) = u8::try_from(value) {
            if small > 0x7f {
                self.out.push(0xcc);
            }
            self.out.push(small);
        } else if let Ok(short) = u16::try_from(value) {
            self.marked(0xcd, &short.to_be_bytes());
        } else if let Ok(middle) = u32::try_from(value) {
            self.marked(0xce, &middle.to_be_bytes());
        } else {
            self.marked(0xcf, &value.to_be_bytes());
        }
    }

    /// Writes a text or bytes.
    pub(super) fn raw(&mut self, bytes: &[u8]) {
        self.length(bytes.len(), 0xa0, 31, 0xda);
        self.out.extend_from_slice(bytes);
    }

    /// Announces an array; its elements follow.
    pub(super) fn array(&mut self, length: usize) {
        self.length(length, 0x90, 15, 0xdc);
    }

    /// Announces a map; its keys and values follow.
    pub(super) fn map(&mut self, length: usize) {
        self.length(length, 0x80, 15, 0xde);
    }

    /// Writes a struct: a map of the fields that `write` adds.
    pub(super) fn structure(&mut self, write: impl FnOnce(&mut Fields<'_>)) {
        let at = self.out.len();
        self.out.push(0x80);
        let mut fields = Fields { to: self, count: 0 };
        write(&mut fields);
        let count = fields.count;
        if count <= 15 {
            self.out[at] |= count;
        } else {
            self.out.splice(at..=at, [0xde, 0, count]);
        }
    }

    /// Writes an array of peer IDs.
    pub(super) fn peers(&mut self, peers: &[PeerId]) {
        self.array(peers.len());
        for peer in peers {
            self.raw(&peer.to_bytes());
        }
    }

    /// Writes an instant as a raw timestamp payload.
    pub(super) fn time(&mut self, at: UnixMillis) {
        let seconds = at.0 / 1000;
        let nanos = (at.0 % 1000) * 1_000_000;
        match u32::try_from(seconds) {
            Ok(seconds) if nanos == 0 => self.raw(&seconds.to_be_bytes()),
            _ if seconds < 1 << 34 => self.raw(&((nanos << 34) | seconds).to_be_bytes()),
            _ => {
                let mut payload = [0; 12];
                payload[..4].copy_from_slice(&u32::try_from(nanos).unwrap_or_default().to_be_bytes());
                payload[4..].copy_from_slice(&seconds.to_be_bytes());
                self.raw(&payload);
            }
        }
    }

    fn length(&mut self, length: usize, short: u8, short_max: u8, wide: u8) {
        match (u8::try_from(length), u16::try_from(length)) {
            (Ok(small), _) if small <= short_max => self.out.push(short | small),
            (_, Ok(middle)) => self.marked(wide, &middle.to_be_bytes()),
            // Nothing is written here that has 4 GiB.
            _ => self.marked(wide + 1, &u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes()),
        }
    }

    fn marked(&mut self, marker: u8, bytes: &[u8]) {
        self.out.push(marker);
        self.out.extend_from_slice(bytes);
    }
}

/// Adds the fields of a struct; those that are zero or empty are left out, as Go does.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    to: &'a mut Encoder,
    count: u8,
}

impl Fields<'_> {
    /// Adds a field whatever it holds; the caller writes exactly one value.
    pub(super) fn value(&mut self, key: &str) -> &mut Encoder {
        self.count += 1;
        self.to.raw(key.as_bytes());
        self.to
    }

    /// Adds a text.
    pub(super) fn text(&mut self, key: &str, text: &str) {
        if !text.is_empty() {
            self.value(key).raw(text.as_bytes());
        }
    }

    /// Adds a signed number.
    pub(super) fn int(&mut self, key: &str, number: i64) {
        if number != 0 {
            self.value(key).int(number);
        }
    }

    /// Adds an unsigned number.
    pub(super) fn uint(&mut self, key: &str, number: u64) {
        if number != 0 {
            self.value(key).uint(number);
        }
    }

    /// Adds a truth value.
    pub(super) fn flag(&mut self, key: &str, value: bool) {
        if value {
            self.value(key).flag(true);
        }
    }

    /// Adds a CID.
    pub(super) fn cid(&mut self, key: &str, cid: Option<&Cid>) {
        if let Some(cid) = cid {
            self.value(key).raw(&cid.to_bytes());
        }
    }

    /// Adds a peer ID.
    pub(super) fn peer(&mut self, key: &str, peer: Option<&PeerId>) {
        if let Some(peer) = peer {
            self.value(key).raw(&peer.to_bytes());
        }
    }

    /// Adds peer IDs.
    pub(super) fn peers(&mut self, key: &str, peers: &[PeerId]) {
        if !peers.is_empty() {
            self.value(key).peers(peers);
        }
    }

    /// Adds addresses.
    pub(super) fn addresses(&mut self, key: &str, addresses: &[Multiaddr]) {
        if !addresses.is_empty() {
            let to = self.value(key);
            to.array(addresses.len());
            for address in addresses {
                to.raw(address.as_ref());
            }
        }
    }

    /// Adds an instant.
    pub(super) fn time(&mut self, key: &str, at: UnixMillis) {
        if at.0 != 0 {
            self.value(key).time(at);
        }
    }

    /// Adds texts by name.
    pub(super) fn texts(&mut self, key: &str, texts: &BTreeMap<String, String>) {
        if !texts.is_empty() {
            let to = self.value(key);
            to.map(texts.len());
            for (name, text) in texts {
                to.raw(name.as_bytes());
                to.raw(text.as_bytes());
            }
        }
    }
}

#[cfg(test)]
mod tests;
