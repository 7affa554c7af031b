//! Each mechanism of TCP, broken on purpose: the conversation that is about it must go wrong.

use std::panic::{AssertUnwindSafe, catch_unwind};

use taphouse::fault::{self, Fault};

use crate::{
    acknowledging, buffers, closing, congestion, ecn, growth, liveness, opening_late, reassembly, rest,
    retransmission, sack, sack_sender, states, time_wait, timestamps, windows,
};

const NOTICED: &[(Fault, fn())] = &[
    (Fault::NoRetransmission, retransmission::after_a_timeout_only_the_first_segment_is_sent_again),
    (Fault::NoBackoff, retransmission::what_is_not_acknowledged_is_sent_again_after_200_ms_doubled_each_time),
    (Fault::RttFromResent, retransmission::a_segment_sent_twice_gives_no_sample),
    (Fault::NoUserTimeout, retransmission::a_peer_that_never_answers_is_given_up),
    (Fault::NoFastRetransmit, congestion::the_third_duplicate_ack_sends_the_lost_segment_again),
    (Fault::NoPartialAck, congestion::a_partial_ack_sends_the_next_hole_again),
    (Fault::NoCongestionWindow, congestion::the_first_flight_is_ten_segments),
    (Fault::NoIdleRestart, congestion::after_an_idle_time_the_window_begins_anew),
    (Fault::NoReassembly, reassembly::a_gap_is_reported_at_once_and_filled_at_once),
    (Fault::FinBeforeData, closing::a_fin_before_its_data_is_held_until_the_gap_is_filled),
    (Fault::NoWindowCheck, congestion::the_peers_window_bounds_the_flight_too),
    (Fault::NoZeroWindowProbe, windows::a_closed_window_is_probed_at_growing_intervals),
    (Fault::WindowShrinks, windows::the_right_edge_never_moves_back),
    (Fault::SillyWindowSender, windows::a_small_window_is_not_filled_with_a_small_segment),
    (Fault::SillyWindowReceiver, windows::a_window_does_not_open_by_less_than_a_segment),
    (Fault::NoNagle, acknowledging::a_small_segment_waits_while_another_is_in_flight),
    (Fault::NoDelayedAck, acknowledging::one_segment_is_acknowledged_after_40_ms),
    (Fault::AckEveryThird, acknowledging::the_second_full_segment_is_acknowledged_at_once),
    (Fault::ResetAnywhere, states::a_reset_inside_the_window_is_challenged),
    (Fault::ChallengesUnlimited, liveness::challenge_acks_come_at_a_limited_rate),
    (Fault::SynResets, states::a_syn_is_challenged_wherever_it_stands),
    (Fault::NoTimeWait, time_wait::the_wait_lasts_a_minute),
    (Fault::NoTimeWaitReopen, time_wait::a_syn_with_a_higher_number_opens_a_new_connection),
    (Fault::IsnConstant, reassembly::the_hosts_numbers_wrap),
    (Fault::NoBacklogLimit, opening_late::a_full_backlog_answers_syns_by_cookies_until_a_handshake_ends),
    (Fault::NoKeepAlive, liveness::a_keep_alive_that_is_never_answered_gives_up_after_nine),
    (Fault::NoSack, sack::the_block_of_what_came_last_stands_first),
    (Fault::NoDsack, sack::what_came_twice_is_the_first_block),
    (Fault::SackIgnored, sack_sender::what_was_reported_is_not_sent_again),
    (Fault::NoRack, sack_sender::three_reported_segments_send_the_lost_one_again),
    (Fault::NoReorderingWindow, sack_sender::fewer_wait_for_the_reordering_window),
    (Fault::NoLossProbe, sack_sender::a_lost_tail_is_probed_after_two_round_trips),
    (Fault::NoRateReduction, sack_sender::the_window_shrinks_in_step_with_what_arrives),
    (Fault::NoReduction, sack_sender::a_reduction_is_by_half_or_by_three_tenths),
    (Fault::CubicUnfriendly, growth::a_small_window_grows_as_fast_as_renos),
    (Fault::NoHyStart, growth::slow_start_ends_when_the_round_trips_grow_longer),
    (Fault::NoUndo, sack_sender::a_reduction_that_proves_needless_is_taken_back),
    (Fault::NoPacing, sack_sender::a_window_is_spread_over_the_round_trip),
    (Fault::NoFrto, congestion::after_a_timeout_two_new_segments_show_whether_it_was_needed),
    (Fault::NoPaws, timestamps::an_old_timestamp_is_dropped_and_answered),
    (Fault::EcnIgnored, ecn::an_echo_reduces_the_window_once_a_round_trip),
    (Fault::EcnNotEchoed, ecn::a_mark_is_echoed_until_the_peer_has_reduced_its_window),
    (Fault::NoAcceptLimit, opening_late::a_full_accept_queue_drops_syns_and_the_ends_of_handshakes),
    (Fault::BuffersFixed, buffers::the_receive_window_stays_ahead_of_a_peer_in_slow_start),
    (Fault::BuffersFixed, buffers::the_send_buffer_is_twice_the_congestion_window),
    (Fault::NoRest, rest::an_idle_connection_rests_after_a_second_and_goes_on_where_it_was),
];

#[test]
fn every_broken_mechanism_is_noticed() {
    let mut unnoticed = Vec::new();
    for &(fault, conversation) in NOTICED {
        conversation();
        fault::set(Some(fault));
        let result = catch_unwind(AssertUnwindSafe(conversation));
        fault::set(None);
        if result.is_ok() {
            unnoticed.push(fault);
        }
    }
    assert!(unnoticed.is_empty(), "not noticed: {unnoticed:?}");
}
