//! WebSockets that hear each other.

use taphouse::http::{Response, Router, WebSocket};
use taphouse::time::Duration;
use taphouse::ws::{self, Closed, Group, Handler, Message, Overflow, Prepared, Sender, Socket};

use crate::world::{Guest, World};

struct Seat {
    group: Group,
    sender: Option<Sender>,
}

impl Handler for Seat {
    fn handle_open(&mut self, socket: &mut Socket<'_>) {
        self.group.join(self.sender.insert(socket.sender()).clone());
    }

    fn handle_message(&mut self, socket: &mut Socket<'_>, message: Message) {
        match message.as_text() {
            Some("panic") => panic!("a handler that fails"),
            Some("wake") => socket.sender().wake().unwrap(),
            Some("alarm") => socket.set_alarm(Some(socket.now().mono + Duration::from_secs(2))),
            _ => {
                self.group.send(message);
            }
        }
    }

    fn handle_wake(&mut self, socket: &mut Socket<'_>) {
        socket.send_prepared(&Prepared::new(Message::text("awake"))).unwrap();
    }

    fn handle_alarm(&mut self, socket: &mut Socket<'_>) {
        socket.send(&Message::text("ring")).unwrap();
    }

    fn handle_close(&mut self, closed: &Closed) {
        self.sender.iter().for_each(|sender| self.group.leave(sender));
        self.group.send(Message::text(format!("gone {}", closed.code.0)));
    }
}

fn world(config: ws::Config, impairment: &str, seed: u64) -> (World, Group) {
    let group = Group::new();
    let (members, socket) = (group.clone(), WebSocket::default().config(config));
    let mut router = Router::new();
    router
        .get("/chat", move |request| socket.accept(request, Seat { group: members.clone(), sender: None }))
        .get("/metrics", |request| Response::text(200, request.metrics()));
    (World::new(router, impairment, seed), group)
}

fn settle(world: &mut World, guests: &mut [Guest], millis: u64) {
    for _ in 0..millis / 5 {
        world.pass(5);
        guests.iter_mut().for_each(|guest| guest.listen(world));
    }
}

#[test]
pub(crate) fn guests_hear_each_other_in_order() {
    for (impairment, seed) in
        [("", 1), ("loss=3%,reorder=5%,delay=5ms", 2), ("loss=3%,reorder=5%,delay=5ms", 3)]
    {
        let (mut world, group) = world(ws::Config::default(), impairment, seed);
        world.pass(200);
        let mut guests: Vec<_> = (0..8).map(|_| Guest::sit_patiently(&mut world, "/chat")).collect();
        assert_eq!(group.len(), 8);
        for number in 0..100 {
            guests[number % 8].say(&mut world, &number.to_string());
            settle(&mut world, &mut guests, 10);
        }
        settle(&mut world, &mut guests, 5_000);
        let (first, others) = guests.split_first().unwrap();
        assert_eq!(first.heard.len(), 100, "everybody hears everything once");
        assert!(others.iter().all(|guest| guest.heard == first.heard), "in one order");
        for own in 0..8 {
            let said =
                first.heard.iter().filter_map(|text| text.parse::<usize>().ok()).filter(|n| n % 8 == own);
            assert!(said.collect::<Vec<_>>().is_sorted(), "what one has said is heard in its order");
        }
        guests[0].close(&mut world, 4000);
        settle(&mut world, &mut guests, 3_000);
        assert!(guests[0].closed.as_ref().is_some_and(|closed| closed.is_clean), "{:?}", guests[0].closed);
        assert!(guests[0].is_finished && guests[1].heard.last().unwrap() == "gone 4000");
        assert_eq!(group.len(), 7);
    }
}

/// One speaks 4 MB in messages of 40 kB, one listens, and one does not. All that the listener heard is whole.
fn speak_past_the_deaf(config: ws::Config) -> (World, Group, Guest, Vec<Guest>) {
    let (mut world, group) = world(config, "", 1);
    let deaf = Guest::sit(&mut world, "/chat");
    let mut guests = vec![Guest::sit(&mut world, "/chat"), Guest::sit(&mut world, "/chat")];
    for number in 0..100 {
        guests[0].say(&mut world, &format!("{number} {}", "x".repeat(40_000)));
        settle(&mut world, &mut guests, 40);
    }
    settle(&mut world, &mut guests, 7_000);
    for guest in &guests {
        let heard =
            guest.heard.iter().filter(|text| text.len() > 1000).filter_map(|text| text.split(' ').next());
        assert_eq!(heard.map(|n| n.parse().unwrap()).collect::<Vec<usize>>(), (0..100).collect::<Vec<_>>());
    }
    (world, group, deaf, guests)
}

#[test]
pub(crate) fn who_does_not_listen_is_closed_and_holds_up_nobody() {
    let (mut world, group, mut deaf, guests) = speak_past_the_deaf(ws::Config::default());
    assert_eq!(group.len(), 2, "it is not there any more, whatever it has read");
    assert!(guests.iter().all(|guest| guest.heard.iter().any(|text| text == "gone 1013")));
    settle(&mut world, std::slice::from_mut(&mut deaf), 2_000);
    assert_eq!(deaf.closed.map(|closed| closed.code.0), Some(1013), "and it is told");
}

#[test]
pub(crate) fn who_does_not_listen_misses_messages_where_that_is_chosen() {
    let config = ws::Config { overflow: Overflow::Drop, ..ws::Config::default() };
    let (mut world, group, mut deaf, mut guests) = speak_past_the_deaf(config);
    assert_eq!(group.len(), 3);
    settle(&mut world, std::slice::from_mut(&mut deaf), 2_000);
    assert!((20..90).contains(&deaf.heard.len()), "some were dropped: {} came", deaf.heard.len());
    guests[0].say(&mut world, "last");
    settle(&mut world, std::slice::from_mut(&mut deaf), 500);
    assert_eq!((deaf.heard.last().map(String::as_str), deaf.closed), (Some("last"), None));
}

#[test]
fn what_is_sent_before_the_answer_of_the_handshake_is_heard() {
    let (mut world, _) = world(ws::Config::default(), "", 1);
    let id = world.connect();
    let request = "GET /chat HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                   Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    // RFC 6455 4.1 has a client wait; one that does not is no reason to lose what it says.
    world.write(id, [request.as_bytes(), b"\x81\x82\0\0\0\0hi"].concat());
    world.pass(50);
    assert!(world.read(id).0.ends_with(b"\r\n\r\n\x81\x02hi"));
}

#[test]
fn a_handler_that_panics_costs_its_connection_alone() {
    let (mut world, _) = world(ws::Config::default(), "", 1);
    let mut guests = [Guest::sit(&mut world, "/chat"), Guest::sit(&mut world, "/chat")];
    guests[0].say(&mut world, "panic");
    settle(&mut world, &mut guests, 200);
    guests[1].say(&mut world, "still here");
    settle(&mut world, &mut guests, 200);
    assert_eq!(guests[0].closed.as_ref().map(|closed| closed.code.0), Some(1011));
    assert!(guests[1].heard.iter().any(|text| text == "still here") && guests[1].closed.is_none());
    assert_eq!(world.metric("taphouse_handler_panics_total"), 1);
}

#[test]
fn an_alarm_rings_once() {
    let (mut world, _) = world(ws::Config::default(), "", 1);
    let mut guests = [Guest::sit(&mut world, "/chat")];
    guests[0].say(&mut world, "alarm");
    settle(&mut world, &mut guests, 1_900);
    assert!(guests[0].heard.is_empty());
    settle(&mut world, &mut guests, 5_000);
    assert_eq!(guests[0].heard, ["ring"]);
}

#[test]
pub(crate) fn a_stop_says_going_away() {
    let (mut world, group) = world(ws::Config::default(), "", 1);
    let mut guests = [Guest::sit(&mut world, "/chat"), Guest::sit(&mut world, "/chat")];
    world.shard.stop(world.now());
    settle(&mut world, &mut guests, 200);
    assert!(guests.iter().all(|guest| guest.closed.as_ref().is_some_and(|c| c.code.0 == 1001 && c.is_clean)));
    assert!(guests.iter().all(|guest| guest.is_finished) && group.is_empty());
    world.pass(6_000);
    assert_eq!(world.shard.sessions(), 0, "a client that does not finish is left after a while");
}

#[test]
fn a_silent_peer_is_pinged_and_given_up() {
    let (mut world, group) = world(ws::Config::default(), "", 1);
    let mut alive = [Guest::sit(&mut world, "/chat")];
    // Its TCP answers, and it does not.
    let _silent = Guest::sit(&mut world, "/chat");
    for _ in 0..14 {
        settle(&mut world, &mut alive, 5_000);
    }
    assert_eq!((group.len(), alive[0].heard.last().map(String::as_str)), (1, Some("gone 1006")));
    assert!(alive[0].closed.is_none(), "a pong is enough");
}

#[test]
fn a_run_replays_from_its_seed() {
    let run = |seed| {
        let (mut world, _) = world(ws::Config::default(), "loss=5%,delay=3ms,jitter=3ms", seed);
        let mut guests =
            [Guest::sit_patiently(&mut world, "/chat"), Guest::sit_patiently(&mut world, "/chat")];
        guests[0].say(&mut world, "hello");
        settle(&mut world, &mut guests, 3_000);
        let frames = world.shard.stack().counters();
        (frames.frames_sent, frames.bytes_received, guests[1].heard.clone())
    };
    assert_eq!(run(5), run(5));
}

#[test]
pub(crate) fn who_is_woken_looks_by_itself() {
    let (mut world, _) = world(ws::Config::default(), "", 1);
    let mut guests = [Guest::sit(&mut world, "/chat"), Guest::sit(&mut world, "/chat")];
    guests[0].say(&mut world, "wake");
    settle(&mut world, &mut guests, 50);
    assert_eq!((&*guests[0].heard, &*guests[1].heard), (&["awake".to_owned()][..], &[][..]));
}
