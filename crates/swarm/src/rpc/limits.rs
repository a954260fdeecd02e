//! How large a msgpack value from the network may be.

/// Deepest nesting of arrays and maps in a value.
pub(super) const MAX_DEPTH: usize = 16;

/// Bounds of one value; what goes beyond is refused before it is buffered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Most bytes, headers included.
    pub(super) bytes: usize,
    /// Most elements of all its arrays and maps together, keys included.
    pub(super) elements: usize,
}

impl Limits {
    /// Names of a service and a method.
    pub(super) const SERVICE_ID: Self = Self { bytes: 1 << 10, elements: 16 };
    /// Arguments that are a CID, a peer ID, a number or nothing.
    pub(super) const SMALL_ARGUMENT: Self = Self { bytes: 1 << 10, elements: 16 };
    /// A pin as argument; the pinset stores none larger.
    pub(super) const PIN: Self = Self { bytes: 1 << 20, elements: 1 << 16 };
    /// A block of content as argument.
    pub(super) const BLOCK: Self = Self { bytes: 8 << 20, elements: 16 };
    /// The header of a reply, whose error text is free.
    pub(super) const RESPONSE: Self = Self { bytes: 64 << 10, elements: 64 };
    /// Everything else.
    pub(super) const VALUE: Self = Self { bytes: 8 << 20, elements: 1 << 20 };
    /// What garbage collection removed, in one value: 45 bytes and three elements for each block.
    pub(super) const GARBAGE: Self = Self { bytes: 64 << 20, elements: 8 << 20 };
    /// A metric.
    pub(super) const METRIC: Self = Self { bytes: 64 << 10, elements: 64 };
}
