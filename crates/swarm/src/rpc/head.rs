//! The header of one msgpack value.

/// Byte that msgpack never uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("0xc1 starts no msgpack value")]
pub(super) struct Reserved;

/// What the first bytes of a value say.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head {
    /// The first byte.
    pub(super) marker: u8,
    /// Bytes of the header itself.
    pub(super) size: usize,
    /// Bytes after the header that belong to the value: a number, a text, or type and content of an extension.
    pub(super) body: usize,
    /// Values inside: elements of an array, keys and values of a map.
    pub(super) children: u64,
}

impl Head {
    /// Reads a header; `None` when more bytes are needed.
    ///
    /// # Errors
    /// When the first byte is not used by msgpack.
    pub(super) fn read(bytes: &[u8]) -> Result<Option<Self>, Reserved> {
        let Some(&marker) = bytes.first() else { return Ok(None) };
        let fixed = |body| Ok(Some(Self { marker, size: 1, body, children: 0 }));
        // The width of the length that follows the marker, the bytes each unit stands for, those that come on top,
        // and the children each unit stands for.
        let (width, body_each, body_more, children_each) = match marker {
            0x00..=0x7f | 0xe0..=0xff | 0xc0 | 0xc2 | 0xc3 => return fixed(0),
            0x80..=0x8f => return Ok(Some(Self::container(marker, 1, 2 * u64::from(marker & 0x0f)))),
            0x90..=0x9f => return Ok(Some(Self::container(marker, 1, u64::from(marker & 0x0f)))),
            0xa0..=0xbf => return fixed(usize::from(marker & 0x1f)),
            0xc1 => return Err(Reserved),
            0xcc | 0xd0 => return fixed(1),
            0xcd | 0xd1 => return fixed(2),
            0xca | 0xce | 0xd2 => return fixed(4),
            0xcb | 0xcf | 0xd3 => return fixed(8),
            0xd4..=0xd8 => return fixed(1 + (1 << (marker - 0xd4))),
            0xc4 | 0xd9 => (1, 1, 0, 0),
            0xc5 | 0xda => (2, 1, 0, 0),
            0xc6 | 0xdb => (4, 1, 0, 0),
            0xc7 => (1, 1, 1, 0),
            0xc8 => (2, 1, 1, 0),
            0xc9 => (4, 1, 1, 0),
            0xdc => (2, 0, 0, 1),
            0xdd => (4, 0, 0, 1),
            0xde => (2, 0, 0, 2),
            0xdf => (4, 0, 0, 2),
        };
        let Some(length) = bytes.get(1..=width) else { return Ok(None) };
        let length = length.iter().fold(0_u32, |n, byte| (n << 8) | u32::from(*byte));
        Ok(Some(Self {
            marker,
            size: 1 + width,
            body: (length as usize).saturating_mul(body_each).saturating_add(body_more),
            children: u64::from(length) * children_each,
        }))
    }

    fn container(marker: u8, size: usize, children: u64) -> Self {
        Self { marker, size, body: 0, children }
    }

    /// Says whether the value is nil.
    pub(super) fn is_nil(&self) -> bool {
        self.marker == 0xc0
    }

    /// Says whether the value is a text or bytes, of any spelling.
    pub(super) fn is_raw(&self) -> bool {
        matches!(self.marker, 0xa0..=0xbf | 0xc4..=0xc6 | 0xd9..=0xdb)
    }

    /// Says whether the value is an array.
    pub(super) fn is_array(&self) -> bool {
        matches!(self.marker, 0x90..=0x9f | 0xdc | 0xdd)
    }

    /// Says whether the value is a map.
    pub(super) fn is_map(&self) -> bool {
        matches!(self.marker, 0x80..=0x8f | 0xde | 0xdf)
    }

    /// Says whether the value is an extension; its body starts with the type.
    pub(super) fn is_extension(&self) -> bool {
        matches!(self.marker, 0xc7..=0xc9 | 0xd4..=0xd8)
    }
}
