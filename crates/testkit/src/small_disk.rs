//! A small file system of its own, to fill up.

use anyhow::{Context, Result};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// A mounted file system in memory; it goes when dropped.
#[derive(Debug)]
pub struct SmallDisk {
    folder: PathBuf,
    _parent: tempfile::TempDir,
}

impl SmallDisk {
    /// Mounts one; `None`, and a line that says so, where that is not permitted.
    ///
    /// # Errors
    /// When there is no place for its folder.
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

    /// Returns where it is mounted.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn ballast(&self) -> PathBuf {
        self.folder.join("ballast")
    }

    /// Fills it up to about `left` free bytes.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn fill(&self, left: u64) -> Result<()> {
        let free = rustix::fs::statvfs(&self.folder)?;
        let size = (free.f_bavail * free.f_frsize).saturating_sub(left);
        fs::write(self.ballast(), vec![1; usize::try_from(size)?]).context("filling the small disk")
    }

    /// Makes room again.
    ///
    /// # Errors
    /// When it was not filled.
    pub fn free(&self) -> Result<()> {
        fs::remove_file(self.ballast()).context("freeing the small disk")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // A file system that stays mounted holds memory, nothing else.
        let _ = Command::new("umount").arg(&self.folder).status();
    }
}
