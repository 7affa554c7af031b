//! `poll` and `epoll`: which descriptors are ready, and since when.

use std::os::fd::RawFd;

use crate::host::Host;
use crate::socket::{Connection, Edges, Interest, Kind, Outcome, Phase};

/// The events that are told whether they were asked for or not.
const ALWAYS: i16 = libc::POLLERR | libc::POLLHUP;

impl Host {
    /// What is ready, and how often it became so.
    fn readiness(&mut self, fd: RawFd) -> Outcome<(i16, Edges)> {
        let socket = self.sockets.get_mut(&fd).ok_or(libc::EBADF)?;
        let options = socket.options;
        match &mut socket.kind {
            Kind::Idle => Ok((libc::POLLOUT | libc::POLLHUP, Edges::default())),
            Kind::Epoll(_) => Ok((0, Edges::default())),
            Kind::Listener { waiting, .. } => {
                let ready = if waiting.is_empty() { 0 } else { libc::POLLIN | libc::POLLRDNORM };
                let edges = waiting.back().map_or(0, |newest| newest.id.index() as u64 + 1);
                Ok((ready, Edges { readable: edges, writable: 0 }))
            }
            Kind::Connection(connection) => {
                let has_room = connection.is_writable(&mut self.stack, &options);
                connection.wants_room |= !has_room;
                let has_data = connection.readable(&self.stack) > 0;
                Ok((connection.readiness(has_data, has_room), connection.edges))
            }
        }
    }

    /// `poll`: fills in what is ready; `None` while nothing is.
    pub(crate) fn poll(&mut self, entries: &mut [libc::pollfd]) -> Option<i32> {
        let mut count = 0;
        for entry in &mut *entries {
            entry.revents = match self.readiness(entry.fd) {
                _ if entry.fd < 0 => 0,
                Ok((ready, _)) => ready & (entry.events | ALWAYS),
                Err(_) => libc::POLLNVAL,
            };
            count += i32::from(entry.revents != 0);
        }
        (count > 0).then_some(count)
    }

    /// `epoll_ctl`.
    pub(crate) fn watch(
        &mut self,
        epoll: RawFd,
        operation: i32,
        fd: RawFd,
        event: libc::epoll_event,
    ) -> Outcome<()> {
        if !self.sockets.contains_key(&fd) {
            return Err(libc::EBADF);
        }
        let Kind::Epoll(interests) = &mut self.socket(epoll)?.kind else { return Err(libc::EINVAL) };
        let interest = Interest { events: event.events, data: event.u64, told: None, is_spent: false };
        match (operation, interests.contains_key(&fd)) {
            (libc::EPOLL_CTL_ADD, true) => return Err(libc::EEXIST),
            (libc::EPOLL_CTL_MOD | libc::EPOLL_CTL_DEL, false) => return Err(libc::ENOENT),
            (libc::EPOLL_CTL_ADD | libc::EPOLL_CTL_MOD, _) => drop(interests.insert(fd, interest)),
            (libc::EPOLL_CTL_DEL, _) => drop(interests.remove(&fd)),
            _ => return Err(libc::EINVAL),
        }
        Ok(())
    }

    /// `epoll_wait`: at most `max` events; `None` while there are none.
    pub(crate) fn poll_watched(
        &mut self,
        epoll: RawFd,
        max: usize,
    ) -> Option<Outcome<Vec<libc::epoll_event>>> {
        let Ok(socket) = self.socket(epoll) else { return Some(Err(libc::EBADF)) };
        let Kind::Epoll(interests) = &socket.kind else { return Some(Err(libc::EINVAL)) };
        let mut interests = interests.clone();
        let mut events = Vec::new();
        for (fd, interest) in &mut interests {
            if events.len() == max || interest.is_spent {
                continue;
            }
            let Ok((ready, edges)) = self.readiness(*fd) else { continue };
            let told = u32::from((ready & ALWAYS) as u16) | (ready as u16 as u32 & interest.events);
            if told == 0 || (interest.events & libc::EPOLLET as u32 != 0 && !interest.is_new(told, edges)) {
                continue;
            }
            interest.told = Some(edges);
            interest.is_spent = interest.events & libc::EPOLLONESHOT as u32 != 0;
            events.push(libc::epoll_event { events: told, u64: interest.data });
        }
        if let Ok(socket) = self.socket(epoll) {
            socket.kind = Kind::Epoll(interests);
        }
        (!events.is_empty()).then_some(Ok(events))
    }
}

impl Interest {
    /// Edge-triggered: something of it came since the caller was told last.
    fn is_new(&self, events: u32, edges: Edges) -> bool {
        let Some(told) = self.told else { return true };
        let input = (libc::EPOLLIN | libc::EPOLLRDHUP | libc::EPOLLHUP | libc::EPOLLERR) as u32;
        (events & input != 0 && edges.readable != told.readable)
            || (events & libc::EPOLLOUT as u32 != 0 && edges.writable != told.writable)
    }
}

impl Connection {
    /// As `tcp_poll` of Linux has it.
    fn readiness(&self, has_data: bool, has_room: bool) -> i16 {
        let is_read_over = self.is_done || self.is_read_shut || self.end.is_some();
        let is_write_over = self.is_write_shut || self.end.is_some();
        let is_connected = self.phase != Phase::Connecting;
        let mut ready = 0;
        if (is_read_over && is_write_over) || self.end.is_some() {
            ready |= libc::POLLHUP;
        }
        if is_read_over {
            ready |= libc::POLLIN | libc::POLLRDNORM | libc::POLLRDHUP;
        }
        if has_data {
            ready |= libc::POLLIN | libc::POLLRDNORM;
        }
        if has_room && (is_connected || is_write_over) {
            ready |= libc::POLLOUT | libc::POLLWRNORM;
        }
        if self.error.is_some() {
            ready |= libc::POLLERR;
        }
        ready
    }
}
