//! Conversions between the wire structs and the domain's types.

mod graph;
mod metric;
mod peer;
mod pin;
mod repo;
mod status;

/// A field of a wire struct does not mean anything to the domain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct ConvertError {
    field: &'static str,
    problem: ConvertProblem,
}

/// What is wrong with a field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConvertProblem {
    /// The field must be there.
    #[error("missing")]
    Missing,
    /// The text is no CID.
    #[error("\"{0}\" is not a CID")]
    NotACid(String),
    /// The text is no peer ID.
    #[error("\"{0}\" is not a peer ID")]
    NotAPeerId(String),
    /// The text is no multiaddress.
    #[error("\"{0}\" is not a multiaddress")]
    NotAnAddress(String),
    /// The time cannot be stored.
    #[error("{0} lies before 1970")]
    BeforeEpoch(crate::Timestamp),
}

impl ConvertError {
    /// Names the field and what is wrong with it.
    pub fn new(field: &'static str, problem: ConvertProblem) -> Self {
        Self { field, problem }
    }

    /// Returns the JSON key of the field.
    pub fn field(&self) -> &'static str {
        self.field
    }

    /// Returns what is wrong with it.
    pub fn problem(&self) -> &ConvertProblem {
        &self.problem
    }
}
