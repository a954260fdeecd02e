//! What clients ask for, and of which pins.

use cluster_testkit::{
    powercut::Dice,
    raft_simulator::{Asked, If, Name, Told},
};
use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

/// Pins that all clients work on at a time.
const SHARED: u64 = 6;
/// Requests of one pin: the search for an order must come to an end.
const MOST_CALLS: usize = 16;
/// Requests of one pin that nobody was told about, for the same reason.
const MOST_UNKNOWN: usize = 3;

/// The pins that are worked on. Each is left after a while, and must be then as it was left.
#[derive(Debug, Default)]
pub(super) struct Slots(Mutex<Pins>);

#[derive(Debug, Default)]
struct Pins {
    next: usize,
    /// By slot.
    current: BTreeMap<u64, usize>,
    /// By pin.
    used: BTreeMap<usize, Used>,
}

#[derive(Debug, Default)]
struct Used {
    calls: usize,
    unknown: usize,
    /// Name and tag, as somebody was told last.
    known: Option<(Name, String)>,
}

impl Slots {
    /// Chooses a pin for a client, with the name and the tag it was told to have.
    pub(super) fn choose(&self, client: usize, dice: &mut Dice) -> (usize, Option<(Name, String)>) {
        let slot = if dice.chance(25) { dice.below(SHARED) } else { SHARED + client as u64 };
        let mut pins = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let current = pins.current.get(&slot).copied();
        let is_used_up = |key: &usize| {
            let used = pins.used.get(key);
            used.is_some_and(|used| used.calls >= MOST_CALLS || used.unknown >= MOST_UNKNOWN)
        };
        let key = match current.filter(|key| !is_used_up(key)) {
            Some(key) => key,
            None => {
                let key = pins.next;
                pins.next += 1;
                pins.current.insert(slot, key);
                key
            }
        };
        let used = pins.used.entry(key).or_default();
        used.calls += 1;
        (key, used.known.clone())
    }

    /// Takes note of an answer.
    pub(super) fn told(&self, key: usize, asked: Asked, told: Told, tag: Option<&str>) {
        let mut pins = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let used = pins.used.entry(key).or_default();
        match (asked, told, tag) {
            (Asked::Read, Told::Is(Some(name)), Some(tag))
            | (Asked::Pin(..), Told::Done { name, .. }, Some(tag)) => {
                used.known = Some((name, tag.to_owned()))
            }
            (Asked::Pin(..) | Asked::Unpin(..), Told::Nothing, _) => used.unknown += 1,
            _ => {}
        }
    }

    /// Counts the pins that were worked on.
    pub(super) fn count(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).next
    }
}

/// A request, as the dice fell.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wish {
    kind: Kind,
    condition: If,
    pub(super) has_id: bool,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Read,
    Pin,
    Unpin,
}

impl Wish {
    pub(super) fn draw(dice: &mut Dice, known: Option<Name>) -> Self {
        let kind = match dice.below(100) {
            0..15 => Kind::Read,
            15..75 => Kind::Pin,
            _ => Kind::Unpin,
        };
        let condition = match (dice.below(100), known, kind) {
            (0..15, Some(name), _) => If::Is(name),
            (15..25, _, Kind::Pin) => If::Absent,
            _ => If::Always,
        };
        Self { kind, condition, has_id: dice.chance(60) && !matches!(kind, Kind::Read) }
    }

    /// Makes the request of it; `number` names the pin, and the request if it has an id.
    pub(super) fn asked(self, number: u64) -> Asked {
        let id = self.has_id.then_some(number);
        match self.kind {
            Kind::Read => Asked::Read,
            Kind::Pin => Asked::Pin(number, self.condition, id),
            Kind::Unpin => Asked::Unpin(self.condition, id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_always_gives_the_same_wishes_and_all_kinds_of_them() {
        let wishes = |seed| {
            let mut dice = Dice::new(seed);
            (0..300).map(|number| Wish::draw(&mut dice, Some(7)).asked(number)).collect::<Vec<_>>()
        };
        assert_eq!(wishes(5), wishes(5));
        assert_ne!(wishes(5), wishes(6));
        for wanted in [
            |asked: &Asked| *asked == Asked::Read,
            |asked: &Asked| matches!(asked, Asked::Pin(_, If::Absent, Some(_))),
            |asked: &Asked| matches!(asked, Asked::Pin(_, If::Is(7), None)),
            |asked: &Asked| matches!(asked, Asked::Unpin(If::Always, None)),
        ] {
            assert!(wishes(5).iter().any(wanted));
        }
    }

    #[test]
    fn a_pin_is_left_after_a_while() {
        let (slots, mut dice) = (Slots::default(), Dice::new(1));
        for _ in 0..200 {
            slots.choose(0, &mut dice);
        }
        assert!((12..30).contains(&slots.count()), "{}", slots.count());
        let key = slots.count() - 1;
        for _ in 0..MOST_UNKNOWN {
            slots.told(key, Asked::Pin(1, If::Always, None), Told::Nothing, None);
        }
        assert!((0..200).all(|_| slots.choose(0, &mut dice).0 != key));
    }
}
