//! One peer beside one IPFS daemon, with a client: what most suites over whole processes start from.

use crate::http::{Connection, Response};
use anyhow::{Context, Result, bail};
use cluster_client::{
    Cid, Client, Host, IpfsPath, Scope, TrackerStatus,
    api_types::{PinInfoShort, PinOptions},
};
use cluster_testkit::{
    kubo::{Kubo, KuboBinary},
    mock_kubo::MockKubo,
    service::{Programs, Service},
};
use std::{
    collections::BTreeSet,
    fmt,
    fs::{self, File},
    io::Read,
    path::{Path, PathBuf},
    process::Output,
    time::{Duration, Instant},
};

/// How long anything may take that only has to happen at some time; reached only by a test that fails.
pub const LIMIT: Duration = Duration::from_secs(60);

/// How often a condition is looked at.
const POLL: Duration = Duration::from_millis(10);

/// A peer, its IPFS daemon (a [`Kubo`] or a [`MockKubo`]), a client, and a folder that goes away with them.
pub struct World<D> {
    /// The peer.
    pub peer: Service,
    /// The IPFS daemon.
    pub ipfs: D,
    /// A client of the peer.
    pub client: Client,
    folder: tempfile::TempDir,
}

impl<D> fmt::Debug for World<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World").field("peer", &self.peer).finish_non_exhaustive()
    }
}

impl World<Kubo> {
    /// Starts a real daemon and a peer; `environment` is for the peer.
    ///
    /// # Errors
    /// When one of them does not start.
    pub async fn with_kubo(environment: &[(&str, &str)]) -> Result<Self> {
        let kubo = Kubo::start(&KuboBinary::find_or_build(None)?)?;
        let api = kubo.api().to_owned();
        Self::beside(kubo, &api, None, environment).await
    }

    /// Adds random content to the daemon, unpinned.
    ///
    /// # Errors
    /// When the daemon fails.
    pub fn add(&self, size: u64) -> Result<Cid> {
        let file = self.path("content");
        let mut random = File::open("/dev/urandom")?.take(size);
        std::io::copy(&mut random, &mut File::create(&file)?)?;
        Ok(self.ipfs.add(&file)?.parse()?)
    }

    /// Lists what the daemon has pinned in one way (`recursive`, `direct`).
    ///
    /// # Errors
    /// When the daemon fails.
    pub fn pinned(&self, kind: &str) -> Result<BTreeSet<String>> {
        Ok(self.ipfs.pins(kind)?.into_iter().collect())
    }
}

impl World<MockKubo> {
    /// Starts a stand-in and a peer; `environment` is for the peer.
    ///
    /// # Errors
    /// When one of them does not start.
    pub async fn with_mock(environment: &[(&str, &str)]) -> Result<Self> {
        Self::with_mock_in(None, environment).await
    }

    /// As [`World::with_mock`], with the peer's folder in a given place.
    ///
    /// # Errors
    /// As there.
    pub async fn with_mock_in(base: Option<PathBuf>, environment: &[(&str, &str)]) -> Result<Self> {
        let mock = MockKubo::start().await?;
        let api = mock.api();
        Self::beside(mock, &api, base, environment).await
    }
}

impl<D> World<D> {
    async fn beside(ipfs: D, api: &str, base: Option<PathBuf>, environment: &[(&str, &str)]) -> Result<Self> {
        let programs = Programs::build()?;
        let folder = tempfile::tempdir()?;
        let base = base.unwrap_or_else(|| folder.path().join("peer"));
        let mut peer = Service::init(&programs.service, &base, api, environment)?;
        peer.start()?;
        let client = client_of(&peer).await?;
        Ok(Self { peer, ipfs, client, folder })
    }

    /// Starts the peer again, with a client that has no connections to the process before.
    ///
    /// # Errors
    /// When the peer does not start.
    pub async fn start_again(&mut self) -> Result<()> {
        self.peer.start()?;
        self.client = client_of(&self.peer).await?;
        Ok(())
    }

    /// Returns a path in the world's own folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Pins a CID; an OK means stored.
    ///
    /// # Errors
    /// When the peer refuses.
    pub async fn pin(&self, cid: &Cid, options: &PinOptions) -> Result<()> {
        self.client.pin(&ipfs_path(cid)?, options).await?;
        Ok(())
    }

    /// Unpins a CID; an OK means stored.
    ///
    /// # Errors
    /// When the peer refuses.
    pub async fn unpin(&self, cid: &Cid) -> Result<()> {
        self.client.unpin(&ipfs_path(cid)?).await?;
        Ok(())
    }

    /// Returns the status of a CID on this peer.
    ///
    /// # Errors
    /// When the peer does not answer.
    pub async fn status(&self, cid: &Cid) -> Result<PinInfoShort> {
        let info = self.client.status(cid, Scope::Local).await?;
        let mut statuses = info.peer_map.into_iter().flatten().map(|(_, status)| status);
        statuses.next().with_context(|| format!("no status of {cid}"))
    }

    /// Waits until a CID has a status on this peer.
    ///
    /// # Errors
    /// When it does not have it in time; the peer's log is in the error.
    pub async fn until(&self, cid: &Cid, wanted: TrackerStatus) -> Result<PinInfoShort> {
        let deadline = Instant::now() + LIMIT;
        loop {
            let status = self.status(cid).await?;
            if status.status == wanted {
                return Ok(status);
            }
            if Instant::now() > deadline {
                bail!("{cid} is not {wanted}: {status:?}\n{}", self.peer.log_text());
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Waits until all CIDs have a status on this peer.
    ///
    /// # Errors
    /// When one does not have it in time.
    pub async fn until_all(&self, cids: &[Cid], wanted: TrackerStatus) -> Result<()> {
        for cid in cids {
            self.until(cid, wanted).await?;
        }
        Ok(())
    }

    /// Makes one request of the REST API by hand.
    ///
    /// # Errors
    /// When the peer does not answer.
    pub fn ask(&self, method: &str, path: &str) -> Result<Response> {
        let socket = self.peer.socket()?;
        let port = socket.rsplit(':').next().unwrap_or_default().parse()?;
        Connection::open(port)?.ask(method, path)
    }

    /// Runs `cluster-ctl` against the peer.
    ///
    /// # Errors
    /// When it cannot be run.
    pub fn ctl(&self, arguments: &[&str]) -> Result<Output> {
        let mut command = std::process::Command::new(Programs::build()?.ctl);
        Ok(command.args(["--host", self.peer.rest()]).args(arguments).output()?)
    }
}

/// Makes a client of a running peer.
///
/// # Errors
/// When its address cannot be used.
pub async fn client_of(peer: &Service) -> Result<Client> {
    Ok(Client::builder(vec![Host::parse(peer.rest())?]).build().await?)
}

/// Returns the path of a CID.
///
/// # Errors
/// None: every CID has one.
pub fn ipfs_path(cid: &Cid) -> Result<IpfsPath> {
    Ok(IpfsPath::parse(&format!("/ipfs/{cid}"))?)
}

/// Makes the CID of a block that nobody has.
///
/// # Errors
/// None: every number has one.
pub fn made_up_cid(number: u64) -> Result<Cid> {
    let mut digest = [0; 32];
    digest[..8].copy_from_slice(&number.to_be_bytes());
    Ok(Cid::try_from([&[1, 0x55, 0x12, 32][..], &digest].concat())?)
}

/// Makes a CID that is its own content, so that every daemon has it at once. At most 100 bytes.
///
/// # Errors
/// Never for as short a text.
pub fn identity_cid(text: &str) -> Result<Cid> {
    let len = u8::try_from(text.len())?;
    Ok(Cid::try_from([&[1, 0x55, 0, len][..], text.as_bytes()].concat())?)
}

/// Lists the files below a folder, sorted.
///
/// # Errors
/// When the folder cannot be read.
pub fn files_below(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files_below(&path)?);
        } else {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}
