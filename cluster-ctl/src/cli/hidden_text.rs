//! A text that must not be shown.

use std::{convert::Infallible, fmt, ops::Deref, str::FromStr};

/// A secret or a password on the command line.
#[derive(Clone, Default)]
pub(crate) struct HiddenText(String);

impl FromStr for HiddenText {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.to_owned()))
    }
}

impl From<String> for HiddenText {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl Deref for HiddenText {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for HiddenText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("XXX_hidden_XXX")
    }
}
