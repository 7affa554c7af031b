//! The face of the library in virtual time: jobs, pipes, sinks that hold back, and WebSockets that hear each other, all
//! the way through our own TCP on a wire.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod answers;
mod chat;
mod crowd;
#[allow(dead_code, reason = "others use it too")]
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};

use taphouse::fault::{self, Fault};

#[test]
fn seeded_faults_are_noticed() {
    let noticed: [(Fault, fn()); 15] = [
        (Fault::NoKeepAlive, answers::a_client_that_vanishes_before_its_answer_is_found),
        (Fault::MessagesWait, crowd::what_is_begun_must_go_on),
        (Fault::SharedUncounted, crowd::what_many_wait_for_counts_once),
        (Fault::ProgressUnheard, crowd::a_slow_reader_of_a_large_message_is_not_dead),
        (Fault::QuotaUnlimited, crowd::all_together_gather_no_more_than_there_is_room_for),
        (Fault::MailLost, answers::a_job_answers_later_and_holds_up_nobody),
        (Fault::MailLost, answers::a_pipe_is_written_while_it_is_sent),
        (Fault::MailLost, chat::guests_hear_each_other_in_order),
        (Fault::MailLost, chat::who_is_woken_looks_by_itself),
        (Fault::JobsUnlimited, answers::too_many_jobs_are_503),
        (Fault::JobsUnlimited, answers::those_who_compute_have_a_queue_of_their_own),
        (Fault::QueueUnlimited, chat::who_does_not_listen_is_closed_and_holds_up_nobody),
        (Fault::QueueUnlimited, chat::who_does_not_listen_misses_messages_where_that_is_chosen),
        (Fault::QuietStop, chat::a_stop_says_going_away),
        (Fault::SinksNotAsked, answers::a_sink_that_wants_nothing_holds_its_client_back),
    ];
    for (fault, scenario) in noticed {
        fault::set(Some(fault));
        let result = catch_unwind(AssertUnwindSafe(scenario));
        fault::set(None);
        assert!(result.is_err(), "{fault:?} is not noticed");
    }
}
