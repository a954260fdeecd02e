//! Texts that name a CID, a peer or an address. They are checked only when converted to the domain's types, so that
//! a client shows whatever a server said; cloning one copies no bytes.

use crate::convert::{ConvertError, ConvertProblem};
use cluster_core::{Cid, Multiaddr, PeerId};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{borrow::Borrow, fmt, ops::Deref, sync::Arc};

macro_rules! text {
    ($(#[$meta:meta])* $name:ident, $domain:ty, $problem:ident) => {
        $(#[$meta])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Returns the text.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// Parses the text, naming `field` when that fails.
            ///
            /// # Errors
            /// When the text has another form.
            pub fn parse(&self, field: &'static str) -> Result<$domain, ConvertError> {
                self.0.parse().map_err(|_| ConvertError::new(field, ConvertProblem::$problem(self.to_string())))
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self(Arc::from(""))
            }
        }

        impl Deref for $name {
            type Target = str;
            fn deref(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(Arc::from(text))
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(Arc::from(text))
            }
        }

        impl From<&$domain> for $name {
            fn from(value: &$domain) -> Self {
                Self(Arc::from(value.to_string()))
            }
        }
    };
}

text!(
    /// Text of a CID; empty when undefined, which is `null` in JSON.
    CidText, Cid, NotACid
);
text!(
    /// Text of a libp2p peer ID.
    PeerText, PeerId, NotAPeerId
);
text!(
    /// Text of a multiaddress.
    AddrText, Multiaddr, NotAnAddress
);

impl CidText {
    /// Says whether there is a CID at all.
    pub fn is_defined(&self) -> bool {
        !self.0.is_empty()
    }
}

impl Serialize for CidText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.is_defined() { serializer.serialize_str(&self.0) } else { serializer.serialize_none() }
    }
}

impl<'de> Deserialize<'de> for CidText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::<Arc<str>>::deserialize(deserializer)?.map(Self).unwrap_or_default())
    }
}

macro_rules! plain_json {
    ($name:ident) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Arc::<str>::deserialize(deserializer).map(Self)
            }
        }
    };
}

plain_json!(PeerText);
plain_json!(AddrText);
