//! A configuration that is kept elsewhere: a file with nothing but a `source`, whose URL is read at every start (api
//! §6.1).

mod copy;
mod fetch;
mod url;

pub use fetch::FetchError;
pub use url::{SourceUrl, SourceUrlError};

use super::{
    file::ConfigFormat,
    mistake::{Mistake, Origin, Problem},
    node::{Node, NodeValue},
};
use cluster_core::go_duration;
use copy::KeptCopy;
use std::{
    path::{Path, PathBuf},
    time::Duration,
};
use zeroize::Zeroizing;

/// Name of the key.
const KEY: &str = "source";

/// Why a configuration that is kept elsewhere cannot be had. No text holds a secret.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The URL does not answer, and nothing is kept of earlier answers.
    #[error(
        "could not fetch configuration from source: {url}: {why}; no copy of it is kept in {} yet, so see that the URL \
         can be reached, or name another one with init",
        copy.display()
    )]
    Fetch {
        /// The URL.
        url: Box<SourceUrl>,
        /// Why there is no answer.
        why: FetchError,
        /// Where a copy would be.
        copy: PathBuf,
    },
    /// What the URL serves is again only a URL.
    #[error(
        "a sourced configuration cannot point to another source: let {place} hold the settings themselves"
    )]
    Nested {
        /// The URL, or the file.
        place: String,
    },
}

/// Where a configuration that is kept elsewhere came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sourced {
    /// The URL.
    pub url: SourceUrl,
    /// Why a kept copy is used in place of what the URL serves; nothing when it is not.
    pub unavailable: Option<String>,
}

/// Where to look first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lookup {
    /// At the URL; the copy is for when it does not answer.
    UrlFirst,
    /// In the copy; the URL is for when there is none.
    CopyFirst,
}

/// Finds the source of a file. Says as well which other keys stand beside it: they mean nothing.
pub(super) fn find(root: &Node) -> Option<Result<(SourceUrl, Vec<Mistake>), Mistake>> {
    let NodeValue::Table(entries) = &root.value else { return None };
    let entry = entries.get(KEY)?;
    let url = match &entry.node.value {
        NodeValue::Text(text) if text.is_empty() => return None,
        NodeValue::Text(text) => SourceUrl::parse(text).map_err(|error| error.to_string()),
        _ => Err("it is no text".to_owned()),
    };
    let url = match url {
        Ok(url) => url,
        Err(reason) => {
            let problem = Problem::Value {
                found: format!("what is no URL ({reason})"),
                expected: "a URL such as \"https://example.org/service.json\"".to_owned(),
            };
            let origin = Origin::Line(entry.name_line);
            return Some(Err(Mistake { key: KEY.to_owned(), problem, origin }));
        }
    };
    let others = entries.iter().filter(|(name, _)| *name != KEY).map(|(name, entry)| Mistake {
        key: name.clone(),
        problem: Problem::Refused {
            reason: "means nothing beside a source, whose URL has all settings: remove this, or the source",
        },
        origin: Origin::Line(entry.name_line),
    });
    Some(Ok((url, others.collect())))
}

/// Reads what a source serves, or else the copy that is kept of it in `base`.
pub(super) fn read(
    url: SourceUrl,
    base: &Path,
    lookup: Lookup,
) -> Result<(Zeroizing<String>, Sourced), SourceError> {
    let copy = KeptCopy::in_folder(base);
    if lookup == Lookup::CopyFirst
        && let Some((text, _)) = copy.read(&url)
    {
        return Ok((text, Sourced { url, unavailable: None }));
    }
    let why = match fetch::get(&url) {
        Ok(text) => return Ok((text, Sourced { url, unavailable: None })),
        Err(why) => why,
    };
    let Some((text, age)) = copy.read(&url) else {
        return Err(SourceError::Fetch { url: Box::new(url), why, copy: copy.path().to_owned() });
    };
    let age = go_duration::print(Duration::from_secs(age.as_secs()));
    tracing::warn!(
        target: "config", source = %url, %age, reason = %why,
        "the configuration cannot be fetched: using the copy of {age} ago, kept in {}", copy.path().display()
    );
    Ok((text, Sourced { url, unavailable: Some(why.to_string()) }))
}

/// Keeps what a source served, once it is known to be good. A copy that cannot be kept is no reason not to start.
pub(super) fn keep(text: &Zeroizing<String>, sourced: &Sourced, base: &Path) {
    if sourced.unavailable.is_some() {
        return;
    }
    let copy = KeptCopy::in_folder(base);
    if let Err(error) = copy.write(&sourced.url, text) {
        tracing::warn!(
            target: "config", %error,
            "no copy of the configuration can be kept in {}: the next start needs its URL", copy.path().display()
        );
    }
}

/// Writes a file that holds nothing but a source.
pub(crate) fn to_text(url: &SourceUrl, format: ConfigFormat) -> Zeroizing<String> {
    match format {
        ConfigFormat::Toml => Zeroizing::new(format!(
            "# The settings of this peer are fetched from here at every start; variables of the environment override them.\n\
             {KEY} = {}\n",
            toml::Value::String(url.expose().to_owned())
        )),
        ConfigFormat::Json => {
            Zeroizing::new(format!("{{\n  \"{KEY}\": {}\n}}", serde_json::Value::from(url.expose())))
        }
    }
}
