//! The folder as a power cut left it.

use super::{
    cut::Cut,
    error::PowercutError,
    event::{Change, Inode},
    namespace::ROOT,
    recording::Recording,
    selection::{Piece, Selection, open_names, select},
};
use std::{
    fs::{self, File, OpenOptions, Permissions},
    os::unix::fs::{FileExt as _, PermissionsExt as _},
    path::Path,
};

/// One rebuilt folder.
#[derive(Debug)]
pub struct Disk<'a> {
    recording: &'a Recording,
    selection: Selection<'a>,
}

impl<'a> Disk<'a> {
    /// Decides what survives `cut`. The same recording and cut always give the same disk.
    pub fn after(recording: &'a Recording, cut: &Cut) -> Self {
        let units = recording.units(cut.names);
        let selection = select(&units, recording.base_names(), cut);
        Self { recording, selection }
    }

    /// Writes the folder to `target`, which must not exist or be empty.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write(&self, target: &Path) -> Result<(), PowercutError> {
        self.write_folder(ROOT, target, 0)
    }

    /// Lists, for a report, the names that were given or taken before `cut` and not durable there.
    pub fn open_names(recording: &Recording, cut: &Cut) -> Vec<String> {
        let units = recording.units(cut.names);
        let describe = |change: Change| {
            let verb = if change.becomes.is_some() { "+" } else { "-" };
            let inode = change.becomes.unwrap_or(change.folder);
            let shown = if change.becomes.is_some() {
                recording.path_of(inode)
            } else {
                recording.path_of(change.folder).join(&change.name)
            };
            format!("{verb}{}", shown.display())
        };
        open_names(&units, cut).into_iter().map(describe).collect()
    }

    fn write_folder(&self, folder: Inode, target: &Path, depth: usize) -> Result<(), PowercutError> {
        fs::create_dir_all(target).map_err(PowercutError::io("create", target))?;
        let private = Permissions::from_mode(0o700);
        fs::set_permissions(target, private).map_err(PowercutError::io("change", target))?;
        for (name, inode) in self.selection.names.entries(folder) {
            let path = target.join(name);
            if !self.recording.is_folder(inode) {
                self.write_file(inode, &path)?;
            } else if depth < 64 {
                // Renames that survived on one side only could make a folder contain itself.
                self.write_folder(inode, &path, depth + 1)?;
            }
        }
        Ok(())
    }

    fn write_file(&self, inode: Inode, path: &Path) -> Result<(), PowercutError> {
        match self.recording.base_file(inode) {
            Some(base) => fs::copy(base, path).map(|_| ()),
            None => File::create(path).and_then(|file| file.set_permissions(Permissions::from_mode(0o600))),
        }
        .map_err(PowercutError::io("create", path))?;
        let failed = PowercutError::io("write", path);
        self.apply(inode, path).map_err(failed)
    }

    fn apply(&self, inode: Inode, path: &Path) -> std::io::Result<()> {
        let file = OpenOptions::new().write(true).open(path)?;
        for piece in self.selection.pieces.get(&inode).into_iter().flatten() {
            match piece {
                Piece::Write { offset, data } => file.write_all_at(data, *offset)?,
                Piece::Resize { len } => file.set_len(*len)?,
                Piece::Grow { len } => {
                    if file.metadata()?.len() < *len {
                        file.set_len(*len)?;
                    }
                }
            }
        }
        Ok(())
    }
}
