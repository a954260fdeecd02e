//! The use cases beyond the reference: search, pages, totals and the stream of changes.

use super::{
    Peer,
    cluster_api::{Question, alone},
    local_status::tracked,
};
use crate::{
    gather::{Source, merge},
    status::of_tracked,
};
use cluster_core::{
    Pin, PinKey, PinKind, PinKindFilter, StatusFilter, TrackerStatus,
    pinset::{
        TrackedState,
        counters::{Counter, Counters},
        events, read,
        search::{self, FoundPins, PinSearch},
    },
    ports::{
        BoxFuture, BoxStream, BrowseApi, Datastore,
        browse_api::{Event, EventPage, EventPosition, EventStart, FoundStatuses, Totals},
        cluster_api::{ApiError, GlobalPinStatus, LocalPinStatus, Scope},
        datastore::{Cursor, Snapshot, Tree},
        rpc::CallError,
    },
    tracker::InFlight,
};
use futures_util::{StreamExt, TryStreamExt, stream};
use std::time::Duration;
use tokio::sync::watch;

/// Pins of a page that is streamed.
const PAGE: usize = 1024;

/// Batches of changes that are read at once. A batch has at most some thousand changes.
const BATCHES: usize = 4;

/// Changes after which no more batches join a page: it is held for as long as its reader stalls.
const CHANGES: usize = 4096;

/// Batches of a page at most, however few changes they have.
const BATCHES_A_PAGE: usize = 64;

/// How long the stream of changes stays silent: a reader learns its position, and whether it is still connected.
const QUIET: Duration = Duration::from_secs(15);

/// How long what comes next is gathered before it is read.
const GATHER: Duration = Duration::from_millis(10);

/// Found pins whose status is asked for at once.
const ASKED_AT_ONCE: usize = 32;

impl Peer {
    /// Reads a page of this peer's statuses.
    async fn local_page(
        &self,
        statuses: StatusFilter,
        after: Option<PinKey>,
        limit: usize,
    ) -> Result<FoundStatuses, ApiError> {
        let (in_flight, template) = (self.parts().in_flight.clone(), self.template(self.config().id));
        self.read(move |store| {
            // Before the rows, as for a single status.
            let running = in_flight.all();
            let mut cursor = tracked(statuses, || running.keys().cloned().collect());
            if let Some(after) = &after {
                cursor = cursor.after(after);
            }
            let mut found = FoundStatuses { statuses: Vec::new(), next: None };
            while found.statuses.len() < limit {
                let rows = cursor.next_page(store, limit - found.statuses.len())?;
                let Some(last) = rows.last() else {
                    found.next = None;
                    return Ok(found);
                };
                found.next = Some(last.key.as_bytes().to_vec());
                let rows = rows.into_iter().map(|row| of_tracked(&template, row, &running));
                found
                    .statuses
                    .extend(rows.filter(|status| statuses.matches(status.on_peer.status)).map(alone));
            }
            Ok(found)
        })
        .await
    }

    /// Reads a page of all members' statuses.
    async fn gathered_page(
        &self,
        statuses: StatusFilter,
        after: Option<PinKey>,
        limit: usize,
    ) -> Result<FoundStatuses, ApiError> {
        let sources = self.asked().into_iter().map(|peer| {
            let is_ours = peer == self.config().id || self.parts().network.is_ours(&peer) == Some(true);
            let calls = self.calls(peer);
            let pages = match &after {
                None => calls.status_all(statuses),
                Some(after) if is_ours => calls.statuses_after(statuses, after.clone()),
                // A peer of the Go suite knows no position, and no order either.
                Some(after) => behind(calls.status_all(statuses), after.clone()),
            };
            Source { template: self.template(peer), ordered: is_ours, statuses: pages }
        });
        let mut pages = merge(sources.collect(), self.config().scratch.clone());
        let mut found = Vec::new();
        while found.len() <= limit
            && let Some(page) = pages.try_next().await?
        {
            found.extend(page);
        }
        let next = (found.len() > limit)
            .then(|| found.get(limit - 1).map(|status| status.pin.key().as_bytes().to_vec()))
            .flatten();
        found.truncate(limit);
        Ok(FoundStatuses { statuses: found, next })
    }

    /// Reads a page of the statuses of pins that are searched for.
    async fn searched_page(
        &self,
        search: PinSearch,
        statuses: StatusFilter,
        scope: Scope,
        after: Option<Vec<u8>>,
        limit: usize,
    ) -> Result<FoundStatuses, ApiError> {
        let found = self.search_pins(search, after, limit).await?;
        let keys: Vec<PinKey> = found.pins.iter().map(Pin::key).collect();
        let passes =
            move |status: &GlobalPinStatus| status.peers.iter().any(|peer| statuses.matches(peer.status));
        let all: Vec<GlobalPinStatus> = match scope {
            Scope::Local => self.local_rows(keys).await?.into_iter().map(alone).collect(),
            Scope::Cluster => {
                let asked = keys.into_iter().map(|key| {
                    let peer = self.clone();
                    async move { peer.ask_about(key, Question::Status).await }
                });
                stream::iter(asked).buffered(ASKED_AT_ONCE).try_collect().await?
            }
        };
        Ok(FoundStatuses { statuses: all.into_iter().filter(passes).collect(), next: found.next })
    }

    /// Reads what is stored of these pins' states here.
    async fn local_rows(&self, keys: Vec<PinKey>) -> Result<Vec<LocalPinStatus>, ApiError> {
        let (in_flight, template) = (self.parts().in_flight.clone(), self.template(self.config().id));
        self.read(move |store| {
            let running = in_flight.all();
            let snapshot = store.snapshot()?;
            let mut statuses = Vec::with_capacity(keys.len());
            for key in keys {
                if let Some(row) = read::tracker_row(&*snapshot, &key)? {
                    let pin = read::pin(&*snapshot, &key)?.map(|(pin, _)| pin);
                    statuses.push(of_tracked(&template, read::Tracked { key, pin, row }, &running));
                }
            }
            Ok(statuses)
        })
        .await
    }
}

/// Leaves out what lies before a position.
fn behind(
    statuses: BoxStream<'static, Result<Vec<LocalPinStatus>, CallError>>,
    after: PinKey,
) -> BoxStream<'static, Result<Vec<LocalPinStatus>, CallError>> {
    Box::pin(
        statuses.map_ok(move |page| page.into_iter().filter(|status| status.pin.key() > after).collect()),
    )
}

fn key_of(position: &[u8]) -> Result<PinKey, ApiError> {
    PinKey::from_bytes(position).map_err(|_| ApiError::BadPosition)
}

/// Counts what the store holds, with the requests that run now in place of those that wait.
///
/// # Errors
/// When the store fails.
pub fn count(store: &dyn Datastore, in_flight: &InFlight) -> Result<Totals, ApiError> {
    let running = in_flight.all();
    let snapshot = store.snapshot()?;
    let counters = Counters::load(&*snapshot)?;
    let mut statuses: Vec<(TrackerStatus, u64)> =
        TrackerStatus::ALL.into_iter().map(|status| (status, 0)).collect();
    let mut change = |status: TrackerStatus, by: &dyn Fn(u64) -> u64| {
        if let Some((_, total)) = statuses.iter_mut().find(|(other, _)| *other == status) {
            *total = by(*total);
        }
    };
    for state in TrackedState::ALL {
        change(state.status(), &|total| total + counters.get(Counter::State(state)));
    }
    for (key, request) in &running {
        let Some(row) = read::tracker_row(&*snapshot, key)? else { continue };
        change(row.state.status(), &|total| total.saturating_sub(1));
        change(InFlight::status(Some(request), &row), &|total| total + 1);
    }
    statuses.retain(|(_, total)| *total != 0);
    let (mut kinds, mut peers) = (Vec::new(), Vec::new());
    for (counter, total) in counters.iter() {
        match counter {
            Counter::Kind(kind) => kinds.push((PinKind::from_stored(i32::from(kind)), total)),
            Counter::Peer(peer) => peers.push((peer, total)),
            _ => {}
        }
    }
    peers.sort_by_cached_key(|(peer, _)| peer.to_base58());
    Ok(Totals { kinds, statuses, peers })
}

/// A reader of the changes.
struct Reader {
    peer: Peer,
    position: EventPosition,
    batches: watch::Receiver<u64>,
    follow: bool,
}

impl Reader {
    /// Returns the next page; `None` when there are no more changes and none are waited for.
    async fn next(mut self) -> Result<Option<(EventPage, Self)>, ApiError> {
        loop {
            let newest = *self.batches.borrow_and_update();
            let position = self.position;
            let changes = self.peer.read(move |store| changes_behind(store, position, newest)).await?;
            if let Some(last) = changes.last() {
                self.position = last.position;
                return Ok(Some((EventPage::Changes(changes), self)));
            }
            // Batches without changes have no rows.
            self.position = self.position.max(EventPosition::end_of(self.position.history, newest));
            if !self.follow {
                return Ok(None);
            }
            match tokio::time::timeout(QUIET, self.batches.changed()).await {
                // More often comes at once than alone: one read for all of it.
                Ok(Ok(())) => tokio::time::sleep(GATHER).await,
                // The writer has stopped.
                Ok(Err(_)) => return Ok(None),
                Err(_) => return Ok(Some((EventPage::Quiet(self.position), self))),
            }
        }
    }
}

/// Reads changes behind a position, up to the batch `newest`.
fn changes_behind(
    store: &dyn Datastore,
    position: EventPosition,
    newest: u64,
) -> Result<Vec<Event>, ApiError> {
    let snapshot = store.snapshot()?;
    check_kept(Kept::read(&*snapshot)?, position)?;
    let (mut changes, mut from) = (Vec::new(), position.batch);
    for _ in 0..BATCHES_A_PAGE / BATCHES {
        let rows = events::batches(&*snapshot, from, newest, BATCHES)?;
        let Some((last, _)) = rows.last() else { break };
        from = last + 1;
        for (batch, row) in rows {
            for (index, change) in (1..).zip(row.changes) {
                let behind = EventPosition { batch, index, ..position };
                if behind > position {
                    changes.push(Event { position: behind, time: row.time, change });
                }
            }
        }
        if changes.len() >= CHANGES {
            break;
        }
    }
    Ok(changes)
}

/// Which changes a store keeps.
#[derive(Clone, Copy)]
struct Kept {
    history: u32,
    /// The last batch whose changes went.
    trimmed: u64,
}

impl Kept {
    fn read(snapshot: &dyn Snapshot) -> Result<Self, ApiError> {
        Ok(Self { history: events::history(snapshot)?, trimmed: events::trimmed(snapshot)? })
    }

    fn oldest(self) -> EventPosition {
        EventPosition::end_of(self.history, self.trimmed)
    }
}

fn check_kept(kept: Kept, position: EventPosition) -> Result<(), ApiError> {
    // Of the batch that went last, the rest may be missed by who has not read all of it.
    let is_kept = position >= kept.oldest() || kept.trimmed == 0;
    if position.history == kept.history && is_kept {
        Ok(())
    } else {
        Err(ApiError::EventsGone { oldest: kept.oldest() })
    }
}

impl BrowseApi for Peer {
    fn search_pins(
        &self,
        search: PinSearch,
        after: Option<Vec<u8>>,
        limit: usize,
    ) -> BoxFuture<'_, Result<FoundPins, ApiError>> {
        Box::pin(self.read(move |store| Ok(search::page(&*store.snapshot()?, &search, after, limit)?)))
    }

    fn search_statuses(
        &self,
        search: PinSearch,
        statuses: StatusFilter,
        scope: Scope,
        after: Option<Vec<u8>>,
        limit: usize,
    ) -> BoxFuture<'_, Result<FoundStatuses, ApiError>> {
        Box::pin(async move {
            if !search.is_all() {
                return self.searched_page(search, statuses, scope, after, limit).await;
            }
            let after = after.as_deref().map(key_of).transpose()?;
            match scope {
                Scope::Local => self.local_page(statuses, after, limit).await,
                Scope::Cluster => self.gathered_page(statuses, after, limit).await,
            }
        })
    }

    fn pinset_at_once(&self, kinds: PinKindFilter) -> BoxStream<'static, Result<Vec<Pin>, ApiError>> {
        let store = self.parts().store.clone();
        let mut cursor = Cursor::all(Tree::Pins);
        let mut snapshot = None;
        crate::pages::stream(move || {
            let snapshot = match &snapshot {
                Some(taken) => taken,
                None => snapshot.insert(store.long_snapshot()?),
            };
            if cursor.is_done() {
                return Ok(None);
            }
            let rows = cursor.next_page_of(&**snapshot, PAGE)?;
            Ok(Some(read::decode_pins(rows).into_iter().filter(|pin| kinds.matches(pin.kind)).collect()))
        })
    }

    fn totals(&self) -> BoxFuture<'_, Result<Totals, ApiError>> {
        let in_flight = self.parts().in_flight.clone();
        Box::pin(self.read(move |store| count(store, &in_flight)))
    }

    fn events(
        &self,
        start: EventStart,
        follow: bool,
    ) -> BoxFuture<'_, Result<BoxStream<'static, Result<EventPage, ApiError>>, ApiError>> {
        Box::pin(async move {
            let batches = self.parts().batches.clone();
            let newest = *batches.borrow();
            let kept = self.read(|store| Kept::read(&*store.snapshot()?)).await?;
            let position = match start {
                EventStart::Now => EventPosition::end_of(kept.history, newest),
                EventStart::Oldest => kept.oldest(),
                EventStart::After(position) => position,
            };
            check_kept(kept, position)?;
            let reader = Reader { peer: self.clone(), position, batches, follow };
            // Who begins now learns at once from where that is, and can come back there if nothing happens until then.
            let begin = (start == EventStart::Now).then_some(Ok(EventPage::Quiet(position)));
            let pages = stream::iter(begin).chain(stream::try_unfold(reader, Reader::next));
            let pages: BoxStream<'static, _> = Box::pin(pages);
            Ok(pages)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cluster_core::{
        UnixMillis,
        pinset::{Change, ChangeKind, events::EventBatch},
        ports::datastore::{Batch, Durability},
    };
    use cluster_datastore::MemoryStore;

    #[test]
    fn a_page_of_changes_is_bounded_and_the_next_one_follows_it() {
        const LARGE: u64 = 1500;
        let store = MemoryStore::default();
        let key = PinKey::from_cid(&"bafkqaaa".parse().unwrap());
        let mut rows = Batch::new();
        // Small ones first: many of them are one page.
        let sizes: Vec<u64> = (0..70).map(|_| 1).chain((0..40).map(|_| LARGE)).collect();
        for (number, size) in (1..).zip(&sizes) {
            let change = Change { key: key.clone(), kind: ChangeKind::Unpinned };
            let changes = (0..*size).map(|_| change.clone()).collect();
            let row = EventBatch { time: UnixMillis(5), changes };
            rows.put(Tree::Events, events::key(number), row.encode());
        }
        store.commit(rows, Durability::Flushed).unwrap();

        let (mut position, mut told) = (EventPosition { history: 0, batch: 0, index: 0 }, Vec::new());
        let mut pages = Vec::new();
        loop {
            let page = changes_behind(&store, position, sizes.len() as u64).unwrap();
            let Some(last) = page.last() else { break };
            position = last.position;
            pages.push(page.len());
            told.extend(page.into_iter().map(|event| (event.position.batch, event.position.index)));
        }
        assert_eq!(pages[0], 64);
        assert!(pages.iter().all(|changes| *changes < CHANGES + BATCHES * LARGE as usize), "{pages:?}");
        let all = (1..).zip(&sizes).flat_map(|(batch, size)| (1..=*size).map(move |index| (batch, index)));
        assert!(told.into_iter().eq(all));
    }
}
