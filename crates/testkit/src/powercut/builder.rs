//! From calls to events: follows descriptors, offsets and names through a trace.

use super::{
    arguments::Descriptor,
    base::Base,
    decode::decode,
    descriptors::{Descriptors, OpenFile},
    error::PowercutError,
    event::{Change, Event, EventKind, Inode, Position},
    namespace::Namespace,
    stream_io::{Direction, StreamIo},
    system_call::{Object, OpenFlags, SystemCall},
    trace_reader::{Call, TraceReader},
};
use std::{
    collections::{BTreeMap, HashMap},
    fs,
    io::BufRead,
    path::{Path, PathBuf},
};

/// A call that matters.
struct Step {
    thread: u32,
    returned: Option<i64>,
    start: Position,
    end: Option<Position>,
    call: SystemCall,
}

/// What comes out.
pub(super) struct Built {
    pub(super) events: Vec<Event>,
    pub(super) streams: Vec<StreamIo>,
    pub(super) folders: Namespace,
    pub(super) first_names: BTreeMap<Inode, PathBuf>,
    pub(super) last: Position,
}

pub(super) struct Builder<'a> {
    root: &'a Path,
    base: &'a Base,
    names: Namespace,
    /// Only its folders are used: all that ever were.
    folders: Namespace,
    lengths: HashMap<Inode, u64>,
    first_names: BTreeMap<Inode, PathBuf>,
    descriptors: Descriptors,
    next_inode: u64,
    events: Vec<Event>,
    streams: Vec<StreamIo>,
}

impl<'a> Builder<'a> {
    /// Reads a whole trace of a program that worked in `working_folder` on `root`.
    pub(super) fn read(
        trace: impl BufRead,
        root: &'a Path,
        working_folder: &Path,
        base: &'a Base,
    ) -> Result<Built, PowercutError> {
        let mut reader = TraceReader::new(trace);
        let mut steps = Vec::new();
        let mut children = HashMap::new();
        while let Some(call) = reader.next_call()? {
            let step = Self::step(&call, working_folder)?;
            let Some(step) = step else { continue };
            if let (SystemCall::Spawn { shares_descriptors }, Some(child)) = (&step.call, step.returned) {
                children.insert(child, (step.thread, *shares_descriptors));
            }
            steps.push(step);
        }
        let mut builder = Self {
            root,
            base,
            names: base.names.clone(),
            folders: base.names.clone(),
            lengths: HashMap::new(),
            first_names: BTreeMap::new(),
            descriptors: Descriptors::default(),
            next_inode: base.next_inode(),
            events: Vec::new(),
            streams: Vec::new(),
        };
        for (inode, path) in &base.files {
            let length = fs::metadata(path).map_err(PowercutError::io("read", path))?.len();
            builder.lengths.insert(*inode, length);
        }
        builder.walk(&mut steps, &children)?;
        builder.events.sort_by_key(|event| event.start);
        builder.streams.sort_by_key(|io| io.start);
        Ok(Built {
            events: builder.events,
            streams: builder.streams,
            folders: builder.folders,
            first_names: builder.first_names,
            last: reader.position(),
        })
    }

    fn step(call: &Call, working_folder: &Path) -> Result<Option<Step>, PowercutError> {
        let meaning = decode(call, working_folder).ok_or_else(|| PowercutError::Line {
            position: call.start,
            text: format!("{}({}", call.name, call.arguments.chars().take(200).collect::<String>()),
        })?;
        let (thread, returned, start, end) = (call.thread, call.returned(), call.start, call.end);
        Ok(meaning.map(|call| Step { thread, returned, start, end, call }))
    }

    /// Goes through beginnings and ends of all calls in their order.
    fn walk(
        &mut self,
        steps: &mut [Step],
        children: &HashMap<i64, (u32, bool)>,
    ) -> Result<(), PowercutError> {
        let mut edges: Vec<(Position, bool, usize)> = Vec::with_capacity(2 * steps.len());
        for (index, step) in steps.iter().enumerate() {
            edges.push((step.start, false, index));
            edges.extend(step.end.map(|end| (end, true, index)));
        }
        edges.sort_unstable();
        for (_, is_end, index) in edges {
            let step = &mut steps[index];
            if !self.descriptors.knows(step.thread) {
                match children.get(&i64::from(step.thread)) {
                    Some((parent, shares)) => self.descriptors.add_child(step.thread, *parent, *shares),
                    None => self.descriptors.add_first(step.thread),
                }
            }
            if is_end { self.on_end(step)? } else { self.on_start(step)? }
        }
        Ok(())
    }

    /// What takes effect, or may, from the beginning of a call.
    fn on_start(&mut self, step: &mut Step) -> Result<(), PowercutError> {
        let thread = step.thread;
        match &mut step.call {
            SystemCall::Close { descriptor } => {
                self.descriptors.close(thread, descriptor.number.unwrap_or(-1));
            }
            SystemCall::CloseRange { first, last } => self.descriptors.close_range(thread, *first, *last),
            SystemCall::Write { descriptor, data, at } => {
                let (descriptor, data, at) = (descriptor.clone(), std::mem::take(data), *at);
                self.on_write(step, &descriptor, data, at)?;
            }
            SystemCall::Read { descriptor, data } => {
                let (descriptor, data) = (descriptor.clone(), std::mem::take(data));
                match self.file(step, &descriptor)? {
                    Some(file) => file.offset += returned_len(step),
                    None => self.on_stream(step, &descriptor, Direction::Read, data),
                }
            }
            SystemCall::Resize { object, len } => {
                let (object, len) = (object.clone(), *len);
                if let Some(inode) = self.object(step, &object)? {
                    self.resize(step, inode, len);
                }
            }
            SystemCall::Allocate { .. } => self.on_allocate(step)?,
            SystemCall::Copy { .. } => self.on_copy(step)?,
            _ => {}
        }
        Ok(())
    }

    /// What is known only at the end of a call.
    fn on_end(&mut self, step: &Step) -> Result<(), PowercutError> {
        let thread = step.thread;
        match &step.call {
            SystemCall::Open { path, flags } => self.on_open(step, path, *flags)?,
            SystemCall::Duplicate { descriptor, close_on_exec } => {
                if let (Some(from), Some(to)) = (descriptor.number, step.returned) {
                    self.descriptors.duplicate(thread, from, to, *close_on_exec);
                }
            }
            SystemCall::SetFlags { descriptor, append } => {
                if let Some(file) = self.file(step, descriptor)? {
                    file.append = *append;
                }
            }
            SystemCall::Seek { descriptor } => {
                if let Some(file) = self.file(step, descriptor)? {
                    file.offset = returned_len(step);
                }
            }
            SystemCall::Sync { descriptor } => {
                if let Some(inode) = self.file(step, descriptor)?.map(|file| file.inode) {
                    self.push(step, EventKind::Sync { inode });
                }
            }
            SystemCall::SyncAll => self.push(step, EventKind::SyncAll),
            SystemCall::Rename { from, to, is_plain } => self.on_rename(step, from, to, *is_plain)?,
            SystemCall::Unlink { path } => {
                if let Some(path) = self.inside(path) {
                    let (folder, name) = self.place(step, &path)?;
                    self.name(step, vec![Change { folder, name, becomes: None }]);
                }
            }
            SystemCall::MakeFolder { path } => {
                if let Some(path) = self.inside(path) {
                    let inode = self.new_inode(&path);
                    self.names.add_folder(inode);
                    self.folders.add_folder(inode);
                    let (folder, name) = self.place(step, &path)?;
                    self.name(step, vec![Change { folder, name, becomes: Some(inode) }]);
                }
            }
            SystemCall::Link { from, to } => match (self.inside(from), self.inside(to)) {
                (Some(from), Some(to)) => {
                    let inode = self.find(step, &from)?;
                    let (folder, name) = self.place(step, &to)?;
                    self.name(step, vec![Change { folder, name, becomes: Some(inode) }]);
                }
                (None, Some(to)) => return Err(unsupported(step, &format!("link to {}", to.display()))),
                _ => {}
            },
            SystemCall::Execute => self.descriptors.execute(thread),
            SystemCall::Foreign { call, object } => {
                let concerns_us = match object {
                    Some(Object::Open(descriptor)) => self.file(step, descriptor)?.is_some(),
                    Some(Object::Named(path)) => self.inside(path).is_some(),
                    None => true,
                };
                if concerns_us {
                    return Err(unsupported(step, &format!("{call} on {object:?}")));
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn on_open(&mut self, step: &Step, path: &Path, flags: OpenFlags) -> Result<(), PowercutError> {
        let Some(number) = step.returned else { return Ok(()) };
        let Some(path) = self.inside(path) else {
            self.descriptors.close(step.thread, number);
            return Ok(());
        };
        if flags.nameless {
            return Err(unsupported(step, "a file without a name"));
        }
        let inode = match self.names.find(&path) {
            Some(inode) => inode,
            None if flags.create => {
                let inode = self.new_inode(&path);
                self.lengths.insert(inode, 0);
                let (folder, name) = self.place(step, &path)?;
                self.name(step, vec![Change { folder, name, becomes: Some(inode) }]);
                inode
            }
            None => return Err(lost(step, &format!("{} is opened and unknown", path.display()))),
        };
        if flags.truncate && self.lengths.get(&inode).is_some_and(|len| *len > 0) {
            self.resize(step, inode, 0);
        }
        let file = OpenFile { inode, offset: 0, append: flags.append, synced: flags.synced };
        self.descriptors.open(step.thread, number, file, flags.close_on_exec);
        Ok(())
    }

    fn on_write(
        &mut self,
        step: &Step,
        descriptor: &Descriptor,
        mut data: Vec<u8>,
        at: Option<u64>,
    ) -> Result<(), PowercutError> {
        if step.end.is_some() {
            data.truncate(usize::try_from(returned_len(step)).unwrap_or(usize::MAX));
        }
        let Some(file) = self.file(step, descriptor)?.cloned() else {
            self.on_stream(step, descriptor, Direction::Written, data);
            return Ok(());
        };
        let length = self.lengths.entry(file.inode).or_default();
        // Linux appends in pwrite too when the file was opened so.
        let offset = if file.append { *length } else { at.unwrap_or(file.offset) };
        let end = offset + data.len() as u64;
        *length = end.max(*length);
        if at.is_none()
            && let Some(file) = self.file(step, descriptor)?
        {
            file.offset = end;
        }
        self.push(step, EventKind::Write { inode: file.inode, offset, data, synced: file.synced });
        Ok(())
    }

    fn on_allocate(&mut self, step: &Step) -> Result<(), PowercutError> {
        let SystemCall::Allocate { descriptor, mode, offset, len } = &step.call else { return Ok(()) };
        let Some(inode) = self.file(step, descriptor)?.map(|file| file.inode) else { return Ok(()) };
        let end = offset + len;
        match mode.as_str() {
            "0" if self.lengths.get(&inode).is_some_and(|length| *length < end) => {
                self.resize(step, inode, end);
            }
            "0" | "FALLOC_FL_KEEP_SIZE" => {}
            other => return Err(unsupported(step, &format!("fallocate with {other}"))),
        }
        Ok(())
    }

    fn on_copy(&mut self, step: &Step) -> Result<(), PowercutError> {
        let SystemCall::Copy { from, from_at, to, to_at } = &step.call else { return Ok(()) };
        let len = returned_len(step);
        let source = self.file(step, from)?.cloned();
        let target = self.file(step, to)?.is_some();
        match source {
            Some(file) if target => {
                let offset = from_at.unwrap_or(file.offset);
                let data = self.content(file.inode, offset, len)?;
                self.on_write(step, to, data, *to_at)?;
            }
            None if target => return Err(unsupported(step, "a copy from a file outside the folder")),
            _ => {}
        }
        if from_at.is_none()
            && let Some(file) = self.file(step, from)?
        {
            file.offset += len;
        }
        Ok(())
    }

    fn on_rename(
        &mut self,
        step: &Step,
        from: &Path,
        to: &Path,
        is_plain: bool,
    ) -> Result<(), PowercutError> {
        match (self.inside(from), self.inside(to)) {
            (None, None) => Ok(()),
            (Some(from), Some(to)) if is_plain => {
                let inode = self.find(step, &from)?;
                if self.names.find(&to) == Some(inode) {
                    return Ok(());
                }
                let (folder, name) = self.place(step, &from)?;
                let (new_folder, new_name) = self.place(step, &to)?;
                self.name(
                    step,
                    vec![
                        Change { folder, name, becomes: None },
                        Change { folder: new_folder, name: new_name, becomes: Some(inode) },
                    ],
                );
                Ok(())
            }
            _ => Err(unsupported(step, &format!("rename of {} to {}", from.display(), to.display()))),
        }
    }

    fn on_stream(&mut self, step: &Step, descriptor: &Descriptor, direction: Direction, data: Vec<u8>) {
        let channel = descriptor.target.as_ref().map(|path| path.to_string_lossy().into_owned());
        let Some(channel) = channel.filter(|name| name.starts_with("socket:") || name.starts_with("pipe:"))
        else {
            return;
        };
        let (start, end) = (step.start, step.end);
        let descriptor = descriptor.number.unwrap_or(-1);
        self.streams.push(StreamIo { start, end, channel, descriptor, direction, data });
    }

    fn name(&mut self, step: &Step, changes: Vec<Change>) {
        for change in &changes {
            self.names.apply(change);
        }
        self.push(step, EventKind::Names(changes));
    }

    fn resize(&mut self, step: &Step, inode: Inode, len: u64) {
        self.lengths.insert(inode, len);
        self.push(step, EventKind::Resize { inode, len });
    }

    fn push(&mut self, step: &Step, kind: EventKind) {
        self.events.push(Event { start: step.start, end: step.end, kind });
    }

    fn new_inode(&mut self, path: &Path) -> Inode {
        let inode = Inode(self.next_inode);
        self.next_inode += 1;
        self.first_names.insert(inode, path.to_owned());
        inode
    }

    /// The file behind a descriptor, if it belongs to the folder.
    fn file(&mut self, step: &Step, descriptor: &Descriptor) -> Result<Option<&mut OpenFile>, PowercutError> {
        let is_inside = descriptor.target.as_ref().is_some_and(|path| self.inside(path).is_some());
        let Some(number) = descriptor.number else { return Ok(None) };
        match self.descriptors.get(step.thread, number) {
            None if is_inside => Err(lost(step, &format!("{descriptor:?} was opened by nobody"))),
            found => Ok(found),
        }
    }

    fn object(&mut self, step: &Step, object: &Object) -> Result<Option<Inode>, PowercutError> {
        match object {
            Object::Open(descriptor) => Ok(self.file(step, descriptor)?.map(|file| file.inode)),
            Object::Named(path) => match self.inside(path) {
                Some(path) => self.find(step, &path).map(Some),
                None => Ok(None),
            },
        }
    }

    fn inside(&self, path: &Path) -> Option<PathBuf> {
        path.strip_prefix(self.root).ok().map(Path::to_owned)
    }

    fn find(&self, step: &Step, path: &Path) -> Result<Inode, PowercutError> {
        self.names.find(path).ok_or_else(|| lost(step, &format!("{} is unknown", path.display())))
    }

    fn place(&self, step: &Step, path: &Path) -> Result<(Inode, std::ffi::OsString), PowercutError> {
        let place = self.names.place(path).map(|(folder, name)| (folder, name.to_owned()));
        place.ok_or_else(|| lost(step, &format!("the folder of {} is unknown", path.display())))
    }

    /// What a file holds at this moment, from `offset` on.
    fn content(&self, inode: Inode, offset: u64, len: u64) -> Result<Vec<u8>, PowercutError> {
        let mut bytes = match self.base.files.get(&inode) {
            Some(path) => fs::read(path).map_err(PowercutError::io("read", path))?,
            None => Vec::new(),
        };
        for event in &self.events {
            match &event.kind {
                EventKind::Write { inode: written, offset, data, .. } if *written == inode => {
                    let start = usize::try_from(*offset).unwrap_or(usize::MAX);
                    bytes.resize(bytes.len().max(start + data.len()), 0);
                    bytes[start..start + data.len()].copy_from_slice(data);
                }
                EventKind::Resize { inode: resized, len } if *resized == inode => {
                    bytes.resize(usize::try_from(*len).unwrap_or(usize::MAX), 0);
                }
                _ => {}
            }
        }
        let skip = usize::try_from(offset).unwrap_or(usize::MAX);
        let take = usize::try_from(len).unwrap_or(usize::MAX);
        Ok(bytes.into_iter().skip(skip).take(take).collect())
    }
}

fn returned_len(step: &Step) -> u64 {
    step.returned.and_then(|returned| u64::try_from(returned).ok()).unwrap_or(0)
}

fn unsupported(step: &Step, call: &str) -> PowercutError {
    PowercutError::Unsupported { position: step.start, call: call.to_owned() }
}

fn lost(step: &Step, detail: &str) -> PowercutError {
    PowercutError::LostTrack { position: step.start, detail: detail.to_owned() }
}
