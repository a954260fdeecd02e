//! Reads msgpack with another implementation, to judge this one by.

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use std::{collections::BTreeMap, fmt, io::Cursor};

/// A value without the choices that two writers may make differently.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Plain {
    Nil,
    Flag(bool),
    Number(i128),
    Float(f64),
    Raw(Vec<u8>),
    List(Vec<Plain>),
    Map(BTreeMap<Vec<u8>, Plain>),
}

impl Plain {
    /// Reads all values of a stream, and drops the fields that are zero or empty: Go writes some of them.
    pub(crate) fn read_all(bytes: &[u8]) -> Vec<Self> {
        Self::read_all_of(bytes).into_iter().map(Self::without_zeros).collect()
    }

    /// Reads all values of a stream as they are.
    pub(crate) fn read_all_of(bytes: &[u8]) -> Vec<Self> {
        let mut all = Vec::new();
        let mut at = 0;
        while at < bytes.len() {
            let (value, length) = Self::read_first(&bytes[at..]).unwrap();
            at += length;
            all.push(value);
        }
        all
    }

    /// Reads one value and says how long it is.
    pub(crate) fn read_first(bytes: &[u8]) -> Result<(Self, usize), rmp_serde::decode::Error> {
        let mut from = rmp_serde::Deserializer::new(Cursor::new(bytes));
        let value = Self::deserialize(&mut from)?;
        Ok((value, usize::try_from(from.position()).unwrap()))
    }

    fn without_zeros(self) -> Self {
        match self {
            Self::List(items) => Self::List(items.into_iter().map(Self::without_zeros).collect()),
            Self::Map(map) => Self::Map(
                map.into_iter()
                    .map(|(key, value)| (key, value.without_zeros()))
                    .filter(|(_, value)| !value.is_zero())
                    .collect(),
            ),
            other => other,
        }
    }

    fn is_zero(&self) -> bool {
        match self {
            Self::Nil => true,
            Self::Flag(value) => !value,
            Self::Number(value) => *value == 0,
            Self::Float(value) => *value == 0.0,
            Self::Raw(bytes) => bytes.is_empty(),
            Self::List(items) => items.is_empty(),
            Self::Map(map) => map.is_empty(),
        }
    }

    /// Returns a field of a map.
    pub(crate) fn field(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Map(map) => map.get(key.as_bytes()),
            _ => None,
        }
    }

    /// Returns a text; empty when it is none.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Raw(bytes) => String::from_utf8(bytes.clone()).unwrap(),
            _ => String::new(),
        }
    }
}

impl<'de> Deserialize<'de> for Plain {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(PlainVisitor)
    }
}

struct PlainVisitor;

impl<'de> Visitor<'de> for PlainVisitor {
    type Value = Plain;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything but an extension")
    }

    fn visit_unit<E>(self) -> Result<Plain, E> {
        Ok(Plain::Nil)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Plain, E> {
        Ok(Plain::Flag(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Plain, E> {
        Ok(Plain::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Plain, E> {
        Ok(Plain::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Plain, E> {
        Ok(Plain::Float(value))
    }

    fn visit_str<E>(self, text: &str) -> Result<Plain, E> {
        Ok(Plain::Raw(text.as_bytes().to_vec()))
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Plain, E> {
        Ok(Plain::Raw(bytes.to_vec()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Plain, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = from.next_element()? {
            items.push(item);
        }
        Ok(Plain::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Plain, A::Error> {
        let mut map = BTreeMap::new();
        while let Some((key, value)) = from.next_entry::<Plain, Plain>()? {
            let key = match key {
                Plain::Raw(bytes) => bytes,
                other => format!("{other:?}").into_bytes(),
            };
            map.insert(key, value);
        }
        Ok(Plain::Map(map))
    }
}
