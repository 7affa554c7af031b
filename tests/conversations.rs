//! Conversations: one host in virtual time, the peer played by hand, segment by segment.
//!
//! The link is bare IP, so that nothing but TCP and ICMP is said. What the peer sends is written down in sequence
//! numbers counted from its SYN, what the host sends in numbers counted from the host's own; so every byte has
//! the same number in every run. Each test names a situation and its outcome, and cites what asks for it.

#[path = "conversations/harness.rs"]
mod harness;

#[path = "conversations/acknowledging.rs"]
mod acknowledging;
#[path = "conversations/buffers.rs"]
mod buffers;
#[path = "conversations/closed_port.rs"]
mod closed_port;
#[path = "conversations/closing.rs"]
mod closing;
#[path = "conversations/congestion.rs"]
mod congestion;
#[path = "conversations/ecn.rs"]
mod ecn;
#[path = "conversations/faults.rs"]
mod faults;
#[path = "conversations/growth.rs"]
mod growth;
#[path = "conversations/hostile.rs"]
mod hostile;
#[path = "conversations/leftovers.rs"]
mod leftovers;
#[path = "conversations/liveness.rs"]
mod liveness;
#[path = "conversations/opening.rs"]
mod opening;
#[path = "conversations/opening_late.rs"]
mod opening_late;
#[path = "conversations/options.rs"]
mod options;
#[path = "conversations/path_mtu.rs"]
mod path_mtu;
#[path = "conversations/pressure.rs"]
mod pressure;
#[path = "conversations/reassembly.rs"]
mod reassembly;
#[path = "conversations/requirements.rs"]
mod requirements;
#[path = "conversations/resets.rs"]
mod resets;
#[path = "conversations/rest.rs"]
mod rest;
#[path = "conversations/retransmission.rs"]
mod retransmission;
#[path = "conversations/sack.rs"]
mod sack;
#[path = "conversations/sack_sender.rs"]
mod sack_sender;
#[path = "conversations/states.rs"]
mod states;
#[path = "conversations/time_wait.rs"]
mod time_wait;
#[path = "conversations/timestamps.rs"]
mod timestamps;
#[path = "conversations/urgent.rs"]
mod urgent;
#[path = "conversations/windows.rs"]
mod windows;
