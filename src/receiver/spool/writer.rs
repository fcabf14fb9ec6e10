//! The one thread that writes the spool. Whoever waits while it syncs shares the
//! next sync.

use std::fs::File;
use std::io::{self, Write};
use std::sync::Arc;

use tallyline_failpoints::{Point, pass, reach};
use tokio::sync::{mpsc, oneshot};

use super::record;
use super::{Limits, Shared, SpoolError, Step};
use crate::receiver::group_commit::NewEvent;

/// Events, and bytes of them, that share one sync at most.
const MAX_GROUP: usize = 256;
const MAX_GROUP_BYTES: usize = 16 * 1024 * 1024;

pub(super) enum Command {
    /// Write the event, sync, answer.
    Append(NewEvent, oneshot::Sender<Result<(), SpoolError>>),
    /// Write no more to the present file.
    Seal(oneshot::Sender<()>),
}

pub(super) struct Writer {
    pub shared: Arc<Shared>,
    pub limits: Limits,
    pub commands: mpsc::Receiver<Command>,
    /// The file that is written to, its number and its length.
    pub open: Option<Open>,
}

pub(super) struct Open {
    file: File,
    number: u64,
    bytes: u64,
}

impl Writer {
    /// Until nobody can send commands any more.
    pub fn run(mut self) {
        let mut next = None;
        while let Some(command) = next.take().or_else(|| self.commands.blocking_recv()) {
            match command {
                Command::Seal(done) => {
                    self.seal();
                    let _ = done.send(());
                }
                Command::Append(event, answer) => next = self.gather(event, answer),
            }
        }
    }

    /// Writes the event with those that wait behind it; returns the command that
    /// ended the group.
    fn gather(&mut self, event: NewEvent, answer: oneshot::Sender<Result<(), SpoolError>>) -> Option<Command> {
        let mut bytes = event.body.len();
        let (mut events, mut answers, mut next) = (vec![event], vec![answer], None);
        while events.len() < MAX_GROUP && bytes < MAX_GROUP_BYTES {
            match self.commands.try_recv() {
                Ok(Command::Append(event, answer)) => {
                    bytes += event.body.len();
                    events.push(event);
                    answers.push(answer);
                }
                Ok(other) => {
                    next = Some(other);
                    break;
                }
                Err(_) => break,
            }
        }
        self.append(&events, answers);
        next
    }

    fn append(&mut self, events: &[NewEvent], answers: Vec<oneshot::Sender<Result<(), SpoolError>>>) {
        let mut free = self.limits.max_bytes.saturating_sub(self.shared.bytes());
        if self.open.is_none() {
            free = free.saturating_sub(record::HEADER.len() as u64);
        }
        let (mut buffer, mut written) = (Vec::new(), Vec::new());
        for (event, answer) in events.iter().zip(answers) {
            let before = buffer.len();
            let fits = record::encode(event, &mut buffer).is_ok() && buffer.len() as u64 <= free;
            if fits {
                written.push((event, answer));
            } else {
                buffer.truncate(before);
                let _ = answer.send(Err(SpoolError::Full));
            }
        }
        if written.is_empty() {
            return;
        }
        let result = self.write(&buffer);
        if let Ok(number) = result {
            self.shared.added(number, buffer.len() as u64, written.iter().map(|(event, _)| *event));
        } else if let Err(error) = &result {
            tracing::error!(%error, "the spool cannot be written");
        }
        for (_, answer) in written {
            // The client may have gone; the event is kept all the same.
            let _ = answer.send(result.as_ref().map(drop).map_err(|_| SpoolError::Disk));
        }
    }

    /// Returns the number of the file once everything is on the disk.
    fn write(&mut self, buffer: &[u8]) -> io::Result<u64> {
        let mut open = match self.open.take() {
            Some(open) => open,
            None => self.begin()?,
        };
        if let Err(error) = open.file.write_all(buffer).and_then(|()| pass(Point::SpoolAppended)) {
            // What came to the file of it is no whole record; best taken back, else
            // the file ends damaged, and is read up to here.
            let _ = open.file.set_len(open.bytes);
            self.shared.sealed(open.number);
            return Err(error);
        }
        (self.shared.steps)(Step::Appended);
        if let Err(error) = open.file.sync_data().and_then(|()| pass(Point::SpoolSynced)) {
            // Nobody knows what is on the disk now, and a second sync would not tell.
            self.shared.sealed(open.number);
            return Err(error);
        }
        (self.shared.steps)(Step::Synced);
        open.bytes += buffer.len() as u64;
        let number = open.number;
        if open.bytes < self.limits.segment_bytes {
            self.open = Some(open);
        } else {
            reach(Point::SpoolRotated);
            self.shared.sealed(number);
        }
        Ok(number)
    }

    fn begin(&self) -> io::Result<Open> {
        let number = self.shared.next_number();
        let file = self.shared.directory.create(number);
        // Also a file that could not be made whole is there, maybe.
        self.shared.began(number);
        match file {
            Ok(file) => Ok(Open { file, number, bytes: record::HEADER.len() as u64 }),
            Err(error) => {
                self.shared.sealed(number);
                Err(error)
            }
        }
    }

    fn seal(&mut self) {
        if let Some(open) = self.open.take() {
            self.shared.sealed(open.number);
        }
    }
}
