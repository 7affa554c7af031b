#!/usr/bin/env python3
"""Throws malformed and hostile frames at a live server, and reads its counters after each kind.

Run as root in a network namespace where `tap0` (192.0.2.1/24) leads to the server at 192.0.2.2:

    malformed.py [--interface tap0] [--only NAME ...]    one line a kind, exit status 1 if one failed
    malformed.py --dump                                  `name reason count hex...` for frames without a connection

All frames come from a host that is not there, 192.0.2.77, for which a thread answers ARP; so the kernel knows
nothing of its connections and sends no RST. Standard library only. The same table, with answers, is checked in
memory by tests/malformed.
"""

import argparse
import collections
import contextlib
import fcntl
import http.client
import os
import re
import socket
import struct
import sys
import threading
import time

SERVER, GHOST, NOBODY = "192.0.2.2", "192.0.2.77", "192.0.2.78"
SUBNET_BROADCAST, LIMITED_BROADCAST = "192.0.2.255", "255.255.255.255"
PORT, CLOSED_PORT = 80, 81
GHOST_MAC = bytes.fromhex("020000000077")
OTHER_MAC = bytes.fromhex("020000000099")
GROUP_MAC = bytes.fromhex("01005e000001")
BROADCAST_MAC, ZERO_MAC = b"\xff" * 6, bytes(6)

ETH_P_ALL, ETH_P_IP, ETH_P_ARP = 3, 0x0800, 0x0806
SIOCGIFMTU = 0x8921
ICMP, TCP, UDP = 1, 6, 17
FIN, SYN, RST, PSH, ACK, URG = 1, 2, 4, 8, 16, 32

# The kernel itself sends IPv6 and IGMP to groups now and then; fragments of earlier kinds time out after 60 s.
NOISE = {"frame_not_for_us", "fragment_timeout"}
PATIENCE = 5.0


# --- bytes --------------------------------------------------------------------------------------------------


def ip_bytes(address):
    return socket.inet_aton(address)


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def put(data, at, new):
    """The bytes with some of them replaced."""
    return data[:at] + bytes(new) + data[at + len(new) :]


def ethernet(payload, kind=ETH_P_IP, dst=None, src=GHOST_MAC):
    return (dst or Frames.server_mac) + src + struct.pack("!H", kind) + payload


def arp_packet(op=1, sha=GHOST_MAC, spa=GHOST, tha=ZERO_MAC, tpa=SERVER):
    return struct.pack("!HHBBH", 1, ETH_P_IP, 6, 4, op) + sha + ip_bytes(spa) + tha + ip_bytes(tpa)


def arp(packet=None, **fields):
    return ethernet(arp_packet(**fields) if packet is None else packet, ETH_P_ARP, BROADCAST_MAC)


def seal(packet):
    """The packet with its header checksum put right."""
    length = min(max((packet[0] & 15) * 4, 20), len(packet))
    packet = put(packet, 10, bytes(2))
    return put(packet, 10, struct.pack("!H", checksum(packet[:length])))


def ipv4(payload, protocol=ICMP, src=GHOST, dst=SERVER, ident=0x1234, offset=0, more=False, options=b""):
    first = 0x45 + len(options) // 4
    field = offset // 8 | (0x2000 if more else 0)
    header = struct.pack("!BBHHHBBH", first, 0, 20 + len(options) + len(payload), ident, field, 64, protocol, 0)
    return seal(header + ip_bytes(src) + ip_bytes(dst) + options + payload)


def patched(at, value, packet=None):
    """A ping with one byte of its header changed and the checksum right again."""
    return ethernet(seal(put(packet or ping(), at, [value])))


def icmp(kind, code=0, rest=b"", word=0x00010001):
    message = struct.pack("!BBHI", kind, code, 0, word) + rest
    return put(message, 2, struct.pack("!H", checksum(message)))


def ping(**fields):
    return ipv4(icmp(8, rest=b"a" * 40), **fields)


def pseudo(protocol, length, src, dst):
    return ip_bytes(src) + ip_bytes(dst) + struct.pack("!BBH", 0, protocol, length)


def udp(payload=b"data", dst=SERVER, port=53):
    datagram = struct.pack("!HHHH", 3999, port, 8 + len(payload), 0) + payload
    return put(datagram, 6, struct.pack("!H", checksum(pseudo(UDP, len(datagram), GHOST, dst) + datagram)))


def seal_tcp(segment, dst=SERVER):
    segment = put(segment, 16, bytes(2))
    return put(segment, 16, struct.pack("!H", checksum(pseudo(TCP, len(segment), GHOST, dst) + segment)))


def tcp(flags=SYN, seq=700, ack=900, sport=3999, dport=PORT, options=b"", payload=b"", dst=SERVER):
    options += bytes(-len(options) % 4)
    offset = (20 + len(options)) // 4 << 4
    ack = ack % 2**32 if flags & ACK else 0
    header = struct.pack("!HHIIBBHHH", sport, dport, seq % 2**32, ack, offset, flags, 0xFFFF, 0, 0)
    return seal_tcp(header + options + payload, dst)


def segment(*args, **fields):
    return ethernet(ipv4(tcp(*args, **fields), TCP))


def fragment(ident, offset, more, payload, protocol=UDP):
    ident = (os.getpid() * 16 + ident) % 2**16  # Not those of a run before.
    return ethernet(ipv4(payload, protocol, ident=ident, offset=offset, more=more))


def quoting(packet, kind=3, code=3):
    return ethernet(ipv4(icmp(kind, code, packet, 0)))


def ours(payload, protocol=TCP):
    """A packet that the server could have sent."""
    return ipv4(payload, protocol, src=SERVER, dst=GHOST)


class Frames:
    """What the builders need to know of the network."""

    server_mac = bytes.fromhex("020000000002")
    mtu = 1500


# --- the table: name, reason, what to send --------------------------------------------------------------------

# Each is sent three times, unless it is a tuple: all frames of that, of which the number in front is counted.
STATELESS = [
    ("frame_too_long", "frame_too_long", lambda: ethernet(bytes(Frames.mtu + 2), 0x8100)),
    ("frame_to_another_station", "frame_not_for_us", lambda: ethernet(ping(), dst=OTHER_MAC)),
    ("frame_to_a_group", "frame_not_for_us", lambda: ethernet(ping(), dst=GROUP_MAC)),
    ("frame_from_broadcast", "frame_group_source", lambda: ethernet(ping(), src=BROADCAST_MAC)),
    ("frame_from_a_group", "frame_group_source", lambda: ethernet(ping(), src=GROUP_MAC)),
    ("type_ipv6", "unknown_ether_type", lambda: ethernet(b"\x60" + bytes(39), 0x86DD)),
    ("type_vlan", "unknown_ether_type", lambda: ethernet(b"\0\1\x08\0" + ping(), 0x8100)),
    ("length_of_802_3", "unknown_ether_type", lambda: ethernet(b"\xaa" * 46, 46)),
    ("arp_27_bytes", "arp_truncated", lambda: arp(arp_packet()[:27])),
    ("arp_of_ieee_802", "arp_bad_hardware", lambda: arp(put(arp_packet(), 0, [0, 6]))),
    ("arp_of_ipv6", "arp_bad_protocol", lambda: arp(put(arp_packet(), 2, [0x86, 0xDD]))),
    ("arp_hardware_length_8", "arp_bad_lengths", lambda: arp(put(arp_packet(), 4, [8]))),
    ("arp_protocol_length_16", "arp_bad_lengths", lambda: arp(put(arp_packet(), 5, [16]))),
    ("arp_operation_zero", "arp_bad_operation", lambda: arp(op=0)),
    ("arp_reverse_request", "arp_bad_operation", lambda: arp(op=3)),
    ("arp_sender_hardware_zero", "arp_bad_sender_hardware", lambda: arp(sha=ZERO_MAC)),
    ("arp_sender_hardware_group", "arp_bad_sender_hardware", lambda: arp(sha=GROUP_MAC)),
    ("arp_sender_loopback", "arp_bad_sender_address", lambda: arp(spa="127.0.0.1")),
    ("arp_sender_broadcast", "arp_bad_sender_address", lambda: arp(spa=SUBNET_BROADCAST)),
    ("arp_sender_multicast", "arp_bad_sender_address", lambda: arp(spa="224.0.0.1")),
    ("arp_sender_off_subnet", "arp_bad_sender_address", lambda: arp(spa="203.0.113.9")),
    ("arp_request_for_another", "arp_not_for_us", lambda: arp(sha=OTHER_MAC, spa=NOBODY, tpa=GHOST)),
    ("arp_announcement_of_our_address", "arp_conflict", lambda: arp(sha=OTHER_MAC, spa=SERVER, tpa=SERVER)),
    ("arp_reply_with_our_address", "arp_conflict", lambda: arp(op=2, sha=OTHER_MAC, spa=SERVER, tpa=GHOST)),
    ("ipv4_19_bytes", "ipv4_truncated", lambda: ethernet(ping()[:19])),
    ("ipv4_version_6", "ipv4_bad_version", lambda: patched(0, 0x65)),
    ("ipv4_header_of_16_bytes", "ipv4_bad_header_length", lambda: patched(0, 0x44)),
    ("ipv4_header_past_the_packet", "ipv4_bad_header_length", lambda: patched(0, 0x4F, ipv4(icmp(8)))),
    ("ipv4_total_under_header", "ipv4_bad_total_length", lambda: patched(3, 19)),
    ("ipv4_total_past_the_frame", "ipv4_bad_total_length", lambda: patched(2, 5)),
    ("ipv4_bad_checksum", "ipv4_bad_checksum", lambda: ethernet(put(ping(), 8, [63]))),
    ("ipv4_option_of_length_0", "ipv4_bad_options", lambda: ethernet(ping(options=b"\7\0\0\0"))),
    ("ipv4_option_past_the_header", "ipv4_bad_options", lambda: ethernet(ping(options=b"\1\7\4\0"))),
    ("ipv4_loose_source_route", "ipv4_source_route", lambda: ethernet(ping(options=b"\x83\7\4\xc0\0\2\x09\0"))),
    ("ipv4_strict_source_route", "ipv4_source_route", lambda: ethernet(ping(options=b"\1\x89\7\4\xc0\0\2\x09"))),
    ("ipv4_source_unspecified", "ipv4_source_zero", lambda: ethernet(ping(src="0.0.0.0"))),
    ("ipv4_source_loopback", "ipv4_source_loopback", lambda: ethernet(ping(src="127.0.0.1"))),
    ("ipv4_source_multicast", "ipv4_source_multicast", lambda: ethernet(ping(src="224.0.0.1"))),
    ("ipv4_source_class_e", "ipv4_source_multicast", lambda: ethernet(ping(src="240.0.0.1"))),
    ("ipv4_source_limited_broadcast", "ipv4_source_broadcast", lambda: ethernet(ping(src=LIMITED_BROADCAST))),
    ("ipv4_source_subnet_broadcast", "ipv4_source_broadcast", lambda: ethernet(ping(src=SUBNET_BROADCAST))),
    ("ipv4_source_our_own", "ipv4_source_own", lambda: ethernet(ping(src=SERVER))),
    ("ipv4_to_another_host", "ipv4_not_for_us", lambda: ethernet(ping(dst=NOBODY))),
    ("ipv4_to_loopback", "ipv4_not_for_us", lambda: ethernet(ping(dst="127.0.0.1"))),
    ("ipv4_multicast", "ipv4_multicast", lambda: ethernet(ping(dst="224.0.0.1"))),
    ("ipv4_in_broadcast_frame", "ipv4_in_broadcast_frame", lambda: ethernet(ping(), dst=BROADCAST_MAC)),
    ("ipv4_protocol_igmp", "ipv4_unknown_protocol", lambda: ethernet(ipv4(bytes(8), 2))),
    ("ipv4_protocol_255", "ipv4_unknown_protocol", lambda: ethernet(ipv4(b"", 255))),
    ("ipv4_unknown_protocol_broadcast", "ipv4_unknown_protocol",
     lambda: ethernet(ipv4(bytes(40), 99, dst=SUBNET_BROADCAST))),
    ("fragment_of_7_bytes", "fragment_bad_length", lambda: fragment(1, 0, True, bytes(7))),
    ("fragment_empty", "fragment_bad_length", lambda: fragment(1, 64, True, b"")),
    ("fragment_past_65535", "fragment_too_big", lambda: fragment(2, 65528, False, bytes(100), ICMP)),
    ("fragment_overlap", "fragment_overlap",
     lambda: (1, fragment(3, 0, True, bytes(64)), fragment(3, 24, False, bytes(4)))),
    ("fragment_tiny_overlap_of_tcp", "fragment_overlap",
     lambda: (1, fragment(5, 0, True, bytes(16), TCP), fragment(5, 8, False, bytes(20), TCP))),
    ("fragment_two_ends", "fragment_bad_end",
     lambda: (1, fragment(7, 64, False, bytes(8)), fragment(7, 128, False, bytes(8)))),
    ("fragment_twice", "fragment_duplicate", lambda: (2, *[fragment(9, 8, True, bytes(8))] * 3)),
    ("fragment_too_many", "fragment_limit",
     lambda: (1, *[fragment(10, 16 * n, True, bytes(8)) for n in range(129)])),
    ("icmp_7_bytes", "icmp_truncated", lambda: ethernet(ipv4(icmp(8)[:7]))),
    ("icmp_bad_checksum", "icmp_bad_checksum", lambda: ethernet(ipv4(put(icmp(8, rest=b"data"), 9, b"X")))),
    ("icmp_redirect", "icmp_unknown_type", lambda: quoting(ours(bytes(8)), 5, 1)),
    ("icmp_source_quench", "icmp_unknown_type", lambda: quoting(ours(bytes(8)), 4, 0)),
    ("icmp_timestamp_request", "icmp_unknown_type", lambda: ethernet(ipv4(icmp(13, rest=bytes(12))))),
    ("icmp_echo_with_code", "icmp_unknown_type", lambda: ethernet(ipv4(icmp(8, 1, b"data")))),
    ("icmp_reply_unasked", "icmp_unexpected_reply", lambda: ethernet(ipv4(icmp(0, rest=b"data")))),
    ("icmp_echo_to_broadcast", "icmp_broadcast", lambda: ethernet(ping(dst=SUBNET_BROADCAST))),
    ("icmp_error_without_quote", "icmp_bad_quote", lambda: quoting(b"")),
    ("icmp_quote_of_version_6", "icmp_bad_quote", lambda: quoting(b"\x60" + bytes(47), 11, 0)),
    ("icmp_quote_with_7_bytes_of_tcp", "icmp_bad_quote", lambda: quoting(ours(bytes(7)))),
    ("icmp_about_another_host", "icmp_unmatched_error", lambda: quoting(ipv4(bytes(8), TCP, NOBODY, GHOST))),
    ("icmp_about_udp", "icmp_unmatched_error", lambda: quoting(ours(bytes(8), UDP))),
    ("icmp_about_no_connection", "icmp_unmatched_error", lambda: quoting(ours(b"\0\x50\1\2\0\0\0\0"))),
    ("udp_7_bytes", "udp_truncated", lambda: ethernet(ipv4(udp()[:7], UDP))),
    ("udp_length_past_the_end", "udp_truncated", lambda: ethernet(ipv4(put(udp(), 4, [0, 13]), UDP))),
    ("udp_bad_checksum", "udp_bad_checksum", lambda: ethernet(ipv4(put(udp(), 9, b"X"), UDP))),
    ("udp_without_listener", "udp_no_listener", lambda: ethernet(ipv4(udp(), UDP))),
    ("udp_to_broadcast", "udp_broadcast",
     lambda: ethernet(ipv4(udp(dst=SUBNET_BROADCAST), UDP, dst=SUBNET_BROADCAST))),
    ("tcp_19_bytes", "tcp_truncated", lambda: ethernet(ipv4(tcp()[:19], TCP))),
    ("tcp_offset_4", "tcp_bad_offset", lambda: ethernet(ipv4(seal_tcp(put(tcp(), 12, [0x40])), TCP))),
    ("tcp_offset_past_the_segment", "tcp_bad_offset", lambda: ethernet(ipv4(seal_tcp(put(tcp(), 12, [0xF0])), TCP))),
    ("tcp_bad_checksum", "tcp_bad_checksum", lambda: ethernet(ipv4(put(tcp(), 4, b"X"), TCP))),
    ("tcp_option_of_length_0", "tcp_bad_options", lambda: segment(options=b"\2\0\5\xb4")),
    ("tcp_mss_of_3_bytes", "tcp_bad_options", lambda: segment(options=b"\2\3\5")),
    ("tcp_option_past_the_header", "tcp_bad_options", lambda: segment(options=b"\1\1\2\4")),
    ("tcp_from_port_zero", "tcp_port_zero", lambda: segment(sport=0)),
    ("tcp_to_port_zero", "tcp_port_zero", lambda: segment(dport=0)),
    ("tcp_null_scan", "tcp_bad_flags", lambda: segment(0)),
    ("tcp_syn_fin", "tcp_bad_flags", lambda: segment(SYN | FIN)),
    ("tcp_syn_rst", "tcp_bad_flags", lambda: segment(SYN | RST)),
    ("tcp_to_broadcast", "tcp_broadcast",
     lambda: ethernet(ipv4(tcp(dst=SUBNET_BROADCAST), TCP, dst=SUBNET_BROADCAST))),
    ("tcp_syn_to_closed_port", "tcp_no_listener", lambda: segment(SYN, dport=CLOSED_PORT)),
    ("tcp_ack_to_closed_port", "tcp_no_listener", lambda: segment(ACK, dport=CLOSED_PORT)),
    ("tcp_xmas_to_closed_port", "tcp_no_listener", lambda: segment(FIN | PSH | URG, dport=CLOSED_PORT)),
    ("tcp_rst_to_closed_port", "tcp_reset_unmatched", lambda: segment(RST, dport=CLOSED_PORT)),
    ("tcp_rst_to_listener", "tcp_reset_unmatched", lambda: segment(RST)),
    ("tcp_ack_to_listener", "tcp_ack_unmatched", lambda: segment(ACK)),
    ("tcp_fin_to_listener", "tcp_no_ack", lambda: segment(FIN)),
]

# The frames are made for a connection of the ghost: half open, established, or in TIME-WAIT.
STATEFUL = [
    ("half_open_ack_of_unsent", "tcp_handshake_bad_ack", "half_open", lambda c: c.frame(ACK, ack=1000)),
    ("half_open_fin_without_ack", "tcp_no_ack", "half_open", lambda c: c.frame(FIN)),
    ("half_open_rst_next_to_the_edge", "tcp_reset_challenged", "half_open", lambda c: c.frame(RST, seq=1)),
    ("half_open_rst_out_of_window", "tcp_reset_out_of_window", "half_open", lambda c: c.frame(RST, seq=-5000)),
    ("half_open_ack_out_of_window", "tcp_out_of_window", "half_open", lambda c: c.frame(ACK, seq=-5000)),
    ("half_open_syn_ack_elsewhere", "tcp_syn_challenged", "half_open", lambda c: c.frame(SYN | ACK, seq=7)),
    ("established_old_data", "tcp_out_of_window", "open", lambda c: c.frame(ACK, seq=-4, payload=b"data")),
    ("established_data_far_ahead", "tcp_out_of_window", "open", lambda c: c.frame(ACK, seq=1 << 28, payload=b"x")),
    ("established_keep_alive", "tcp_out_of_window", "open", lambda c: c.frame(ACK, seq=-1)),
    ("established_rst_behind", "tcp_reset_out_of_window", "open", lambda c: c.frame(RST, seq=-1)),
    ("established_rst_far_ahead", "tcp_reset_out_of_window", "open", lambda c: c.frame(RST, seq=1 << 28)),
    ("established_rst_inside", "tcp_reset_challenged", "open", lambda c: c.frame(RST, seq=1)),
    ("established_syn", "tcp_syn_challenged", "open", lambda c: c.frame(SYN)),
    ("established_syn_ack_anywhere", "tcp_syn_challenged", "open", lambda c: c.frame(SYN | ACK, seq=-(1 << 30))),
    ("established_fin_without_ack", "tcp_no_ack", "open", lambda c: c.frame(FIN)),
    ("established_null", "tcp_bad_flags", "open", lambda c: c.frame(PSH, payload=b"data")),
    ("established_ack_of_unsent", "tcp_ack_unsent", "open", lambda c: c.frame(ACK, ack=1, payload=b"data")),
    ("established_ack_too_old", "tcp_ack_too_old", "open", lambda c: c.frame(ACK, ack=-70000, payload=b"data")),
    ("icmp_about_what_was_not_sent", "icmp_unmatched_error", "open",
     lambda c: quoting(ours(struct.pack("!HHI", PORT, c.port, (c.ack + 1000) % 2**32)))),
    ("time_wait_old_data", "tcp_time_wait", "time_wait", lambda c: c.frame(ACK, seq=-9, payload=b"old data")),
    ("time_wait_rst", "tcp_time_wait", "time_wait", lambda c: c.frame(RST)),
]


# --- the ghost -------------------------------------------------------------------------------------------------


class Ghost:
    """The host that is not there: it answers ARP, and keeps the segments that come for it."""

    def __init__(self, interface):
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self.socket.bind((interface, 0))
        self.segments = collections.deque(maxlen=10_000)
        self.server_mac = None
        self.news = threading.Condition()
        self.port = 40_000 + os.getpid() % 10_000
        threading.Thread(target=self.listen, daemon=True).start()

    def mtu(self, interface):
        """Asked of the socket: /sys may be another namespace's."""
        request = struct.pack("16si12x", interface.encode(), 0)
        return struct.unpack("16si12x", fcntl.ioctl(self.socket, SIOCGIFMTU, request))[1]

    def send(self, frame):
        self.socket.send(frame)

    def listen(self):
        while True:
            frame, (_, _, direction, _, _) = self.socket.recvfrom(65_536)
            if direction == socket.PACKET_OUTGOING or len(frame) < 34:
                continue
            kind = struct.unpack("!H", frame[12:14])[0]
            if kind == ETH_P_ARP and len(frame) >= 42:
                self.handle_arp(frame[14:42])
            elif kind == ETH_P_IP and frame[30:34] == ip_bytes(GHOST) and frame[23] == TCP:
                with self.news:
                    self.segments.append(Segment(frame[14:]))
                    self.news.notify_all()

    def handle_arp(self, packet):
        op, sender_mac, sender = struct.unpack("!H", packet[6:8])[0], packet[8:14], packet[14:18]
        if sender == ip_bytes(SERVER):
            with self.news:
                self.server_mac = sender_mac
                self.news.notify_all()
        if op == 1 and packet[24:28] == ip_bytes(GHOST):
            reply = arp_packet(2, GHOST_MAC, GHOST, sender_mac, socket.inet_ntoa(sender))
            self.send(ethernet(reply, ETH_P_ARP, sender_mac))

    def find_server(self):
        """Asks for the server, so that each of us knows the other."""
        for _ in range(10):
            self.send(arp())
            with self.news:
                if self.news.wait_for(lambda: self.server_mac, 1.0):
                    return self.server_mac
        raise SystemExit(f"{SERVER} does not answer ARP: is the server running on this interface?")

    def wait(self, port, wanted):
        """The next segment for a port that is wanted."""
        deadline = time.monotonic() + PATIENCE
        with self.news:
            while True:
                for segment_ in list(self.segments):
                    if segment_.dport == port and wanted(segment_):
                        self.segments.remove(segment_)
                        return segment_
                left = deadline - time.monotonic()
                if left <= 0 or not self.news.wait(left):
                    raise TimeoutError(f"no answer on port {port}")

    # Connections, each from a fresh port.

    def half_open(self):
        self.port += 1
        connection = Connection(self, self.port)
        self.send(segment(SYN, connection.seq - 1, 0, connection.port))
        answer = self.wait(connection.port, lambda s: s.flags == SYN | ACK and s.ack == connection.seq)
        connection.ack = (answer.seq + 1) % 2**32
        return connection

    def open(self):
        connection = self.half_open()
        self.send(connection.frame(ACK))
        return connection

    def time_wait(self):
        """The server ends a connection first, after its answer."""
        connection = self.open()
        request = b"GET /hello HTTP/1.1\r\nHost: malformed\r\nConnection: close\r\n\r\n"
        self.send(connection.frame(ACK | PSH, payload=request))
        connection.seq += len(request)
        while True:
            answer = self.wait(connection.port, lambda s: s.seq == connection.ack and (s.payload or s.flags & FIN))
            connection.ack = (connection.ack + len(answer.payload)) % 2**32
            if answer.flags & FIN:
                break
            self.send(connection.frame(ACK))
        connection.ack = (connection.ack + 1) % 2**32
        self.send(connection.frame(FIN | ACK))
        connection.seq += 1
        self.wait(connection.port, lambda s: s.flags & ACK and s.ack == connection.seq)
        return connection


class Segment:
    """A segment as it came."""

    def __init__(self, packet):
        start, end = (packet[0] & 15) * 4, struct.unpack("!H", packet[2:4])[0]
        header = packet[start : start + 20]
        _, self.dport, self.seq, self.ack, offset, self.flags = struct.unpack("!HHIIBB", header[:14])
        self.payload = packet[start + (offset >> 4) * 4 : end]


class Connection:
    """A connection of the ghost: what it sends next, and what it expects next."""

    def __init__(self, ghost, port):
        self.ghost, self.port, self.seq, self.ack = ghost, port, 100_001, 0

    def frame(self, flags, seq=0, ack=0, payload=b""):
        """A frame with numbers that are off by so much."""
        return segment(flags, self.seq + seq, self.ack + ack, self.port, payload=payload)

    def abandon(self):
        self.ghost.send(self.frame(RST))


# --- the server --------------------------------------------------------------------------------------------------


def get(path):
    with contextlib.closing(http.client.HTTPConnection(SERVER, PORT, timeout=PATIENCE)) as connection:
        connection.request("GET", path, headers={"Connection": "close"})
        response = connection.getresponse()
        return response.status, response.read().decode()


def drops():
    status, text = get("/metrics")
    if status != 200:
        raise RuntimeError(f"GET /metrics: {status}")
    found = re.findall(r'^taphouse_drops_total\{[^}]*reason="(\w+)"[^}]*\} (\d+)', text, re.MULTILINE)
    counts = collections.Counter()
    for reason, count in found:  # One line a shard, perhaps.
        counts[reason] += int(count)
    return counts


def run_kind(ghost, reason, frames, expected):
    """Sends the frames; what is wrong afterwards, or nothing."""
    before = drops()
    if reason not in before:
        return f"/metrics does not know {reason}"
    for frame in frames:
        ghost.send(frame)
    deadline = time.monotonic() + PATIENCE
    while True:
        after = drops()
        grown = {name: after[name] - before[name] for name in after if after[name] != before[name]}
        if grown.get(reason, 0) >= expected or time.monotonic() > deadline:
            break
        time.sleep(0.02)
    if grown.get(reason, 0) < expected:
        return f"{reason} grew by {grown.get(reason, 0)} and not {expected}; all that grew: {grown}"
    others = set(grown) - {reason} - NOISE
    if others:
        return f"{grown} and not {reason} alone"
    status, _ = get("/hello")
    return None if status == 200 else f"GET /hello: {status}"


def shots(make):
    """The frames of a line of the table, and how many of them are counted."""
    made = make()
    return (list(made[1:]), made[0]) if isinstance(made, tuple) else ([made] * 3, 3)


def run_stateless(ghost, reason, make):
    return run_kind(ghost, reason, *shots(make))


def run_stateful(ghost, reason, state, make):
    connection = getattr(ghost, state)()
    frame = make(connection)
    try:
        return run_kind(ghost, reason, [frame] * 3, 3)
    finally:
        if state != "time_wait":
            connection.abandon()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--interface", default="tap0")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="only these kinds")
    parser.add_argument("--dump", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.dump:
        for name, reason, make in STATELESS:
            frames, expected = shots(make)
            print(name, reason, expected, *[frame.hex() for frame in frames])
        return 0

    ghost = Ghost(options.interface)
    Frames.mtu = ghost.mtu(options.interface)
    Frames.server_mac = ghost.find_server()
    passed = failed = 0
    for name, *line in STATELESS + STATEFUL:
        if options.only and name not in options.only:
            continue
        try:
            run = run_stateless if len(line) == 2 else run_stateful
            wrong = run(ghost, *line)
        except (OSError, RuntimeError, http.client.HTTPException) as error:
            wrong = f"{type(error).__name__}: {error}"
        print(f"not ok {name}: {wrong}" if wrong else f"ok {name}", flush=True)
        passed, failed = passed + (not wrong), failed + bool(wrong)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
