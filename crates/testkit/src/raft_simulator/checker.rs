//! Whether what clients were told of one pin could have happened one after the other.
//!
//! The search is `todc-utils`' (Wing and Gong, with Lowe's cache). The rules below are written anew and share nothing with
//! `plan`.

use super::history::Call;
use anyhow::{Result, bail, ensure};
use std::{collections::BTreeMap, fmt::Write as _};
use todc_utils::{
    linearizability::{
        WGLChecker,
        history::{Action, History},
    },
    specifications::Specification,
};

/// The name of a pin; no two requests give the same one.
pub type Name = u64;

/// What is asked of a pin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// Give it this name, and make it where it is not there.
    Pin(Name, If, Option<u64>),
    /// Remove it.
    Unpin(If, Option<u64>),
    /// Tell its name.
    Read,
}

/// What must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum If {
    /// Nothing.
    Always,
    /// There is no such pin.
    Absent,
    /// The pin has this name.
    Is(Name),
}

/// What was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// Nothing, or that nobody knows.
    Nothing,
    /// It is certain that nothing was done.
    NotDone,
    /// It was done, now or by an earlier request of the same id.
    Done {
        /// The name of the pin, or the one that it had.
        name: Name,
        /// Whether it was done by an earlier request.
        repeated: bool,
    },
    /// What must hold does not.
    Differs,
    /// There is no such pin.
    NotPinned,
    /// The pin's name, if there is one.
    Is(Option<Name>),
}

/// A pin: its name, if it is there.
type Register = Option<Name>;

/// One change or read, however often it was asked for.
#[derive(Debug, Clone, Copy)]
struct Step {
    asked: Asked,
    told: Told,
    began: u64,
    /// Until when it has happened, if it has.
    ended: Option<u64>,
}

struct Rules;

fn holds(register: Register, condition: If) -> bool {
    match condition {
        If::Always => true,
        If::Absent => register.is_none(),
        If::Is(name) => register == Some(name),
    }
}

fn carry_out(asked: Asked, register: Register) -> (Told, Register) {
    let done = |name| Told::Done { name, repeated: false };
    match (asked, register) {
        (Asked::Read, _) => (Told::Is(register), register),
        (Asked::Pin(_, condition, _) | Asked::Unpin(condition, _), _) if !holds(register, condition) => {
            (Told::Differs, register)
        }
        (Asked::Pin(name, ..), _) => (done(name), Some(name)),
        (Asked::Unpin(..), Some(name)) => (done(name), None),
        (Asked::Unpin(..), None) => (Told::NotPinned, register),
    }
}

impl Specification for Rules {
    type State = Register;
    type Operation = Step;

    fn init() -> Register {
        None
    }

    fn apply(step: &Step, register: &Register) -> (bool, Register) {
        let (told, next) = carry_out(step.asked, *register);
        if step.told == Told::Nothing || step.told == told { (true, next) } else { (false, *register) }
    }
}

/// Makes one step of all attempts with one id: it takes effect once at most, whichever attempt does it.
fn steps(calls: &[Call]) -> Result<Vec<Step>> {
    let mut steps = Vec::new();
    let mut attempts: BTreeMap<u64, Vec<&Call>> = BTreeMap::new();
    for call in calls.iter().filter(|call| call.told != Told::NotDone) {
        match (call.asked, call.told) {
            // Nobody was told about it, so it matters to nobody.
            (Asked::Read, Told::Nothing) => {}
            (Asked::Pin(.., Some(id)) | Asked::Unpin(_, Some(id)), Told::Nothing | Told::Done { .. }) => {
                attempts.entry(id).or_default().push(call);
            }
            _ => {
                steps.push(Step { asked: call.asked, told: call.told, began: call.began, ended: call.ended })
            }
        }
    }
    for (id, calls) in attempts {
        let firsts = calls.iter().filter(|call| matches!(call.told, Told::Done { repeated: false, .. }));
        ensure!(firsts.count() <= 1, "request {id} was carried out twice");
        let repeated = |call: &&&Call| matches!(call.told, Told::Done { repeated: true, .. });
        if let Some(call) = calls.iter().find(repeated) {
            let is_second = calls.iter().any(|other| other.began < call.began);
            ensure!(is_second, "request {id} is said to be a repetition and is none");
        }
        let done = calls.iter().find_map(|call| match call.told {
            Told::Done { name, .. } => Some((Told::Done { name, repeated: false }, call.ended)),
            _ => None,
        });
        let (told, ended) = done.unwrap_or((Told::Nothing, None));
        let began = calls.iter().map(|call| call.began).min().unwrap_or_default();
        steps.push(Step { asked: calls[0].asked, told, began, ended });
    }
    Ok(steps)
}

/// Says whether some order explains all steps.
fn is_explained(steps: &[Step]) -> bool {
    if steps.is_empty() {
        return true;
    }
    let mut events = Vec::new();
    for (process, step) in steps.iter().enumerate() {
        events.push((step.began, process, Action::Call(*step)));
        // What nobody was told about may happen at any time, also never, which is the same as last of all.
        events.push((step.ended.unwrap_or(u64::MAX), process, Action::Response(*step)));
    }
    events.sort_by_key(|(at, process, _)| (*at, *process));
    let history = events.into_iter().map(|(_, process, action)| (process, action)).collect();
    WGLChecker::<Rules>::is_linearizable(History::from_actions(history))
}

/// Leaves out reads during which another one began and ended and saw the same: wherever that one fits, they do too.
fn without_needless_reads(steps: Vec<Step>) -> Vec<Step> {
    let is_around = |outer: &Step, inner: &Step| {
        outer.told == inner.told && outer.began < inner.began && outer.ended > inner.ended
    };
    let is_needless =
        |step: &Step| steps.iter().any(|other| other.asked == Asked::Read && is_around(step, other));
    steps.iter().copied().filter(|step| step.asked != Asked::Read || !is_needless(step)).collect()
}

/// Returns every choice of what may have happened without that anybody was told, the smallest ones first: most of it did not
/// happen, or nobody saw it, and the search takes twice as long for each step more. Of those that ask for the same, and whose
/// names nobody saw, the ones asked for first are enough: what a later one explains, an earlier one explains too.
fn fewest_first(mut steps: Vec<Step>) -> Vec<Vec<Step>> {
    steps.sort_by_key(|step| step.began);
    let mut alike: Vec<Vec<Step>> = Vec::new();
    for step in steps {
        match alike.iter_mut().find(|group| asks_for_the_same(group[0].asked, step.asked)) {
            Some(group) => group.push(step),
            None => alike.push(vec![step]),
        }
    }
    let mut choices = vec![Vec::new()];
    for group in alike {
        let longer = |choice: &Vec<Step>| -> Vec<Vec<Step>> {
            (0..=group.len()).map(|count| [choice.as_slice(), &group[..count]].concat()).collect()
        };
        choices = choices.iter().flat_map(longer).collect();
    }
    choices.sort_by_key(Vec::len);
    choices
}

fn asks_for_the_same(one: Asked, other: Asked) -> bool {
    match (one, other) {
        (Asked::Pin(_, one, _), Asked::Pin(_, other, _)) | (Asked::Unpin(one, _), Asked::Unpin(other, _)) => {
            one == other
        }
        _ => false,
    }
}

/// Checks all that was asked of one pin.
///
/// # Errors
/// When no order explains it; with the requests.
pub fn check(key: usize, calls: &[Call]) -> Result<()> {
    let mut steps = steps(calls)?;
    // A name that was seen was given before whoever saw it was told.
    let seen: BTreeMap<Name, u64> = calls
        .iter()
        .rev()
        .filter_map(|call| match (call.asked, call.told) {
            (Asked::Read, Told::Is(Some(name))) | (Asked::Unpin(..), Told::Done { name, .. }) => {
                Some((name, call.ended?))
            }
            _ => None,
        })
        .fold(BTreeMap::new(), |mut seen, (name, at)| {
            let first = seen.entry(name).or_insert(at);
            *first = at.min(*first);
            seen
        });
    for step in &mut steps {
        if let Asked::Pin(name, ..) = step.asked
            && step.told == Told::Nothing
        {
            step.ended = seen.get(&name).copied();
        }
    }
    let (known, unknown): (Vec<Step>, Vec<Step>) = steps.into_iter().partition(|step| step.ended.is_some());
    let known = without_needless_reads(known);
    if fewest_first(unknown).into_iter().any(|chosen| is_explained(&[known.as_slice(), &chosen].concat())) {
        return Ok(());
    }
    let mut text = String::new();
    for call in calls {
        let ended = call.ended.map_or_else(|| "-".to_owned(), |at| at.to_string());
        // A string takes everything.
        let _ = write!(
            text,
            "\n  [{:>4}, {ended:>4}] client {} at peer {}: {:?} -> {:?}",
            call.began, call.client, call.peer, call.asked, call.told
        );
    }
    bail!("what clients were told of pin {key} is not linearizable:{text}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(asked: Asked, began: u64, ended: u64, told: Told) -> Call {
        let ended = (told != Told::Nothing).then_some(ended);
        Call { client: 0, peer: 0, key: 0, asked, began, ended, told }
    }

    const fn done(name: Name) -> Told {
        Told::Done { name, repeated: false }
    }

    #[test]
    fn what_could_have_happened_is_let_pass() {
        let pin = |name, id| Asked::Pin(name, If::Always, id);
        let history = [
            call(pin(1, Some(7)), 1, 0, Told::Nothing),
            call(pin(1, Some(7)), 2, 5, Told::Done { name: 1, repeated: true }),
            call(Asked::Read, 3, 6, Told::Is(Some(1))),
            call(Asked::Pin(2, If::Is(1), None), 7, 8, done(2)),
            call(Asked::Unpin(If::Always, None), 9, 0, Told::Nothing),
            call(Asked::Read, 10, 11, Told::Is(Some(2))),
            call(Asked::Read, 12, 13, Told::Is(None)),
            call(Asked::Unpin(If::Always, None), 14, 15, Told::NotPinned),
            call(Asked::Pin(3, If::Is(2), None), 16, 17, Told::Differs),
        ];
        check(0, &history).unwrap();
    }

    #[test]
    fn what_could_not_is_found() {
        let pin = |name| Asked::Pin(name, If::Always, None);
        let histories = [
            // An acknowledged change is lost.
            vec![call(pin(1), 1, 2, done(1)), call(Asked::Read, 3, 4, Told::Is(None))],
            // An old value is read.
            vec![
                call(pin(1), 1, 2, done(1)),
                call(pin(2), 3, 4, done(2)),
                call(Asked::Read, 5, 6, Told::Is(Some(1))),
            ],
            // A read is seen, and then not any more.
            vec![
                call(pin(1), 1, 0, Told::Nothing),
                call(Asked::Read, 2, 3, Told::Is(Some(1))),
                call(Asked::Read, 4, 5, Told::Is(None)),
            ],
            // A condition was not looked at.
            vec![call(pin(1), 1, 2, done(1)), call(Asked::Pin(2, If::Absent, None), 3, 4, done(2))],
            // One request was carried out twice.
            vec![
                call(Asked::Pin(1, If::Always, Some(7)), 1, 2, done(1)),
                call(Asked::Pin(1, If::Always, Some(7)), 3, 4, done(1)),
            ],
            // One that was told not to be done was done.
            vec![call(pin(1), 1, 2, Told::NotDone), call(Asked::Read, 3, 4, Told::Is(Some(1)))],
        ];
        for history in histories {
            assert!(check(0, &history).is_err(), "{history:?}");
        }
    }
}
