//! The seven states from ESTABLISHED to LAST-ACK, each met by every kind of segment: RFC 9293 3.10.7.4, RFC 5961.
//!
//! SYN-SENT and SYN-RECEIVED are in `opening` and `opening_late`, CLOSED and LISTEN in `closed_port`, TIME-WAIT
//! in `time_wait`.

use taphouse::tcp::{Cause, State};

use crate::harness::{Talk, seg};

/// A connection in one of the states, with the numbers that it got there by.
struct Stage {
    talk: Talk,
    state: State,
    /// SND.NXT, SND.UNA, RCV.NXT.
    snd_nxt: i64,
    una: i64,
    rcv_nxt: i64,
}

impl Stage {
    /// The bare ACK that tells where the host stands.
    fn ack(&self) -> String {
        format!("A {}+0 ack {} win {}", self.snd_nxt, self.rcv_nxt, 65_536 - self.rcv_nxt)
    }

    #[track_caller]
    fn stays(&mut self) {
        assert_eq!((self.talk.state(), self.talk.events()), (self.state, vec![]));
    }
}

const STATES: [State; 7] = [
    State::Established,
    State::FinWait1,
    State::FinWait2,
    State::CloseWait,
    State::Closing,
    State::LastAck,
    State::SynReceived,
];

fn stage(state: State) -> Stage {
    if state == State::SynReceived {
        return crossed_syns();
    }
    let mut talk = Talk::accepted();
    let closes = matches!(state, State::FinWait1 | State::FinWait2 | State::Closing);
    if closes {
        talk.stream().shutdown();
        talk.says(&["FA 1+0 ack 1 win 65535"]);
    }
    if state == State::FinWait2 {
        talk.hears(seg("A", 1, 2));
        talk.is_silent();
    }
    let hears_fin = matches!(state, State::CloseWait | State::Closing | State::LastAck);
    if hears_fin {
        talk.hears(seg("FA", 1, 1));
        talk.says(&[if closes { "A 2+0 ack 2 win 65534" } else { "A 1+0 ack 2 win 65534" }]);
    }
    if state == State::LastAck {
        talk.stream().shutdown();
        talk.says(&["FA 1+0 ack 2 win 65534"]);
    }
    assert_eq!(talk.state(), state);
    talk.events();
    let snd_nxt = 1 + i64::from(closes || state == State::LastAck);
    let una = if state == State::FinWait2 { 2 } else { 1 };
    Stage { talk, state, snd_nxt, una, rcv_nxt: 1 + i64::from(hears_fin) }
}

/// SYN-RECEIVED as SYN-SENT leads to it, which has a user.
fn crossed_syns() -> Stage {
    let mut talk = Talk::connecting(crate::harness::Setup::default());
    talk.hears(talk.syn("S"));
    talk.says(&["SA 0+0 ack 1 win 65535 mss 1460"]);
    Stage { talk, state: State::SynReceived, snd_nxt: 1, una: 0, rcv_nxt: 1 }
}

#[test]
pub(crate) fn a_syn_is_challenged_wherever_it_stands() {
    // RFC 9293 3.10.7.4, fourth: "irrespective of the sequence number"; RFC 5961 4.2.
    for state in STATES {
        for seq in [0, 100, 65_000, 100_000, -100_000] {
            let mut s = stage(state);
            s.talk.hears(seg("S", s.rcv_nxt + 1 + seq, 0));
            let ack = s.ack();
            s.talk.says(&[ack]);
            s.stays();
        }
    }
}

#[test]
fn a_reset_at_the_edge_ends_the_connection() {
    // RFC 9293 3.10.7.4, second, check 2: exactly RCV.NXT.
    for state in STATES {
        let mut s = stage(state);
        s.talk.hears(seg("R", s.rcv_nxt, 0));
        s.talk.is_silent();
        let cause = match state {
            State::SynReceived => Cause::Refused,
            State::Closing | State::LastAck => Cause::Finished,
            _ => Cause::Reset,
        };
        assert_eq!(
            (s.talk.state(), s.talk.events()),
            (State::Closed, vec![format!("Closed({cause:?})")]),
            "{state:?}"
        );
        s.talk.passes_silently(300_000);
        // Nothing is left of it.
        s.talk.hears(seg("A", s.rcv_nxt, s.snd_nxt));
        s.talk.says(&[format!("R {}+0 win 0", s.snd_nxt)]);
    }
}

#[test]
pub(crate) fn a_reset_inside_the_window_is_challenged() {
    // RFC 9293 3.10.7.4, second, check 3: <SEQ=SND.NXT><ACK=RCV.NXT><CTL=ACK>; RFC 5961 3.2.
    for state in STATES {
        for offset in [1, 1000, 65_000] {
            let mut s = stage(state);
            s.talk.hears(seg("R", s.rcv_nxt + offset, 0));
            let ack = s.ack();
            s.talk.says(&[ack]);
            s.stays();
        }
    }
}

#[test]
fn a_reset_outside_the_window_is_ignored() {
    // RFC 9293 3.10.7.4, second, check 1: "silently drop the segment".
    for state in STATES {
        for offset in [-1, -5000, 65_600, 1 << 30] {
            let mut s = stage(state);
            s.talk.hears(seg("R", s.rcv_nxt + offset, 0));
            s.talk.is_silent();
            s.stays();
        }
    }
}

#[test]
fn a_segment_without_an_ack_is_dropped() {
    // RFC 9293 3.10.7.4, fifth: "if the ACK bit is off, drop the segment and return".
    for state in STATES {
        let mut s = stage(state);
        s.talk.hears(seg("F", s.rcv_nxt, 0).data(b"abc"));
        s.talk.is_silent();
        s.stays();
    }
}

#[test]
fn an_ack_of_what_was_never_sent_is_answered_and_its_data_dropped() {
    // RFC 9293 3.10.7.4, fifth: "then send an ACK, drop the segment, and return"; in SYN-RECEIVED a RST.
    for state in STATES {
        let mut s = stage(state);
        let ack = s.snd_nxt + 1;
        s.talk.hears(seg("PA", s.rcv_nxt, ack).data(b"abc"));
        let answer = if state == State::SynReceived { format!("R {ack}+0 win 0") } else { s.ack() };
        s.talk.says(&[answer]);
        s.stays();
    }
}

#[test]
fn an_old_ack_is_ignored() {
    // RFC 9293 3.10.7.4, fifth: "If the ACK is a duplicate (SEG.ACK =< SND.UNA), it can be ignored".
    for state in &STATES[..6] {
        for back in [1, 60_000] {
            let mut s = stage(*state);
            s.talk.hears(seg("A", s.rcv_nxt, s.una - back));
            s.talk.is_silent();
            s.stays();
        }
    }
}

#[test]
fn an_ack_older_than_any_window_is_challenged_and_its_data_dropped() {
    // RFC 9293 3.10.7.4, fifth: SND.UNA - MAX.SND.WND =< SEG.ACK; RFC 5961 5.2.
    for state in &STATES[..6] {
        let mut s = stage(*state);
        s.talk.hears(seg("PA", s.rcv_nxt, s.una - 65_536).data(b"abc"));
        let ack = s.ack();
        s.talk.says(&[ack]);
        s.stays();
    }
}

#[test]
fn data_left_of_the_window_is_answered_by_an_ack() {
    // RFC 9293 3.10.7.4, first, table 6: what was received before.
    for state in STATES {
        let mut s = stage(state);
        s.talk.hears(seg("PA", s.rcv_nxt - 4, s.snd_nxt).data(b"abcd"));
        let ack = s.ack();
        s.talk.says(&[ack]);
        s.stays();
    }
}

#[test]
fn data_right_of_the_window_is_answered_by_an_ack() {
    // RFC 9293 3.10.7.4, first, table 6. Its ACK is not looked at: FIN-WAIT-1 and LAST-ACK stay.
    for state in STATES {
        let mut s = stage(state);
        s.talk.hears(seg("PA", s.rcv_nxt + 65_600, s.snd_nxt).data(b"abcd"));
        let ack = s.ack();
        s.talk.says(&[ack]);
        s.stays();
    }
}

#[test]
fn an_empty_segment_outside_the_window_is_answered_by_an_ack() {
    // RFC 9293 3.10.7.4, first, table 6; also what keep-alives and window probes count on (3.8.4).
    for state in STATES {
        for offset in [-1, -3000, 65_600] {
            let mut s = stage(state);
            s.talk.hears(seg("A", s.rcv_nxt + offset, s.snd_nxt));
            let ack = s.ack();
            s.talk.says(&[ack]);
            s.stays();
        }
    }
}

#[test]
fn data_where_none_is_over_is_delivered() {
    // RFC 9293 3.10.7.4, seventh: ESTABLISHED, FIN-WAIT-1, FIN-WAIT-2.
    for state in [State::Established, State::FinWait1, State::FinWait2] {
        let mut s = stage(state);
        s.talk.hears(seg("PA", 1, s.una).data(b"abc"));
        assert_eq!((s.talk.events(), s.talk.read()), (vec!["Readable".to_owned()], b"abc".to_vec()));
        s.talk.pass_says(41, &[(40, &format!("A {}+0 ack 4 win 65532", s.snd_nxt))]);
        assert_eq!(s.talk.state(), state);
    }
}

#[test]
fn data_after_the_fin_is_not_delivered() {
    // RFC 9293 3.10.7.4, seventh: "this should not occur ... ignore the segment text".
    for state in [State::CloseWait, State::Closing, State::LastAck] {
        let mut s = stage(state);
        s.talk.hears(seg("PA", 2, s.una).data(b"abc"));
        let ack = s.ack();
        s.talk.says(&[ack]);
        s.stays();
        assert_eq!(s.talk.read(), b"");
    }
}

#[test]
fn a_fin_in_order_moves_each_state_that_waits_for_one() {
    // RFC 9293 3.10.7.4, eighth. The FIN does not acknowledge ours.
    for (state, next, rcv) in [
        (State::Established, State::CloseWait, 2),
        (State::FinWait1, State::Closing, 2),
        (State::FinWait2, State::TimeWait, 2),
    ] {
        let mut s = stage(state);
        s.talk.hears(seg("FA", 1, s.una));
        s.talk.says(&[format!("A {}+0 ack {rcv} win 65534", s.snd_nxt)]);
        assert_eq!(s.talk.state(), next);
    }
}

#[test]
fn a_fin_once_more_is_acknowledged_once_more() {
    // RFC 9293 3.10.7.4, eighth: CLOSE-WAIT, CLOSING, LAST-ACK remain; the ACK comes from the first check.
    for state in [State::CloseWait, State::Closing, State::LastAck] {
        let mut s = stage(state);
        s.talk.hears(seg("FA", 1, 1));
        let ack = s.ack();
        s.talk.says(&[ack]);
        s.stays();
    }
}

#[test]
fn the_ack_of_the_fin_moves_each_state_that_waits_for_it() {
    // RFC 9293 3.10.7.4, fifth: FIN-WAIT-1, CLOSING, LAST-ACK.
    for (state, next, events) in [
        (State::FinWait1, State::FinWait2, vec![]),
        (State::Closing, State::TimeWait, vec!["Closed(Finished)".to_owned()]),
        (State::LastAck, State::Closed, vec!["Closed(Finished)".to_owned()]),
    ] {
        let mut s = stage(state);
        s.talk.hears(seg("A", s.rcv_nxt, 2));
        s.talk.is_silent();
        assert_eq!((s.talk.state(), s.talk.events()), (next, events), "{state:?}");
    }
}

#[test]
fn the_ack_and_the_fin_together_end_fin_wait_1() {
    // RFC 9293 3.10.7.4, fifth and eighth: FIN-WAIT-2 in passing, then TIME-WAIT.
    let mut s = stage(State::FinWait1);
    s.talk.hears(seg("FA", 1, 2));
    s.talk.says(&["A 2+0 ack 2 win 65534"]);
    assert_eq!(s.talk.state(), State::TimeWait);
    assert_eq!(s.talk.events(), ["Readable", "Closed(Finished)"]);
}

#[test]
fn urgent_data_after_the_fin_is_not_told() {
    // RFC 9293 3.10.7.4, sixth: CLOSE-WAIT, CLOSING, LAST-ACK ignore the URG.
    for state in [State::CloseWait, State::Closing, State::LastAck] {
        let mut s = stage(state);
        s.talk.hears(seg("UA", 2, s.una).urg(9));
        s.stays();
        assert_eq!(s.talk.stream().urgent(), None);
    }
}
