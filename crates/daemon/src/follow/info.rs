//! `<name> info`: what is known of a follower without asking it (api §7.2).

use super::{FollowError, Follower};
use crate::{
    Config, ConfigError, Environment,
    config::{ConfigFiles, Lookup, SourceError, SourceUrl},
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
    let (base, socket) = (follower.base(), follower.socket_text()?);
    let loaded = Config::load_follower(base, &socket, environment, Lookup::UrlFirst);
    let (source, config) = match loaded {
        Ok(Config { sourced: Some(sourced), .. }) if sourced.unavailable.is_some() => {
            let reason = sourced.unavailable.clone().unwrap_or_default();
            let state = SourceState::Failed { url: sourced.url, reason, has_copy: true };
            (state, follower.defaults(environment)?)
        }
        Ok(config) => match &config.sourced {
            Some(sourced) => (SourceState::Available(sourced.url.clone()), config),
            None => {
                let files = ConfigFiles::of(base);
                let format = files.existing().map_err(|source| failed(follower, source))?;
                (SourceState::Local(files.path(format).to_owned()), config)
            }
        },
        Err(ConfigError::Source(SourceError::Fetch { url, why, .. })) => {
            let state = SourceState::Failed { url: *url, reason: why.to_string(), has_copy: false };
            (state, follower.defaults(environment)?)
        }
        Err(source) => return Err(failed(follower, source)),
    };
    let ipfs = Kubo::new(daemon::kubo_config(&config))?;
    let runtime = daemon::runtime().map_err(FollowError::Runtime)?;
    let asked = async { tokio::time::timeout(ANSWER_LIMIT, ipfs.id()).await };
    let ipfs_online = matches!(runtime.block_on(asked), Ok(Ok(_)));
    Ok(Info { source, ipfs_online })
}

fn failed(follower: &Follower, source: ConfigError) -> FollowError {
    FollowError::Config { path: follower.base().to_owned(), source }
}
