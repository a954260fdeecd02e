//! `<name> init <url>` (api §7.3).

use super::{FollowError, Follower, gateway};
use crate::{
    Environment, Identity,
    config::{ConfigFormat, source_text},
    init::durable_file,
};
use std::{
    fs::{self, File, Permissions},
    io,
    os::unix::fs::PermissionsExt,
    path::Path,
};

/// What was asked for, in the words of the command line.
#[derive(Debug, Clone)]
pub struct InitFollower {
    /// The configuration's URL, or a name that the gateway looks up.
    pub url: Option<String>,
    /// `--gateway`.
    pub gateway: String,
    /// The notation of the file to write.
    pub format: ConfigFormat,
}

/// Makes the folder of a follower, whole or not at all, and tells the person on standard output. The URL is not asked.
///
/// # Errors
/// The folder exists, the URL is not good, or nothing can be written.
pub fn init(
    follower: &Follower,
    options: &InitFollower,
    environment: &Environment,
) -> Result<(), FollowError> {
    let place = gateway::settle(options.url.as_deref().unwrap_or_default(), &options.gateway)?;
    let base = follower.base();
    if fs::symlink_metadata(base).is_ok() {
        return Err(FollowError::Exists { path: base.to_owned() });
    }
    let identity = Identity::for_new_peer(environment)?;
    let file = options.format.file_name();
    make(base, &identity, file, source_text(&place.url, options.format).as_bytes())?;
    if place.by_gateway {
        println!("What was given is not a URL of HTTP, so it is taken for a name in IPFS:");
        println!("the settings of this peer will be fetched from");
        println!("  {}", place.url);
        println!("at every start. --gateway or IPFS_GATEWAY chooses another gateway.");
    }
    let (name, program) = (follower.name(), follower.program);
    println!("Identity written to {}.", Identity::path(base).display());
    println!("Configuration written to {}.", base.join(file).display());
    println!("Cluster \"{name}\" follower peer initialized.");
    println!();
    println!("Start it with: {program} \"{name}\" run");
    println!("An IPFS daemon must run on this machine for that.");
    Ok(())
}

/// Fills a folder under another name before it gets its own.
fn make(base: &Path, identity: &Identity, file: &str, text: &[u8]) -> Result<(), FollowError> {
    let failed = |source: io::Error| FollowError::Folder { path: base.to_owned(), source };
    let parent = base.parent().unwrap_or(Path::new("/"));
    durable_file::make_folder(parent).map_err(failed)?;
    let private = Permissions::from_mode(0o700);
    let new = tempfile::Builder::new().prefix(".new-").permissions(private).tempdir_in(parent);
    let new = new.map_err(failed)?;
    identity.save(new.path())?;
    durable_file::write(&new.path().join(file), text).map_err(failed)?;
    fs::rename(new.path(), base).map_err(failed)?;
    // It is no longer where it would be removed.
    let _ = new.keep();
    File::open(parent).and_then(|folder| folder.sync_all()).map_err(failed)
}
