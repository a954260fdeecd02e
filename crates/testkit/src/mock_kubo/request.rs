//! What a call asks for.

use super::{Endpoint, PinnedAs};
use hyper::Uri;

/// One call.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) endpoint: Endpoint,
    pub(crate) arg: String,
    pub(crate) recursive: bool,
    /// Whether `pin/update` removes the old pin.
    pub(crate) unpin: bool,
    pub(crate) kind: Option<PinnedAs>,
}

impl Call {
    /// Reads a request's path and query; `None` when it is none of the RPC.
    pub(crate) fn read(uri: &Uri) -> Option<Self> {
        let path = uri.path().strip_prefix("/api/v0/")?;
        let (mut arg, mut recursive, mut unpin, mut kind) = (None::<String>, true, true, None);
        for pair in uri.query().unwrap_or_default().split('&') {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            match key {
                "arg" => {
                    arg = Some(match arg {
                        Some(first) => format!("{first} {}", decode(value)),
                        None => decode(value),
                    });
                }
                "recursive" => recursive = value != "false",
                "unpin" => unpin = value != "false",
                "type" if value == "recursive" => kind = Some(PinnedAs::Recursive),
                "type" if value == "direct" => kind = Some(PinnedAs::Direct),
                _ => {}
            }
        }
        let endpoint = Endpoint::of(path, arg.is_some());
        let arg = arg.unwrap_or_else(|| match endpoint {
            Endpoint::PinLsAll => kind.map_or("all", PinnedAs::as_str).to_owned(),
            Endpoint::Other => path.to_owned(),
            _ => String::new(),
        });
        Some(Self { endpoint, arg, recursive, unpin, kind })
    }
}

fn decode(text: &str) -> String {
    if !text.contains(['%', '+']) {
        return text.to_owned();
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        match first {
            b'+' => bytes.push(b' '),
            b'%' => {
                let hex = after.get(..2).and_then(|h| std::str::from_utf8(h).ok());
                match hex.and_then(|h| u8::from_str_radix(h, 16).ok()) {
                    Some(byte) => {
                        bytes.push(byte);
                        rest = &after[2..];
                    }
                    None => bytes.push(b'%'),
                }
            }
            other => bytes.push(*other),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_calls() {
        let call = |text: &str| Call::read(&text.parse().unwrap());
        let add = call("/api/v0/pin/add?arg=bafkqaaa&recursive=false&progress=true").unwrap();
        assert_eq!((add.endpoint, add.arg.as_str(), add.recursive), (Endpoint::PinAdd, "bafkqaaa", false));
        let list = call("/api/v0/pin/ls?stream=true&type=direct").unwrap();
        assert_eq!((list.endpoint, list.kind), (Endpoint::PinLsAll, Some(PinnedAs::Direct)));
        let resolve = call("/api/v0/resolve?arg=/ipfs/a%20b+%c3%a9%").unwrap();
        assert_eq!(resolve.arg, "/ipfs/a b é%");
        let update = call("/api/v0/pin/update?arg=old&arg=new&unpin=false").unwrap();
        assert_eq!(
            (update.endpoint, update.arg.as_str(), update.unpin),
            (Endpoint::PinUpdate, "old new", false)
        );
        assert!(call("/elsewhere").is_none());
    }
}
