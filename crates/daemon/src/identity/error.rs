//! Why there is no identity.

use std::{io, path::PathBuf};

/// Failure to read or write an identity. No text holds key bytes.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// ID and key do not belong together.
    #[error("identity ID does not match the private_key")]
    Mismatch,
    /// The private key is not base64.
    #[error("the private key is not base64 (character {position})")]
    Base64 {
        /// First wrong character, from 1.
        position: usize,
    },
    /// The bytes are not a private key.
    #[error("not a private key in libp2p encoding")]
    Key(#[source] libp2p_identity::DecodingError),
    /// The ID is not one.
    #[error("{found:?} is not a peer ID")]
    Id {
        /// What stands there.
        found: String,
    },
    /// There is none.
    #[error("{} does not exist; run init first", path.display())]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The file cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is not what it should be.
    #[error("{} is not JSON with the keys id and private_key (line {line}, column {column})", path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// A variable is not text.
    #[error("the environment variable {name} is not text")]
    Variable {
        /// Its name.
        name: &'static str,
    },
    /// One of the above, in a file or variable.
    #[error("{place}: {source}")]
    In {
        /// Which one.
        place: String,
        /// What is wrong.
        source: Box<IdentityError>,
    },
}

impl IdentityError {
    /// Adds where it happened.
    pub(super) fn at(self, place: impl ToString) -> Self {
        Self::In { place: place.to_string(), source: Box::new(self) }
    }
}
