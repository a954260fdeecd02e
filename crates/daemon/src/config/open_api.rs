//! Refuses an API that anyone on the network could use (promise 8 of the architecture).

use super::{Config, address};
use cluster_core::Multiaddr;

/// An API would listen beyond this machine without asking for a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{section} would listen on {listen}, which other machines can reach, and ask nobody for a password: \
     set {section}.basic_auth_credentials, listen on a loopback address such as /ip4/127.0.0.1/tcp/9094, \
     or start with --allow-open-api if something else protects it"
)]
pub struct OpenApiError {
    /// Section of the API.
    pub section: &'static str,
    /// The address.
    pub listen: Multiaddr,
}

impl Config {
    /// Checks that no API is open to the network without authentication.
    ///
    /// # Errors
    /// Names the first such API and its address. Callers skip the check for `--allow-open-api`.
    pub fn check_open_api(&self) -> Result<(), OpenApiError> {
        let apis = [("api.restapi", &self.restapi), ("api.pinsvcapi", &self.pinsvcapi)];
        for (section, api) in apis.into_iter().filter_map(|(name, api)| api.as_ref().map(|api| (name, api))) {
            // An API over libp2p is in no private network: whoever reaches it may use it.
            let listens = api.http_listen_multiaddress.iter().chain(&api.libp2p_listen_multiaddress);
            let open = listens.into_iter().find(|listen| !address::is_local(listen));
            if let (Some(listen), None) = (open, &api.basic_auth_credentials) {
                return Err(OpenApiError { section, listen: listen.clone() });
            }
        }
        Ok(())
    }
}
