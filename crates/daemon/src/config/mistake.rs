//! What can be wrong with a configuration, one entry per mistake.

use std::fmt;

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A line of the file, from 1.
    Line(usize),
    /// An environment variable.
    Variable(String),
    /// Nowhere: the key is missing, or the value is the default.
    Default,
}

/// One mistake: the key, what is wrong with it, and where it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// Dotted path of the key.
    pub key: String,
    /// What is wrong.
    pub problem: Problem,
    /// Where it was found.
    pub origin: Origin,
}

/// The kinds of mistakes. None of them carries the value of a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// No such key.
    Unknown {
        /// The closest known key.
        suggestion: Option<String>,
    },
    /// A value that cannot be.
    Value {
        /// What stands there.
        found: String,
        /// What would be right.
        expected: String,
    },
    /// A section that this version does not take; a whole sentence.
    Refused {
        /// Why, and what to do instead.
        reason: &'static str,
    },
}

/// One syntax error of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyntaxMistake {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong there.
    pub message: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.key)?;
        match &self.problem {
            Problem::Unknown { suggestion: Some(known) } => write!(f, "unknown key; did you mean {known}?")?,
            Problem::Unknown { suggestion: None } => write!(f, "unknown key; remove it")?,
            Problem::Value { found, expected } => write!(f, "found {found}; expected {expected}")?,
            Problem::Refused { reason } => write!(f, "{reason}")?,
        }
        match &self.origin {
            Origin::Line(line) => write!(f, " (line {line})"),
            Origin::Variable(name) => write!(f, " (environment variable {name})"),
            Origin::Default => Ok(()),
        }
    }
}

impl fmt::Display for SyntaxMistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.message)
    }
}
