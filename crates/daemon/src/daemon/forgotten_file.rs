//! The file that remembers forgotten peers: one peer ID a line.

use cluster_core::{PeerId, trust::ForgottenPeers};
use std::{
    collections::BTreeSet,
    fs, io,
    io::Write,
    path::{Path, PathBuf},
};

/// Name of the file in the base folder.
const FILE: &str = "forgotten_peers";

/// The file.
pub(super) struct ForgottenFile(PathBuf);

impl ForgottenFile {
    /// Reads the list of a base folder; an absent file is an empty list.
    ///
    /// # Errors
    /// When the file cannot be read or holds something else than peer IDs.
    pub(super) fn open(base: &Path) -> io::Result<(Self, BTreeSet<PeerId>)> {
        let path = base.join(FILE);
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            result => result?,
        };
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let parse = |line: &str| {
            line.parse().map_err(|_| {
                let reason = format!("{line:?} is not a peer ID: correct or remove the line");
                io::Error::new(io::ErrorKind::InvalidData, reason)
            })
        };
        let peers = lines.map(parse).collect::<io::Result<_>>()?;
        Ok((Self(path), peers))
    }

    /// Returns where the list of a base folder is.
    pub(super) fn path(base: &Path) -> PathBuf {
        base.join(FILE)
    }
}

impl ForgottenPeers for ForgottenFile {
    fn save(&self, peers: &BTreeSet<PeerId>) -> io::Result<()> {
        let folder = self.0.parent().unwrap_or(Path::new("."));
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        for peer in peers {
            writeln!(file, "{peer}")?;
        }
        file.as_file().sync_all()?;
        file.persist(&self.0).map_err(|error| error.error)?;
        fs::File::open(folder)?.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_saved_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let (file, peers) = ForgottenFile::open(folder.path()).unwrap();
        assert!(peers.is_empty());
        let peers: BTreeSet<PeerId> = [PeerId::random(), PeerId::random()].into();
        file.save(&peers).unwrap();
        assert_eq!(ForgottenFile::open(folder.path()).unwrap().1, peers);
        file.save(&BTreeSet::new()).unwrap();
        assert!(ForgottenFile::open(folder.path()).unwrap().1.is_empty());
    }

    #[test]
    fn a_damaged_list_forgets_nobody_silently() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(ForgottenFile::path(folder.path()), "12D3KooW\n").unwrap();
        let error = ForgottenFile::open(folder.path()).err().unwrap();
        assert!(error.to_string().contains("12D3KooW"), "{error}");
    }
}
