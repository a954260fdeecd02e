//! What every command works with: the client and the output.

use crate::{cli::GlobalArgs, failure::Failure, output::Output, text::Text};
use cluster_client::{CertificateCheck, Client, Credentials, Host, HostError, Lines};
use serde::{Serialize, de::DeserializeOwned};
use std::time::Duration;

/// One run of the program.
pub(crate) struct Session {
    /// Reaches the peer.
    pub(crate) client: Client,
    /// Takes results.
    pub(crate) output: Output,
}

impl Session {
    /// Prints every object of a stream as it comes.
    pub(crate) async fn print_all<T>(&mut self, mut lines: Lines<T>) -> Result<(), Failure>
    where
        T: DeserializeOwned + Serialize + Text,
    {
        while let Some(item) = lines.next().await {
            self.output.object(&item?)?;
        }
        Ok(())
    }
}

/// Makes the client that the global flags describe (api §4.2).
pub(crate) async fn connect(global: &GlobalArgs) -> Result<Client, Failure> {
    let hosts: Vec<Host> =
        global.host.split(',').map(Host::parse).collect::<Result<_, HostError>>().map_err(host_failure)?;
    if global.debug {
        let list: Vec<String> = hosts.iter().map(Host::to_string).collect();
        eprintln!("debug: hosts in order: {}", list.join(", "));
    }
    let mut builder = Client::builder(hosts);
    // A password does not travel in the clear unless that is asked for.
    if global.https || (!global.basic_auth.is_empty() && !global.force_http) {
        let check = if global.no_check_certificate { CertificateCheck::Off } else { CertificateCheck::Full };
        builder = builder.https(check);
    }
    if global.timeout > 0 {
        builder = builder.timeout(Duration::from_secs(global.timeout));
    }
    if !global.basic_auth.is_empty() {
        let (user, password) = global.basic_auth.split_once(':').unwrap_or((&global.basic_auth, ""));
        builder = builder.credentials(Credentials::basic(user, password));
    }
    builder.build().await.map_err(|e| Failure::client("creating API client", e))
}

fn host_failure(error: HostError) -> Failure {
    Failure::client("parsing host multiaddress", error)
}
