//! Reads and writes the fields of protobuf messages, as far as bitswap and dag-pb use them.

use prost::encoding::{decode_varint, encode_varint, encoded_len_varint};

/// Bytes that are not the protobuf message they should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed message: {0}")]
pub(super) struct Malformed(pub(super) &'static str);

/// The value of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value<'a> {
    /// An integer, a bool or an enum.
    Number(u64),
    /// Bytes or a nested message.
    Bytes(&'a [u8]),
    /// A kind of field that neither format uses.
    Fixed,
}

impl<'a> Value<'a> {
    /// Returns the number.
    ///
    /// # Errors
    /// When the field holds something else.
    pub(super) fn number(self) -> Result<u64, Malformed> {
        match self {
            Value::Number(number) => Ok(number),
            Value::Bytes(_) | Value::Fixed => Err(Malformed("a field is no number")),
        }
    }

    /// Returns the bytes.
    ///
    /// # Errors
    /// When the field holds something else.
    pub(super) fn bytes(self) -> Result<&'a [u8], Malformed> {
        match self {
            Value::Bytes(bytes) => Ok(bytes),
            Value::Number(_) | Value::Fixed => Err(Malformed("a field holds no bytes")),
        }
    }
}

/// Takes the next field off the front; `None` at the end.
///
/// # Errors
/// When the bytes are no field.
pub(super) fn next_field<'a>(input: &mut &'a [u8]) -> Result<Option<(u64, Value<'a>)>, Malformed> {
    if input.is_empty() {
        return Ok(None);
    }
    let key = varint(input)?;
    let value = match key & 7 {
        0 => Value::Number(varint(input)?),
        1 => take(input, 8).map(|_| Value::Fixed)?,
        2 => {
            let length = usize::try_from(varint(input)?).map_err(|_| Malformed("a length is too great"))?;
            Value::Bytes(take(input, length)?)
        }
        5 => take(input, 4).map(|_| Value::Fixed)?,
        _ => return Err(Malformed("unknown wire type")),
    };
    Ok(Some((key >> 3, value)))
}

/// Takes a varint off the front.
///
/// # Errors
/// When there is none.
pub(super) fn varint(input: &mut &[u8]) -> Result<u64, Malformed> {
    decode_varint(input).map_err(|_| Malformed("broken varint"))
}

fn take<'a>(input: &mut &'a [u8], count: usize) -> Result<&'a [u8], Malformed> {
    let (taken, rest) = input.split_at_checked(count).ok_or(Malformed("a field is cut off"))?;
    *input = rest;
    Ok(taken)
}

/// Appends a number; zero is left out, as proto3 has it.
pub(super) fn put_number(out: &mut Vec<u8>, field: u64, number: u64) {
    if number != 0 {
        encode_varint(field << 3, out);
        encode_varint(number, out);
    }
}

/// Appends bytes, empty ones too.
pub(super) fn put_bytes(out: &mut Vec<u8>, field: u64, bytes: &[u8]) {
    put_header(out, field, bytes.len());
    out.extend_from_slice(bytes);
}

/// Appends the head of a nested message of a known length.
pub(super) fn put_header(out: &mut Vec<u8>, field: u64, length: usize) {
    encode_varint(field << 3 | 2, out);
    encode_varint(length as u64, out);
}

/// Counts the bytes of a bytes field whose number is below 16.
pub(super) fn bytes_len(length: usize) -> usize {
    1 + encoded_len_varint(length as u64) + length
}
