//! What every request ends with: whose cluster it comes from, from which process, and what time it is there.

use super::{cluster_id::ClusterId, runs::RunId};
use cluster_core::UnixMillis;

/// Bytes of a trailer.
pub(super) const TRAILER: usize = ClusterId::LEN + RunId::LEN + 8;

/// The end of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Trailer {
    /// The cluster of whoever asks; none when it knows of none yet.
    pub(super) cluster: Option<ClusterId>,
    /// The process that asks.
    pub(super) run: RunId,
    /// The clock of whoever asks.
    pub(super) at: UnixMillis,
}

impl Trailer {
    /// Writes it behind a request.
    pub(super) fn append(self, request: &mut Vec<u8>) {
        request.extend(self.cluster.map_or([0; ClusterId::LEN], ClusterId::to_bytes));
        request.extend(self.run.to_bytes());
        request.extend(self.at.0.to_be_bytes());
    }

    /// Cuts it off a request.
    pub(super) fn split(bytes: &[u8]) -> Option<(&[u8], Self)> {
        let (request, trailer) = bytes.split_at_checked(bytes.len().checked_sub(TRAILER)?)?;
        let (cluster, trailer) = trailer.split_at_checked(ClusterId::LEN)?;
        let (run, at) = trailer.split_at_checked(RunId::LEN)?;
        let cluster = if cluster == [0; ClusterId::LEN] { None } else { ClusterId::from_bytes(cluster) };
        let run = RunId::from_bytes(run)?;
        Some((request, Self { cluster, run, at: UnixMillis(u64::from_be_bytes(at.try_into().ok()?)) }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trailer_is_cut_off_as_it_was_appended() {
        for cluster in [None, Some(ClusterId::random())] {
            let trailer = Trailer { cluster, run: RunId::random(), at: UnixMillis(1_700_000_000_000) };
            for request in [b"".as_slice(), b"asked"] {
                let mut bytes = request.to_vec();
                trailer.append(&mut bytes);
                assert_eq!(Trailer::split(&bytes), Some((request, trailer)));
            }
        }
        assert_eq!(Trailer::split(&[1; TRAILER - 1]), None);
    }
}
