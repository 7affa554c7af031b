//! A device for smoltcp with the offloads that a TAP has: written so that smoltcp is at its best.
//!
//! What it does:
//! * frames of up to 64 KB each way, one system call each: TCP segments that smoltcp hands over in one piece
//!   (`segmentation-offload`, which names the size of the pieces) are cut by the kernel, if anybody needs them cut,
//!   and the kernel's segments arrive uncut;
//! * no TCP checksum is computed or verified by smoltcp: outgoing segments carry the sum of the pseudo header alone,
//!   and incoming ones come from this machine's kernel, which has not computed theirs;
//! * one buffer each way for the device's whole life, neither allocated nor zeroed for a frame, which is what smoltcp's
//!   own TunTapInterface does.
//!
//! What smoltcp 0.14 cannot do, so that no device can help it: hand over a payload without copying it (it is copied
//! into a socket's ring, and from there into the frame), take a received one without a copy, send a piece across the
//! end of a ring (a large segment ends there), or find the socket of a segment other than by asking one after
//! the other. The IPv4 header's checksum stays with smoltcp: the kernel wants it right in large frames, too.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use smoltcp::phy::{Checksum, Device, DeviceCapabilities, Medium, PacketMeta, RxToken, TxToken};
use smoltcp::time::Instant;
use taphouse_rivals::sys::{self, VNET_HEADER};

const ETHERNET: usize = 14;
const IPV4: usize = 20;
const LARGEST: usize = ETHERNET + u16::MAX as usize;

/// A TAP with `IFF_VNET_HDR`.
pub(crate) struct Vnet {
    fd: OwnedFd,
    mtu: usize,
    incoming: Vec<u8>,
    outgoing: Vec<u8>,
}

impl Vnet {
    /// Attaches. `mtu` is that of the interface, without the Ethernet header.
    pub(crate) fn open(name: &str, mtu: usize) -> io::Result<Self> {
        let buffer = || vec![0; VNET_HEADER + LARGEST];
        Ok(Self { fd: sys::open_vnet_tap(name)?, mtu, incoming: buffer(), outgoing: buffer() })
    }
}

impl AsRawFd for Vnet {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

impl Device for Vnet {
    type RxToken<'a> = Incoming<'a>;
    type TxToken<'a> = Outgoing<'a>;

    fn receive(&mut self, _: Instant) -> Option<(Incoming<'_>, Outgoing<'_>)> {
        let len = match sys::read(self.fd.as_fd(), &mut self.incoming) {
            Ok(len) => len,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return None,
            Err(error) => panic!("the device is gone: {error}"),
        };
        let outgoing =
            Outgoing { fd: self.fd.as_fd(), buffer: &mut self.outgoing, meta: PacketMeta::default() };
        Some((Incoming(self.incoming.get(VNET_HEADER..len).unwrap_or_default()), outgoing))
    }

    fn transmit(&mut self, _: Instant) -> Option<Outgoing<'_>> {
        Some(Outgoing { fd: self.fd.as_fd(), buffer: &mut self.outgoing, meta: PacketMeta::default() })
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = self.mtu + ETHERNET;
        capabilities.checksum.tcp = Checksum::None;
        capabilities.segmentation.tcpv4 = LARGEST.try_into().ok();
        capabilities
    }
}

pub(crate) struct Incoming<'a>(&'a [u8]);

impl RxToken for Incoming<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(self.0)
    }
}

pub(crate) struct Outgoing<'a> {
    fd: BorrowedFd<'a>,
    buffer: &'a mut [u8],
    meta: PacketMeta,
}

impl TxToken for Outgoing<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let whole = &mut self.buffer[..VNET_HEADER + len];
        // The headers are written over zeros, as in a new buffer; the payload is written whole.
        let heads = whole.len().min(VNET_HEADER + 128);
        whole[..heads].fill(0);
        let (header, frame) = whole.split_at_mut(VNET_HEADER);
        let result = f(frame);
        describe(header, frame, self.meta.segmentation_offload_size.map_or(0, |size| size.get()));
        match sys::write(self.fd, whole) {
            // The device is full: lost on the wire, as with TunTapInterface.
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => panic!("the device is gone: {error}"),
            _ => result,
        }
    }

    fn set_meta(&mut self, meta: PacketMeta) {
        self.meta = meta;
    }
}

/// Fills the virtio header of a TCP segment, and its checksum field with the sum of the pseudo header.
fn describe(header: &mut [u8], frame: &mut [u8], segment_size: u16) {
    const NEEDS_CSUM: u8 = 1;
    const GSO_TCPV4: u8 = 1;
    const CHECKSUM_AT: usize = 16;
    let is_tcp = frame.len() >= ETHERNET + IPV4 + 20
        && frame[12..14] == [8, 0]
        && frame[ETHERNET] == 0x45
        && frame[ETHERNET + 9] == 6;
    if !is_tcp {
        return;
    }
    let tcp = ETHERNET + IPV4;
    let words = frame[ETHERNET + 12..tcp].chunks_exact(2);
    let mut sum: u32 = words.map(|w| u32::from(u16::from_be_bytes([w[0], w[1]]))).sum();
    sum += 6 + (frame.len() - tcp) as u32;
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    frame[tcp + CHECKSUM_AT..tcp + CHECKSUM_AT + 2].copy_from_slice(&(sum as u16).to_be_bytes());
    let head_len = tcp + usize::from(frame[tcp + 12] >> 4) * 4;
    // struct virtio_net_hdr, in the machine's own byte order, as a TAP has it by default.
    header[0] = NEEDS_CSUM;
    header[6..8].copy_from_slice(&(tcp as u16).to_ne_bytes());
    header[8..10].copy_from_slice(&(CHECKSUM_AT as u16).to_ne_bytes());
    if segment_size > 0 {
        header[1] = GSO_TCPV4;
        header[2..4].copy_from_slice(&(head_len as u16).to_ne_bytes());
        header[4..6].copy_from_slice(&segment_size.to_ne_bytes());
    }
}
