//! The house's own metrics, in the text format of Prometheus. Labels are names of our own, so none is escaped.

use std::fmt::Write as _;

use crate::stack::{Memory, Stack};

/// What is counted above the stack.
#[derive(Clone, Copy, Debug, Default)]
pub struct ServeCounters {
    /// Requests whose heads were taken, on sessions that are over.
    pub requests: u64,
    /// Messages of WebSockets that came, on sessions that are over.
    pub messages: u64,
    /// Mail that found nobody, or no room.
    pub letters_lost: u64,
    /// Handlers that panicked.
    pub panics: u64,
    /// Turns of the loop.
    pub turns: u64,
}

/// All counters, for the time of a call.
pub struct Snapshot<'a> {
    /// The stack.
    pub stack: &'a Stack,
    /// Bytes of bodies and messages that are held.
    pub gathered: usize,
    /// What is above it.
    pub serve: &'a ServeCounters,
}

impl Snapshot<'_> {
    /// What only grows: name, explanation, value.
    pub fn counters(&self) -> [(&'static str, &'static str, u64); 20] {
        let c = self.stack.counters();
        [
            ("frames_received", "Frames handed to the stack", c.frames_received),
            ("received_bytes", "Bytes of them", c.bytes_received),
            ("frames_sent", "Frames given to the link", c.frames_sent),
            ("sent_bytes", "Bytes of them", c.bytes_sent),
            ("tcp_accepted", "Connections that came to us and were established", c.accepted),
            ("tcp_opened", "Connections that we opened", c.opened),
            ("tcp_failed", "Connections that ended other than by both sides finishing", c.failed),
            ("tcp_resent_segments", "Segments sent more than once", c.resent),
            ("tcp_resets_sent", "RSTs sent", c.resets_sent),
            ("tcp_challenges_sent", "Challenge ACKs sent (RFC 5961)", c.challenges_sent),
            ("tcp_cookies_sent", "SYN-ACKs sent with a cookie (RFC 4987)", c.cookies_sent),
            ("tcp_cookies_accepted", "Connections that a cookie brought about", c.cookies_accepted),
            ("tcp_pruned_bytes", "Bytes behind gaps that were thrown away for want of memory", c.pruned),
            ("icmp_echoes", "Echo requests answered", c.echoes),
            ("icmp_errors_sent", "ICMP errors sent", c.icmp_errors_sent),
            ("http_requests", "Requests on connections that are over", self.serve.requests),
            ("websocket_messages", "Messages of WebSockets that are over", self.serve.messages),
            ("letters_lost", "Mail for connections that were gone", self.serve.letters_lost),
            ("handler_panics", "Handlers that panicked", self.serve.panics),
            ("turns", "Turns of the loop", self.serve.turns),
        ]
    }

    /// What also shrinks: name, explanation, value.
    pub fn gauges(&self) -> [(&'static str, &'static str, usize); 8] {
        let (connections, half_open, time_wait) = self.stack.population();
        let Memory { used, limit, pressure } = self.stack.memory();
        [
            ("tcp_connections", "Connections now", connections),
            (
                "tcp_at_rest",
                "Connections of them that have nothing to do and take up little",
                self.stack.dormant(),
            ),
            ("tcp_half_open", "Half-open connections now", half_open),
            ("tcp_time_wait", "Connections in TIME-WAIT now", time_wait),
            ("tcp_memory_bytes", "Bytes that TCP holds for all connections, beyond 8 KiB of each", used),
            ("tcp_memory_limit_bytes", "As many as it may", limit),
            ("tcp_pressure", "How short that memory is: 0 not, 1 low, 2 high, 3 full", pressure as usize),
            ("gathered_bytes", "Bytes of bodies and messages that are held now", self.gathered),
        ]
    }

    /// Appends all of them.
    pub fn write_metrics(&self, out: &mut String) {
        let mut write = || -> std::fmt::Result {
            for (name, help, value) in self.counters() {
                writeln!(out, "# HELP taphouse_{name}_total {help}.\n# TYPE taphouse_{name}_total counter")?;
                writeln!(out, "taphouse_{name}_total {value}")?;
            }
            for (name, help, value) in self.stack.counters().mechanisms.iter() {
                let help = help.trim().trim_end_matches('.');
                writeln!(out, "# HELP taphouse_tcp_{name}_total {help}.")?;
                writeln!(out, "# TYPE taphouse_tcp_{name}_total counter\ntaphouse_tcp_{name}_total {value}")?;
            }
            for (name, help, value) in self.gauges() {
                writeln!(out, "# HELP taphouse_{name} {help}.\n# TYPE taphouse_{name} gauge")?;
                writeln!(out, "taphouse_{name} {value}")?;
            }
            writeln!(out, "# HELP taphouse_drops_total Frames, or what they carried, that went no further.")?;
            writeln!(out, "# TYPE taphouse_drops_total counter")?;
            for (drop, count) in self.stack.drops().iter() {
                writeln!(out, "taphouse_drops_total{{reason=\"{}\"}} {count}", drop.name())?;
            }
            Ok(())
        };
        write().expect("a string takes what is written");
    }
}
