//! Answers that take their time, and bodies that come and go piece by piece.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use taphouse::http::{
    Body, BodySink, IntoOutcome as _, Job, Outcome, PipeError, PipeWriter, Response, Router, Wake, collect,
    pipe,
};
use taphouse::limits;
use taphouse::mail::Line;

use crate::world::World;

fn worker() -> Router {
    let mut router = Router::new();
    router
        .get("/now", |_| Response::text(200, "now"))
        .get("/later", |_| Outcome::Later(Job::new(|| Response::text(201, "later"))))
        .get("/compute", |_| Outcome::Later(Job::computing(|| Response::text(201, "computed"))))
        .post("/hash", |request| {
            collect(request, 100, |content| {
                let len = content.data().len();
                Outcome::Later(Job::new(move || Response::text(200, format!("{len} bytes"))))
            })
        })
        .get("/metrics", |request| Response::text(200, request.metrics()));
    router
}

#[test]
pub(crate) fn a_job_answers_later_and_holds_up_nobody() {
    let mut world = World::new(worker(), "", 1);
    world.is_lazy = true;
    let slow = world.connect();
    world.write(slow, "GET /later HTTP/1.1\r\nHost: a\r\n\r\nGET /now HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(world.get("/now").ends_with("now"));
    assert_eq!(world.read(slow).0, b"", "the second request waits for the first");
    world.work();
    world.pass(20);
    let answers = String::from_utf8(world.read(slow).0).unwrap();
    let (later, now) = (answers.find("later").unwrap(), answers.find("now").unwrap());
    assert!(answers.starts_with("HTTP/1.1 201 ") && later < now, "{answers}");
}

#[test]
fn a_body_may_lead_to_a_job() {
    let mut world = World::new(worker(), "", 1);
    let answer = world.ask("POST /hash HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
    assert!(answer.ends_with("5 bytes"), "{answer}");
    let answer = world.ask("POST /hash HTTP/1.1\r\nHost: a\r\nContent-Length: 101\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    let coded = "POST /hash HTTP/1.1\r\nHost: a\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx";
    assert!(world.ask(coded).starts_with("HTTP/1.1 415 "));
}

#[test]
fn a_job_that_comes_too_late_is_not_heard() {
    let mut world = World::new(worker(), "", 1);
    world.is_lazy = true;
    let id = world.connect();
    world.write(id, "GET /later HTTP/1.1\r\nHost: a\r\n\r\n");
    world.pass(29_000);
    assert_eq!(world.read(id).0, b"");
    world.pass(1_500);
    let (answer, is_finished) = world.read(id);
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 503 ") && is_finished, "{answer} {is_finished}");
    world.work();
    world.pass(100);
    assert_eq!(world.read(id).0, b"");
}

#[test]
fn a_job_for_who_is_gone_is_lost() {
    let mut world = World::new(worker(), "", 1);
    world.is_lazy = true;
    let id = world.connect();
    world.write(id, "GET /later HTTP/1.1\r\nHost: a\r\n\r\n");
    world.pass(20);
    world.abort(id);
    world.pass(20);
    world.work();
    world.is_lazy = false;
    assert_eq!(world.metric("taphouse_letters_lost_total"), 1);
    assert!(world.get("/later").ends_with("later"), "its place among the jobs is free again");
}

#[test]
pub(crate) fn too_many_jobs_are_503() {
    let mut world = World::new(worker(), "", 1);
    world.is_lazy = true;
    let ids: Vec<_> = (0..limits::JOBS).map(|_| world.connect()).collect();
    for &id in &ids {
        world.write(id, "GET /later HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    world.pass(50);
    let answer = world.get("/later");
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("\r\nRetry-After: 1\r\n"), "{answer}");
    world.work();
    world.pass(50);
    assert!(ids.iter().all(|&id| world.read(id).0.starts_with(b"HTTP/1.1 201 ")));
    world.is_lazy = false;
    assert!(world.get("/later").ends_with("later"));
}

#[test]
pub(crate) fn those_who_compute_have_a_queue_of_their_own() {
    let mut world = World::new(worker(), "", 1);
    world.is_lazy = true;
    let ask = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
    let ids: Vec<_> = (0..limits::COMPUTING_JOBS).map(|_| world.connect()).collect();
    for &id in &ids {
        world.write(id, ask("/compute"));
    }
    world.pass(50);
    let answer = world.get("/compute");
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("\r\nRetry-After: 1\r\n"), "{answer}");
    let other = world.connect();
    world.write(other, ask("/later"));
    world.pass(20);
    assert_eq!(world.read(other).0, b"", "it waits for a worker, and was not refused");
    world.work();
    world.pass(50);
    assert!(world.read(other).0.starts_with(b"HTTP/1.1 201 "));
    assert!(ids.iter().all(|&id| world.read(id).0.ends_with(b"computed")));
    world.is_lazy = false;
    assert!(world.get("/compute").ends_with("computed"), "what is done makes room");
}

#[test]
pub(crate) fn a_pipe_is_written_while_it_is_sent() {
    let writer: Arc<Mutex<Option<PipeWriter>>> = Arc::default();
    let slot = Arc::clone(&writer);
    let mut router = Router::new();
    router.get("/feed", move |request| {
        let (writer, body) = pipe(request);
        *slot.lock().unwrap() = Some(writer);
        Response::new(200, "text/event-stream", body)
    });
    let mut world = World::new(router, "", 1);
    let id = world.connect();
    world.write(id, "GET /feed HTTP/1.1\r\nHost: a\r\n\r\n");
    world.pass(20);
    let (head, _) = world.read(id);
    assert!(
        head.ends_with(b"\r\nTransfer-Encoding: chunked\r\n\r\n"),
        "the head goes before there is a body"
    );
    for word in ["one", "two"] {
        world.pass(1000);
        writer.lock().unwrap().as_ref().unwrap().write(word).unwrap();
        world.pass(20);
        assert_eq!(world.read(id).0, format!("3\r\n{word}\r\n").as_bytes());
    }
    writer.lock().unwrap().take();
    world.pass(20);
    assert_eq!(world.read(id), (b"0\r\n\r\n".to_vec(), false));
    world.write(id, "GET /feed HTTP/1.1\r\nHost: a\r\n\r\n");
    world.pass(20);
    let taken = writer.lock().unwrap().take().unwrap();
    let written = (0..).take_while(|_| taken.write(vec![0; 1000]).is_ok()).take(2000).count();
    assert!((200..600).contains(&written), "a pipe is bounded: {written}");
    assert_eq!(taken.write(vec![0; 1000]), Err(PipeError::Full));
    world.abort(id);
    world.pass(50);
    assert_eq!(taken.write("x"), Err(PipeError::Closed));
}

#[test]
pub(crate) fn a_client_that_vanishes_before_its_answer_is_found() {
    let kept: Arc<Mutex<Vec<PipeWriter>>> = Arc::default();
    let slot = Arc::clone(&kept);
    let mut router = Router::new();
    router.get("/feed", move |request| {
        let (writer, body) = pipe(request);
        slot.lock().unwrap().push(writer);
        Response::new(200, "text/event-stream", body)
    });
    let mut world = World::new(router, "", 1);
    let id = world.connect();
    world.write(id, "GET /feed HTTP/1.1\r\nHost: a\r\n\r\n");
    world.pass(100_000);
    assert_eq!((world.shard.sessions(), world.read(id).1), (1, false), "one that is there stays");
    world.is_cut = true;
    world.pass(120_000);
    assert_eq!(world.shard.sessions(), 0);
    assert_eq!(kept.lock().unwrap()[0].write("x"), Err(PipeError::Closed));
}

#[derive(Clone, Default)]
struct Gate {
    is_open: Arc<AtomicBool>,
    taken: Arc<AtomicUsize>,
    line: Arc<Mutex<Option<Line<Wake>>>>,
}

impl BodySink for Gate {
    fn limit(&self) -> u64 {
        u64::MAX
    }

    fn wants_piece(&self) -> bool {
        self.is_open.load(Ordering::Relaxed)
    }

    fn handle_piece(&mut self, piece: Bytes) {
        self.taken.fetch_add(piece.len(), Ordering::Relaxed);
    }

    fn finish(self: Box<Self>) -> Outcome {
        Response::new(200, "text/plain", Body::Whole("done".into())).into_outcome()
    }
}

#[test]
pub(crate) fn a_sink_that_wants_nothing_holds_its_client_back() {
    let gate = Gate::default();
    let given = gate.clone();
    let mut router = Router::new();
    router.put("/gate", move |request| {
        *given.line.lock().unwrap() = Some(request.wake_line());
        Outcome::Read(Box::new(given.clone()))
    });
    let mut world = World::new(router, "", 1);
    let id = world.connect();
    world.write(id, "PUT /gate HTTP/1.1\r\nHost: a\r\nContent-Length: 3000000\r\n\r\n");
    let mut left = 3_000_000;
    for _ in 0..100 {
        left -= world.write(id, vec![0; left.min(100_000)]);
        world.pass(10);
    }
    assert!(left > 1_000_000, "{left} bytes were not taken");
    assert_eq!(gate.taken.load(Ordering::Relaxed), 0);
    gate.is_open.store(true, Ordering::Relaxed);
    gate.line.lock().unwrap().as_ref().unwrap().send(Wake).unwrap();
    for _ in 0..300 {
        left -= world.write(id, vec![0; left.min(100_000)]);
        world.pass(10);
    }
    assert_eq!(gate.taken.load(Ordering::Relaxed), 3_000_000);
    assert!(world.read(id).0.ends_with(b"done"));
}
