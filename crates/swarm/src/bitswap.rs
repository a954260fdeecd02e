//! The exchange of blocks (wire-protocol §4.16).
