//! Data in and out, with the holding back of TCP_CORK and MSG_MORE, for which the stack has no verb.

use std::os::fd::RawFd;

use bytes::{Buf, Bytes};
use taphouse::stack::Stack;
use taphouse::tcp::{ReadError, State, WriteError};

use crate::host::{Host, Mode};
use crate::options::Options;
use crate::socket::{CORK, Connection, Outcome, Phase};

/// What a write has left to do.
pub(crate) struct Writing {
    pub(crate) rest: Bytes,
    pub(crate) flags: i32,
    pub(crate) written: usize,
    /// Less was taken than there is room for: the stack is to send, and then to be asked again.
    pub(crate) was_cut: bool,
}

impl Host {
    /// Reads at most `len` bytes; `None` while there are none.
    pub(crate) fn read(
        &mut self,
        fd: RawFd,
        len: usize,
        flags: i32,
        so_far: &mut Vec<u8>,
    ) -> Option<Outcome<()>> {
        let (connection, stack, mode) = match self.connection(fd, libc::ENOTCONN) {
            Ok(found) => found,
            Err(error) => return Some(Err(error)),
        };
        if flags & libc::MSG_ERRQUEUE != 0 {
            return Some(Err(libc::EAGAIN));
        }
        if flags & libc::MSG_OOB != 0 {
            return Some(Err(libc::EINVAL));
        }
        let is_peek = flags & libc::MSG_PEEK != 0;
        connection.take(stack, len - so_far.len(), is_peek, so_far);
        let wanted = if flags & libc::MSG_WAITALL != 0 && !is_peek { len } else { 1 };
        if so_far.len() >= wanted.min(len) {
            return Some(Ok(()));
        }
        match connection.end_of_data(stack) {
            Some(_) if !so_far.is_empty() => Some(Ok(())),
            Some(end) => Some(end),
            None if mode.is_nonblocking || flags & libc::MSG_DONTWAIT != 0 => {
                Some(if so_far.is_empty() { Err(libc::EAGAIN) } else { Ok(()) })
            }
            None => None,
        }
    }

    /// Writes what there is room for; `None` while some is left and may wait.
    pub(crate) fn write(&mut self, fd: RawFd, writing: &mut Writing) -> Option<Outcome<usize>> {
        let mut outcome = self.write_once(fd, writing);
        // TCP_NOTSENT_LOWAT bounds what waits unsent, so what may leave must have left before more is taken.
        while outcome.is_none() && writing.was_cut {
            self.turn();
            outcome = self.write_once(fd, writing);
        }
        outcome
    }

    fn write_once(&mut self, fd: RawFd, writing: &mut Writing) -> Option<Outcome<usize>> {
        let is_first = writing.written == 0 || writing.was_cut;
        writing.was_cut = false;
        let (connection, stack, mode) = match self.connection(fd, libc::EPIPE) {
            Ok(found) => found,
            Err(error) => return Some(Err(error)),
        };
        let may_wait = !mode.is_nonblocking && writing.flags & libc::MSG_DONTWAIT == 0;
        if connection.phase == Phase::Connecting && connection.end.is_none() {
            return if may_wait { None } else { Some(Err(libc::EAGAIN)) };
        }
        let result = if is_first || connection.is_writable(stack, &mode.options) {
            connection.put(stack, writing, mode)
        } else {
            Ok(())
        };
        match result {
            Err(_) if writing.written > 0 => Some(Ok(writing.written)),
            Err(error) => Some(Err(error)),
            Ok(()) if writing.rest.is_empty() => Some(Ok(writing.written)),
            Ok(()) if writing.was_cut => None,
            Ok(()) => {
                connection.wants_room = true;
                match writing.written {
                    _ if may_wait => None,
                    0 => Some(Err(libc::EAGAIN)),
                    written => Some(Ok(written)),
                }
            }
        }
    }
}

impl Connection {
    // --- in --------------------------------------------------------------------------------------------

    /// Moves at most `len` bytes to `out`; leaves them where they are if it is but a peek.
    fn take(&mut self, stack: &mut Stack, len: usize, is_peek: bool, out: &mut Vec<u8>) {
        while self.unread_len() < len {
            let Ok(chunk) = stack.stream(self.id).read() else { break };
            self.unread.push_back(chunk);
        }
        if is_peek {
            let rest = self.unread.iter().flat_map(|chunk| chunk.iter().copied());
            out.extend(rest.take(len));
            return;
        }
        let mut left = len;
        while left > 0
            && let Some(chunk) = self.unread.front_mut()
        {
            let taken = left.min(chunk.len());
            out.extend_from_slice(&chunk.split_to(taken));
            left -= taken;
            if chunk.is_empty() {
                self.unread.pop_front();
            }
        }
    }

    /// Nothing is there to read: is that the end, and which? In the order in which Linux asks.
    fn end_of_data(&mut self, stack: &mut Stack) -> Option<Outcome<()>> {
        if self.is_done || matches!(stack.stream(self.id).read(), Err(ReadError::Finished)) {
            return Some(Ok(()));
        }
        if let Err(error) = self.take_error() {
            return Some(Err(error));
        }
        (self.is_read_shut || self.end.is_some()).then_some(Ok(()))
    }

    /// Bytes that a read would give.
    pub(crate) fn readable(&self, stack: &Stack) -> usize {
        self.unread_len() + stack.info(self.id).map_or(0, |report| report.unread)
    }

    // --- out -------------------------------------------------------------------------------------------

    /// Bytes that may still be queued.
    fn room(&self, stack: &mut Stack, options: &Options) -> usize {
        let mut stream = stack.stream(self.id);
        let own = options.send_buffer.saturating_sub(stream.queued());
        own.min(stream.room()).saturating_sub(self.held.len())
    }

    /// Linux wakes a writer when a third of the buffer is free, and less is unsent than TCP_NOTSENT_LOWAT says.
    pub(crate) fn is_writable(&self, stack: &mut Stack, options: &Options) -> bool {
        if self.end.is_some() || self.is_write_shut {
            return true;
        }
        let (queued, unsent) = (stack.stream(self.id).queued(), stack.stream(self.id).unsent());
        let room = self.room(stack, options);
        let is_low = options.unsent_low_water.is_none_or(|low| unsent < low);
        self.phase != Phase::Connecting && is_low && room > 0 && room >= queued / 2
    }

    fn put(&mut self, stack: &mut Stack, writing: &mut Writing, mode: Mode) -> Outcome<()> {
        self.take_error()?;
        if self.is_write_shut || self.end.is_some() {
            return Err(libc::EPIPE);
        }
        let mut room = self.room(stack, &mode.options);
        if let Some(low) = mode.options.unsent_low_water {
            let batch = self.batch(stack, low);
            writing.was_cut = 0 < batch && batch < room.min(writing.rest.len());
            room = room.min(batch);
        }
        let piece = writing.rest.split_to(room.min(writing.rest.len()));
        let taken = piece.len();
        let is_held = mode.options.is_corked || writing.flags & libc::MSG_MORE != 0;
        if is_held {
            self.hold(stack, &piece, mode)?;
        } else if self.held.is_empty() {
            self.queue(stack, piece)?;
        } else {
            self.held.extend_from_slice(&piece);
            self.flush(stack);
        }
        if writing.flags & libc::MSG_OOB != 0 {
            stack.stream(self.id).mark_urgent();
        }
        writing.written += taken;
        Ok(())
    }

    /// Bytes that Linux takes next, with TCP_NOTSENT_LOWAT: it begins no further batch while more than that is unsent,
    /// but fills up the one that it has begun. A batch is at most half the peer's window, in whole segments.
    fn batch(&self, stack: &mut Stack, low: usize) -> usize {
        let unsent = stack.stream(self.id).unsent();
        let Some(report) = stack.info(self.id) else { return 0 };
        let mss = usize::from(report.mss).max(1);
        let whole = (report.snd_wnd as usize / 2).clamp(mss, 65_000) / mss * mss;
        let begun = unsent % whole;
        match begun {
            0 if unsent >= low => 0,
            begun => whole - begun,
        }
    }

    /// Sends whole segments, and keeps the rest until more comes, or the hold ends.
    fn hold(&mut self, stack: &mut Stack, piece: &[u8], mode: Mode) -> Outcome<()> {
        self.held.extend_from_slice(piece);
        let mss = stack.info(self.id).map_or(536, |report| usize::from(report.mss).max(1));
        let whole = self.held.len() / mss * mss;
        if whole > 0 {
            let whole = self.held.split_to(whole).freeze();
            self.queue(stack, whole)?;
        }
        self.held_until = (!self.held.is_empty()).then(|| mode.now + CORK);
        Ok(())
    }

    /// Sends what was held back.
    pub(crate) fn flush(&mut self, stack: &mut Stack) {
        self.held_until = None;
        let held = self.held.split().freeze();
        if !held.is_empty() {
            // The room for it was there when it was taken; a connection that has ended needs none of it.
            let _ended = self.queue(stack, held);
        }
    }

    fn queue(&mut self, stack: &mut Stack, mut data: Bytes) -> Outcome<()> {
        while !data.is_empty() {
            match stack.stream(self.id).write(data.clone()) {
                Ok(taken) => data.advance(taken),
                Err(WriteError::Blocked) => return Err(libc::EAGAIN),
                Err(WriteError::Shutdown | WriteError::Closed(_)) => return Err(libc::EPIPE),
            }
        }
        Ok(())
    }

    /// Looks at what a turn has changed.
    pub(crate) fn observe(&mut self, stack: &mut Stack, options: &Options) {
        let Some(report) = stack.info(self.id) else { return };
        self.state = report.state;
        let has_fin =
            matches!(report.state, State::CloseWait | State::Closing | State::LastAck | State::TimeWait);
        if has_fin && !self.is_done {
            self.is_done = true;
            self.edges.readable += 1;
        }
        if report.bytes_received != self.received {
            self.received = report.bytes_received;
            self.edges.readable += 1;
        }
        if self.wants_room && self.is_writable(stack, options) {
            self.wants_room = false;
            self.edges.writable += 1;
        }
    }
}
