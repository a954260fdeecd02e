//! `status` and `recover`.

use super::{parse_cid, search};
use crate::{cli::SearchArgs, failure::Failure, session::Session};
use cluster_client::{Cid, Lines, Scope, Search, StatusFilter, TrackerStatus, api_types::GlobalPinInfo};
use std::{collections::BTreeMap, time::Duration};

/// Pause between two looks at what peers are busy with.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// CIDs in one request: they stand in its address.
const ASKED_AT_ONCE: usize = 100;

/// What `status` is asked.
pub(super) struct Asked<'a> {
    pub(super) cids: &'a [String],
    pub(super) scope: Scope,
    pub(super) filter: &'a str,
    pub(super) search: &'a SearchArgs,
    pub(super) watch: bool,
}

/// `status`
pub(super) async fn status(session: &mut Session, asked: Asked<'_>) -> Result<(), Failure> {
    let Asked { cids, scope, filter, search, watch } = asked;
    let search = search::parse(search, filter)?;
    if search.is_some() && !cids.is_empty() {
        return Err(Failure::client("reading flags", "CIDs and a search do not go together"));
    }
    let cids = cids.iter().map(|text| parse_cid(text)).collect::<Result<Vec<Cid>, Failure>>()?;
    let statuses = match cids.as_slice() {
        [cid] => {
            let status = session.client.status(cid, scope).await?;
            session.output.object(&status)?;
            return if watch { follow(session, scope, Busy::of([status])).await } else { Ok(()) };
        }
        [] => {
            if !filter.is_empty() && StatusFilter::parse(filter).0.is_all() {
                return Err(Failure::client("parsing filter flag", "invalid filter name"));
            }
            match &search {
                Some(search) => session.client.search_statuses(search, scope).await?,
                None => session.client.status_all(filter, scope).await?,
            }
        }
        cids => session.client.status_of(cids, scope).await?,
    };
    if !watch && search.is_none() {
        return session.print_all(statuses).await;
    }
    let busy = print_and_gather(session, statuses, search.as_ref(), watch).await?;
    follow(session, scope, busy).await
}

/// Pins that some peer is busy with, each as it was shown last.
struct Busy(BTreeMap<String, GlobalPinInfo>);

impl Busy {
    fn of(statuses: impl IntoIterator<Item = GlobalPinInfo>) -> Self {
        let mut busy = Self(BTreeMap::new());
        statuses.into_iter().for_each(|status| busy.note(status));
        busy
    }

    /// Keeps a pin as long as it may change by itself.
    fn note(&mut self, status: GlobalPinInfo) {
        if status.peers().any(|(_, peer)| is_busy(peer.status)) {
            self.0.insert(status.cid.as_str().to_owned(), status);
        } else {
            self.0.remove(status.cid.as_str());
        }
    }
}

fn is_busy(status: TrackerStatus) -> bool {
    use TrackerStatus as S;
    matches!(status, S::Pinning | S::PinQueued | S::Unpinning | S::UnpinQueued | S::UnexpectedlyUnpinned)
}

/// Shows what a search finds, and returns what is to be watched of it.
async fn print_and_gather(
    session: &mut Session,
    mut statuses: Lines<GlobalPinInfo>,
    search: Option<&Search>,
    watch: bool,
) -> Result<Busy, Failure> {
    let mut busy = Busy::of([]);
    while let Some(status) = statuses.next().await {
        let status = status?;
        let finds = |search: &Search| search.finds(&status.name, status.metadata.as_ref(), status.created);
        if !search.is_none_or(finds) {
            continue;
        }
        session.output.object(&status)?;
        if watch {
            busy.note(status);
        }
    }
    Ok(busy)
}

/// Shows again what changed, until nothing can.
async fn follow(session: &mut Session, scope: Scope, mut busy: Busy) -> Result<(), Failure> {
    session.output.flush()?;
    while !busy.0.is_empty() {
        tokio::time::sleep(LOOK_AGAIN).await;
        let cids =
            busy.0.values().filter_map(|status| parse_cid(status.cid.as_str()).ok()).collect::<Vec<_>>();
        for some in cids.chunks(ASKED_AT_ONCE) {
            let mut statuses = session.client.status_of(some, scope).await?;
            while let Some(status) = statuses.next().await {
                let status = status?;
                if busy.0.get(status.cid.as_str()) != Some(&status) {
                    session.output.object(&status)?;
                }
                busy.note(status);
            }
        }
        session.output.flush()?;
    }
    Ok(())
}

/// `recover`
pub(super) async fn recover(session: &mut Session, cid: Option<&str>, scope: Scope) -> Result<(), Failure> {
    match cid {
        Some(text) => {
            let status = session.client.recover(&parse_cid(text)?, scope).await?;
            Ok(session.output.object(&status)?)
        }
        None => {
            let statuses = session.client.recover_all(scope).await?;
            session.print_all(statuses).await
        }
    }
}
