//! Random bytes.

/// Draws random bytes.
pub(super) fn bytes<const LEN: usize>() -> [u8; LEN] {
    #[cfg(feature = "simulation")]
    if let Some(bytes) = cluster_runtime::simulation::chance_bytes() {
        return bytes;
    }
    let mut bytes = [0; LEN];
    rand::fill(&mut bytes);
    bytes
}
