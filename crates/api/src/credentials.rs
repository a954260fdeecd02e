//! Who may log in.

use std::{collections::BTreeMap, sync::Arc};
use subtle::{Choice, ConstantTimeEq};
use zeroize::Zeroizing;

/// Users and their passwords. Never printed.
#[derive(Clone)]
pub struct Credentials(Arc<BTreeMap<String, Zeroizing<String>>>);

impl Credentials {
    /// Takes the pairs.
    pub fn new(pairs: impl IntoIterator<Item = (String, String)>) -> Self {
        let users = pairs.into_iter().map(|(user, password)| (user, Zeroizing::new(password)));
        Self(Arc::new(users.collect()))
    }

    /// Checks a pair in a time that depends neither on which users exist nor on where a password differs, only on
    /// lengths. An empty user or password never passes.
    pub(crate) fn accept(&self, user: &[u8], password: &[u8]) -> bool {
        let mut found = Choice::from(0);
        for (known, expected) in &*self.0 {
            found |= known.as_bytes().ct_eq(user) & expected.as_bytes().ct_eq(password);
        }
        !user.is_empty() && !password.is_empty() && bool::from(found)
    }

    /// Returns what signs the tokens of a user who can log in, in a time that does not depend on which users exist.
    pub(crate) fn password_of(&self, user: &str) -> Option<&[u8]> {
        let mut found = None;
        for (known, password) in &*self.0 {
            if bool::from(known.as_bytes().ct_eq(user.as_bytes())) {
                found = Some(password.as_bytes());
            }
        }
        // An empty password would let anybody sign.
        found.filter(|password| !user.is_empty() && !password.is_empty())
    }
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Credentials({} users)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_pairs_pass_and_nothing_is_printed() {
        let pairs = [("ann", "secret"), ("bob", ""), ("", "x")];
        let users = Credentials::new(pairs.map(|(u, p)| (u.to_owned(), p.to_owned())));
        assert!(users.accept(b"ann", b"secret"));
        for (user, password) in
            [("ann", "secre"), ("ann", "secret "), ("bob", "secret"), ("bob", ""), ("", "x"), ("", "")]
        {
            assert!(!users.accept(user.as_bytes(), password.as_bytes()), "{user}:{password}");
        }
        assert!(!format!("{users:?}").contains("secret"));
    }
}
