//! Kubo as the IPFS daemon of a peer.

use crate::{
    KuboConfig, KuboConfigError,
    answers::{Config, Id, PinAdd, PinLs, RepoStat as RepoStatAnswer, Resolve},
    exchange::{Answer, Budget, Exchange},
};
use cluster_core::{
    Cid, Multiaddr, PinDepth,
    ports::{
        BoxFuture, BoxStream, IpfsConnector,
        ipfs_connector::{
            IpfsError, IpfsId, IpfsPin, IpfsPinStatus, PinProgress, PinRequest, ProgressSink, RepoStat,
        },
    },
};
use futures_util::stream;
use std::{sync::Arc, time::Duration};
use tokio::time::timeout;

/// Origins of a pin that are connected to.
const MAX_ORIGINS: usize = 10;

/// What Kubo says of a CID that it does not pin.
const NOT_PINNED: &str = "not pinned";

/// What Kubo says when there is nothing to unpin.
const NOTHING_TO_UNPIN: &str = "not pinned or pinned indirectly";

/// The connector to one Kubo.
#[derive(Debug, Clone)]
pub struct Kubo {
    config: Arc<KuboConfig>,
    exchange: Arc<Exchange>,
}

impl Kubo {
    /// Makes a connector; nothing is sent yet.
    ///
    /// # Errors
    /// When the address is of a kind this version does not know.
    pub fn new(config: KuboConfig) -> Result<Self, KuboConfigError> {
        let exchange = Arc::new(Exchange::new(&config)?);
        Ok(Self { config: Arc::new(config), exchange })
    }

    /// Makes a short call and reads its answer as one JSON value.
    async fn ask<T: serde::de::DeserializeOwned>(
        &self,
        path: &'static str,
        query: &[(&str, &str)],
    ) -> Result<T, IpfsError> {
        let limit = self.config.ipfs_request_timeout;
        let call = async { self.exchange.send(path, query, Budget::Short, limit).await?.json().await };
        timeout(limit, call).await.map_err(|_| IpfsError::Timeout { path: path.to_owned(), after: limit })?
    }

    /// Connects the daemon to peers that are known to have the content; nobody waits for it.
    fn connect_origins(&self, origins: &[Multiaddr]) {
        for origin in origins.iter().take(MAX_ORIGINS) {
            let (kubo, address) = (self.clone(), origin.to_string());
            tokio::spawn(async move {
                // The content may be found without it.
                let _: Result<serde_json::Value, _> = kubo.ask("swarm/connect", &[("arg", &address)]).await;
            });
        }
    }

    async fn pin_now(&self, request: PinRequest, progress: ProgressSink) -> Result<(), IpfsError> {
        self.connect_origins(&request.origins);
        let stalled = || IpfsError::Stalled { after: self.config.pin_timeout };
        let (cid, depth) = (request.cid.to_string(), request.depth.0.to_string());
        let recursive = if request.depth == PinDepth::DIRECT { "false" } else { "true" };
        let mut query = vec![("arg", cid.as_str()), ("recursive", recursive), ("progress", "true")];
        if request.depth.0 > 0 {
            query.push(("max-depth", &depth));
        }
        let sent = self.exchange.send("pin/add", &query, Budget::Long, self.config.pin_timeout).await;
        let mut answer = match sent {
            // Kubo sends the head with the first progress: no head in time is no progress in time.
            Err(IpfsError::Timeout { .. }) => return Err(stalled()),
            other => other?,
        };
        let mut last = PinProgress::default();
        let mut moved = tokio::time::Instant::now();
        loop {
            let next = tokio::time::timeout_at(moved + self.config.pin_timeout, answer.object::<PinAdd>());
            let Some(object) = next.await.map_err(|_| stalled())?? else {
                return Err(answer.bad("it ended before the pin was made"));
            };
            if let Some(message) = object.message {
                return Err(answer.api(message));
            }
            if object.pins.is_some() {
                return Ok(());
            }
            let seen = PinProgress {
                blocks: object.progress.unwrap_or(last.blocks),
                bytes: object.bytes.or(last.bytes),
            };
            if seen.blocks > last.blocks || seen.bytes > last.bytes {
                last = seen;
                moved = tokio::time::Instant::now();
                progress(seen);
            }
        }
    }

    async fn unpin_now(&self, cid: Cid) -> Result<(), IpfsError> {
        if self.config.unpin_disable {
            return Err(IpfsError::UnpinDisabled);
        }
        let (cid, limit) = (cid.to_string(), self.config.unpin_timeout);
        let call = async {
            let answer = self.exchange.send("pin/rm", &[("arg", &cid)], Budget::Long, limit).await?;
            answer.json::<serde_json::Value>().await
        };
        match timeout(limit, call).await {
            Err(_) => Err(IpfsError::Timeout { path: "pin/rm".to_owned(), after: limit }),
            Ok(Err(IpfsError::Api { message, .. })) if message.contains(NOTHING_TO_UNPIN) => Ok(()),
            Ok(result) => result.map(|_| ()),
        }
    }

    async fn status_now(&self, cid: Cid, depth: PinDepth) -> Result<IpfsPinStatus, IpfsError> {
        let cid = cid.to_string();
        let kind = if depth == PinDepth::DIRECT { "direct" } else { "recursive" };
        let query = [("stream", "true"), ("arg", cid.as_str()), ("type", kind)];
        match self.ask::<PinLs>("pin/ls", &query).await {
            Ok(PinLs { message: Some(message), .. }) | Err(IpfsError::Api { message, .. })
                if message.trim_end().ends_with(NOT_PINNED) =>
            {
                Ok(IpfsPinStatus::Unpinned)
            }
            Ok(pin) => Ok(parse_status(&pin.kind)),
            Err(error) => Err(error),
        }
    }

    async fn list(&self, kind: IpfsPinStatus) -> Result<Answer, IpfsError> {
        let kind = if kind == IpfsPinStatus::Direct { "direct" } else { "recursive" };
        let limit = self.config.ipfs_request_timeout;
        self.exchange.send("pin/ls", &[("stream", "true"), ("type", kind)], Budget::Short, limit).await
    }
}

fn parse_status(kind: &str) -> IpfsPinStatus {
    if kind.starts_with("recursive") {
        IpfsPinStatus::Recursive
    } else if kind == "direct" {
        IpfsPinStatus::Direct
    } else {
        IpfsPinStatus::Unpinned
    }
}

impl IpfsConnector for Kubo {
    fn id(&self) -> BoxFuture<'_, Result<IpfsId, IpfsError>> {
        Box::pin(async {
            let answer: Id = self.ask("id", &[]).await?;
            let id = answer.id.parse().map_err(|_| IpfsError::BadAnswer {
                path: "id".to_owned(),
                cause: format!("{:?} is not a peer ID", answer.id.chars().take(80).collect::<String>()),
            })?;
            let addresses = answer.addresses.unwrap_or_default();
            Ok(IpfsId { id, addresses: addresses.iter().filter_map(|a| a.parse().ok()).collect() })
        })
    }

    fn pin(&self, request: PinRequest, progress: ProgressSink) -> BoxFuture<'_, Result<(), IpfsError>> {
        Box::pin(self.pin_now(request, progress))
    }

    fn unpin(&self, cid: Cid) -> BoxFuture<'_, Result<(), IpfsError>> {
        Box::pin(self.unpin_now(cid))
    }

    fn pin_status(&self, cid: Cid, depth: PinDepth) -> BoxFuture<'_, Result<IpfsPinStatus, IpfsError>> {
        Box::pin(self.status_now(cid, depth))
    }

    fn pin_ls(&self, kind: IpfsPinStatus) -> BoxStream<'_, Result<IpfsPin, IpfsError>> {
        let limit: Duration = self.config.ipfs_request_timeout;
        enum State {
            Start,
            Reading(Answer),
            End,
        }
        Box::pin(stream::unfold(State::Start, move |state| async move {
            let mut answer = match state {
                State::Start => match self.list(kind).await {
                    Ok(answer) => answer,
                    Err(error) => return Some((Err(error), State::End)),
                },
                State::Reading(answer) => answer,
                State::End => return None,
            };
            // Each object has the limit of a call: a daemon that stops in the middle is noticed.
            let object = timeout(limit, answer.object::<PinLs>())
                .await
                .unwrap_or_else(|_| Err(IpfsError::Timeout { path: "pin/ls".to_owned(), after: limit }));
            let item = match object {
                Ok(None) => return None,
                Ok(Some(PinLs { message: Some(message), .. })) => Err(answer.api(message)),
                Ok(Some(pin)) => match pin.cid.as_deref().unwrap_or_default().parse() {
                    Ok(cid) => Ok(IpfsPin { cid, status: parse_status(&pin.kind) }),
                    Err(_) => Err(answer.bad("an object names no CID")),
                },
                Err(error) => Err(error),
            };
            let next = if item.is_ok() { State::Reading(answer) } else { State::End };
            Some((item, next))
        }))
    }

    fn resolve(&self, path: String) -> BoxFuture<'_, Result<Cid, IpfsError>> {
        Box::pin(async move {
            let answer: Resolve = self.ask("resolve", &[("arg", &path)]).await?;
            let cid = answer.path.strip_prefix("/ipfs/").or_else(|| answer.path.strip_prefix("/ipld/"));
            cid.and_then(|rest| rest.split('/').next()?.parse().ok()).ok_or_else(|| IpfsError::BadAnswer {
                path: "resolve".to_owned(),
                cause: format!("{:?} is not an immutable path", answer.path),
            })
        })
    }

    fn repo_stat(&self) -> BoxFuture<'_, Result<RepoStat, IpfsError>> {
        Box::pin(async {
            let answer: RepoStatAnswer = self.ask("repo/stat", &[("size-only", "true")]).await?;
            Ok(RepoStat { repo_size: answer.repo_size, storage_max: answer.storage_max })
        })
    }

    fn config_value(&self, name: String) -> BoxFuture<'_, Result<Option<String>, IpfsError>> {
        Box::pin(async move {
            let config: Config = self.ask("config/show", &[]).await?;
            let mut parts = name.split('.');
            let mut value = parts.next().and_then(|first| config.get(first));
            for part in parts {
                value = value.and_then(|v| v.get(part));
            }
            Ok(value.map(ToString::to_string))
        })
    }
}
