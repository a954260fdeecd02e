//! From the text of a call to its meaning.

use super::{
    arguments::{self, Descriptor},
    system_call::{Object, OpenFlags, SystemCall},
    trace_reader::Call,
};
use std::path::{Component, Path, PathBuf};

/// The calls a recording needs; `?` lets `strace` skip those that this kind of machine does not have.
pub(super) const TRACED: &str = "?open,openat,?openat2,?creat,close,?close_range,?dup,?dup2,dup3,fcntl,\
    write,pwrite64,writev,pwritev,?pwritev2,read,readv,?preadv2,lseek,truncate,ftruncate,fallocate,\
    copy_file_range,sendfile,splice,fsync,fdatasync,sync,syncfs,?rename,renameat,renameat2,?unlink,unlinkat,\
    ?rmdir,?mkdir,mkdirat,?link,linkat,?symlink,symlinkat,mmap,clone,?clone3,?fork,?vfork,execve,execveat,\
    ?io_uring_setup,sendto,sendmsg,?sendmmsg,recvfrom,recvmsg,ioctl,chdir,fchdir";

/// Reads one call. `Some(None)` when it does not matter; `None` when its text cannot be understood. Relative
/// paths of calls without a folder argument begin at `working_folder`.
pub(super) fn decode(call: &Call, working_folder: &Path) -> Option<Option<SystemCall>> {
    if call.end.is_some() && call.returned().is_none_or(|returned| returned == -1) {
        // It failed or was interrupted, and so did nothing.
        return Some(None);
    }
    let parts = Parts { parts: arguments::split(&call.arguments), working_folder };
    let foreign = |object| SystemCall::Foreign { call: call.name.clone(), object };
    let meaning = match call.name.as_str() {
        "read" | "recvfrom" | "write" | "sendto" | "writev" | "pwrite64" | "pwritev" | "readv"
        | "sendmsg" | "recvmsg" => transfer(&call.name, &parts)?,
        "open" => SystemCall::Open { path: parts.path(0)?, flags: open_flags(parts.text(1)?) },
        "creat" => SystemCall::Open {
            path: parts.path(0)?,
            flags: OpenFlags { create: true, truncate: true, ..OpenFlags::default() },
        },
        "openat" | "openat2" => {
            SystemCall::Open { path: parts.path_in(0, 1)?, flags: open_flags(parts.text(2)?) }
        }
        "close" => SystemCall::Close { descriptor: parts.descriptor(0)? },
        "close_range" => SystemCall::CloseRange {
            first: arguments::number(parts.text(0)?)?,
            last: arguments::number(parts.text(1)?)?,
        },
        "dup" | "dup2" => SystemCall::Duplicate { descriptor: parts.descriptor(0)?, close_on_exec: false },
        "dup3" => SystemCall::Duplicate {
            descriptor: parts.descriptor(0)?,
            close_on_exec: parts.text(2)?.contains("O_CLOEXEC"),
        },
        "fcntl" => return descriptor_control(&parts),
        "lseek" => SystemCall::Seek { descriptor: parts.descriptor(0)? },
        "truncate" => SystemCall::Resize { object: Object::Named(parts.path(0)?), len: parts.unsigned(1)? },
        "ftruncate" => {
            SystemCall::Resize { object: Object::Open(parts.descriptor(0)?), len: parts.unsigned(1)? }
        }
        "fallocate" => SystemCall::Allocate {
            descriptor: parts.descriptor(0)?,
            mode: parts.text(1)?.to_owned(),
            offset: parts.unsigned(2)?,
            len: parts.unsigned(3)?,
        },
        "copy_file_range" | "splice" => SystemCall::Copy {
            from: parts.descriptor(0)?,
            from_at: parts.pointed(1)?,
            to: parts.descriptor(2)?,
            to_at: parts.pointed(3)?,
        },
        "sendfile" => SystemCall::Copy {
            from: parts.descriptor(1)?,
            from_at: parts.pointed(2)?,
            to: parts.descriptor(0)?,
            to_at: None,
        },
        "fsync" | "fdatasync" => SystemCall::Sync { descriptor: parts.descriptor(0)? },
        "sync" | "syncfs" => SystemCall::SyncAll,
        "rename" => SystemCall::Rename { from: parts.path(0)?, to: parts.path(1)?, is_plain: true },
        "renameat" | "renameat2" => SystemCall::Rename {
            from: parts.path_in(0, 1)?,
            to: parts.path_in(2, 3)?,
            is_plain: parts.text(4).is_none_or(|flags| matches!(flags, "0" | "RENAME_NOREPLACE")),
        },
        "unlink" | "rmdir" => SystemCall::Unlink { path: parts.path(0)? },
        "unlinkat" => SystemCall::Unlink { path: parts.path_in(0, 1)? },
        "mkdir" => SystemCall::MakeFolder { path: parts.path(0)? },
        "mkdirat" => SystemCall::MakeFolder { path: parts.path_in(0, 1)? },
        "link" => SystemCall::Link { from: parts.path(0)?, to: parts.path(1)? },
        "linkat" => SystemCall::Link { from: parts.path_in(0, 1)?, to: parts.path_in(2, 3)? },
        "symlink" => foreign(Some(Object::Named(parts.path(1)?))),
        "symlinkat" => foreign(Some(Object::Named(parts.path_in(1, 2)?))),
        "mmap" => {
            let is_shared =
                parts.text(3)?.contains("MAP_SHARED") && !parts.text(3)?.contains("MAP_ANONYMOUS");
            if !is_shared || !parts.text(2)?.contains("PROT_WRITE") {
                return Some(None);
            }
            foreign(Some(Object::Open(parts.descriptor(4)?)))
        }
        "clone" | "clone3" => {
            SystemCall::Spawn { shares_descriptors: call.arguments.contains("CLONE_FILES") }
        }
        "fork" | "vfork" => SystemCall::Spawn { shares_descriptors: false },
        "execve" | "execveat" => SystemCall::Execute,
        "ioctl" if !parts.text(1)?.contains("FICLONE") => return Some(None),
        "ioctl" | "pwritev2" | "preadv2" | "sendmmsg" => foreign(Some(Object::Open(parts.descriptor(0)?))),
        "io_uring_setup" | "chdir" | "fchdir" => foreign(None),
        _ => return Some(None),
    };
    Some(Some(meaning))
}

/// Reads the calls that carry bytes.
fn transfer(name: &str, parts: &Parts<'_>) -> Option<SystemCall> {
    let descriptor = parts.descriptor(0)?;
    let buffer = parts.text(1)?;
    Some(match name {
        // The buffer of a read that never returned is only an address.
        "read" | "recvfrom" => {
            SystemCall::Read { descriptor, data: arguments::string(buffer).unwrap_or_default() }
        }
        "readv" => SystemCall::Read { descriptor, data: arguments::vectors(buffer).unwrap_or_default() },
        "recvmsg" => SystemCall::Read { descriptor, data: message(buffer).unwrap_or_default() },
        "writev" => SystemCall::Write { descriptor, data: arguments::vectors(buffer)?, at: None },
        "pwrite64" => {
            SystemCall::Write { descriptor, data: arguments::string(buffer)?, at: Some(parts.unsigned(3)?) }
        }
        "pwritev" => {
            SystemCall::Write { descriptor, data: arguments::vectors(buffer)?, at: Some(parts.unsigned(3)?) }
        }
        "sendmsg" => SystemCall::Write { descriptor, data: message(buffer)?, at: None },
        _ => SystemCall::Write { descriptor, data: arguments::string(buffer)?, at: None },
    })
}

fn descriptor_control(parts: &Parts<'_>) -> Option<Option<SystemCall>> {
    let descriptor = parts.descriptor(0)?;
    Some(match parts.text(1)? {
        "F_DUPFD" => Some(SystemCall::Duplicate { descriptor, close_on_exec: false }),
        "F_DUPFD_CLOEXEC" => Some(SystemCall::Duplicate { descriptor, close_on_exec: true }),
        "F_SETFL" => Some(SystemCall::SetFlags { descriptor, append: parts.text(2)?.contains("O_APPEND") }),
        _ => None,
    })
}

fn message(text: &str) -> Option<Vec<u8>> {
    let fields = arguments::split(text.strip_prefix('{')?.strip_suffix('}')?);
    arguments::vectors(fields.iter().find_map(|field| field.strip_prefix("msg_iov="))?)
}

fn open_flags(text: &str) -> OpenFlags {
    let has = |flag: &str| text.split(['|', '=', ',', '}', ' ']).any(|word| word == flag);
    OpenFlags {
        append: has("O_APPEND"),
        create: has("O_CREAT"),
        truncate: has("O_TRUNC"),
        nameless: has("O_TMPFILE"),
        synced: has("O_SYNC") || has("O_DSYNC"),
        close_on_exec: has("O_CLOEXEC"),
    }
}

/// The arguments of a call, read by their number.
struct Parts<'a> {
    parts: Vec<&'a str>,
    working_folder: &'a Path,
}

impl Parts<'_> {
    fn text(&self, index: usize) -> Option<&str> {
        self.parts.get(index).copied()
    }

    fn descriptor(&self, index: usize) -> Option<Descriptor> {
        arguments::descriptor(self.text(index)?)
    }

    fn unsigned(&self, index: usize) -> Option<u64> {
        u64::try_from(arguments::number(self.text(index)?)?).ok()
    }

    /// Reads an offset behind a pointer: `NULL`, `[7]` or `[7 => 9]`.
    #[allow(clippy::option_option, reason = "the outer one says whether the text can be read")]
    fn pointed(&self, index: usize) -> Option<Option<u64>> {
        let text = self.text(index)?;
        if text == "NULL" {
            return Some(None);
        }
        let number = text.trim_start_matches('[').trim_end_matches(']').split(' ').next()?;
        Some(Some(number.parse().ok()?))
    }

    fn path(&self, index: usize) -> Option<PathBuf> {
        Some(normal(&self.working_folder.join(arguments::path(self.text(index)?)?)))
    }

    fn path_in(&self, folder: usize, index: usize) -> Option<PathBuf> {
        let path = arguments::path(self.text(index)?)?;
        if path.is_absolute() {
            return Some(normal(&path));
        }
        Some(normal(&self.descriptor(folder)?.target?.join(path)))
    }
}

/// Takes `.` and `..` out of a path; there are no symbolic links below the recorded folder.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                normal.pop();
            }
            other => normal.push(other),
        }
    }
    normal
}

#[cfg(test)]
mod tests {
    use super::{super::trace_reader::TraceReader, *};

    fn one(line: &str) -> Option<SystemCall> {
        let line = format!("1  {line}\n");
        let call = TraceReader::new(line.as_bytes()).next_call().unwrap().unwrap();
        decode(&call, Path::new("/w")).unwrap()
    }

    #[test]
    fn relative_paths_become_absolute() {
        let Some(SystemCall::Open { path, flags }) = one(
            "openat(5<\\x2f\\x64>, \"\\x2e\\x2e\\x2f\\x61\", O_WRONLY|O_CREAT|O_APPEND|O_CLOEXEC, 0666) = 3<\\x2f\\x61>",
        ) else {
            panic!("not an open")
        };
        assert_eq!(path, Path::new("/a"));
        assert!(flags.create && flags.append && flags.close_on_exec && !flags.truncate);
        assert_eq!(one("unlink(\"\\x61\") = 0"), Some(SystemCall::Unlink { path: "/w/a".into() }));
    }

    #[test]
    fn positioned_vectors_have_their_offset() {
        let call = one(
            "pwritev(3<\\x2f\\x61>, [{iov_base=\"\\x61\", iov_len=1}, {iov_base=\"\\x62\", iov_len=1}], 2, 4096) = 2",
        );
        let Some(SystemCall::Write { data, at, .. }) = call else { panic!("not a write") };
        assert_eq!((data.as_slice(), at), (&b"ab"[..], Some(4096)));
    }

    #[test]
    fn failed_calls_do_nothing() {
        assert_eq!(one("unlink(\"\\x61\") = -1 ENOENT (No such file or directory)"), None);
        assert_eq!(one("write(3<\\x61>, \"\\x61\", 1) = ? ERESTARTSYS (To be restarted)"), None);
    }

    #[test]
    fn messages_to_sockets_carry_their_bytes() {
        let call = one(
            "sendmsg(13<\\x73>, {msg_name=NULL, msg_namelen=0, msg_iov=[{iov_base=\"\\x61\", iov_len=1}], msg_iovlen=1, msg_controllen=0, msg_flags=0}, 0) = 1",
        );
        assert!(matches!(call, Some(SystemCall::Write { data, .. }) if data == b"a"));
    }

    #[test]
    fn what_is_not_modelled_is_named() {
        assert!(matches!(
            one("mmap(NULL, 4096, PROT_READ|PROT_WRITE, MAP_SHARED, 7<\\x2f\\x61>, 0) = 0x7f0000000000"),
            Some(SystemCall::Foreign { object: Some(Object::Open(_)), .. })
        ));
        assert_eq!(one("mmap(NULL, 4096, PROT_READ, MAP_SHARED, 7<\\x2f\\x61>, 0) = 0x7f0000000000"), None);
        assert_eq!(
            one("io_uring_setup(8, {flags=0}) = 5"),
            Some(SystemCall::Foreign { call: "io_uring_setup".to_owned(), object: None })
        );
        assert!(matches!(
            one("renameat2(AT_FDCWD<\\x2f>, \"\\x61\", AT_FDCWD<\\x2f>, \"\\x62\", RENAME_EXCHANGE) = 0"),
            Some(SystemCall::Rename { is_plain: false, .. })
        ));
    }
}
