//! Pages, searches, totals and the stream of changes: what the reference does not have.

use crate::{
    connections::Stopping,
    failure::{bad_request, object, of_api},
    ndjson,
    pin_query::Query,
    pin_search::{self, Paging},
    reads::{push_line, status_writer},
    routes::{Api, Reply},
};
use axum::{
    Extension,
    extract::{Request, State},
};
use cluster_api_types::{Event, Pin, TextCache, Totals};
use cluster_core::{
    StatusFilter,
    pinset::search::PinSearch,
    ports::{
        BoxStream, ClusterApi,
        browse_api::{EventPage, EventStart},
        cluster_api::{ApiError, GlobalPinStatus, Scope},
    },
};
use futures_util::{StreamExt, stream};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use std::sync::Arc;

/// Where the next page begins; missing on the last one.
const NEXT_CURSOR: HeaderName = HeaderName::from_static("x-next-cursor");

/// Where a reader of Server-Sent Events was when its connection ended.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

const SERVER_SENT_EVENTS: &str = "text/event-stream";

/// Pins that a streamed search reads at once.
const PAGE: usize = 1000;

/// Answers a search for pins, or a page of them.
pub(crate) async fn pins(api: Arc<dyn ClusterApi>, query: &Query<'_>, search: PinSearch) -> Reply {
    let digest = search.digest("");
    let mut cache = TextCache::default();
    let write = move |pin: &_, lines: &mut Vec<u8>| push_line(&Pin::from_core(pin, &mut cache), lines);
    let Paging { limit, after } = match pin_search::paging(query, digest) {
        Ok(Some(paging)) => paging,
        Ok(None) => {
            let read = move |after| {
                let (api, search) = (api.clone(), search.clone());
                async move { api.search_pins(search, after, PAGE).await.map(|found| (found.pins, found.next)) }
            };
            return ndjson::answer(all_pages(read), write).await;
        }
        Err(error) => return bad_request(&error.to_string()),
    };
    match api.search_pins(search, after, limit).await {
        Ok(found) => page(found.pins, found.next.map(|next| pin_search::cursor(digest, &next)), write).await,
        Err(error) => of_api(&error),
    }
}

/// Answers a search for statuses, or a page of them.
pub(crate) async fn statuses(
    api: Arc<dyn ClusterApi>,
    query: &Query<'_>,
    search: PinSearch,
    filter: StatusFilter,
    scope: Scope,
) -> Reply {
    let digest = search.digest(&format!("{filter:?} {scope:?}"));
    let Paging { limit, after } = match pin_search::paging(query, digest) {
        Ok(Some(paging)) => paging,
        Ok(None) => {
            let read = move |after| {
                let (api, search) = (api.clone(), search.clone());
                async move {
                    let found = api.search_statuses(search, filter, scope, after, PAGE).await;
                    found.map(|found| (found.statuses, found.next))
                }
            };
            return ndjson::answer(all_pages(read), status_writer()).await;
        }
        Err(error) => return bad_request(&error.to_string()),
    };
    match api.search_statuses(search, filter, scope, after, limit).await {
        Ok(found) => {
            let next = found.next.map(|next| pin_search::cursor(digest, &next));
            page::<GlobalPinStatus, _>(found.statuses, next, status_writer()).await
        }
        Err(error) => of_api(&error),
    }
}

pub(crate) async fn get_totals(State(api): Api) -> Reply {
    match api.totals().await {
        Ok(totals) => object(StatusCode::OK, &Totals::from(&totals)),
        Err(error) => of_api(&error),
    }
}

pub(crate) async fn list_events(
    State(api): Api,
    Extension(mut stopping): Extension<Stopping>,
    request: Request,
) -> Reply {
    let query = Query::parse(request.uri().query());
    // A reader that comes back says where it was; its address still says where it began.
    let cursor = match request.headers().get(LAST_EVENT_ID) {
        Some(id) => Some(id.to_str().unwrap_or("?")),
        None => query.get("cursor"),
    };
    let start = match cursor {
        None | Some("now") => EventStart::Now,
        Some("oldest") => EventStart::Oldest,
        Some(text) => match text.parse() {
            Ok(position) => EventStart::After(position),
            Err(error) => return bad_request(&format!("{error}")),
        },
    };
    let follow = query.get("follow") != Some("false");
    let pages = match api.events(start, follow).await {
        Ok(pages) => pages.map(|page| page.map(events_of)),
        Err(error) => return of_api(&error),
    };
    // Whoever follows comes back with its cursor; whoever does not takes the end for that of the changes.
    let pages = pages.take_until(Box::pin(async move {
        match follow {
            true => stopping.begun().await,
            false => std::future::pending().await,
        }
    }));
    if wants_server_sent_events(request.headers()) {
        let mut reply = ndjson::follow(pages, push_server_sent_event);
        let headers = reply.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(SERVER_SENT_EVENTS));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        return reply;
    }
    ndjson::follow(pages, push_line)
}

fn events_of(page: EventPage) -> Vec<Event> {
    match page {
        EventPage::Changes(changes) => changes.iter().map(Event::from).collect(),
        EventPage::Quiet(position) => vec![Event::quiet(position)],
    }
}

fn wants_server_sent_events(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let mut types =
        accepted.flat_map(|list| list.split(',')).map(|entry| entry.split(';').next().unwrap_or_default());
    types.any(|name| name.trim().eq_ignore_ascii_case(SERVER_SENT_EVENTS))
}

/// Writes an event as a browser reads it. One without data moves its position and calls nobody.
fn push_server_sent_event(event: &Event, lines: &mut Vec<u8>) {
    let mut data = Vec::new();
    push_line(event, &mut data);
    lines.extend_from_slice(b"id: ");
    lines.extend_from_slice(event.cursor.as_bytes());
    if event.cid.is_some() {
        lines.extend_from_slice(b"\nevent: ");
        lines.extend_from_slice(event.kind.as_bytes());
        lines.extend_from_slice(b"\ndata: ");
        lines.extend_from_slice(data.trim_ascii_end());
    }
    lines.extend_from_slice(b"\n\n");
}

/// Answers one page.
async fn page<T, W>(entries: Vec<T>, next: Option<String>, write: W) -> Reply
where
    T: Send + Unpin + 'static,
    W: FnMut(&T, &mut Vec<u8>) + Send + Unpin + 'static,
{
    let mut reply = ndjson::answer(stream::iter([Ok(entries)]), write).await;
    if let Some(next) = next.and_then(|next| HeaderValue::try_from(next).ok()) {
        reply.headers_mut().insert(NEXT_CURSOR, next);
    }
    reply
}

/// Streams all pages, each read when the one before it was taken.
fn all_pages<T, R, F>(read: R) -> BoxStream<'static, Result<Vec<T>, ApiError>>
where
    T: Send + 'static,
    R: Fn(Option<Vec<u8>>) -> F + Clone + Send + 'static,
    F: Future<Output = Result<(Vec<T>, Option<Vec<u8>>), ApiError>> + Send,
{
    let start = Some(None);
    Box::pin(stream::try_unfold(start, move |position: Option<Option<Vec<u8>>>| {
        let read = read.clone();
        async move {
            let Some(after) = position else { return Ok(None) };
            let (entries, next) = read(after).await?;
            Ok(Some((entries, next.map(Some))))
        }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn server_sent_events_are_asked_for_by_name() {
        let accepts = |text: &'static str| {
            wants_server_sent_events(&HeaderMap::from_iter([(
                header::ACCEPT,
                HeaderValue::from_static(text),
            )]))
        };
        assert!(accepts("text/event-stream"));
        assert!(accepts("application/json, Text/Event-Stream;q=0.9"));
        assert!(!accepts("application/json"));
        assert!(!accepts("*/*"));
    }
}
