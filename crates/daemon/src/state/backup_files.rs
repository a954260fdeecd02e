//! The files of a backup: a manifest, and the rows of all trees in one file that any engine can take back.
//!
//! A row is the number of its tree (one byte), the lengths of key and value (four bytes each, the least significant
//! first), key and value. The manifest is written last: without one a backup is not finished.

use super::{BackupError, StateError, progress::Progress};
use cluster_core::ports::datastore::{Row, Tree};
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::{
    fs::{self, File},
    io::{self, BufReader, Read, Write},
    path::{Path, PathBuf},
};

/// Version of this form.
pub(super) const FORMAT: u32 = 1;

/// Name of the manifest.
pub(super) const MANIFEST: &str = "manifest.json";

/// Name of the file with the rows.
pub(super) const ROWS: &str = "rows";

/// Bytes read at a time.
const BUFFER: usize = 1 << 20;

/// What a backup consists of.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Manifest {
    /// Version of the backup's form.
    pub(super) format: u32,
    /// Version of the rows.
    pub(super) store_format: u32,
    /// Program that wrote it, with its version.
    pub(super) written_by: String,
    /// When, in milliseconds since 1970.
    pub(super) created_unix_ms: u64,
    /// Whose state it is.
    pub(super) peer: String,
    /// Rows in all.
    pub(super) rows: u64,
    /// The files beside this one.
    pub(super) files: Vec<ManifestFile>,
}

/// One file of a backup.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ManifestFile {
    /// Its name, in the manifest's folder.
    pub(super) name: String,
    /// Its bytes.
    pub(super) size: u64,
    /// SHA-256 of its bytes, in hexadecimal digits.
    pub(super) sha256: String,
}

/// A backup whose manifest was read.
pub(super) struct Backup {
    pub(super) manifest: Manifest,
    folder: PathBuf,
}

impl Backup {
    /// Reads the manifest of a backup, which is named by its folder or by the manifest itself.
    pub(super) fn open(path: &Path) -> Result<Self, StateError> {
        let path = if path.is_dir() { path.join(MANIFEST) } else { path.to_owned() };
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(BackupError::Missing { path }.into());
            }
            Err(source) => return Err(unreadable(&path, source)),
        };
        let manifest: Manifest = serde_json::from_slice(&bytes)
            .map_err(|source| BackupError::Manifest { path: path.clone(), source })?;
        if manifest.format > FORMAT {
            return Err(BackupError::Newer { path, written_by: manifest.written_by }.into());
        }
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        Ok(Self { manifest, folder })
    }

    /// Reads all files once and compares them with the manifest.
    pub(super) fn verify(&self) -> Result<(), StateError> {
        for file in &self.manifest.files {
            let path = self.path(file)?;
            let opened = File::open(&path).map_err(|source| unreadable(&path, source))?;
            let progress = Progress::of_file("checking", &opened);
            let mut bytes = Summed::new(progress.reading(opened));
            io::copy(&mut bytes, &mut io::sink()).map_err(|source| unreadable(&path, source))?;
            bytes.compare(file, &path)?;
        }
        Ok(())
    }

    /// Reads the rows, and compares once more what was read: nobody guards the files meanwhile.
    pub(super) fn read_rows(
        &self,
        mut take: impl FnMut(Tree, Row) -> Result<(), StateError>,
    ) -> Result<(), StateError> {
        let mut count = 0;
        for file in &self.manifest.files {
            let path = self.path(file)?;
            let opened = File::open(&path).map_err(|source| unreadable(&path, source))?;
            let progress = Progress::of_file("restoring", &opened);
            let mut bytes = Summed::new(BufReader::with_capacity(BUFFER, progress.reading(opened)));
            loop {
                match read_row(&mut bytes) {
                    Ok(Some((tree, row))) => take(tree, row)?,
                    Ok(None) => break,
                    Err(source) if source.kind() == io::ErrorKind::InvalidData => {
                        return Err(BackupError::Row { path, position: bytes.size }.into());
                    }
                    Err(source) => return Err(unreadable(&path, source)),
                }
                count += 1;
            }
            bytes.compare(file, &path)?;
        }
        if count != self.manifest.rows {
            let expected = self.manifest.rows;
            return Err(BackupError::Rows { path: self.folder.clone(), expected, found: count }.into());
        }
        Ok(())
    }

    /// Finds a file, which stands beside the manifest and nowhere else.
    fn path(&self, file: &ManifestFile) -> Result<PathBuf, BackupError> {
        match Path::new(&file.name).file_name() {
            Some(name) if name == file.name.as_str() => Ok(self.folder.join(name)),
            _ => Err(BackupError::Name { folder: self.folder.clone(), name: file.name.clone() }),
        }
    }
}

/// Writes a row.
pub(super) fn write_row(out: &mut impl Write, tree: Tree, (key, value): &Row) -> io::Result<()> {
    let length = |bytes: &[u8]| {
        u32::try_from(bytes.len())
            .map(u32::to_le_bytes)
            .map_err(|_| io::Error::from(io::ErrorKind::InvalidData))
    };
    out.write_all(&[tree.number()])?;
    out.write_all(&length(key)?)?;
    out.write_all(&length(value)?)?;
    out.write_all(key)?;
    out.write_all(value)
}

/// Reads a row; none at the end.
fn read_row(input: &mut impl Read) -> io::Result<Option<(Tree, Row)>> {
    let mut number = [0];
    if input.read(&mut number)? == 0 {
        return Ok(None);
    }
    let bad = || io::Error::from(io::ErrorKind::InvalidData);
    let tree = Tree::ALL.into_iter().find(|tree| tree.number() == number[0]).ok_or_else(bad)?;
    let mut lengths = [[0; 4]; 2];
    for length in &mut lengths {
        input.read_exact(length).map_err(|_| bad())?;
    }
    let mut take = |length: [u8; 4]| {
        let length = u64::from(u32::from_le_bytes(length));
        let mut bytes = Vec::new();
        // Not more is asked of the memory than there is in the file.
        let read = input.by_ref().take(length).read_to_end(&mut bytes)?;
        if read as u64 == length { Ok(bytes) } else { Err(bad()) }
    };
    Ok(Some((tree, (take(lengths[0])?, take(lengths[1])?))))
}

/// Bytes that are counted and hashed on their way.
pub(super) struct Summed<T> {
    inner: T,
    hash: Sha256,
    size: u64,
}

impl<T> Summed<T> {
    pub(super) fn new(inner: T) -> Self {
        Self { inner, hash: Sha256::new(), size: 0 }
    }

    /// Lends what the bytes come from or go to.
    pub(super) fn inner(&mut self) -> &mut T {
        &mut self.inner
    }

    /// Describes what went by as a file.
    pub(super) fn into_file(self, name: &str) -> ManifestFile {
        ManifestFile {
            name: name.to_owned(),
            size: self.size,
            sha256: HEXLOWER.encode(&self.hash.finalize()),
        }
    }

    fn compare(self, expected: &ManifestFile, path: &Path) -> Result<(), BackupError> {
        let found = self.into_file(&expected.name);
        if found.size != expected.size {
            return Err(BackupError::Size {
                path: path.to_owned(),
                expected: expected.size,
                found: found.size,
            });
        }
        if !found.sha256.eq_ignore_ascii_case(&expected.sha256) {
            return Err(BackupError::Checksum { path: path.to_owned() });
        }
        Ok(())
    }

    fn note(&mut self, bytes: &[u8]) {
        self.hash.update(bytes);
        self.size += bytes.len() as u64;
    }
}

impl<T: Write> Write for Summed<T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.note(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<T: Read> Read for Summed<T> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(bytes)?;
        self.note(&bytes[..read]);
        Ok(read)
    }
}

fn unreadable(path: &Path, source: io::Error) -> StateError {
    StateError::File { action: "read", path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_read_back_and_a_cut_is_noticed() {
        let rows = [
            (Tree::Meta, (b"k".to_vec(), Vec::new())),
            (Tree::Blocks, (Vec::new(), vec![7; 70_000])),
            (Tree::RaftState, (vec![0xff; 3], vec![0])),
        ];
        let mut bytes = Vec::new();
        for (tree, row) in &rows {
            write_row(&mut bytes, *tree, row).unwrap();
        }
        let mut input = bytes.as_slice();
        for row in &rows {
            assert_eq!(read_row(&mut input).unwrap().as_ref(), Some(row));
        }
        assert_eq!(read_row(&mut input).unwrap(), None);
        for cut in [1, 5, 9, 10, 11, 70_000, bytes.len() - 1] {
            let mut input = &bytes[..cut];
            let read: Result<Vec<_>, _> = std::iter::from_fn(|| read_row(&mut input).transpose()).collect();
            assert_eq!(read.is_ok(), cut == 10, "{cut}");
        }
        assert!(read_row(&mut [99; 9].as_slice()).is_err());
    }
}
