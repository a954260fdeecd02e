//! What a follower that runs is asked over its REST API.

use cluster_client::{
    Client, ClientError, Credentials, Host, HostError, Scope, TrackerStatus,
    api_types::{CrdtHealth, Totals},
};
use cluster_daemon::{
    Environment,
    follow::{FollowError, Follower, SyncFigures, line},
};
use multiaddr::Protocol;
use std::{
    io::{self, Write},
    os::unix::net::UnixStream,
    path::Path,
    time::Duration,
};

/// How long it may take to say its version.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// Failure of asking a follower that runs.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunningError {
    /// Its address cannot be found out.
    #[error(transparent)]
    Follow(#[from] FollowError),
    /// Its address is none that can be reached.
    #[error("CLUSTER_RESTAPI_HTTPLISTENMULTIADDRESS: {0}")]
    Host(#[from] HostError),
    /// No client can be made.
    #[error("{0}")]
    Client(#[from] cluster_client::BuildError),
    /// It does not answer as it should.
    #[error("asking the running peer: {0}")]
    Answer(#[from] ClientError),
    /// The answer cannot be written out.
    #[error("writing the pins: {0}")]
    Output(#[from] io::Error),
}

/// The REST API of a follower.
pub(crate) struct Api {
    host: Host,
    credentials: Option<Credentials>,
}

impl Api {
    /// Finds it: the socket in the follower's folder, unless the environment moves it.
    pub(crate) fn of(follower: &Follower, environment: &Environment) -> Result<Self, RunningError> {
        let api = follower.api(environment)?;
        let address = api.as_ref().and_then(|api| api.http_listen_multiaddress.first());
        let host = match address.map(|address| (address.iter().next(), address)) {
            None => Host::Unix(follower.socket()),
            Some((Some(Protocol::Unix(path)), _)) => Host::Unix(Path::new("/").join(&*path)),
            Some((_, address)) => Host::parse(&address.to_string())?,
        };
        let users = api.and_then(|api| api.basic_auth_credentials).unwrap_or_default();
        let user = users.iter().next();
        let credentials = user.map(|(user, password)| Credentials::basic(user, password.expose()));
        Ok(Self { host, credentials })
    }

    /// Says whether somebody listens there.
    pub(crate) fn is_listened_on(&self) -> bool {
        match &self.host {
            Host::Unix(path) => is_listened_on(path),
            Host::Tcp(address) => std::net::TcpStream::connect_timeout(address, ANSWER_LIMIT).is_ok(),
            // Only asking it shows whether a name leads anywhere.
            Host::Dns { .. } | Host::Libp2p { .. } => true,
        }
    }

    /// Says whether a peer answers there.
    pub(crate) async fn answers(&self) -> bool {
        let asked = async { self.client(Some(ANSWER_LIMIT)).await.ok()?.version().await.ok() };
        asked.await.is_some()
    }

    /// Asks the peer how far it is; one of the Go suite does not tell.
    pub(crate) async fn figures(&self) -> Option<SyncFigures> {
        let client = self.client(Some(ANSWER_LIMIT)).await.ok()?;
        let CrdtHealth { blocks_merged: merged, blocks_missing: missing, .. } =
            client.crdt_health().await.ok()?;
        let Totals { pins, statuses, .. } = client.totals().await.ok()?;
        let statuses =
            TrackerStatus::ALL.into_iter().filter_map(|status| Some((status, *statuses.get(status.name())?)));
        Some(SyncFigures { merged, missing, pins, ..SyncFigures::default() }.with_statuses(statuses))
    }

    /// Lists the pins with their statuses.
    pub(crate) async fn list(&self, out: &mut dyn Write) -> Result<(), RunningError> {
        let mut pins = self.client(None).await?.status_all("", Scope::Local).await?;
        while let Some(info) = pins.next().await {
            let info = info?;
            for (_, own) in info.peers() {
                let status = own.status.to_string();
                let cid = info.cid.to_string();
                out.write_all(line(&status, &cid, &info.name, &own.error).as_bytes())?;
            }
        }
        Ok(out.flush()?)
    }

    async fn client(&self, timeout: Option<Duration>) -> Result<Client, RunningError> {
        let mut builder = Client::builder(vec![self.host.clone()]);
        if let Some(credentials) = &self.credentials {
            builder = builder.credentials(credentials.clone());
        }
        if let Some(timeout) = timeout {
            builder = builder.timeout(timeout);
        }
        Ok(builder.build().await?)
    }
}

fn is_listened_on(socket: &Path) -> bool {
    match UnixStream::connect(socket) {
        Ok(_) => true,
        Err(error) => !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused),
    }
}
