//! The service of the house in virtual time: users, tokens and sessions, all the way through our own TCP on a wire.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod crowd;
mod house;
mod killed;
mod sessions;
mod tables;
mod users;
#[path = "../library/world.rs"]
#[allow(dead_code, reason = "it has more than these tests need")]
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};

use taphouse::fault::{self, Fault};

#[test]
fn seeded_faults_are_noticed() {
    let noticed: [(Fault, fn()); 25] = [
        (Fault::TokensUnsigned, sessions::forged_tokens_are_refused),
        (Fault::TokensStay, sessions::a_token_expires),
        (Fault::OldTokensTaken, sessions::an_old_refresh_token_ends_the_session),
        (Fault::SessionsStay, sessions::who_signs_out_is_out),
        (Fault::SessionsStay, users::a_new_password_signs_out_everywhere),
        (Fault::AttemptsUnlimited, sessions::attempts_are_throttled_by_account_and_by_address),
        (Fault::AttemptsUnlimited, users::a_stolen_token_does_not_find_the_password),
        (Fault::AttemptsUnlimited, users::sign_ups_are_throttled_by_address),
        (Fault::StrangersTold, sessions::a_stranger_is_told_as_late_as_a_wrong_password),
        (Fault::CookiesFromAnywhere, sessions::cookies_are_taken_from_own_pages_alone),
        (Fault::SocketsStay, tables::sockets_end_with_their_tokens),
        (Fault::WhispersLeak, tables::whispers_are_for_two),
        (Fault::LeaversStay, tables::who_vanishes_is_gone_in_time),
        (Fault::DeadPeersStay, tables::who_vanishes_is_gone_in_time),
        (Fault::MutedSpeak, tables::moderators_keep_order),
        (Fault::HeardTwice, tables::who_comes_back_gets_what_he_missed_once),
        (Fault::HeardUnkept, tables::nothing_is_heard_before_it_is_kept),
        (Fault::SeatsUnbound, tables::a_seat_is_bound_to_who_first_sat_there),
        (Fault::SlowSeatsStay, tables::a_seat_that_does_not_read_is_closed_and_holds_up_nobody),
        (Fault::WhispersLeak, crowd::some_crowds),
        (Fault::LeaversStay, crowd::some_crowds),
        (Fault::HeardTwice, crowd::some_crowds),
        (Fault::HeardUnkept, crowd::some_crowds),
        (Fault::MailLost, crowd::some_crowds),
        (Fault::JobsUnlimited, users::too_many_sign_ups_are_told_to_come_back),
    ];
    for (fault, scenario) in noticed {
        fault::set(Some(fault));
        let result = catch_unwind(AssertUnwindSafe(scenario));
        fault::set(None);
        assert!(result.is_err(), "{fault:?} is not noticed");
    }
}
