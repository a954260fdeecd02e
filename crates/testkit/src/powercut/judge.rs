//! The oracle: what must and what may be there.

use super::{
    event::Position,
    operation::{Answer, Effect, Operation},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// Keys and their values.
pub type State = BTreeMap<String, String>;

/// A key that is not as it may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The key.
    pub key: String,
    /// What was found.
    pub found: Option<String>,
    /// What would have been right, one entry for each possibility.
    pub allowed: BTreeSet<Option<String>>,
    /// The operations on the key that had begun, in words.
    pub history: Vec<String>,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let short = |value: &Option<String>| value.as_deref().map_or("nothing".to_owned(), shorten);
        let allowed: Vec<String> = self.allowed.iter().map(short).collect();
        write!(f, "{}: found {}, allowed {}", self.key, short(&self.found), allowed.join(" or "))?;
        for line in &self.history {
            write!(f, "\n    {line}")?;
        }
        Ok(())
    }
}

/// Compares `found` with what the operations allow after a cut at `cut`, when the state was `initial` before.
///
/// An acknowledged operation holds unless one that was requested after its answer is acknowledged too; one that
/// began and was not acknowledged may have happened at any moment, or never. Keys that no operation and no
/// initial state knows must not be there.
pub fn judge(initial: &State, operations: &[Operation], cut: Position, found: &State) -> Vec<Violation> {
    let mut by_key: BTreeMap<&str, Vec<&Operation>> = BTreeMap::new();
    for operation in operations.iter().filter(|operation| operation.requested <= cut) {
        by_key.entry(&operation.key).or_default().push(operation);
    }
    let keys: BTreeSet<&str> =
        by_key.keys().copied().chain(initial.keys().chain(found.keys()).map(String::as_str)).collect();
    let mut violations = Vec::new();
    for key in keys {
        let operations = by_key.get(key).map_or(&[][..], Vec::as_slice);
        let allowed = allowed(initial.get(key), operations, cut);
        let found = found.get(key).cloned();
        if !allowed.contains(&found) {
            let history = operations.iter().map(|operation| describe(operation, cut)).collect();
            violations.push(Violation { key: key.to_owned(), found, allowed, history });
        }
    }
    violations
}

fn allowed(initial: Option<&String>, operations: &[&Operation], cut: Position) -> BTreeSet<Option<String>> {
    let mut allowed = BTreeSet::new();
    let acknowledged = |operation: &&&Operation| operation.acknowledged_by(cut).is_some();
    if !operations.iter().any(|operation| operation.acknowledged_by(cut).is_some()) {
        allowed.insert(initial.cloned());
    }
    for operation in operations {
        if matches!(operation.answer, Answer::Refused(at) if at <= cut) {
            continue;
        }
        let overtaken = operation.acknowledged_by(cut).is_some_and(|answered| {
            operations.iter().filter(acknowledged).any(|later| later.requested > answered)
        });
        if !overtaken {
            allowed.insert(match &operation.effect {
                Effect::Put(value) => Some(value.clone()),
                Effect::Remove => None,
            });
        }
    }
    allowed
}

fn describe(operation: &Operation, cut: Position) -> String {
    let answer = match operation.answer {
        Answer::Done(at) if at <= cut => format!("done at {at}"),
        Answer::Refused(at) if at <= cut => format!("refused at {at}"),
        Answer::Done(_) | Answer::Refused(_) | Answer::Unknown => "not answered before the cut".to_owned(),
    };
    let effect = match &operation.effect {
        Effect::Put(value) => shorten(value),
        Effect::Remove => "gone".to_owned(),
    };
    format!("{} ({effect}) requested at {}, {answer}", operation.label, operation.requested)
}

/// Shortens a value for a report.
fn shorten(value: &str) -> String {
    match value.char_indices().nth(40) {
        Some((end, _)) => format!("{}… ({} bytes)", &value[..end], value.len()),
        None => value.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operation(effect: Effect, requested: Position, answer: Answer) -> Operation {
        let label = format!("op{requested}");
        Operation { label, key: "k".to_owned(), effect, requested, answer, needles: Vec::new() }
    }

    fn put(value: &str, requested: Position, answer: Answer) -> Operation {
        operation(Effect::Put(value.to_owned()), requested, answer)
    }

    fn with(value: &str) -> State {
        State::from([("k".to_owned(), value.to_owned())])
    }

    #[test]
    fn an_acknowledged_put_must_be_there() {
        let operations = [put("a", 1, Answer::Done(5))];
        assert_eq!(judge(&State::new(), &operations, 5, &State::new()).len(), 1);
        assert_eq!(judge(&State::new(), &operations, 5, &with("a")), []);
        assert_eq!(judge(&State::new(), &operations, 4, &State::new()), [], "not yet acknowledged");
        assert_eq!(judge(&State::new(), &operations, 4, &with("a")), []);
        assert_eq!(judge(&State::new(), &operations, 0, &with("a")).len(), 1, "not even requested");
    }

    #[test]
    fn an_old_value_is_a_violation() {
        let operations = [put("a", 1, Answer::Done(5)), put("b", 6, Answer::Done(9))];
        assert_eq!(judge(&State::new(), &operations, 9, &with("a")).len(), 1);
        assert_eq!(judge(&State::new(), &operations, 9, &with("b")), []);
        assert_eq!(judge(&State::new(), &operations, 8, &with("a")), []);
        assert_eq!(judge(&State::new(), &operations, 8, &State::new()).len(), 1);
    }

    #[test]
    fn concurrent_operations_may_end_either_way() {
        let operations = [put("a", 1, Answer::Done(5)), operation(Effect::Remove, 4, Answer::Done(9))];
        assert_eq!(judge(&State::new(), &operations, 9, &with("a")), []);
        assert_eq!(judge(&State::new(), &operations, 9, &State::new()), []);
        assert_eq!(judge(&State::new(), &operations, 9, &with("c")).len(), 1);
    }

    #[test]
    fn a_refused_operation_did_nothing_and_an_unknown_one_may_have() {
        let refused = [put("a", 1, Answer::Done(2)), operation(Effect::Remove, 3, Answer::Refused(4))];
        assert_eq!(judge(&State::new(), &refused, 9, &State::new()).len(), 1);
        let unknown = [put("a", 1, Answer::Done(2)), operation(Effect::Remove, 3, Answer::Unknown)];
        assert_eq!(judge(&State::new(), &unknown, 9, &State::new()), []);
        assert_eq!(judge(&State::new(), &unknown, 9, &with("a")), []);
    }

    #[test]
    fn the_initial_state_holds_until_an_acknowledgement() {
        let remove = [operation(Effect::Remove, 3, Answer::Done(5))];
        assert_eq!(judge(&with("old"), &remove, 4, &with("old")), []);
        assert_eq!(judge(&with("old"), &remove, 5, &with("old")).len(), 1);
        assert_eq!(judge(&with("old"), &[], 5, &State::new()).len(), 1);
    }
}
