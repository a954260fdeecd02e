//! Searches, pages, totals and changes: what servers of the reference do not have. They ignore the parameters of a search
//! and answer everything; the paths they do not know they answer with code 404.

use super::{Call, Client, pins::local};
use crate::{ClientError, Lines, Scope};
use cluster_api_types::{BulkChange, BulkOutcome, Event, GlobalPinInfo, Pin, Timestamp, Totals};
use http::Method;
use std::collections::BTreeMap;

/// What is searched for; whatever is not given restricts nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Search {
    /// Comma list: types of pins in a search for pins, statuses in one for statuses.
    pub filter: Option<String>,
    /// Exactly this name.
    pub name: Option<String>,
    /// A name that begins so.
    pub name_prefix: Option<String>,
    /// Entries that the metadata has.
    pub metadata: Vec<(String, String)>,
    /// Made at this time or later.
    pub created_from: Option<Timestamp>,
    /// Made before this time.
    pub created_before: Option<Timestamp>,
    /// In the order of the time of creation.
    pub order: Option<Order>,
}

/// The order of a search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Latest first.
    Newest,
    /// Earliest first.
    Oldest,
}

impl Search {
    /// Says whether a pin with this name and metadata, made at this time, is found, as far as that can be told from them:
    /// servers of the reference answer every pin.
    pub fn finds(&self, name: &str, metadata: Option<&BTreeMap<String, String>>, created: Timestamp) -> bool {
        let has = |(key, value): &(String, String)| metadata.and_then(|all| all.get(key)) == Some(value);
        self.name.as_ref().is_none_or(|wanted| wanted == name)
            && self.name_prefix.as_ref().is_none_or(|prefix| name.starts_with(prefix.as_str()))
            && self.metadata.iter().all(has)
            && self.created_from.is_none_or(|from| instant(created) >= instant(from))
            && self.created_before.is_none_or(|before| instant(created) < instant(before))
    }

    fn pairs(&self) -> Vec<(String, String)> {
        let text =
            |key: &str, value: &Option<String>| value.as_ref().map(|value| (key.to_owned(), value.clone()));
        let time =
            |key: &str, value: Option<Timestamp>| value.map(|value| (key.to_owned(), value.to_string()));
        let order = self.order.map(|order| match order {
            Order::Newest => "newest",
            Order::Oldest => "oldest",
        });
        let mut pairs: Vec<_> = [
            text("filter", &self.filter),
            text("name", &self.name),
            text("name-prefix", &self.name_prefix),
            time("created-from", self.created_from),
            time("created-before", self.created_before),
            order.map(|order| ("order".to_owned(), order.to_owned())),
        ]
        .into_iter()
        .flatten()
        .collect();
        pairs.extend(self.metadata.iter().map(|(key, value)| (format!("meta-{key}"), value.clone())));
        pairs
    }
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// At most as many as were asked for; there may be fewer, even none, although another page follows.
    pub entries: Vec<T>,
    /// What to ask the next page with; `None` at the end.
    pub next: Option<String>,
}

impl Client {
    /// Lists the pins that a search finds (`GET /allocations`).
    ///
    /// # Errors
    /// [`ClientError`]; code 429 while an index that the search needs is being made.
    pub async fn search_pins(&self, search: &Search) -> Result<Lines<Pin>, ClientError> {
        self.stream(searching("/allocations", search, Scope::Cluster)).await
    }

    /// Reads one page of a search for pins: at most `limit` (1 to 1,000) behind `cursor`.
    ///
    /// # Errors
    /// As [`Client::search_pins`]; code 400 when the cursor belongs to another search.
    pub async fn page_of_pins(
        &self,
        search: &Search,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<Page<Pin>, ClientError> {
        self.page(searching("/allocations", search, Scope::Cluster), limit, cursor).await
    }

    /// Lists the statuses of the pins that a search finds (`GET /pins`).
    ///
    /// # Errors
    /// As [`Client::search_pins`].
    pub async fn search_statuses(
        &self,
        search: &Search,
        scope: Scope,
    ) -> Result<Lines<GlobalPinInfo>, ClientError> {
        self.stream(searching("/pins", search, scope)).await
    }

    /// Reads one page of a search for statuses: at most `limit` (1 to 1,000) behind `cursor`.
    ///
    /// # Errors
    /// As [`Client::page_of_pins`].
    pub async fn page_of_statuses(
        &self,
        search: &Search,
        scope: Scope,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<Page<GlobalPinInfo>, ClientError> {
        self.page(searching("/pins", search, scope), limit, cursor).await
    }

    /// Lists the pinset as it is at one moment (`GET /allocations?at-once=true`), in the order of the CIDs.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn pinset_at_once(&self) -> Result<Lines<Pin>, ClientError> {
        self.stream(Call::new(Method::GET, "/allocations").query([("at-once", "true")])).await
    }

    /// Asks how many pins there are (`GET /totals`).
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn totals(&self) -> Result<Totals, ClientError> {
        self.object(Call::new(Method::GET, "/totals")).await
    }

    /// Lists changes behind `cursor`, from now on without one, from the oldest kept with `oldest` (`GET /events`). With
    /// `follow` the stream has no end. A cursor belongs to the peer that gave it: see [`Client::only`].
    ///
    /// # Errors
    /// [`ClientError`]; code 410 when changes behind the cursor are no longer kept.
    pub async fn events(&self, cursor: Option<&str>, follow: bool) -> Result<Lines<Event>, ClientError> {
        let query = cursor.map(|cursor| ("cursor", cursor)).into_iter();
        self.stream(
            Call::new(Method::GET, "/events").query(query.chain((!follow).then_some(("follow", "false")))),
        )
        .await
    }

    /// Makes many changes, those of one CID in their order, and lists what became of each (`POST /pins`).
    ///
    /// # Errors
    /// [`ClientError`]; what goes wrong with one change is in its outcome.
    pub async fn change(&self, changes: &[BulkChange]) -> Result<Lines<BulkOutcome>, ClientError> {
        let mut body = Vec::new();
        for change in changes {
            let start = body.len();
            // None of the wire structs can fail here; were one to, its line is missing and so is its outcome.
            if change.to_line(&mut body).is_err() {
                body.truncate(start);
            }
        }
        self.stream(Call { body: body.into(), ..Call::new(Method::POST, "/pins") }).await
    }
}

fn instant(time: Timestamp) -> (i64, u32) {
    (time.unix_seconds(), time.subsec_nanos())
}

fn searching(path: &str, search: &Search, scope: Scope) -> Call {
    let pairs = search.pairs();
    Call::new(Method::GET, path)
        .query(pairs.iter().map(|(k, v)| (k.as_str(), v.as_str())).chain(local(scope)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_a_search_is_sent() {
        let search = Search {
            filter: Some("pin".to_owned()),
            name: Some("a b".to_owned()),
            name_prefix: Some("a".to_owned()),
            metadata: vec![("k".to_owned(), "v".to_owned())],
            created_from: "2023-11-14T22:13:20Z".parse().ok(),
            created_before: "2023-11-14T22:13:21Z".parse().ok(),
            order: Some(Order::Newest),
        };
        let call = searching("/pins", &search, Scope::Local);
        assert_eq!(
            call.target,
            "/pins?filter=pin&name=a%20b&name-prefix=a&created-from=2023-11-14T22%3A13%3A20Z&created-before=2023-11-14T22%3A13%3A21Z&order=newest&meta-k=v&local=true"
        );
        assert_eq!(searching("/pins", &Search::default(), Scope::Cluster).target, "/pins");
        let page = searching("/pins", &Search::default(), Scope::Local).query([("limit", "7")]);
        assert_eq!(page.target, "/pins?local=true&limit=7");
    }
}
