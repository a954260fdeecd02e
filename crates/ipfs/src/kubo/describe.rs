//! What the daemon says of itself: identity, version, space, configuration.

use super::Kubo;
use crate::answer::{IdAnswer, RepoStatAnswer, VersionAnswer};
use cluster_core::ports::ipfs_connector::{IpfsError, IpfsId, RepoStat};
use multiaddr::Multiaddr;

impl Kubo {
    /// Asks for the daemon's version, such as `0.43.0`.
    ///
    /// # Errors
    /// When the daemon does not answer in time or not as a daemon does.
    pub async fn version(&self) -> Result<String, IpfsError> {
        Ok(self.query::<VersionAnswer>("version").await?.version)
    }

    pub(super) async fn ask_id(&self) -> Result<IpfsId, IpfsError> {
        let answer: IdAnswer = self.query("id").await?;
        let id = answer.id.parse().map_err(|_| self.rpc.bad_answer("id", "the ID is not a peer ID"))?;
        let addresses = answer
            .addresses
            .unwrap_or_default()
            .iter()
            .filter_map(|text| text.parse::<Multiaddr>().ok()?.with_p2p(id).ok())
            .collect();
        Ok(IpfsId { id, addresses })
    }

    pub(super) async fn ask_repo_stat(&self) -> Result<RepoStat, IpfsError> {
        let answer: RepoStatAnswer = self.query("repo/stat?size-only=true").await?;
        Ok(RepoStat { repo_size: answer.repo_size, storage_max: answer.storage_max })
    }

    /// Looks a value up at any depth (the reference stops at two levels).
    pub(super) async fn ask_config_value(&self, name: String) -> Result<Option<String>, IpfsError> {
        let config: serde_json::Value = self.query("config/show").await?;
        if !config.is_object() {
            return Err(self.rpc.bad_answer("config/show", "it is not an object"));
        }
        let found = name.split('.').try_fold(&config, |value, key| value.get(key));
        Ok(found.map(serde_json::Value::to_string))
    }
}
