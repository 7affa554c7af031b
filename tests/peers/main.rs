//! HTTP and WebSockets against programs that others have written, in this process: hyper as client, tungstenite as
//! client and as server. Whatever two sides say must come out at the other as it was meant.
//!
//! There are no sockets, no threads and no clock: both sides are polled in turn, and the bytes between them are cut by
//! dice (`wire`). A run is told by its seed, and so is what goes wrong in it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod dice;
mod http_client;
mod http_server;
mod payload;
mod routes;
mod websockets;
mod wire;
mod ws_ours;
mod ws_theirs;

use std::panic::{AssertUnwindSafe, catch_unwind};

use taphouse::fault::{self, Fault};

/// What a run dies of while this mechanism is broken, or nothing at all is.
fn last_words(fault: Option<Fault>, run: impl FnOnce()) -> Option<String> {
    fault::set(fault);
    let result = catch_unwind(AssertUnwindSafe(run));
    fault::set(None);
    let panic = result.err()?;
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|&text| text.to_owned())).or_else(|| Some(String::new()))
}
