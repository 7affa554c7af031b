//! The caller's memory, read and written by the kernel, which answers EFAULT for a pointer that leads nowhere.
//! Scripts try such pointers.

use std::ffi::c_void;

use libc::iovec;

use crate::socket::Outcome;

/// More than any script moves at once: a length that is nonsense must not make us reserve it.
const MAX_COPY: usize = 64 << 20;

/// A piece of the caller's memory, as a vector of one.
pub(crate) fn one(base: *const c_void, len: usize) -> Vec<iovec> {
    vec![iovec { iov_base: base.cast_mut(), iov_len: len }]
}

/// The vector of pieces at `pointer`.
pub(crate) fn pieces(pointer: *const iovec, count: usize) -> Outcome<Vec<iovec>> {
    if count > 1024 {
        return Err(libc::EINVAL);
    }
    (0..count).map(|n| read(pointer.wrapping_add(n))).collect()
}

/// Bytes of all pieces.
pub(crate) fn len(pieces: &[iovec]) -> usize {
    pieces.iter().map(|piece| piece.iov_len).sum()
}

/// A plain C value of the caller's.
pub(crate) fn read<T: Copy>(pointer: *const T) -> Outcome<T> {
    let bytes = gather(&one(pointer.cast(), size_of::<T>()))?;
    // SAFETY: the bytes are a copy of a T, which the C side declares with this layout.
    Ok(unsafe { bytes.as_ptr().cast::<T>().read_unaligned() })
}

/// Writes a plain C value for the caller.
pub(crate) fn write<T: Copy>(pointer: *mut T, value: T) -> Outcome<()> {
    let source = (&raw const value).cast::<u8>();
    // SAFETY: the value lives until the end of this function; C values here have no padding that matters.
    let bytes = unsafe { std::slice::from_raw_parts(source, size_of::<T>()) };
    scatter(&one(pointer.cast(), size_of::<T>()), bytes).map(drop)
}

/// Joins the pieces.
pub(crate) fn gather(pieces: &[iovec]) -> Outcome<Vec<u8>> {
    let len = len(pieces);
    if len > MAX_COPY {
        return Err(libc::EFAULT);
    }
    let mut bytes = vec![0_u8; len];
    let local = iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: len };
    // SAFETY: what is local is ours; what is remote the kernel checks.
    let copied = unsafe {
        libc::process_vm_readv(libc::getpid(), &raw const local, 1, pieces.as_ptr(), pieces.len() as u64, 0)
    };
    if copied == len as isize { Ok(bytes) } else { Err(libc::EFAULT) }
}

/// Fills the pieces in turn; says how much went in.
pub(crate) fn scatter(pieces: &[iovec], bytes: &[u8]) -> Outcome<usize> {
    let len = bytes.len().min(len(pieces));
    let local = iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: len };
    // SAFETY: what is local is only read; what is remote the kernel checks.
    let copied = unsafe {
        libc::process_vm_writev(libc::getpid(), &raw const local, 1, pieces.as_ptr(), pieces.len() as u64, 0)
    };
    if copied == len as isize { Ok(len) } else { Err(libc::EFAULT) }
}
