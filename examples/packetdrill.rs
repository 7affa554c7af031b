//! The stack as a plug-in of Google's packetdrill: BSD sockets over it, in virtual time.
//!
//! ```sh
//! cargo build --example packetdrill
//! packetdrill --so_filename=target/debug/examples/libpacketdrill.so --so_flags=local=192.168.0.1 \
//!     --ip_version=ipv4 --local_ip=192.168.0.1 --remote_ip=192.0.2.1 --tolerance_usecs=15000 script.pkt
//! ```
//!
//! `docs/packetdrill.md` says what it can do; `scripts/packetdrill` runs a whole collection of scripts.
//!
//! ```text
//! packetdrill --(C table)--> interface --> verbs | transfer | ready | options --> Host (stack, clock, packets)
//!                                              a call that must wait sleeps in Plug
//! ```

#![allow(unsafe_code, reason = "the table is called from C")]

#[path = "packetdrill/host.rs"]
mod host;
#[path = "packetdrill/interface.rs"]
mod interface;
#[path = "packetdrill/memory.rs"]
mod memory;
#[path = "packetdrill/options.rs"]
mod options;
#[path = "packetdrill/plug.rs"]
mod plug;
#[path = "packetdrill/ready.rs"]
mod ready;
#[path = "packetdrill/settings.rs"]
mod settings;
#[path = "packetdrill/socket.rs"]
mod socket;
#[path = "packetdrill/transfer.rs"]
mod transfer;
#[path = "packetdrill/verbs.rs"]
mod verbs;

use std::ffi::{CStr, c_char};

use interface::Interface;
use plug::Plug;
use settings::Settings;

/// Fills packetdrill's table. All state hangs on the table's `userdata`, because packetdrill may come again in the
/// same process.
///
/// # Safety
/// `flags` is null or a C string, `table` points to a table to fill.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn packetdrill_interface_init(flags: *const c_char, table: *mut Interface) {
    let text = if flags.is_null() {
        String::new()
    } else {
        // SAFETY: the caller gives a C string.
        unsafe { CStr::from_ptr(flags) }.to_string_lossy().into_owned()
    };
    match text.parse::<Settings>() {
        Ok(settings) => {
            let plug = Box::new(Plug::new(&settings));
            // SAFETY: the caller gives a table to fill.
            unsafe { table.write(Interface::new(Box::into_raw(plug).cast())) };
        }
        Err(error) => {
            eprintln!("--so_flags: {error}");
            std::process::exit(2);
        }
    }
}
