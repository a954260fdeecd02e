//! The text of one traced call's arguments, as `strace -xx --decode-fds=path` prints them.

use std::{ffi::OsString, os::unix::ffi::OsStringExt as _, path::PathBuf};

/// A descriptor and what it stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Descriptor {
    /// Its number; `None` for `AT_FDCWD`.
    pub(super) number: Option<i64>,
    /// The path or the pipe or socket behind it, when `strace` could tell.
    pub(super) target: Option<PathBuf>,
    /// Whether that path has been removed.
    pub(super) is_removed: bool,
}

/// Splits at the commas that are not inside quotes, brackets, braces or parentheses.
pub(super) fn split(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut depth, mut quoted, mut from) = (0_usize, false, 0);
    for (index, byte) in text.bytes().enumerate() {
        match byte {
            // With -xx every byte of a string is \xNN: a quote always ends it.
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'[' | b'{' | b'(' => depth += 1,
            b']' | b'}' | b')' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => {
                parts.push(text[from..index].trim());
                from = index + 1;
            }
            _ => {}
        }
    }
    if !text[from..].trim().is_empty() {
        parts.push(text[from..].trim());
    }
    parts
}

/// Reads a quoted string; `None` when it is none or was cut short.
pub(super) fn string(text: &str) -> Option<Vec<u8>> {
    hex(text.strip_prefix('"')?.strip_suffix('"')?)
}

/// Reads a quoted path.
pub(super) fn path(text: &str) -> Option<PathBuf> {
    Some(PathBuf::from(OsString::from_vec(string(text)?)))
}

/// Reads a number, decimal, octal or hexadecimal; a comment behind it is ignored.
pub(super) fn number(text: &str) -> Option<i64> {
    let text = text.split([' ', '<']).next()?;
    if let Some(digits) = text.strip_prefix("0x") {
        return u64::from_str_radix(digits, 16).ok().map(u64::cast_signed);
    }
    text.parse().ok()
}

/// Reads `7<path>`, `7<path>(deleted)`, `AT_FDCWD<path>` or `7`.
pub(super) fn descriptor(text: &str) -> Option<Descriptor> {
    let (head, rest) = text.split_once('<').unwrap_or((text, ""));
    let number = if head == "AT_FDCWD" { None } else { Some(head.trim().parse().ok()?) };
    let target = rest.split_once('>').and_then(|(path, _)| hex(path));
    Some(Descriptor {
        number,
        target: target.map(|bytes| PathBuf::from(OsString::from_vec(bytes))),
        is_removed: rest.ends_with("(deleted)"),
    })
}

/// Reads the buffers of `writev` and the like and puts them together.
pub(super) fn vectors(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    for entry in split(text.strip_prefix('[')?.strip_suffix(']')?) {
        for field in split(entry.strip_prefix('{')?.strip_suffix('}')?) {
            if let Some(buffer) = field.strip_prefix("iov_base=") {
                bytes.extend(string(buffer)?);
            }
        }
    }
    Some(bytes)
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4);
    let mut rest = text.as_bytes();
    while let [first, others @ ..] = rest {
        if *first != b'\\' {
            // A part that strace adds in clear text.
            bytes.push(*first);
            rest = others;
            continue;
        }
        let [b'x', high, low, others @ ..] = others else { return None };
        bytes.push(digit(*high)? << 4 | digit(*low)?);
        rest = others;
    }
    Some(bytes)
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_inside_brackets_and_strings_do_not_split() {
        assert_eq!(split(r#"3, [{a, b}, "x,y"], O_RDWR|O_CREAT, 0644"#).len(), 4);
        assert_eq!(split(""), Vec::<&str>::new());
    }

    #[test]
    fn strings_are_any_bytes() {
        assert_eq!(string(r#""\x00\xff\x22""#), Some(vec![0, 255, b'"']));
        assert_eq!(string(r#""\x61"..."#), None, "a string that was cut short is no data");
    }

    #[test]
    fn descriptors_have_targets() {
        let open = descriptor(r"7<\x2f\x61>").unwrap();
        assert_eq!((open.number, open.target, open.is_removed), (Some(7), Some("/a".into()), false));
        assert!(descriptor(r"7<\x2f\x61>(deleted)").unwrap().is_removed);
        assert_eq!(descriptor(r"AT_FDCWD<\x2f>").unwrap().number, None);
        assert_eq!(descriptor("-1").unwrap().target, None);
    }

    #[test]
    fn vectors_are_joined() {
        let text = r#"[{iov_base="\x61\x62", iov_len=2}, {iov_base="\x63", iov_len=1}]"#;
        assert_eq!(vectors(text), Some(b"abc".to_vec()));
    }
}
