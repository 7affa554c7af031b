//! Everything the network can do wrong, as one enum with a counter for each.
//!
//! Bad input from outside is not an error of the program: it is a [`Drop`], which is counted, and perhaps
//! answered by the protocol (a RST, an ICMP error). The names are part of `/metrics`.

macro_rules! drops {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal,)+) => {
        /// Why a frame, or what it carried, went no further.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Drop { $($(#[doc = $doc])+ $variant,)+ }

        impl Drop {
            /// Every reason, in the order of the layers.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The name under which it is counted.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }
        }
    };
}

drops! {
    /// Shorter than an Ethernet header (or, with an FCS, than a minimal frame).
    FrameTooShort = "frame_too_short",
    /// Longer than the MTU and the header allow.
    FrameTooLong = "frame_too_long",
    /// The frame check sequence does not match (IEEE 802.3 3.2.9).
    BadFcs = "bad_fcs",
    /// Addressed to another station.
    FrameNotForUs = "frame_not_for_us",
    /// The source address is a group address, which no station has.
    FrameGroupSource = "frame_group_source",
    /// Neither ARP nor IPv4 (an IEEE 802.3 length field included).
    UnknownEtherType = "unknown_ether_type",

    /// An ARP packet that ends early.
    ArpTruncated = "arp_truncated",
    /// The hardware type is not Ethernet.
    ArpBadHardware = "arp_bad_hardware",
    /// The protocol type is not IPv4.
    ArpBadProtocol = "arp_bad_protocol",
    /// Address lengths other than 6 and 4.
    ArpBadLengths = "arp_bad_lengths",
    /// Neither request nor reply.
    ArpBadOperation = "arp_bad_operation",
    /// The sender's hardware address is zero or a group address.
    ArpBadSenderHardware = "arp_bad_sender_hardware",
    /// The sender's protocol address cannot be a host's.
    ArpBadSenderAddress = "arp_bad_sender_address",
    /// A request or reply for somebody else, from somebody unknown.
    ArpNotForUs = "arp_not_for_us",
    /// Somebody else uses our address.
    ArpConflict = "arp_conflict",

    /// An IPv4 packet shorter than its header.
    Ipv4Truncated = "ipv4_truncated",
    /// The version is not 4.
    Ipv4BadVersion = "ipv4_bad_version",
    /// A header length under 20 bytes or over the packet.
    Ipv4BadHeaderLength = "ipv4_bad_header_length",
    /// A total length under the header's or over what arrived.
    Ipv4BadTotalLength = "ipv4_bad_total_length",
    /// The header checksum does not match.
    Ipv4BadChecksum = "ipv4_bad_checksum",
    /// Options that do not parse.
    Ipv4BadOptions = "ipv4_bad_options",
    /// A source route (RFC 7126 4.3 advises to drop them).
    Ipv4SourceRoute = "ipv4_source_route",
    /// The source is in 0.0.0.0/8.
    Ipv4SourceZero = "ipv4_source_zero",
    /// The source is a loopback address.
    Ipv4SourceLoopback = "ipv4_source_loopback",
    /// The source is a multicast or reserved address.
    Ipv4SourceMulticast = "ipv4_source_multicast",
    /// The source is a broadcast address.
    Ipv4SourceBroadcast = "ipv4_source_broadcast",
    /// The source is our own address.
    Ipv4SourceOwn = "ipv4_source_own",
    /// The destination is not ours.
    Ipv4NotForUs = "ipv4_not_for_us",
    /// A multicast destination; no group was joined.
    Ipv4Multicast = "ipv4_multicast",
    /// A unicast packet in a frame that was broadcast (RFC 1122 3.3.6).
    Ipv4InBroadcastFrame = "ipv4_in_broadcast_frame",
    /// No such protocol here; answered by ICMP protocol unreachable.
    Ipv4UnknownProtocol = "ipv4_unknown_protocol",
    /// Our own address is not claimed yet.
    AddressNotReady = "address_not_ready",

    /// A fragment that is not the last and not a multiple of 8 bytes.
    FragmentBadLength = "fragment_bad_length",
    /// A fragment that reaches past 65,535 bytes.
    FragmentTooBig = "fragment_too_big",
    /// A fragment that overlaps another: the whole datagram is dropped.
    FragmentOverlap = "fragment_overlap",
    /// Two last fragments that end in different places: the whole datagram is dropped.
    FragmentBadEnd = "fragment_bad_end",
    /// The same fragment once more.
    FragmentDuplicate = "fragment_duplicate",
    /// A datagram of which some fragments carry a mark of congestion, and others belong to a transport without ECN.
    FragmentMixedEcn = "fragment_mixed_ecn",
    /// Too many fragments, bytes or datagrams.
    FragmentLimit = "fragment_limit",
    /// A datagram that did not become whole in time.
    FragmentTimeout = "fragment_timeout",

    /// An ICMP message that ends early.
    IcmpTruncated = "icmp_truncated",
    /// The ICMP checksum does not match.
    IcmpBadChecksum = "icmp_bad_checksum",
    /// A type that we do not know (RFC 1122 3.2.2).
    IcmpUnknownType = "icmp_unknown_type",
    /// An echo reply that nobody asked for.
    IcmpUnexpectedReply = "icmp_unexpected_reply",
    /// An echo request to a broadcast address.
    IcmpBroadcast = "icmp_broadcast",
    /// An error whose quotation does not parse.
    IcmpBadQuote = "icmp_bad_quote",
    /// An error about something that we did not send.
    IcmpUnmatchedError = "icmp_unmatched_error",
    /// An answer withheld by a rate limit.
    IcmpRateLimited = "icmp_rate_limited",

    /// A UDP datagram that ends early.
    UdpTruncated = "udp_truncated",
    /// The UDP checksum does not match.
    UdpBadChecksum = "udp_bad_checksum",
    /// A UDP datagram; answered by ICMP port unreachable.
    UdpNoListener = "udp_no_listener",
    /// A UDP datagram to a broadcast address; not answered.
    UdpBroadcast = "udp_broadcast",

    /// A TCP segment shorter than its header.
    TcpTruncated = "tcp_truncated",
    /// A data offset under 5 words or over the segment.
    TcpBadOffset = "tcp_bad_offset",
    /// The TCP checksum does not match.
    TcpBadChecksum = "tcp_bad_checksum",
    /// Options with an impossible length (RFC 9293 MUST-7).
    TcpBadOptions = "tcp_bad_options",
    /// Source or destination port zero.
    TcpPortZero = "tcp_port_zero",
    /// SYN with FIN or RST, no flag at all, or no SYN where only a SYN can come.
    TcpBadFlags = "tcp_bad_flags",
    /// A TCP segment to a broadcast address (RFC 9293 MUST-57).
    TcpBroadcast = "tcp_broadcast",
    /// No listener and no connection; answered by a RST.
    TcpNoListener = "tcp_no_listener",
    /// A RST for a connection that does not exist.
    TcpResetUnmatched = "tcp_reset_unmatched",
    /// An ACK to a listener that matches no half-open connection; answered by a RST.
    TcpAckUnmatched = "tcp_ack_unmatched",
    /// An ACK in SYN-SENT or SYN-RECEIVED for what was not sent; answered by a RST.
    TcpHandshakeBadAck = "tcp_handshake_bad_ack",
    /// Wholly outside the receive window; answered by an ACK.
    TcpOutOfWindow = "tcp_out_of_window",
    /// Older than what was taken before it, by its timestamp (PAWS, RFC 7323 5).
    TcpOldTimestamp = "tcp_old_timestamp",
    /// No timestamp on a connection that uses them (RFC 7323 3.2).
    TcpNoTimestamp = "tcp_no_timestamp",
    /// A RST outside the receive window.
    TcpResetOutOfWindow = "tcp_reset_out_of_window",
    /// A RST in the window but not at its left edge; challenged (RFC 5961 3.2).
    TcpResetChallenged = "tcp_reset_challenged",
    /// A SYN on a synchronized connection; challenged (RFC 5961 4.2).
    TcpSynChallenged = "tcp_syn_challenged",
    /// A segment without ACK where one is required.
    TcpNoAck = "tcp_no_ack",
    /// An ACK for data that was never sent; answered by an ACK.
    TcpAckUnsent = "tcp_ack_unsent",
    /// An ACK far older than any window; challenged (RFC 5961 5.2).
    TcpAckTooOld = "tcp_ack_too_old",
    /// A challenge ACK withheld by its rate limit.
    TcpChallengeLimited = "tcp_challenge_limited",
    /// A RST withheld by its rate limit.
    TcpResetLimited = "tcp_reset_limited",
    /// A SYN while the backlog of half-open connections is full.
    TcpBacklogFull = "tcp_backlog_full",
    /// A SYN, or the end of a handshake, while the connection table is full.
    TcpConnectionLimit = "tcp_connection_limit",
    /// The same, while the user of the port has not heard of so many other connections yet.
    TcpAcceptQueueFull = "tcp_accept_queue_full",
    /// Out-of-order data beyond what is held for one connection.
    TcpReassemblyLimit = "tcp_reassembly_limit",
    /// There is no memory for the data, or for one more connection (`limits::TCP_MEMORY`).
    TcpMemoryFull = "tcp_memory_full",
    /// Data for an application that has gone; answered by a RST.
    TcpDataAfterClose = "tcp_data_after_close",
    /// A segment for a connection in TIME-WAIT.
    TcpTimeWait = "tcp_time_wait",

    /// A packet parked for a neighbour made room for a later one.
    NeighbourQueueFull = "neighbour_queue_full",
    /// A packet whose neighbour did not answer.
    NeighbourUnreachable = "neighbour_unreachable",
    /// No gateway for an address off the subnet.
    NoRoute = "no_route",
    /// An answer without a connection that found its queue full.
    ReplyQueueFull = "reply_queue_full",
}

/// A counter for each [`Drop`].
#[derive(Clone, Debug)]
pub struct DropCounters([u64; Drop::ALL.len()]);

impl Default for DropCounters {
    fn default() -> Self {
        Self([0; Drop::ALL.len()])
    }
}

impl DropCounters {
    /// Counts one.
    pub fn count(&mut self, drop: Drop) {
        self.0[drop as usize] += 1;
    }

    /// How many there were.
    pub fn of(&self, drop: Drop) -> u64 {
        self.0[drop as usize]
    }

    /// Every reason with its count.
    pub fn iter(&self) -> impl Iterator<Item = (Drop, u64)> + '_ {
        Drop::ALL.iter().map(|&d| (d, self.of(d)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_in_the_order_of_the_enum() {
        let mut names: Vec<_> = Drop::ALL.iter().map(|d| d.name()).collect();
        assert!(Drop::ALL.iter().enumerate().all(|(i, &d)| d as usize == i));
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Drop::ALL.len());
    }
}
