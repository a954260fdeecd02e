//! Calls between peers (wire-protocol §5).
