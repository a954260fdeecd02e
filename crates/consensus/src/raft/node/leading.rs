//! What only the leader can do: change the members, and hand the leadership over.

use super::{
    super::{
        cluster_id::ClusterId,
        codec::{RaftMembership, position},
        member_change::{ChangeRefused, Decision, MemberChange, VotersThatGo},
        type_config::TypeConfig,
    },
    Answer, Instance, NodeId, ProposalBytes, RaftNode, Request,
    changing::CAUGHT_UP,
    reading::confirmed_index,
};
use cluster_core::PeerId;
use openraft::{
    ChangeMembers, ServerState,
    async_runtime::WatchReceiver as _,
    errors::{ChangeMembershipError, ClientWriteError, RaftError},
    type_config::{TypeConfigExt as _, alias::InstantOf},
};
use std::{collections::BTreeSet, sync::Arc, time::Duration};
use tokio::time::Instant;

/// How long the leader may take for one change. Whoever asked asks again.
pub(super) const CHANGE: Duration = Duration::from_secs(15);

/// Pause while another change is under way.
const UNDER_WAY: Duration = Duration::from_millis(50);

/// How long the news of its removal may take to a peer that may be gone.
const NEWS: Duration = Duration::from_secs(2);

impl RaftNode {
    /// Makes a change, if this peer leads.
    pub(super) async fn change(&self, change: MemberChange) -> Answer {
        let Some(instance) = self.instance() else { return Answer::NotLeader(None) };
        match tokio::time::timeout(CHANGE, self.change_now(&instance, change)).await {
            Ok(answer) => answer,
            Err(_) => Answer::Failed("no majority has agreed to it yet".to_owned()),
        }
    }

    async fn change_now(&self, instance: &Instance, change: MemberChange) -> Answer {
        loop {
            let asked = TypeConfig::now();
            // Who was followed by another leader must not answer out of its own list.
            let answer = confirmed_index(instance).await;
            if !matches!(answer, Answer::ReadIndex(_)) {
                return answer;
            }
            let Some((members, since)) = instance.settled_members() else {
                tokio::time::sleep(UNDER_WAY).await;
                continue;
            };
            if let MemberChange::AddLearner(peer) = change
                && let Ok(stranger @ Answer::Stranger { .. }) =
                    self.caller.call(peer, &Request::Greet, NEWS).await
            {
                return stranger;
            }
            let (members, then) = match change.decide(&members, instance.local) {
                Decision::Nothing => return Answer::Changed(since),
                Decision::Refuse(refused) => return Answer::Refused(refused),
                Decision::HandOver => return self.hand_over(instance, None).await,
                Decision::Write(members, then) => (members, then),
            };
            let until = Instant::now() + self.config.election;
            while let Some(cause) = would_stand_still(instance, change, asked) {
                if Instant::now() >= until {
                    return Answer::Failed(cause);
                }
                tokio::time::sleep(UNDER_WAY).await;
            }
            match instance.raft.change_membership(members, then == VotersThatGo::BecomeLearners).await {
                Ok(written) => {
                    if let MemberChange::Remove(peer) = change {
                        // It does not get the entry: nobody sends it anything any more.
                        let news = Request::Removed(position(&written.log_id));
                        // Else it learns of it when it asks for votes.
                        let _ = self.caller.call(peer, &news, NEWS).await;
                    }
                    return Answer::Changed(written.log_id.index);
                }
                Err(RaftError::APIError(ClientWriteError::ForwardToLeader(to))) => {
                    return Answer::NotLeader(to.leader_id.map(|node| node.peer()));
                }
                Err(RaftError::APIError(ClientWriteError::ChangeMembershipError(
                    ChangeMembershipError::EmptyMembership(_),
                ))) => return Answer::Refused(ChangeRefused::LastVoter(change.peer())),
                // Another change came in between.
                Err(RaftError::APIError(
                    ClientWriteError::ChangeMembershipError(_) | ClientWriteError::PreconditionFailed(_),
                )) => tokio::time::sleep(UNDER_WAY).await,
                Err(error) => return Answer::Failed(error.to_string()),
            }
        }
    }

    /// Makes a learner of a voter that holds nothing any more: what it acknowledged must not count, and whom it voted for is
    /// forgotten. That takes a majority without it.
    pub(super) async fn take_vote(&self, instance: &Instance, peer: PeerId) -> Answer {
        let answer = confirmed_index(instance).await;
        if !matches!(answer, Answer::ReadIndex(_)) {
            return answer;
        }
        let had_vote = instance.voters().contains(&peer);
        if had_vote {
            tracing::warn!(target: "raft", %peer, "a voter came with nothing: it becomes a learner until it has caught up");
        }
        match self.change_now(instance, MemberChange::Demote(peer)).await {
            Answer::Changed(_) => Answer::Welcome { had_vote },
            answer => answer,
        }
    }

    /// Says how a member stands, if this peer leads.
    pub(super) fn lag(&self, peer: PeerId) -> Answer {
        let Some(instance) = self.instance() else { return Answer::NotLeader(None) };
        let metrics = instance.raft.metrics();
        let metrics = metrics.borrow_watched();
        if metrics.state != ServerState::Leader {
            return Answer::NotLeader(metrics.current_leader.map(|node| node.peer()));
        }
        let node = NodeId::from(peer);
        let members = metrics.membership_config.membership();
        if members.get_node(&node).is_none() {
            return Answer::Refused(ChangeRefused::NotMember(peer));
        }
        let is_voter = members.voter_ids().any(|voter| voter == node);
        let matched = metrics.replication.as_ref().and_then(|known| known.get(&node).copied()).flatten();
        let end = metrics.last_log_index.map_or(0, |last| last + 1);
        Answer::Lag { is_voter, lag: matched.map(|matched| end.saturating_sub(matched.index + 1)) }
    }

    /// Hands the leadership over, if this peer has it.
    pub(super) async fn hand_over_to(&self, to: PeerId) -> Answer {
        let Some(instance) = self.instance() else { return Answer::NotLeader(None) };
        if instance.leader() != Some(instance.local) {
            return Answer::NotLeader(instance.leader());
        }
        let known = instance.roles();
        if !known.iter().any(|(peer, _)| *peer == to) {
            return Answer::Refused(ChangeRefused::NotMember(to));
        }
        if !instance.voters().contains(&to) {
            return Answer::Refused(ChangeRefused::NotVoter(to));
        }
        if to == instance.local {
            let answer = confirmed_index(&instance).await;
            return if matches!(answer, Answer::ReadIndex(_)) { Answer::Done } else { answer };
        }
        self.hand_over(&instance, Some(to)).await
    }

    /// Hands the leadership over to a member, or to the voter that lacks least. Answers who leads then.
    pub(super) async fn hand_over(&self, instance: &Instance, to: Option<PeerId>) -> Answer {
        let failed = |cause: &str| Answer::Failed(cause.to_owned());
        let until = Instant::now() + self.config.election * 4;
        let mut metrics = instance.raft.metrics();
        let to = loop {
            if metrics.borrow_watched().state != ServerState::Leader {
                return Answer::NotLeader(instance.leader());
            }
            // From then on this peer takes no changes: whoever shall lead has to be there.
            if let Some(to) = instance.able_to_lead(self.config.election, to) {
                break to;
            }
            if tokio::time::timeout_at(until, metrics.changed()).await.is_err() {
                return failed("no other voter that could lead is there");
            }
        };
        tracing::info!(target: "raft", %to, "handing the leadership over");
        if let Err(error) = instance.raft.trigger().transfer_leader(to.into()).await {
            return Answer::Failed(error.to_string());
        }
        let mut server = instance.raft.server_metrics();
        let gone = async {
            loop {
                let leader = server.borrow_watched().current_leader;
                if let Some(leader) = leader.filter(|leader| leader.peer() != instance.local) {
                    return Some(leader.peer());
                }
                server.changed().await.ok()?;
            }
        };
        match tokio::time::timeout_at(until.max(Instant::now() + self.config.election * 2), gone).await {
            Ok(Some(leader)) => Answer::NotLeader(Some(leader)),
            Ok(None) => failed("the peer is stopping"),
            Err(_) => failed("nobody has taken the leadership over yet"),
        }
    }
}

impl Instance {
    pub(super) fn voters(&self) -> BTreeSet<PeerId> {
        let metrics = self.raft.server_metrics();
        let members = metrics.borrow_watched().membership_config.clone();
        members.membership().voter_ids().map(|node| node.peer()).collect()
    }

    /// Returns the members and the index that names them; `None` while a change is under way.
    pub(super) fn settled_members(&self) -> Option<(RaftMembership, u64)> {
        let metrics = self.raft.server_metrics();
        let metrics = metrics.borrow_watched();
        let members = &metrics.membership_config;
        let is_settled = *members == metrics.committed_membership_config
            && members.membership().get_joint_config().len() == 1;
        let since = members.log_id().as_ref().map_or(0, |id| id.index);
        is_settled.then(|| (members.membership().clone(), since))
    }

    /// Returns the other members that have answered since then, and how many entries each lacks; nobody if this peer does not
    /// lead.
    fn present(&self, since: InstantOf<TypeConfig>) -> Vec<(u64, PeerId)> {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        let (Some(heard), Some(replication)) = (&metrics.heartbeat, &metrics.replication) else {
            return Vec::new();
        };
        let last = metrics.last_log_index.unwrap_or_default();
        let present = replication.iter().filter_map(|(node, matched)| {
            (**heard.get(node)?.as_ref()? >= since).then_some(())?;
            Some((last.saturating_sub(matched.as_ref()?.index), node.peer()))
        });
        present.filter(|(_, peer)| *peer != self.local).collect()
    }

    /// Returns a voter that has all of the log and was heard of just now: the one wanted, or any.
    fn able_to_lead(&self, recent: Duration, wanted: Option<PeerId>) -> Option<PeerId> {
        let voters = self.voters();
        let is_asked_for = |peer: &PeerId| wanted.is_none_or(|wanted| wanted == *peer);
        let present = self.present(TypeConfig::now() - recent).into_iter();
        let able = present.filter(|(_, peer)| voters.contains(peer) && is_asked_for(peer));
        // What is missing is sent within a round; more would leave the cluster without a leader for long.
        able.min_by_key(|(lag, _)| *lag).filter(|(lag, _)| *lag <= CLOSE).map(|(_, peer)| peer)
    }
}

/// Says why the cluster could decide nothing any more after a change of its voters: too few of them have answered since then
/// and have the log. Such a change could not be ended, nor taken back, before they do.
fn would_stand_still(
    instance: &Instance,
    change: MemberChange,
    asked: InstantOf<TypeConfig>,
) -> Option<String> {
    let mut voters = instance.voters();
    let is_other = match change {
        MemberChange::AddLearner(_) => false,
        MemberChange::Promote(peer) => voters.insert(peer),
        MemberChange::Demote(peer) | MemberChange::Remove(peer) => voters.remove(&peer),
    };
    if !is_other {
        return None;
    }
    let able: BTreeSet<PeerId> = instance
        .present(asked)
        .into_iter()
        .filter_map(|(lag, peer)| (lag <= CAUGHT_UP).then_some(peer))
        .chain([instance.local])
        .collect();
    let there = voters.intersection(&able).count();
    (there <= voters.len() / 2).then(|| {
        let missing: Vec<String> = voters.difference(&able).map(PeerId::to_string).collect();
        format!(
            "only {there} of the {} voters that there would be are there and have the log; {} has to be there first",
            voters.len(),
            missing.join(", ")
        )
    })
}

/// Entries that whoever takes the leadership over may lack: it waits for them before it stands for election.
const CLOSE: u64 = 64;

/// Does what falls to whoever leads: gives a new cluster its id, and ends what an earlier leader left half-way. As long as two
/// configurations hold, majorities of both are needed.
pub(super) async fn lead_on(node: Arc<RaftNode>) {
    let mut current = node.current.subscribe();
    loop {
        let leading = async {
            if let Some(instance) = node.instance() {
                node.lead_with(&instance).await;
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            biased;
            () = node.stop.cancelled() => return,
            () = leading => {}
            changed = current.changed() => if changed.is_err() { return },
        }
    }
}

impl RaftNode {
    async fn lead_with(&self, instance: &Instance) {
        let mut metrics = instance.raft.server_metrics();
        loop {
            if self.caller.identity.get().is_none() {
                self.found(instance).await;
            }
            if instance.is_left_half_way() {
                tokio::time::sleep(CHANGE).await;
                if instance.is_left_half_way() {
                    instance.end_change().await;
                }
            }
            let is_nameless =
                instance.leader() == Some(instance.local) && self.caller.identity.get().is_none();
            tokio::select! {
                biased;
                changed = metrics.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(NEWS), if is_nameless => {}
            }
        }
    }

    /// Gives the cluster an id, if this peer leads and nobody did before.
    async fn found(&self, instance: &Instance) {
        let Answer::ReadIndex(index) = confirmed_index(instance).await else { return };
        if !instance.carried_out(index).await || self.caller.identity.get().is_some() {
            return;
        }
        let id = ClusterId::random();
        tracing::info!(target: "raft", cluster = %id, "giving the cluster an id");
        // Without it the next leader gives one.
        let _ = instance.propose(ProposalBytes(id.founding().into())).await;
    }
}

impl Instance {
    /// Says whether this peer leads and two configurations hold, both of which are agreed on.
    fn is_left_half_way(&self) -> bool {
        let metrics = self.raft.server_metrics();
        let metrics = metrics.borrow_watched();
        let members = &metrics.membership_config;
        metrics.state == ServerState::Leader
            && *members == metrics.committed_membership_config
            && members.membership().get_joint_config().len() > 1
    }

    /// Ends a change: what goes stays a member without a vote, and is taken out by whoever asked for that and asks again.
    async fn end_change(&self) {
        let none = ChangeMembers::AddVoterIds(BTreeSet::<NodeId>::new());
        tracing::info!(target: "raft", "ending a change of the members that an earlier leader began");
        if let Err(error) = self.raft.change_membership(none, true).await {
            let error: RaftError<TypeConfig, _> = error;
            tracing::debug!(target: "raft", %error, "the change of the members did not end yet");
        }
    }
}
