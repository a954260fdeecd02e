//! What every command works with: the client and the output.

#[cfg(feature = "libp2p")]
use crate::{cli::HiddenText, libp2p::AnyConnector};
use crate::{
    cli::{Consistency, GlobalArgs},
    failure::Failure,
    output::Output,
    text::Text,
};
use cluster_client::{CertificateCheck, Client, Connector, Credentials, Host, HostError, Lines};
#[cfg(feature = "libp2p")]
use cluster_client::{ReqwestConnector, api_types::core::ClusterSecret};
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
    // A password does not travel in the clear unless that is asked for.
    let https = (global.https || (!global.basic_auth.is_empty() && !global.force_http))
        .then_some(if global.no_check_certificate { CertificateCheck::Off } else { CertificateCheck::Full });
    let timeout = (global.timeout > 0).then(|| Duration::from_secs(global.timeout));
    let mut builder = Client::builder(hosts.clone());
    if hosts.iter().any(|host| matches!(host, Host::Libp2p { .. })) {
        builder = builder.connector(libp2p_connector(global, &hosts, timeout, https).await?);
    }
    if let Some(check) = https {
        builder = builder.https(check);
    }
    if let Some(timeout) = timeout {
        builder = builder.timeout(timeout);
    }
    if !global.basic_auth.is_empty() {
        let (user, password) = global.basic_auth.split_once(':').unwrap_or((&global.basic_auth, ""));
        builder = builder.credentials(Credentials::basic(user, password));
    }
    if global.consistency == Consistency::Strong {
        builder = builder.strong_consistency();
    }
    builder.build().await.map_err(|e| Failure::client("creating API client", e))
}

/// Makes what reaches libp2p hosts, in the private network of the secret if one is given.
#[cfg(feature = "libp2p")]
async fn libp2p_connector(
    global: &GlobalArgs,
    hosts: &[Host],
    timeout: Option<Duration>,
    https: Option<CertificateCheck>,
) -> Result<Box<dyn Connector>, Failure> {
    let failed = |problem: String| Failure::client("creating API client", problem);
    let text = match &global.secret_file {
        Some(path) => std::fs::read_to_string(path)
            .map(HiddenText::from)
            .map_err(|error| failed(format!("reading {}: {error}", path.display())))?,
        None => global.secret.clone(),
    };
    let secret = match text.trim() {
        "" => None,
        hex => Some(
            ClusterSecret::parse_hex(hex).map_err(|error| failed(format!("reading the secret: {error}")))?,
        ),
    };
    let tcp = ReqwestConnector::new(hosts, timeout, https).map_err(|error| failed(error.to_string()))?;
    let connector = AnyConnector::new(tcp, secret, timeout).await.map_err(failed)?;
    Ok(Box::new(connector))
}

#[cfg(not(feature = "libp2p"))]
async fn libp2p_connector(
    _: &GlobalArgs,
    _: &[Host],
    _: Option<Duration>,
    _: Option<CertificateCheck>,
) -> Result<Box<dyn Connector>, Failure> {
    Err(Failure::client("creating API client", "this cluster-ctl was built without libp2p"))
}

fn host_failure(error: HostError) -> Failure {
    Failure::client("parsing host multiaddress", error)
}
