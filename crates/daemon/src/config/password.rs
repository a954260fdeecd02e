//! A user's password.

use super::raw::SecretText;
use zeroize::Zeroizing;

/// A password: wiped when dropped, never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(Zeroizing<String>);

impl Password {
    /// Takes a password.
    pub fn new(text: &str) -> Self {
        Self(Zeroizing::new(text.to_owned()))
    }

    /// Compares with what a client sent, in a time that depends on the lengths alone.
    pub fn matches(&self, given: &str) -> bool {
        let (own, given) = (self.0.as_bytes(), given.as_bytes());
        let differences = own.iter().zip(given).fold(0, |all, (a, b)| all | (a ^ b));
        own.len() == given.len() && differences == 0
    }

    /// Lends the password to whoever has to compare it in another form.
    pub fn expose(&self) -> &str {
        &self.0
    }

    pub(crate) fn to_secret_text(&self) -> SecretText {
        SecretText::new(self.0.clone())
    }
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password([hidden])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_compare_and_hide() {
        let password = Password::new("tr0ub4dor");
        assert!(password.matches("tr0ub4dor"));
        for wrong in ["tr0ub4dos", "tr0ub4do", "tr0ub4dor1", ""] {
            assert!(!password.matches(wrong));
        }
        assert!(!format!("{password:?}").contains("tr0ub"));
    }
}
