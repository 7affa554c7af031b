//! Many who each stay within their limits, and together would not.

use taphouse::app::{self, Choices};
use taphouse::http::{Response, Router, WebSocket};
use taphouse::stack::ConnId;
use taphouse::ws::{self, Group, Message, Socket};

use crate::world::{Guest, World};

const MEMORY: usize = 2_000_000;

/// Sends as much as is taken, a few turns long.
fn send(world: &mut World, id: ConnId, len: usize) {
    let mut left = len;
    for _ in 0..40 {
        left -= world.write(id, vec![0; left.min(100_000)]);
        world.pass(5);
    }
    assert_eq!(left, 0);
}

#[test]
pub(crate) fn all_together_gather_no_more_than_there_is_room_for() {
    let mut world = World::with_memory(app::routes(Choices::default()), "", 1, MEMORY);
    let mut bodies = Vec::new();
    // Bodies of 500 kB that stop before their end, and messages of the same size.
    for _ in 0..8 {
        let id = world.connect();
        world.write(id, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 500001\r\n\r\n");
        send(&mut world, id, 500_000);
        bodies.push(id);
    }
    let gathered = world.metric("taphouse_gathered_bytes");
    assert!((1_500_000..=MEMORY as u64).contains(&gathered), "{gathered}");
    let refused = bodies.iter().filter(|&&id| world.read(id).0.starts_with(b"HTTP/1.1 503 ")).count();
    assert_eq!(refused, 4);
    let mut guest = Guest::sit(&mut world, "/ws/echo");
    guest.say(&mut world, &"x".repeat(600_000));
    for _ in 0..40 {
        world.pass(5);
        guest.listen(&mut world);
    }
    assert_eq!(guest.closed.as_ref().map(|closed| closed.code.0), Some(1013));
    assert!(world.get("/hello").ends_with("Hello, world!"), "others go on");
    for id in bodies {
        world.abort(id);
    }
    world.pass(50);
    assert_eq!(world.metric("taphouse_gathered_bytes"), 0);
}

#[test]
fn what_was_gathered_is_free_when_the_answer_was_taken() {
    let mut world = World::with_memory(app::routes(Choices::default()), "", 1, MEMORY);
    let id = world.connect();
    for _ in 0..10 {
        world.write(id, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 900000\r\n\r\n");
        send(&mut world, id, 900_000);
        let mut taken = 0;
        for _ in 0..50 {
            taken += world.read(id).0.len();
            world.pass(5);
        }
        assert!(taken > 900_000, "{taken}");
    }
    let mut guest = Guest::sit(&mut world, "/ws/echo");
    for number in 1..=10 {
        guest.say(&mut world, &"x".repeat(900_000));
        for _ in 0..60 {
            world.pass(5);
            guest.listen(&mut world);
        }
        assert_eq!(guest.heard.len(), number, "{:?}", guest.closed);
    }
    assert_eq!(world.metric("taphouse_gathered_bytes"), 0);
}

#[test]
pub(crate) fn a_slow_reader_of_a_large_message_is_not_dead() {
    let mut world = World::new(app::routes(Choices::default()), "", 1);
    let mut guest = Guest::sit(&mut world, "/ws/echo");
    guest.say(&mut world, &"x".repeat(8_000_000));
    // It takes 40 kB a second, so that a ping is behind minutes of content.
    for _ in 0..170 {
        world.pass(1_000);
        guest.listen_to(&mut world, 50_000);
    }
    assert_eq!(guest.closed, None);
    for _ in 0..100 {
        world.pass(50);
        guest.listen(&mut world);
    }
    assert_eq!(guest.heard.first().map(String::len), Some(8_000_000));
}

#[test]
pub(crate) fn what_is_begun_must_go_on() {
    let mut world = World::new(app::routes(Choices::default()), "", 1);
    let mut holder = Guest::sit(&mut world, "/ws/echo");
    let mut steady = Guest::sit(&mut world, "/ws/echo");
    // A fragment of 100 kB, and then pongs alone; 2 kB a second, for minutes.
    holder.begin(&mut world, 100_000);
    steady.begin(&mut world, 2_000);
    for _ in 0..100 {
        world.pass(1_000);
        holder.listen(&mut world);
        steady.go_on(&mut world, 2_000);
        steady.listen(&mut world);
    }
    assert_eq!(holder.closed.as_ref().map(|closed| closed.code.0), Some(1008));
    assert_eq!(steady.closed, None);
    assert!(world.metric("taphouse_gathered_bytes") > 200_000, "of the steady one");
    let body = world.connect();
    world.write(body, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 200001\r\n\r\n");
    send(&mut world, body, 200_000);
    for _ in 0..3 {
        world.pass(8_000);
        world.write(body, "");
    }
    assert!(
        world.read(body).0.starts_with(b"HTTP/1.1 408 "),
        "what came fast makes no room for a long pause"
    );
}

#[test]
pub(crate) fn what_many_wait_for_counts_once() {
    let group = Group::new();
    let (members, socket) =
        (group.clone(), WebSocket::default().config(ws::Config { deflate: None, ..Default::default() }));
    let mut router = Router::new();
    router
        .get("/listen", move |request| {
            let members = members.clone();
            socket.accept(request, move |socket: &mut Socket<'_>, _| members.join(socket.sender()))
        })
        .get("/metrics", |request| Response::text(200, request.metrics()));
    let mut world = World::new(router, "", 1);
    let mut guests: Vec<_> = (0..16).map(|_| Guest::sit(&mut world, "/listen")).collect();
    guests.iter_mut().for_each(|guest| guest.say(&mut world, "join"));
    world.pass(50);
    for _ in 0..20 {
        assert_eq!(group.send(Message::text("x".repeat(60_000))), 0);
        world.pass(5);
    }
    // Nobody reads: 1.2 MB were made, of which half is in the buffers of TCP, and each waits for the rest.
    let counted = world.metric("taphouse_gathered_bytes");
    assert!((200_000..4_000_000).contains(&counted), "{counted}");
    for _ in 0..600 {
        world.pass(5);
        guests.iter_mut().for_each(|guest| guest.listen(&mut world));
    }
    assert!(guests.iter().all(|guest| guest.heard.len() == 20));
    assert_eq!(world.metric("taphouse_gathered_bytes"), 0);
}
