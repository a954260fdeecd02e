//! What the fuzzer calls: requests that anybody may send. Nothing here panics unless there is a bug.
#![allow(clippy::expect_used, reason = "what cannot fail and does is what the fuzzer looks for")]

use crate::{
    bulk,
    conditions::Conditions,
    paths,
    pin_query::{self, Query},
    pin_search,
};
use cluster_core::{PinKindFilter, UnixMillis, ports::cluster_api::IpfsPath};
use http::{HeaderMap, HeaderName, HeaderValue, Uri};

/// A target: its name, and what reads the bytes.
pub type Target = (&'static str, fn(&[u8]));

/// Each target there is.
pub const TARGETS: [Target; 2] = [("query", query), ("bulk", changes)];

const NOW: UnixMillis = UnixMillis(1_700_000_000_000);

/// Reads a request: path and query on the first line, a header on each further one.
pub fn query(bytes: &[u8]) {
    let mut lines = bytes.split(|byte| *byte == b'\n');
    let Ok(uri) = Uri::try_from(lines.next().unwrap_or_default()) else { return };
    let _ = paths::redirect(&uri);
    let _ = paths::segment(&uri, 1);
    if let Ok(path) = paths::below_first(&uri) {
        let _ = IpfsPath::parse(&path);
    }
    let query = Query::parse(uri.query());
    let cid = "bafkqaaa".parse().expect("a CID");
    let _ = pin_query::pin(cid, &query, NOW);
    if let Ok(search) = pin_search::search(&query, PinKindFilter::ALL) {
        let digest = search.digest("");
        if let Ok(Some(page)) = pin_search::paging(&query, digest) {
            let after = page.after.unwrap_or_default();
            let again = format!("cursor={}", pin_search::cursor(digest, &after));
            let read = pin_search::paging(&Query::parse(Some(&again)), digest).ok().flatten();
            assert_eq!(read.and_then(|page| page.after), Some(after), "a cursor changes");
        }
    }
    let header = |line: &[u8]| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = HeaderName::from_bytes(&line[..colon]).ok()?;
        Some((name, HeaderValue::from_bytes(&line[colon + 1..]).ok()?))
    };
    let _ = Conditions::parse(&HeaderMap::from_iter(lines.filter_map(header)));
}

/// Reads lines of a bulk request.
pub fn changes(bytes: &[u8]) {
    bytes.split(|byte| *byte == b'\n').for_each(bulk::read_line);
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_corpus_is_read() {
        let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fuzz/corpus");
        for (name, target) in super::TARGETS {
            let mut seeds = 0;
            for seed in std::fs::read_dir(format!("{corpus}/{name}")).unwrap() {
                let bytes = std::fs::read(seed.unwrap().path()).unwrap();
                (0..=bytes.len()).for_each(|length| target(&bytes[..length]));
                seeds += 1;
            }
            assert!(seeds > 0, "{name}");
        }
    }
}
