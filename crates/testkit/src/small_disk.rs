//! A small file system of its own, to be filled up.

use anyhow::{Context, Result};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// A mounted `tmpfs`. Unmounted when dropped.
#[derive(Debug)]
pub struct SmallDisk {
    folder: PathBuf,
    _parent: tempfile::TempDir,
}

impl SmallDisk {
    /// Mounts one of so many MiB; `None`, and a line that says "skipped", where mounting is not permitted.
    ///
    /// # Errors
    /// When there is no folder to mount it on.
    pub fn mount(mebibytes: u32) -> Result<Option<Self>> {
        let parent = tempfile::tempdir()?;
        let folder = parent.path().join("disk");
        fs::create_dir(&folder)?;
        let size = format!("size={mebibytes}m");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(&folder).output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Ok(Some(Self { folder, _parent: parent }));
        }
        println!("skipped: mounting a small file system is not permitted");
        Ok(None)
    }

    /// Returns where it is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Fills the disk up to about `left` free bytes.
    ///
    /// # Errors
    /// When that fails, because something else fills the disk for instance.
    pub fn fill(&self, left: u64) -> Result<()> {
        let disk = rustix::fs::statvfs(&self.folder)?;
        let size = (disk.f_bavail * disk.f_frsize).saturating_sub(left);
        fs::write(self.ballast(), vec![1; usize::try_from(size)?]).context("filling the disk")
    }

    /// Takes away what filled it.
    ///
    /// # Errors
    /// When it was not filled.
    pub fn free(&self) -> Result<()> {
        fs::remove_file(self.ballast()).context("freeing the disk")
    }

    fn ballast(&self) -> PathBuf {
        self.folder.join("ballast")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // What is still mounted then goes with the machine.
        let _ = Command::new("umount").arg(&self.folder).status();
    }
}
