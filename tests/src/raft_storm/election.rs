//! Who leads, and how long it takes until somebody does again.

use super::{
    cluster::Cluster,
    doors::{Connections, Doors},
};
use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use std::time::{Duration, Instant};

/// How long a peer may take to say how it stands.
const PATIENCE: Duration = Duration::from_millis(500);
/// Time between looks.
const POLL: Duration = Duration::from_millis(3);

/// What a peer says of Raft.
#[derive(Debug, Clone)]
pub(super) struct Standing {
    pub(super) leader: Option<usize>,
    pub(super) term: u64,
    pub(super) leads: bool,
    pub(super) is_ready: bool,
    pub(super) voters: usize,
}

/// A leader and those that follow it.
#[derive(Debug, Clone)]
pub(super) struct Reign {
    pub(super) leader: usize,
    pub(super) term: u64,
    pub(super) followers: Vec<usize>,
}

/// Asks peers how they stand.
pub(super) struct Watch<'a> {
    connections: Connections<'a>,
}

impl<'a> Watch<'a> {
    pub(super) fn new(doors: &'a Doors) -> Self {
        Self { connections: Connections::new(doors, PATIENCE) }
    }

    /// Asks one peer.
    ///
    /// # Errors
    /// When it does not answer.
    pub(super) fn ask(&mut self, cluster: &Cluster, peer: usize) -> Result<Standing> {
        let (kills, mut connection) = self.connections.to(peer)?;
        let response = connection.ask("GET", "/health/raft")?;
        self.connections.keep(peer, (kills, connection));
        ensure!(response.status == 200, "peer {peer} says {}", response.status);
        let health: Value = serde_json::from_slice(&response.body)?;
        let members = health["members"].as_array().into_iter().flatten();
        Ok(Standing {
            leader: health["leader"].as_str().and_then(|id| cluster.number_of(id)),
            term: health["term"].as_u64().context("no term")?,
            leads: health["state"] == "leader",
            is_ready: health["ready"] == true,
            voters: members.filter(|member| member["role"] == "voter").count(),
        })
    }

    /// Says who leads, if a majority follows it; the answers come one after the other.
    pub(super) fn reign(&mut self, cluster: &Cluster) -> Option<Reign> {
        let running = (0..cluster.peers.len()).filter(|peer| cluster.runs(*peer));
        let standings: Vec<(usize, Standing)> =
            running.filter_map(|peer| Some((peer, self.ask(cluster, peer).ok()?))).collect();
        let leaders = standings.iter().filter(|(_, standing)| standing.leads);
        let (leader, Standing { term, .. }) = leaders.max_by_key(|(_, standing)| standing.term)?;
        let follows = |standing: &Standing| standing.term == *term && standing.leader == Some(*leader);
        let followers = standings
            .iter()
            .filter(|(peer, standing)| peer != leader && follows(standing) && standing.is_ready)
            .map(|(peer, _)| *peer)
            .collect::<Vec<_>>();
        let is_majority = followers.len() + 1 > cluster.peers.len() / 2;
        is_majority.then_some(Reign { leader: *leader, term: *term, followers })
    }

    /// Names the followers that form a majority without their leader, if a fault took it from them and left them together.
    pub(super) fn bereaved(&self, cluster: &Cluster, before: &Reign) -> Option<Vec<usize>> {
        let left = |peer: usize| -> Vec<usize> {
            let around = cluster.around(peer);
            let followers = before.followers.iter().copied();
            followers.filter(|follower| around.contains(follower)).collect()
        };
        let majority = cluster.peers.len() / 2 + 1;
        before
            .followers
            .iter()
            .map(|peer| left(*peer))
            .find(|left| left.len() >= majority && !cluster.around(left[0]).contains(&before.leader))
    }

    /// Waits until one of `left` tells of a leader on its side in a later term; `None` when none is there in time.
    pub(super) fn until_led(
        &mut self,
        cluster: &Cluster,
        before: &Reign,
        left: &[usize],
        until: Instant,
    ) -> Option<Instant> {
        let around = cluster.around(left[0]);
        while Instant::now() < until {
            for peer in left {
                let Ok(standing) = self.ask(cluster, *peer) else { continue };
                let is_here = standing.leader.is_some_and(|leader| around.contains(&leader));
                if standing.term > before.term && is_here {
                    return Some(Instant::now());
                }
            }
            std::thread::sleep(POLL);
        }
        None
    }
}
