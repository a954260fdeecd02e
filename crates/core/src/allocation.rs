//! Choosing the peers that hold a pin (api §10.3).
