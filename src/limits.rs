//! Every maximum of the house in one table. Each has a defined answer when it is met, named beside it.

use crate::time::{Duration, Instant};

// --- ARP -----------------------------------------------------------------------------------------------

/// Neighbours remembered. Beyond: the one whose next deadline is nearest is forgotten.
pub const NEIGHBOURS: usize = 1024;
/// Packets parked for one unresolved neighbour. Beyond: the oldest is dropped (`neighbour_queue_full`).
pub const PARKED_PER_NEIGHBOUR: usize = 16;

// --- IP and ICMP ---------------------------------------------------------------------------------------

/// Datagrams in reassembly at once. Beyond: the oldest is dropped (`fragment_limit`).
pub const REASSEMBLIES: usize = 64;
/// Bytes held in reassembly over all datagrams. Beyond: the oldest is dropped (`fragment_limit`).
pub const REASSEMBLY_BYTES: usize = 1 << 20;
/// Fragments of one datagram. Beyond: the datagram is dropped (`fragment_limit`).
pub const FRAGMENTS_PER_DATAGRAM: usize = 128;
/// How long a datagram may take to become whole (RFC 1122 3.3.2: between 60 and 120 s).
pub const REASSEMBLY_TIMEOUT: Duration = Duration::from_secs(60);
/// Echo replies a second, and how many at once. Beyond: `icmp_rate_limited`.
pub const ECHO_RATE: (u64, u64) = (10_000, 1_000);
/// Echo replies a second that leave in fragments. RFC 6864 4.3: an identification may not come again within
/// two minutes, and there are 65,536 of them, so at most 546. Beyond: `icmp_rate_limited`.
pub const FRAGMENTED_RATE: (u64, u64) = (500, 50);
/// ICMP errors a second, and how many at once. Beyond: `icmp_rate_limited`.
pub const ICMP_ERROR_RATE: (u64, u64) = (100, 20);
/// RSTs a second in answer to segments that belong to nothing. Beyond: `tcp_reset_limited`.
pub const RESET_RATE: (u64, u64) = (1_000, 200);
/// Challenge ACKs a second over all connections, on average, and as many to flows without one. Beyond:
/// `tcp_challenge_limited`.
pub const CHALLENGES: u64 = 1_000;
/// Challenge ACKs of one connection: one in so much time, and so many at once (RFC 5961 7: ten in five seconds).
/// Beyond: `tcp_challenge_limited`.
pub const CHALLENGES_OF_ONE: (Duration, u64) = (Duration::from_millis(500), 10);
/// Packets that are answers without a connection (ARP, ICMP, RST) waiting for the link. Beyond: dropped
/// (`reply_queue_full`).
pub const REPLIES: usize = 512;

// --- TCP -----------------------------------------------------------------------------------------------

/// Half-open connections of a listener. Beyond: the SYN is dropped (`tcp_backlog_full`).
pub const BACKLOG: usize = 4096;
/// Connections to a port that are established and of which its user has not heard yet. Beyond: the SYN, or the ACK of
/// the SYN-ACK, is dropped (`tcp_accept_queue_full`), and comes again.
pub const ACCEPT_QUEUE: usize = 4096;
/// Connections in TIME-WAIT. Beyond: the oldest is forgotten.
pub const TIME_WAITS: usize = 262_144;
/// How long a connection stays in TIME-WAIT. RFC 9293 MUST-13 says 2 MSL = 4 minutes; 60 s is what Linux does.
pub const TIME_WAIT: Duration = Duration::from_secs(60);
/// Unsent and unacknowledged bytes of one connection, once its buffer has grown. Beyond: `WriteError::Blocked`.
pub const SEND_BUFFER: usize = 4 << 20;
/// Received bytes of one connection that nobody has read, once its buffer has grown. Beyond: the window is closed.
pub const RECEIVE_BUFFER: usize = 4 << 20;
/// Bytes that either buffer of a connection may hold in the beginning, after an idle time, and while memory is short.
pub const BUFFER_START: usize = 64 << 10;
/// Bytes of a connection's buffers that are set apart for it, half for either direction, however short memory is.
/// Beyond, when it is: `tcp_memory_full`, `WriteError::Blocked`.
pub const CONNECTION_RESERVE: usize = 8 << 10;
/// Bytes of the buffers of all connections of a stack together, but for what is set apart. From a half of it on they
/// grow no more, from three quarters on out-of-order data is thrown away. Beyond seven eighths: `tcp_memory_full`.
pub const TCP_MEMORY: usize = 256 << 20;
/// Segments of one connection that are in flight, where those that the peer has and that touch are one. Beyond: nothing
/// new leaves before an ACK.
pub const SEGMENTS_IN_FLIGHT: usize = 4096;
/// Pieces of out-of-order data of one connection. Beyond: `tcp_reassembly_limit`; the peer sends it again.
pub const OUT_OF_ORDER_PIECES: usize = 4096;

// --- the loop ------------------------------------------------------------------------------------------

/// Frames that one turn takes from its link before it sends, and looks at timers.
pub const FRAMES_PER_TURN: usize = 64;

/// Bytes of bodies and messages that a shard gathers for all its connections together, and of what it keeps for peers
/// who do not take it. Beyond: 503, 1013.
pub const GATHERED_BYTES: usize = 256 << 20;
/// Letters on their way to the connections of a shard. Beyond: not taken, and the sender is told.
pub const LETTERS: usize = 65_536;
/// Jobs of a shard that mostly wait, in its queue or at work. Beyond: 503.
pub const JOBS: usize = 1024;
/// Threads for such jobs.
pub const WORKERS: usize = 2;
/// Jobs of a shard that keep a core busy, in their queue or at work. Beyond: 503.
pub const COMPUTING_JOBS: usize = 64;
/// Threads for such jobs at most; no more than half the cores, so that the loop has one.
pub const COMPUTING_WORKERS: usize = 4;

// --- HTTP ----------------------------------------------------------------------------------------------

/// Bytes of a request head. Beyond: 431.
pub const HEAD_BYTES: usize = 64 << 10;
/// Bytes of a request target. Beyond: 414.
pub const TARGET_BYTES: usize = 8 << 10;
/// Header fields of a request. Beyond: 431.
pub const HEADER_FIELDS: usize = 100;
/// Empty lines before a request (RFC 9112 2.2). Beyond: 400.
pub const BLANK_LINES: u8 = 4;
/// Bytes of one chunk-size line with its extensions. Beyond: 400.
pub const CHUNK_LINE_BYTES: usize = 4 << 10;
/// Bytes of trailers. Beyond: 431.
pub const TRAILER_BYTES: usize = 8 << 10;
/// Bytes of a body that is collected whole. Beyond: 413.
pub const COLLECTED_BODY: u64 = 8 << 20;
/// Cookies of one Cookie field. Beyond: the rest is ignored.
pub const COOKIES: usize = 64;
/// Bytes of the name and the value of a cookie that is set, what every browser keeps (RFC 6265 6.1). Beyond:
/// `CookieError::TooLong`.
pub const COOKIE_BYTES: usize = 4096;
/// Fields, or parts, of a form. Beyond: 413.
pub const FORM_FIELDS: usize = 1000;
/// Bytes of the head of a form's part with the boundary's padding before it; also of what stands before the first
/// boundary, and of what stands behind the last. Beyond: 413.
pub const PART_HEAD_BYTES: usize = 8 << 10;
/// Elements within elements of an XML body. Beyond: 400.
pub const XML_DEPTH: usize = 64;
/// Bytes written to a pipe that the peer has not taken. Beyond: `PipeError::Full`.
pub const PIPE: usize = 256 << 10;
/// Bytes of answers that the peer has not taken. Beyond: its next request is not looked at before it takes some.
pub const ANSWERS_WAITING: usize = 64 << 10;
/// Bytes of a body that nobody wants which are read and thrown away, to keep the connection. Beyond: closed.
pub const DRAINED_BODY: u64 = 256 << 10;
/// How long a request head may take. Beyond: 408.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(15);
/// How long a body may pause. Beyond: 408.
pub const BODY_IDLE_TIMEOUT: Duration = Duration::from_secs(15);
/// Bytes a second that a body, or a message, must bring. What comes faster makes no more room for a pause than the
/// longest that is allowed. Beyond: 408, 1008.
pub const BODY_MIN_RATE: u64 = 1024;
/// Silence of a client whose answer is made elsewhere after which its TCP is asked whether it is there; nine times in
/// vain, and it is gone.
pub const PENDING_KEEP_ALIVE: Duration = Duration::from_secs(10);
/// How long slow work for an answer may take, its wait for a worker included. Beyond: 503.
pub const JOB_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a kept connection may be idle. Beyond: closed.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(75);
/// How long a reader may take nothing of what is sent to him. Beyond: aborted.
pub const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// How long, and how much, is read and thrown away after the last answer, so that no RST overtakes it.
pub const LINGER: (Duration, u64) = (Duration::from_secs(5), 4 << 20);
/// Unsent bytes of a response below which the next piece of its body is asked for.
pub const BODY_LOW_WATER: usize = 128 << 10;
/// Bytes that a pulled body may give at once.
pub const BODY_PIECE: usize = 64 << 10;
/// How long a body that has nothing to give waits for its wake, which may have found no room on the way. Beyond: it is
/// asked again.
pub const BODY_ASKED_AGAIN: Duration = Duration::from_secs(10);
/// Largest `/bytes/{n}`.
pub const GENERATED_BYTES: u64 = 64 << 30;
/// How long a graceful stop waits for what is in flight.
pub const SHUTDOWN: Duration = Duration::from_secs(10);

// --- WebSocket -----------------------------------------------------------------------------------------

/// Bytes of a message, after decompression. Beyond: closed by 1009.
pub const WS_MESSAGE: usize = 16 << 20;
/// Bytes that may wait for a peer who does not take them, unless it is one message. Beyond: closed by 1013, or dropped.
pub const WS_QUEUE: usize = 1 << 20;
/// Bytes that wait for a peer, with what it takes to keep them, from which on it is not read any further.
pub const WS_LOW_WATER: usize = 128 << 10;
/// Bytes that one connection unmasks, inflates or compresses in a turn. Beyond: it goes on in the next.
pub const WS_TURN_BYTES: usize = 256 << 10;
/// Bytes that all connections of a shard unmask, inflate or compress in a turn. Beyond: they go on in the next.
pub const WS_SHARD_TURN_BYTES: usize = 1 << 20;
/// Bytes of content below which a frame is copied behind its header.
pub const WS_JOINED_BYTES: usize = 1 << 10;
/// Silence of a peer after which it is pinged.
pub const WS_PING_AFTER: Duration = Duration::from_secs(30);
/// Further silence after which it is dead. Beyond: aborted.
pub const WS_PONG_WITHIN: Duration = Duration::from_secs(30);
/// How long a peer may take to answer our Close frame. Beyond: closed all the same.
pub const WS_CLOSE_WITHIN: Duration = Duration::from_secs(5);
/// How long a message that is begun may pause; those who begin many and end none would hold all the memory there is.
/// Beyond: closed by 1008.
pub const WS_MESSAGE_PAUSE: Duration = Duration::from_secs(60);
/// Compressors of a shard in use at once. Beyond: messages go as they are.
pub const DEFLATERS: usize = 64;
/// Decompressors of a shard in use at once. Beyond: closed by 1013.
pub const INFLATERS: usize = 1024;
/// Compressors of one window, and decompressors, that are kept while nobody uses them.
pub const IDLE_CODECS: usize = 8;

// --- users and tokens ------------------------------------------------------------------------------------

/// Bytes of a body of `/users` and `/sessions`. Beyond: 413.
pub const ACCOUNT_BODY: u64 = 16 << 10;
/// Bytes of an e-mail address (RFC 5321 4.5.3.1.3, without the angle brackets). Beyond: 422.
pub const EMAIL_BYTES: usize = 254;
/// Characters of a nickname. Beyond: 422.
pub const NICKNAME_CHARS: usize = 32;
/// Characters of a password, at least and at most (NIST SP 800-63B 5.1.1.2). Beyond: 422.
pub const PASSWORD_CHARS: (usize, usize) = (8, 256);
/// Bytes of an access token. Beyond: 401.
pub const TOKEN_BYTES: usize = 1024;
/// Seconds that an access token lives, unless it is told otherwise, and at most.
pub const TOKEN_LIFE: u64 = 15 * 60;
/// The most that can be told.
pub const TOKEN_LIFE_MAX: u64 = 24 * 3600;
/// Seconds by which a token may come from the future, since a clock was set. Beyond: 401.
pub const TOKEN_SKEW: u64 = 30;
/// Seconds after which a key of tokens is replaced.
pub const KEY_AGE: u64 = 30 * 24 * 3600;
/// Seconds that a session lives after its last refresh, unless it is told otherwise.
pub const SESSION_LIFE: u64 = 30 * 24 * 3600;
/// Sessions of one user. Beyond: the one that would end first ends.
pub const SESSIONS_OF_ONE: usize = 32;
/// Attempts to sign in to one account at once, and seconds until there is one more. Beyond: 429.
pub const ACCOUNT_ATTEMPTS: (u64, u64) = (10, 30);
/// Attempts to sign in from one address at once, and seconds until there is one more. Beyond: 429.
pub const ADDRESS_ATTEMPTS: (u64, u64) = (30, 2);
/// Tables and seats that somebody is the first to sit at for a while: at once, and seconds until there may be one more.
/// Beyond: 429.
pub const NEW_SEATS: (u64, u64) = (1024, 1);
/// Sign-ups from one address at once, and seconds until there may be one more. Beyond: 429.
pub const SIGN_UPS: (u64, u64) = (600, 2);
/// Those who sign up and wait for their hash: half of all who may wait for one. Beyond: 503.
pub const SIGNING_UP: usize = COMPUTING_JOBS / 2;
/// Seconds after which it is tried again to keep a new key.
pub const KEY_PAUSE: u64 = 60;
/// Accounts and addresses whose attempts are counted. Beyond: the one whose waiting ends first is forgotten.
pub const THROTTLED: usize = 65_536;

// --- tables ------------------------------------------------------------------------------------------------

/// Seats at one table. Beyond: 503.
pub const SEATS: usize = 65_536;
/// Seats of one user that are kept for him. Beyond: the one where he has not sat for longest is anybody's again.
pub const SEATS_OF_ONE: usize = 256;
/// Seconds within which it is not noted anew that a user sits in a seat of his.
pub const SEAT_NOTED: u64 = 3600;
/// Tables that are kept. Beyond: those that were silent for longest go.
pub const TABLES: usize = 65_536;
/// Tables that are at hand though nobody sits there. Beyond: those are in the store alone.
pub const TABLES_AT_HAND: usize = 1024;
/// Tables of one page of a list.
pub const TABLES_LISTED: usize = 100;
/// Bytes of what somebody says at a table. Beyond: `error`.
pub const SPEECH_BYTES: usize = 4000;
/// Bytes of a message at a table. Beyond: closed by 1009.
pub const TABLE_MESSAGE: usize = 64 << 10;
/// Bytes of the name that a message gives itself. Beyond: `error`.
pub const MESSAGE_ID_BYTES: usize = 64;
/// What was said at one table that is kept, and bytes of it. Beyond: the oldest goes.
pub const HISTORY: usize = 500;
/// Bytes of it.
pub const HISTORY_BYTES: usize = 512 << 10;
/// Messages that a table has at hand for those who read on. Beyond: the oldest goes, and who has not read it is closed
/// by 1013.
pub const LOG_MESSAGES: usize = 16_384;
/// Bytes of them.
pub const LOG_BYTES: usize = 4 << 20;
/// Bytes of them at all tables together. Beyond: each has [`LOG_FLOOR`] of them.
pub const TABLES_BYTES: usize = 256 << 20;
/// As many bytes each has then.
pub const LOG_FLOOR: usize = 64 << 10;
/// Messages of a table that nobody hears yet, since they are not kept. Beyond: `error`.
pub const UNKEPT_MESSAGES: u64 = 2048;
/// Bytes of them. Beyond: `error`.
pub const UNKEPT_BYTES: usize = 1 << 20;
/// Bytes that somebody reads of a table at once, before others have their turn.
pub const READING_BYTES: usize = 32 << 10;
/// Messages that somebody hears who sits down.
pub const WELCOME_MESSAGES: usize = 50;
/// Messages of one `history`.
pub const HISTORY_PAGE: usize = 100;
/// People whom a message, or a page, names. Beyond: they are counted.
pub const PEOPLE_SHOWN: usize = 100;
/// Seats at a table up to which comings and goings are told at once.
pub const PRESENCE_AT_ONCE: usize = 32;
/// Beyond: the pause after they were told, for each seat.
pub const PRESENCE_PAUSE: Duration = Duration::from_micros(50);
/// Seats at a table up to which it is told that somebody types.
pub const TYPING_SEATS: usize = 100;
/// Messages of one person at a table at once, and the pause until there may be one more. Beyond: `error`.
pub const SPEECH_RATE: (u64, Duration) = (100, Duration::from_millis(20));
/// The same for `typing`. Beyond: not passed on.
pub const TYPING_RATE: (u64, Duration) = (3, Duration::from_secs(1));
/// The same for messages that are no good. Beyond: closed by 1008.
pub const BAD_MESSAGES: (u64, Duration) = (8, Duration::from_secs(10));
/// New tokens that one person at a table shows at once, and the pause until there may be one more. Beyond: `error`.
pub const AUTH_RATE: (u64, Duration) = (4, Duration::from_secs(5));
/// Rates of people at one table that are looked through for such as are at rest, at least; later at twice those left.
pub const RATES_SWEPT: usize = 1024;
/// Rates of people that one table remembers: of all who may sit there, and as many who have left.
pub const RATES_REMEMBERED: usize = 2 * SEATS;
/// Seconds for which somebody is muted or removed, unless it is told otherwise, and at most.
pub const SANCTION: u64 = 600;
/// The most that can be told.
pub const SANCTION_MAX: u64 = 24 * 3600;
/// People whom a table remembers as muted, or as removed. Beyond: the first is forgiven.
pub const SANCTIONS: usize = 1024;
/// Silence after which a seat hears a `ping`.
pub const TABLE_PING: Duration = Duration::from_secs(25);
/// Close code of a socket whose token is expired or revoked.
pub const CLOSE_UNAUTHORIZED: u16 = 4401;
/// Close code of a socket whose holder a moderator has removed.
pub const CLOSE_REMOVED: u16 = 4403;
/// Close code of a socket whose seat another one of the same user has taken.
pub const CLOSE_REPLACED: u16 = 4409;

/// When the next piece of a body or message must be here, where this one of `len` bytes came `now` and was due before:
/// within `pause`, and the whole at [`BODY_MIN_RATE`].
pub fn next_piece(due: Instant, now: Instant, len: u64, pause: Duration) -> Instant {
    let earned = Duration::from_nanos(len.saturating_mul(1_000_000_000 / BODY_MIN_RATE));
    (due + earned).min(now + pause)
}
