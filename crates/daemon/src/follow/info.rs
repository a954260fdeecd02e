//! `<name> info`: what is known of a follower without asking it (api §7.2).

use super::{FollowError, Follower};
use crate::{
    ConfigError, Environment,
    config::{Lookup, SourceError, SourceUrl, Sourced},
    daemon,
};
use cluster_core::ports::IpfsConnector;
use cluster_ipfs::Kubo;
use std::{path::PathBuf, time::Duration};

/// How long the IPFS daemon may take to answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// What is known of a follower.
#[derive(Debug)]
pub struct Info {
    /// Whether its configuration can be had.
    pub source: SourceState,
    /// Whether its IPFS daemon answers.
    pub ipfs_online: bool,
}

/// Whether the configuration of a follower can be had.
#[derive(Debug)]
pub enum SourceState {
    /// The URL serves it.
    Available(SourceUrl),
    /// The URL does not.
    Failed {
        /// It.
        url: SourceUrl,
        /// Why.
        reason: String,
        /// Whether the next start can go by a copy.
        has_copy: bool,
    },
    /// It is in a file of the folder.
    Local(PathBuf),
}

/// Looks whether the configuration and the IPFS daemon of a follower can be reached.
///
/// # Errors
/// It is not initialised, or its configuration has mistakes.
pub fn info(follower: &Follower, environment: &Environment) -> Result<Info, FollowError> {
    follower.check_initialized()?;
    let loaded = follower.load(environment, Lookup::UrlFirst);
    let (source, config) = match loaded {
        Ok(config) => match config.sourced.clone() {
            None => (SourceState::Local(follower.base().join(config.format.file_name())), config),
            Some(Sourced { url, unavailable: None }) => (SourceState::Available(url), config),
            Some(Sourced { url, unavailable: Some(reason) }) => {
                let state = SourceState::Failed { url, reason, has_copy: true };
                (state, follower.defaults(environment)?)
            }
        },
        Err(FollowError::Config {
            source: ConfigError::Source(SourceError::Fetch { url, why, .. }), ..
        }) => {
            let state = SourceState::Failed { url: *url, reason: why.to_string(), has_copy: false };
            (state, follower.defaults(environment)?)
        }
        Err(error) => return Err(error),
    };
    let ipfs = Kubo::new(daemon::kubo_config(&config))?;
    let runtime = daemon::runtime().map_err(FollowError::Runtime)?;
    let asked = async { tokio::time::timeout(ANSWER_LIMIT, ipfs.id()).await };
    let ipfs_online = matches!(runtime.block_on(asked), Ok(Ok(_)));
    Ok(Info { source, ipfs_online })
}
