//! Several peers, each with an IPFS daemon of its own, that share a secret: what suites over more than one peer start
//! from.

use crate::world::{LIMIT, client_of, ipfs_path};
use anyhow::{Result, bail};
use cluster_client::{
    Cid, Client, Lines, Scope, TrackerStatus,
    api_types::{GlobalPinInfo, Pin, PinOptions},
};
use cluster_testkit::{
    kubo::{Kubo, KuboBinary},
    service::{Programs, Service},
};
use std::{
    collections::BTreeMap,
    fmt,
    fs::File,
    io::Read,
    path::PathBuf,
    time::{Duration, Instant},
};

/// How often a condition is looked at.
const POLL: Duration = Duration::from_millis(20);

/// One peer with its IPFS daemon.
pub struct Member {
    /// The peer.
    pub peer: Service,
    /// The IPFS daemon.
    pub ipfs: Kubo,
    /// A client of the peer.
    pub client: Client,
}

impl Member {
    /// Returns the peer's name.
    pub fn name(&self) -> &str {
        self.peer.base().file_name().and_then(|name| name.to_str()).unwrap_or_default()
    }
}

impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Member").field("peer", &self.peer).finish_non_exhaustive()
    }
}

/// The peers, and the folder that goes away with them.
#[derive(Debug)]
pub struct Cluster {
    /// The peers; all but the first one joined through the first one.
    pub members: Vec<Member>,
    folder: tempfile::TempDir,
}

/// Makes a secret that no other cluster on this machine has.
///
/// # Errors
/// When the system has no randomness.
pub fn random_secret() -> Result<String> {
    let mut bytes = [0; 32];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(data_encoding::HEXLOWER.encode(&bytes))
}

impl Cluster {
    /// Starts daemons and peers; `environment` is for every peer.
    ///
    /// # Errors
    /// When one of them does not start, or they do not see each other in time.
    pub async fn start(count: usize, environment: &[(&str, &str)]) -> Result<Self> {
        Self::start_with(&KuboBinary::find_or_build(None)?, count, environment).await
    }

    /// As [`Cluster::start`], with a given `ipfs`.
    ///
    /// # Errors
    /// As there.
    pub async fn start_with(binary: &KuboBinary, count: usize, environment: &[(&str, &str)]) -> Result<Self> {
        Self::start_agreeing(binary, "crdt", count, environment).await
    }

    /// As [`Cluster::start_with`], with a consensus by its name.
    ///
    /// # Errors
    /// As there.
    pub async fn start_agreeing(
        binary: &KuboBinary,
        consensus: &str,
        count: usize,
        environment: &[(&str, &str)],
    ) -> Result<Self> {
        let programs = Programs::build()?;
        let secret = random_secret()?;
        let folder = tempfile::tempdir()?;
        let mut members: Vec<Member> = Vec::new();
        for number in 0..count {
            let name = format!("peer-{number}");
            let mut variables = vec![
                ("CLUSTER_SECRET", secret.as_str()),
                ("CLUSTER_PEERNAME", &name),
                ("CLUSTER_IPFSHTTP_CONNECTSWARMSDELAY", "100ms"),
                ("CLUSTER_PEERWATCHINTERVAL", "500ms"),
            ];
            variables.extend(environment);
            let ipfs = Kubo::start(binary)?;
            let base = folder.path().join(&name);
            let mut peer =
                Service::init_agreeing(&programs.service, consensus, &base, ipfs.api(), &variables)?;
            if let Some(first) = members.first() {
                peer.join(&[first.peer.swarm_address()]);
            }
            peer.start()?;
            let client = client_of(&peer).await?;
            members.push(Member { peer, ipfs, client });
        }
        let cluster = Self { members, folder };
        cluster.until_all_see(count).await?;
        Ok(cluster)
    }

    /// Starts a member again, with a client that has no connections to the process before.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn start_again(&mut self, number: usize) -> Result<()> {
        let member = &mut self.members[number];
        member.peer.start()?;
        member.client = client_of(&member.peer).await?;
        Ok(())
    }

    /// Waits until every running member sees `count` members.
    ///
    /// # Errors
    /// When that does not happen in time.
    pub async fn until_all_see(&self, count: usize) -> Result<()> {
        self.converge("members are seen", async |member| {
            let seen = member.client.id().await?.cluster_peers.unwrap_or_default().len();
            Ok((seen == count, format!("sees {seen} members")))
        })
        .await
    }

    /// Waits until what `look` sees holds on every running member.
    ///
    /// # Errors
    /// When it does not in time: each member's view and log are in the error.
    pub async fn converge<F>(&self, what: &str, look: F) -> Result<()>
    where
        F: AsyncFn(&Member) -> Result<(bool, String)>,
    {
        let deadline = Instant::now() + LIMIT;
        loop {
            let mut views = Vec::new();
            let mut holds = true;
            for member in self.members.iter().filter(|member| member.peer.pid().is_some()) {
                let (ok, view) = match look(member).await {
                    Ok(seen) => seen,
                    Err(error) => (false, format!("{error:#}")),
                };
                holds &= ok;
                views.push(format!("{}: {view}", member.peer.base().display()));
            }
            if holds {
                return Ok(());
            }
            if Instant::now() > deadline {
                let logs = self.members.iter().map(|member| member.peer.log_text());
                bail!(
                    "not in time: {what}\n{}\n{}",
                    views.join("\n"),
                    logs.collect::<Vec<_>>().join("\n---\n")
                );
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Waits until every running member says of a CID that the members have these statuses, in the order of the members.
    ///
    /// # Errors
    /// When they do not in time.
    pub async fn until_statuses(&self, cid: &Cid, wanted: &[TrackerStatus]) -> Result<()> {
        self.converge(&format!("statuses of {cid}"), async |member| {
            let seen = self.statuses(member, cid).await?;
            Ok((seen.iter().map(Option::as_ref).eq(wanted.iter().map(Some)), format!("{seen:?}")))
        })
        .await
    }

    /// Asks one member for the status of a CID on each member, in the order of the members.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn statuses(&self, member: &Member, cid: &Cid) -> Result<Vec<Option<TrackerStatus>>> {
        let info = member.client.status(cid, Scope::Cluster).await?;
        let by_peer: BTreeMap<String, TrackerStatus> = info
            .peer_map
            .into_iter()
            .flatten()
            .map(|(peer, status)| (peer.to_string(), status.status))
            .collect();
        Ok(self.members.iter().map(|m| by_peer.get(m.peer.id()).copied()).collect())
    }

    /// Adds random content to the daemon of one member, unpinned.
    ///
    /// # Errors
    /// When the daemon fails.
    pub fn add(&self, number: usize, size: u64) -> Result<Cid> {
        let file = self.content_file();
        let mut random = File::open("/dev/urandom")?.take(size);
        std::io::copy(&mut random, &mut File::create(&file)?)?;
        Ok(self.members[number].ipfs.add(&file)?.parse()?)
    }

    /// Returns the file that was added last.
    pub fn content_file(&self) -> PathBuf {
        self.folder.path().join("content")
    }

    /// Pins a CID through one member and returns what was stored.
    ///
    /// # Errors
    /// When the peer refuses.
    pub async fn pin(&self, number: usize, cid: &Cid, options: &PinOptions) -> Result<Pin> {
        Ok(self.members[number].client.pin(&ipfs_path(cid)?, options).await?)
    }

    /// Unpins a CID through one member.
    ///
    /// # Errors
    /// When the peer refuses.
    pub async fn unpin(&self, number: usize, cid: &Cid) -> Result<()> {
        self.members[number].client.unpin(&ipfs_path(cid)?).await?;
        Ok(())
    }

    /// Runs `cluster-ctl` against one member and returns what it prints.
    ///
    /// # Errors
    /// When it cannot be run or does not succeed; what it printed is in the error.
    pub fn ctl(&self, number: usize, arguments: &[&str]) -> Result<String> {
        let mut command = std::process::Command::new(Programs::build()?.ctl);
        let output = command.args(["--host", self.members[number].peer.rest()]).args(arguments).output()?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if !output.status.success() {
            bail!("cluster-ctl {arguments:?}: {}{}", text(&output.stdout), text(&output.stderr));
        }
        Ok(text(&output.stdout))
    }
}

/// Lists the pinset as one peer holds it: each pin with its name.
///
/// # Errors
/// When the peer does not answer.
pub async fn pinset(client: &Client) -> Result<BTreeMap<String, String>> {
    let mut pins = client.allocations("").await?;
    let mut all = BTreeMap::new();
    while let Some(pin) = pins.next().await {
        let pin: Pin = pin?;
        all.insert(pin.cid.to_string(), pin.options.name);
    }
    Ok(all)
}

/// Lists the status of everything that passes a filter as one peer gathers it.
///
/// # Errors
/// When the peer does not answer.
pub async fn statuses(client: &Client, filter: &str) -> Result<Vec<GlobalPinInfo>> {
    let mut lines: Lines<GlobalPinInfo> = client.status_all(filter, Scope::Cluster).await?;
    let mut all = Vec::new();
    while let Some(info) = lines.next().await {
        all.push(info?);
    }
    Ok(all)
}
