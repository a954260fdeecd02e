//! The recorded heads and blocks, read again.
