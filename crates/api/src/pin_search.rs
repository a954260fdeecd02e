//! Search and pages as query parameters; the reference has neither and ignores them all.

use crate::pin_query::Query;
use cluster_api_types::Timestamp;
use cluster_core::{
    PinKindFilter, UnixMillis,
    pinset::search::{PinSearch, SearchOrder},
};
use data_encoding::BASE64URL_NOPAD;

/// Most entries of a page.
const MAX_LIMIT: usize = 1000;

/// Why a search or a page cannot be given; the text of a 400.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PinSearchError {
    /// A time is none.
    #[error("{name} must be a time as 2026-01-31T12:00:00Z, not before 1970")]
    Time {
        /// The parameter.
        name: &'static str,
    },
    /// The order is none.
    #[error("order must be newest or oldest")]
    Order,
    /// The limit is none.
    #[error("limit must be a number from 1 to {MAX_LIMIT}")]
    Limit,
    /// The cursor is none of ours.
    #[error("the cursor cannot be read: pass it as X-Next-Cursor gave it")]
    Cursor,
    /// The cursor belongs to another question.
    #[error("the cursor belongs to another search or filter: begin without one")]
    OtherCursor,
}

/// A page that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Paging {
    /// Entries it has at most.
    pub(crate) limit: usize,
    /// The position behind which it starts.
    pub(crate) after: Option<Vec<u8>>,
}

/// Reads what is searched for.
pub(crate) fn search(query: &Query<'_>, kinds: PinKindFilter) -> Result<PinSearch, PinSearchError> {
    let text = |name| query.get(name).map(str::to_owned);
    let time = |name: &'static str| {
        let Some(text) = query.get(name) else { return Ok(None) };
        let time: Timestamp = text.parse().map_err(|_| PinSearchError::Time { name })?;
        let seconds = u64::try_from(time.unix_seconds()).map_err(|_| PinSearchError::Time { name })?;
        // A pin's time has whole seconds: what lies within one is behind it.
        let up = u64::from(time.subsec_nanos() > 0);
        Ok(Some(UnixMillis(seconds.saturating_add(up).saturating_mul(1000))))
    };
    Ok(PinSearch {
        kinds,
        name: text("name"),
        name_prefix: text("name-prefix"),
        metadata: query.metadata().map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
        created_from: time("created-from")?,
        created_before: time("created-before")?,
        order: match query.get("order") {
            None => SearchOrder::Any,
            Some("newest") => SearchOrder::Newest,
            Some("oldest") => SearchOrder::Oldest,
            Some(_) => return Err(PinSearchError::Order),
        },
    })
}

/// Says whether a page is asked for.
pub(crate) fn is_paged(query: &Query<'_>) -> bool {
    query.get("limit").is_some() || query.get("cursor").is_some()
}

/// Reads which page is asked for, if one is. `digest` is that of the question.
pub(crate) fn paging(query: &Query<'_>, digest: [u8; 8]) -> Result<Option<Paging>, PinSearchError> {
    let limit = match query.get("limit") {
        Some(text) => Some(
            text.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit)).ok_or(PinSearchError::Limit)?,
        ),
        None => None,
    };
    let after = match query.get("cursor") {
        Some(text) => {
            let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| PinSearchError::Cursor)?;
            let (of, position) = bytes.split_at_checked(digest.len()).ok_or(PinSearchError::Cursor)?;
            if of != digest {
                return Err(PinSearchError::OtherCursor);
            }
            Some(position.to_vec())
        }
        None => None,
    };
    Ok(is_paged(query).then(|| Paging { limit: limit.unwrap_or(MAX_LIMIT), after }))
}

/// Writes a cursor.
pub(crate) fn cursor(digest: [u8; 8], position: &[u8]) -> String {
    BASE64URL_NOPAD.encode(&[&digest, position].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(query: &str) -> Result<PinSearch, PinSearchError> {
        search(&Query::parse(Some(query)), PinKindFilter::ALL)
    }

    fn page(query: &str, digest: [u8; 8]) -> Result<Option<Paging>, PinSearchError> {
        paging(&Query::parse(Some(query)), digest)
    }

    #[test]
    fn every_parameter_of_a_search_is_read() {
        assert!(parse("filter=pin&local=true").unwrap().is_all());
        let got = parse("name=a%20b&name-prefix=a&meta-k=v&meta-l=&created-from=2023-11-14T22:13:20Z&created-before=2023-11-14T22:13:20.5Z&order=newest").unwrap();
        let metadata = vec![("k".to_owned(), "v".to_owned()), ("l".to_owned(), String::new())];
        assert_eq!(
            got,
            PinSearch {
                kinds: PinKindFilter::ALL,
                name: Some("a b".to_owned()),
                name_prefix: Some("a".to_owned()),
                metadata,
                created_from: Some(UnixMillis(1_700_000_000_000)),
                created_before: Some(UnixMillis(1_700_000_001_000)),
                order: SearchOrder::Newest,
            }
        );
        assert_eq!(parse("created-from=yesterday"), Err(PinSearchError::Time { name: "created-from" }));
        assert_eq!(
            parse("created-before=1960-01-01T00:00:00Z"),
            Err(PinSearchError::Time { name: "created-before" })
        );
        assert_eq!(parse("order=up"), Err(PinSearchError::Order));
    }

    #[test]
    fn a_cursor_fits_its_question_alone() {
        assert_eq!(page("", [1; 8]), Ok(None));
        assert_eq!(page("limit=7", [1; 8]), Ok(Some(Paging { limit: 7, after: None })));
        let text = format!("cursor={}", cursor([1; 8], b"\0key"));
        assert_eq!(
            page(&text, [1; 8]),
            Ok(Some(Paging { limit: MAX_LIMIT, after: Some(b"\0key".to_vec()) }))
        );
        assert_eq!(page(&text, [2; 8]), Err(PinSearchError::OtherCursor));
        for bad in ["limit=0", "limit=1001", "limit=x", "limit=-1"] {
            assert_eq!(page(bad, [1; 8]), Err(PinSearchError::Limit), "{bad}");
        }
        for bad in ["cursor=%", "cursor=AAAA"] {
            assert_eq!(page(bad, [1; 8]), Err(PinSearchError::Cursor), "{bad}");
        }
    }
}
