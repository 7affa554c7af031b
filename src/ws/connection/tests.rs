use super::*;

/// One side of a WebSocket on its own.
struct Bench {
    ws: Connection,
    now: Now,
    codecs: Codecs,
    quota: Quota,
}

impl Bench {
    fn new() -> Self {
        let now = Now { mono: Instant::ZERO + Duration::from_secs(1), wall: 784_111_777 };
        let ws = Connection::new(now.mono, Role::Server, Config::default(), None);
        Self { ws, now, codecs: Codecs::default(), quota: Quota::default() }
    }

    fn with<T>(&mut self, f: impl FnOnce(&mut Connection, &mut Scope<'_>) -> T) -> T {
        f(&mut self.ws, &mut Scope { now: self.now, codecs: &mut self.codecs, quota: &self.quota })
    }

    fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.with(|ws, scope| ws.poll_event(scope))).collect()
    }
}

/// A masked frame of zeros, with a mask of zeros.
fn frame(first: u8, len: u64) -> Vec<u8> {
    let mut frame = vec![first];
    match len {
        0..=125 => frame.push(0x80 | len as u8),
        _ => {
            frame.push(0x80 | 127);
            frame.extend(len.to_be_bytes());
        }
    }
    frame.resize(frame.len() + 4 + len as usize, 0);
    frame
}

#[test]
fn work_that_is_left_is_no_silence_of_the_peer() {
    let mut bench = Bench::new();
    let message = frame(0x82, 4 * limits::WS_TURN_BYTES as u64 - 100);
    bench.ws.handle_input(bench.now.mono, message.into());
    for _ in 0..3 {
        // An event brings the connection to its work, and the alarm comes in the same turn.
        assert!(bench.events().is_empty() && bench.ws.poll_timeout() == Some(bench.now.mono));
        bench.with(|ws, scope| ws.handle_timeout(scope));
        assert!(!bench.ws.has_output(), "nobody is pinged");
        bench.now.mono += Duration::from_millis(1);
    }
    assert!(matches!(bench.events()[..], [Event::Message(_)]));
}

#[test]
fn pongs_hold_back_a_peer_that_takes_none() {
    let mut bench = Bench::new();
    bench.ws.handle_input(bench.now.mono, frame(0x89, 0).repeat(60_000).into());
    for _ in 0..100 {
        assert!(bench.events().is_empty());
        bench.now.mono += Duration::from_millis(1);
    }
    assert!(!bench.ws.pending.is_empty(), "the rest is not looked at");
    assert!((100..5_000).contains(&bench.ws.waiting()), "{}", bench.ws.waiting());
}

#[test]
fn a_turn_takes_so_many_frames_and_no_more() {
    let mut bench = Bench::new();
    bench.ws.handle_input(bench.now.mono, frame(0x82, 0).repeat(60_000).into());
    let (mut all, mut turns) = (0, 0);
    while all < 60_000 {
        let events = bench.events().len();
        assert!(events <= 10_000 && turns < 100, "{events} in turn {turns}");
        all += events;
        turns += 1;
        bench.now.mono += Duration::from_millis(1);
    }
    assert!(turns > 5);
}

#[test]
fn a_message_is_counted_until_it_is_taken() {
    let mut bench = Bench::new();
    let message = Message::binary(vec![0; 1 << 20]);
    bench.with(|ws, scope| ws.send(scope, &message)).unwrap();
    for _ in 0..2 {
        assert!(bench.with(|ws, scope| ws.poll_output(scope)).is_some());
    }
    assert!(bench.quota.used() >= (1 << 20) - limits::BODY_PIECE, "{}", bench.quota.used());
}
