//! Sockets at tables.

use std::sync::Arc;

use serde_json::{Value, json};
use taphouse::app::accounts::Role;
use taphouse::app::accounts::admin::Command;
use taphouse::app::service::Settings;
use taphouse::app::store::Store;
use taphouse::limits;

use crate::house::{House, PASSWORD};
use crate::world::{Guest, World};

fn open_house() -> House {
    House::with(Settings { open_tables: true, ..Settings::default() })
}

impl Guest {
    /// All that it has heard since it was asked last.
    fn news(&mut self, world: &mut World) -> Vec<Value> {
        for _ in 0..20 {
            world.pass(2);
            self.listen(world);
        }
        self.heard.drain(..).map(|text| serde_json::from_str(&text).unwrap()).collect()
    }

    /// What it has heard of this type.
    fn heard_of(&mut self, world: &mut World, kind: &str) -> Vec<Value> {
        self.news(world).into_iter().filter(|message| message["type"] == kind).collect()
    }

    fn tell(&mut self, world: &mut World, message: &Value) {
        self.say(world, &message.to_string());
    }

    /// The code that it was closed with.
    fn code(&mut self, world: &mut World) -> Option<u16> {
        self.news(world);
        self.closed.as_ref().map(|closed| closed.code.0)
    }
}

fn types(messages: &[Value]) -> Vec<&str> {
    messages.iter().map(|message| message["type"].as_str().unwrap()).collect()
}

#[test]
fn who_sits_down_is_welcomed_and_heard() {
    let mut house = open_house();
    let mut ada = house.sit("/ws/1/10", "").unwrap();
    let first = ada.news(&mut house.world);
    assert_eq!(types(&first), ["welcome", "joined"]);
    assert_eq!(
        (&first[0]["table_id"], &first[0]["you"]["client_id"], &first[0]["count"]),
        (&json!(1), &json!(10), &json!(1))
    );
    let mut bob = house.sit("/ws?table_id=1&client_id=-3", "").unwrap();
    assert_eq!(bob.news(&mut house.world)[0]["count"], 2);
    let joined = ada.heard_of(&mut house.world, "joined");
    assert_eq!((&joined[0]["clients"][0]["client_id"], &joined[0]["count"]), (&json!(-3), &json!(2)));

    ada.tell(&mut house.world, &json!({"type": "say", "text": "hello", "id": "mine"}));
    for guest in [&mut ada, &mut bob] {
        let said = guest.heard_of(&mut house.world, "said");
        assert_eq!(said.len(), 1);
        assert_eq!(
            (&said[0]["text"], &said[0]["client_id"], &said[0]["id"]),
            (&json!("hello"), &json!(10), &json!("mine"))
        );
    }
    bob.tell(&mut house.world, &json!({"type": "leave"}));
    assert_eq!(bob.code(&mut house.world), Some(1000));
    let left = ada.heard_of(&mut house.world, "left");
    assert_eq!((&left[0]["clients"][0]["client_id"], &left[0]["count"]), (&json!(-3), &json!(1)));
    ada.tell(&mut house.world, &json!({"type": "history", "limit": 10}));
    let history = ada.heard_of(&mut house.world, "history");
    assert_eq!(
        (&history[0]["messages"][0]["text"], &history[0]["complete"]),
        (&json!("hello"), &json!(true))
    );
}

#[test]
fn what_is_wrong_is_told_before_the_upgrade() {
    let mut house = House::new();
    let ada = house.guest("ada");
    let status = |house: &mut House, path: &str, fields: &str| {
        house.sit(path, fields).err().map(|answer| answer.status)
    };
    for path in [
        "/ws/x/1",
        "/ws/1/1.5",
        "/ws?table_id=1",
        "/ws?client_id=1&table_id=",
        "/ws/1/9223372036854775808",
        "/ws/1/2?since=-1",
    ] {
        assert_eq!(status(&mut house, path, &ada.bearer()), Some(422), "{path}");
    }
    let answer = house.sit("/ws/a/b", "").err().unwrap();
    assert_eq!(answer.body["errors"].as_array().unwrap().len(), 2, "both are named, and before the token");
    assert!(house.sit("/ws/1/1", "").err().unwrap().is_unauthorized("missing"));
    assert!(house.sit("/ws/1/1", "Authorization: Bearer x\r\n").err().unwrap().is_unauthorized("malformed"));
    assert!(
        house
            .sit("/ws/1/1", "Sec-WebSocket-Protocol: taphouse, bearer.x\r\n")
            .err()
            .unwrap()
            .is_unauthorized("malformed")
    );
    assert_eq!(
        status(&mut house, "/ws/1/1", &format!("{}Origin: http://elsewhere.example\r\n", ada.bearer())),
        Some(403)
    );
    assert_eq!(house.ask("GET", "/ws/1/1", &ada.bearer(), "").status, 426);
    assert_eq!(status(&mut house, "/ws/1/1", &ada.bearer()), None);
}

#[test]
fn a_token_comes_in_four_ways() {
    let mut house = House::new();
    let ada = house.guest("ada");
    let by_protocol = format!("Sec-WebSocket-Protocol: bearer.{}, taphouse\r\n", ada.access);
    let alone = format!("Sec-WebSocket-Protocol: bearer.{}\r\n", ada.access);
    let cookie = format!("Cookie: taphouse_access={}\r\n", ada.access);
    for fields in [ada.bearer(), by_protocol, alone, format!("{cookie}Origin: http://a\r\n")] {
        let mut guest =
            house.sit("/ws/1/1", &fields).unwrap_or_else(|answer| panic!("{fields}: {}", answer.head));
        let news = guest.news(&mut house.world);
        assert_eq!(news[0]["you"], json!({"client_id": 1, "nickname": "ada", "user_id": 1}));
    }
    assert_eq!(house.sit("/ws/1/1", &cookie).err().unwrap().status, 403, "nobody says whose page it was");
}

#[test]
pub(crate) fn a_seat_is_bound_to_who_first_sat_there() {
    let mut house = open_house();
    let (ada, bob) = (house.guest("ada"), house.guest("bob"));
    let mut first = house.sit("/ws/1/7", &ada.bearer()).unwrap();
    assert_eq!(house.sit("/ws/1/7", &bob.bearer()).err().unwrap().status, 403);
    first.close(&mut house.world, 1000);
    first.news(&mut house.world);
    assert_eq!(house.sit("/ws/1/7", &bob.bearer()).err().unwrap().status, 403, "also when he is gone");
    assert_eq!(house.sit("/ws/1/7", "").err().unwrap().status, 401, "without a name there is no telling");
    assert!(house.sit("/ws/2/7", &bob.bearer()).is_ok(), "of another table");
    house.ask("DELETE", "/users/1", &ada.bearer(), "");
    assert!(house.sit("/ws/1/7", &bob.bearer()).is_ok(), "it was a user's who is no more");
}

#[test]
fn a_second_socket_takes_the_place_of_the_first() {
    let mut house = open_house();
    let ada = house.guest("ada");
    let mut witness = house.sit("/ws/1/1", "").unwrap();
    let mut first = house.sit("/ws/1/7", &ada.bearer()).unwrap();
    first.news(&mut house.world);
    witness.news(&mut house.world);
    let mut second = house.sit("/ws/1/7", &ada.bearer()).unwrap();
    assert_eq!(first.code(&mut house.world), Some(limits::CLOSE_REPLACED));
    second.tell(&mut house.world, &json!({"type": "say", "text": "still here"}));
    assert_eq!(types(&witness.news(&mut house.world)), ["said"], "nobody came, and nobody left");
    assert_eq!(second.heard_of(&mut house.world, "welcome")[0]["count"], 2);
    second.close(&mut house.world, 1000);
    assert_eq!(types(&witness.news(&mut house.world)), ["left"]);

    assert_eq!(
        house.sit("/ws/1/1", "").err().unwrap().status,
        409,
        "who has no name and lives is not replaced"
    );
    assert_eq!(house.sit("/ws/1/1", &ada.bearer()).err().unwrap().status, 409);
}

#[test]
pub(crate) fn whispers_are_for_two() {
    let mut house = open_house();
    let (ada, bob) = (house.guest("ada"), house.guest("bob"));
    let mut one = house.sit("/ws/1/1", &ada.bearer()).unwrap();
    let mut two = house.sit("/ws/1/2", &bob.bearer()).unwrap();
    let mut three = house.sit("/ws/1/3", "").unwrap();
    [&mut one, &mut two, &mut three].into_iter().for_each(|guest| drop(guest.news(&mut house.world)));
    one.tell(&mut house.world, &json!({"type": "whisper", "to": 2, "text": "psst", "id": "w"}));
    for guest in [&mut one, &mut two] {
        let heard = guest.heard_of(&mut house.world, "whispered");
        assert_eq!(
            (&heard[0]["text"], &heard[0]["to"], &heard[0]["client_id"]),
            (&json!("psst"), &json!(2), &json!(1))
        );
    }
    one.tell(&mut house.world, &json!({"type": "say", "text": "aloud"}));
    assert_eq!(types(&three.news(&mut house.world)), ["said"]);
    three.tell(&mut house.world, &json!({"type": "history"}));
    assert_eq!(three.heard_of(&mut house.world, "history")[0]["messages"].as_array().unwrap().len(), 1);
    let shown = house.ask("GET", "/tables/1", "", "");
    assert!(!shown.body.to_string().contains("psst"), "{}", shown.body);
    one.tell(&mut house.world, &json!({"type": "whisper", "to": 99, "text": "psst", "id": "w"}));
    let error = one.heard_of(&mut house.world, "error");
    assert_eq!((&error[0]["code"], &error[0]["id"]), (&json!("nobody_there"), &json!("w")));

    two.close(&mut house.world, 1000);
    two.news(&mut house.world);
    let mut back = house.sit("/ws/1/2?since=0", &bob.bearer()).unwrap();
    assert_eq!(back.heard_of(&mut house.world, "whispered").len(), 1, "it is his still");

    // Who has no name is another one each time.
    three.tell(&mut house.world, &json!({"type": "whisper", "to": 1, "text": "from nobody"}));
    assert_eq!(three.heard_of(&mut house.world, "whispered").len(), 1);
    three.close(&mut house.world, 1000);
    three.news(&mut house.world);
    let mut other = house.sit("/ws/1/3?since=0", "").unwrap();
    assert_eq!(other.heard_of(&mut house.world, "whispered").len(), 0);
}

#[test]
pub(crate) fn who_comes_back_gets_what_he_missed_once() {
    let mut house = open_house();
    let ada = house.guest("ada");
    let mut talker = house.sit("/ws/1/1", "").unwrap();
    let mut guest = house.sit("/ws/1/2", &ada.bearer()).unwrap();
    let mut last = 0;
    let mut heard = Vec::new();
    for round in 0..6 {
        for n in 0..5 {
            talker.tell(&mut house.world, &json!({"type": "say", "text": format!("{round}.{n}")}));
        }
        for message in guest.news(&mut house.world) {
            if message["type"] != "welcome" {
                last = message["seq"].as_u64().unwrap();
            }
            if message["type"] == "said" {
                heard.push(message["text"].as_str().unwrap().to_owned());
            }
        }
        house.world.abort(guest.id());
        house.world.pass(20);
        for n in 5..10 {
            talker.tell(&mut house.world, &json!({"type": "say", "text": format!("{round}.{n}")}));
            house.world.pass(5);
        }
        guest = house.sit(&format!("/ws/1/2?since={last}"), &ada.bearer()).unwrap();
    }
    for message in guest.heard_of(&mut house.world, "said") {
        heard.push(message["text"].as_str().unwrap().to_owned());
    }
    let expected: Vec<String> = (0..60).map(|n| format!("{}.{}", n / 10, n % 10)).collect();
    assert_eq!(heard, expected);

    let mut future = house.sit("/ws/1/3?since=999999", "").unwrap();
    assert_eq!(future.news(&mut house.world)[0]["complete"], false);
}

#[test]
pub(crate) fn nothing_is_heard_before_it_is_kept() {
    let mut house = open_house();
    let mut ada = house.sit("/ws/1/1", "").unwrap();
    ada.news(&mut house.world);
    let chore = std::mem::replace(&mut house.world.chore, Box::new(|| ()));
    ada.tell(&mut house.world, &json!({"type": "say", "text": "hello"}));
    let mut bob = house.sit("/ws/1/2", "").unwrap();
    let mut carol = house.sit("/ws/1/3?since=0", "").unwrap();
    assert_eq!(types(&carol.news(&mut house.world)), ["welcome", "joined"], "the first, of ada");
    assert_eq!(
        (types(&ada.news(&mut house.world)), types(&bob.news(&mut house.world))),
        (vec![], vec!["welcome"])
    );
    for n in 0..limits::UNKEPT_MESSAGES {
        ada.tell(&mut house.world, &json!({"type": "say", "text": format!("{n}")}));
        house.world.pass(20);
    }
    assert_eq!(ada.heard_of(&mut house.world, "error")[0]["code"], "not_kept");
    house.world.chore = chore;
    let said = bob.heard_of(&mut house.world, "said");
    assert!(said.len() > 100 && said[0]["text"] == "hello");
}

#[test]
fn bad_messages_are_told_and_then_too_many() {
    let mut house = open_house();
    let mut ada = house.sit("/ws/1/1", "").unwrap();
    ada.news(&mut house.world);
    for n in 0..limits::BAD_MESSAGES.0 {
        ada.say(&mut house.world, if n % 2 == 0 { "noise" } else { r#"{"type":"shout"}"# });
        let error = ada.heard_of(&mut house.world, "error");
        assert_eq!(error[0]["code"], if n % 2 == 0 { "not_json" } else { "unknown_type" });
    }
    ada.tell(&mut house.world, &json!({"type": "say", "text": "fine"}));
    assert_eq!(ada.heard_of(&mut house.world, "said").len(), 1, "he may still speak");
    ada.say(&mut house.world, "noise");
    assert_eq!(ada.code(&mut house.world), Some(1008));

    let mut bob = house.sit("/ws/1/2", "").unwrap();
    for n in 0..limits::SPEECH_RATE.0 + 20 {
        bob.tell(&mut house.world, &json!({"type": "say", "text": format!("{n}")}));
    }
    let errors = bob.heard_of(&mut house.world, "error");
    assert!(!errors.is_empty() && errors.iter().all(|error| error["code"] == "too_fast"));
    let mut long = house.sit("/ws/1/3", "").unwrap();
    long.say(&mut house.world, &"x".repeat(limits::TABLE_MESSAGE + 1));
    assert_eq!(long.code(&mut house.world), Some(1009));
}

#[test]
fn typing_is_told_to_others() {
    let mut house = open_house();
    let mut ada = house.sit("/ws/1/1", "").unwrap();
    let mut bob = house.sit("/ws/1/2", "").unwrap();
    [&mut ada, &mut bob].into_iter().for_each(|guest| drop(guest.news(&mut house.world)));
    for _ in 0..10 {
        ada.tell(&mut house.world, &json!({"type": "typing"}));
    }
    assert_eq!(bob.news(&mut house.world).len() as u64, limits::TYPING_RATE.0, "and not too often");
    assert!(ada.news(&mut house.world).is_empty());
}

#[test]
pub(crate) fn moderators_keep_order() {
    let mut house = open_house();
    let now = house.world.now().wall;
    let (email, nickname) = ("mod@example.com".to_owned(), "mod".to_owned());
    let add = Command::Add { email, nickname, role: Role::Moderator, password: PASSWORD.to_owned() };
    house.service.administrate(now, add).unwrap();
    let (keeper, ada) = (house.sign_in("mod"), house.guest("ada"));
    let mut keeper = house.sit("/ws/1/1", &keeper.bearer()).unwrap();
    let mut ada_sits = house.sit("/ws/1/2", &ada.bearer()).unwrap();
    let mut nobody = house.sit("/ws/1/3", "").unwrap();
    for guest in [&mut keeper, &mut ada_sits, &mut nobody] {
        guest.news(&mut house.world);
    }

    ada_sits.tell(&mut house.world, &json!({"type": "mute", "client_id": 3}));
    assert_eq!(ada_sits.heard_of(&mut house.world, "error")[0]["code"], "forbidden");
    for who in [2, 3] {
        keeper.tell(&mut house.world, &json!({"type": "mute", "client_id": who, "seconds": 60}));
    }
    assert_eq!(keeper.heard_of(&mut house.world, "muted").len(), 2);
    for guest in [&mut ada_sits, &mut nobody] {
        guest.tell(&mut house.world, &json!({"type": "say", "text": "x", "id": "m"}));
        let error = guest.heard_of(&mut house.world, "error");
        assert_eq!((&error[0]["code"], &error[0]["id"]), (&json!("muted"), &json!("m")));
    }
    ada_sits = house.sit("/ws/1/20", &ada.bearer()).unwrap();
    ada_sits.tell(&mut house.world, &json!({"type": "say", "text": "from another seat"}));
    assert_eq!(ada_sits.heard_of(&mut house.world, "error").len(), 1, "a user is muted wherever he sits");
    keeper.tell(&mut house.world, &json!({"type": "mute", "client_id": 20, "seconds": 0}));
    keeper.news(&mut house.world);
    ada_sits.tell(&mut house.world, &json!({"type": "say", "text": "again"}));
    assert_eq!(ada_sits.heard_of(&mut house.world, "said").len(), 1);

    let mut other_seat = house.sit("/ws/1/21", &ada.bearer()).unwrap();
    other_seat.news(&mut house.world);
    keeper.news(&mut house.world);
    keeper.tell(&mut house.world, &json!({"type": "remove", "client_id": 20, "seconds": 60}));
    assert_eq!(other_seat.code(&mut house.world), Some(limits::CLOSE_REMOVED), "from all his seats");
    assert_eq!(ada_sits.code(&mut house.world), Some(limits::CLOSE_REMOVED));
    let news = keeper.news(&mut house.world);
    assert!(types(&news).starts_with(&["removed", "left"]), "{news:?}");
    assert_eq!(house.sit("/ws/1/2", &ada.bearer()).err().unwrap().status, 403);
    assert!(house.sit("/ws/2/2", &ada.bearer()).is_ok());
    house.wait(61);
    assert!(house.sit("/ws/1/2", &ada.bearer()).is_ok());
}

#[test]
pub(crate) fn sockets_end_with_their_tokens() {
    let mut house = House::new();
    let ada = house.guest("ada");
    let mut expires = house.sit("/ws/1/1", &ada.bearer()).unwrap();
    let mut renews = house.sit("/ws/1/2", &ada.bearer()).unwrap();
    let idle = |house: &mut House, seconds: u64, guests: &mut [&mut Guest]| {
        // Pings are answered meanwhile.
        for _ in 0..seconds {
            house.wait(1);
            guests.iter_mut().for_each(|guest| guest.listen(&mut house.world));
            house.world.pass(2);
        }
    };
    idle(&mut house, limits::TOKEN_LIFE - 30, &mut [&mut expires, &mut renews]);
    let next = house.post("/sessions/refresh", &json!({"refresh_token": ada.refresh}));
    renews.tell(&mut house.world, &json!({"type": "auth", "token": next.body["access_token"]}));
    assert_eq!(renews.heard_of(&mut house.world, "authenticated").len(), 1);
    renews.tell(&mut house.world, &json!({"type": "auth", "token": "x"}));
    assert_eq!(renews.heard_of(&mut house.world, "error")[0]["code"], "unauthorized");
    idle(&mut house, 40, &mut [&mut expires, &mut renews]);
    assert_eq!(expires.code(&mut house.world), Some(limits::CLOSE_UNAUTHORIZED));
    assert_eq!(renews.code(&mut house.world), None);
    renews.tell(&mut house.world, &json!({"type": "say", "text": "still here"}));
    assert_eq!(renews.heard_of(&mut house.world, "said").len(), 1);

    let bearer = format!("Authorization: Bearer {}\r\n", next.body["access_token"].as_str().unwrap());
    assert_eq!(house.ask("DELETE", "/sessions", &bearer, "").status, 204);
    assert_eq!(renews.code(&mut house.world), Some(limits::CLOSE_UNAUTHORIZED), "revoked");

    let bob = house.guest("bob");
    let mut sits = house.sit("/ws/1/5", &bob.bearer()).unwrap();
    let (third, other) = (house.sign_in("bob"), house.guest("carol"));
    sits.tell(&mut house.world, &json!({"type": "auth", "token": other.access}));
    assert_eq!(sits.heard_of(&mut house.world, "error")[0]["detail"], "the token is another user's");
    sits.tell(&mut house.world, &json!({"type": "auth", "token": third.access}));
    house.ask("DELETE", "/sessions", &bob.bearer(), "");
    assert_eq!(sits.code(&mut house.world), None, "by the new one he may stay");
    house
        .service
        .administrate(house.world.now().wall, Command::Disable("bob@example.com".to_owned()))
        .unwrap();
    assert_eq!(sits.code(&mut house.world), Some(limits::CLOSE_UNAUTHORIZED));
}

#[test]
pub(crate) fn who_vanishes_is_gone_in_time() {
    let mut house = open_house();
    let mut ada = house.sit("/ws/1/1", "").unwrap();
    let bob = house.sit("/ws/1/2", "").unwrap();
    ada.news(&mut house.world);
    // Bob says nothing more, and answers no ping.
    let limit = limits::WS_PING_AFTER.as_secs() + limits::WS_PONG_WITHIN.as_secs();
    let mut seen = Vec::new();
    for _ in 0..limit + 2 {
        house.wait(1);
        seen.append(&mut ada.heard);
        ada.listen(&mut house.world);
        house.world.pass(2);
    }
    seen.append(&mut ada.heard);
    assert!(
        seen.iter().any(|text| text.contains(r#""type":"left""#) && text.contains(r#""count":1"#)),
        "{seen:?}"
    );
    assert!(
        seen.iter().any(|text| text == r#"{"type":"ping"}"#),
        "who hears nothing hears that the house is there"
    );
    drop(bob);
    assert!(house.sit("/ws/1/2", "").is_ok());
}

#[test]
pub(crate) fn a_seat_that_does_not_read_is_closed_and_holds_up_nobody() {
    let mut house = open_house();
    let mut talkers: Vec<Guest> = (0..3).map(|n| house.sit(&format!("/ws/1/{n}"), "").unwrap()).collect();
    let mut reader = house.sit("/ws/1/12", "").unwrap();
    let mut slow = house.sit("/ws/1/13", "").unwrap();
    let (mut heard, mut left) = (0, false);
    for n in 0..1300 {
        // He takes something, but less than comes.
        if n % 100 == 99 {
            slow.listen_to(&mut house.world, 1000);
        }
        for talker in &mut talkers {
            talker
                .tell(&mut house.world, &json!({"type": "say", "text": format!("{n} {}", "x".repeat(3000))}));
            talker.listen(&mut house.world);
            talker.heard.clear();
        }
        house.world.pass(21);
        reader.listen(&mut house.world);
        heard += reader.heard.iter().filter(|text| text.contains(r#""type":"said""#)).count();
        left |= reader
            .heard
            .iter()
            .any(|text| text.contains(r#""type":"left""#) && text.contains(r#""client_id":13"#));
        reader.heard.clear();
        assert!(heard + 12 >= 3 * n, "{heard} of {}", 3 * n);
        if left {
            break;
        }
    }
    assert!(left, "the one who does not read is still there");
    for _ in 0..500 {
        slow.listen(&mut house.world);
        house.world.pass(5);
    }
    assert_eq!(slow.closed.map(|closed| closed.code.0), Some(1013));
}

#[test]
fn a_burst_that_is_allowed_reaches_everybody() {
    let mut house = open_house();
    let mut guests: Vec<Guest> = (0..4).map(|n| house.sit(&format!("/ws/1/{n}"), "").unwrap()).collect();
    guests.iter_mut().for_each(|guest| drop(guest.news(&mut house.world)));
    for _ in 0..limits::SPEECH_RATE.0 {
        for talker in &mut guests[..2] {
            talker.tell(&mut house.world, &json!({"type": "say", "text": "\"".repeat(limits::SPEECH_BYTES)}));
        }
    }
    let mut heard = vec![0; guests.len()];
    for _ in 0..200 {
        for (guest, heard) in guests.iter_mut().zip(&mut heard) {
            *heard += guest.heard_of(&mut house.world, "said").len();
            assert!(guest.closed.is_none(), "{:?}", guest.closed);
        }
    }
    // What did not fit was refused to who said it, and not lost by who hears.
    assert!(heard.iter().all(|&count| count == heard[0] && count > 50), "{heard:?}");
}

#[test]
fn who_comes_back_to_much_gets_it_piece_by_piece() {
    let mut house = open_house();
    let mut talker = house.sit("/ws/1/1", "").unwrap();
    for n in 0..120 {
        talker.tell(&mut house.world, &json!({"type": "say", "text": format!("{n} {}", "x".repeat(3900))}));
        house.world.pass(21);
        talker.listen(&mut house.world);
    }
    let mut late = house.sit("/ws/1/2?since=1", "").unwrap();
    let mut heard = Vec::new();
    for _ in 0..100 {
        heard.extend(late.heard_of(&mut house.world, "said"));
    }
    assert!(late.closed.is_none(), "{:?}", late.closed);
    let numbers: Vec<u64> = heard.iter().map(|said| said["seq"].as_u64().unwrap()).collect();
    assert!(numbers.len() == 120 && numbers.is_sorted(), "{}", numbers.len());
}

#[test]
fn a_new_socket_is_no_faster() {
    let mut house = open_house();
    let ada = house.guest("ada");
    let mut said = 0;
    for _ in 0..5 {
        let mut guest = house.sit("/ws/1/1", &ada.bearer()).unwrap();
        for n in 0..limits::SPEECH_RATE.0 {
            guest.tell(&mut house.world, &json!({"type": "say", "text": format!("{n}")}));
        }
        said += guest.heard_of(&mut house.world, "said").len();
        guest.close(&mut house.world, 1000);
        guest.news(&mut house.world);
    }
    assert!(said < 2 * limits::SPEECH_RATE.0 as usize, "{said}");
    // Nor is one that takes the place of another, or another seat.
    let mut all: Vec<Guest> = Vec::new();
    for client in [1, 1, 1, 2, 3] {
        let mut guest = house.sit(&format!("/ws/2/{client}"), &ada.bearer()).unwrap();
        for n in 0..limits::SPEECH_RATE.0 {
            guest.tell(&mut house.world, &json!({"type": "say", "text": format!("{n}")}));
        }
        house.world.pass(20);
        all.push(guest);
    }
    let kept = house.ask("GET", "/tables/2", "", "").body["seq"].as_u64().unwrap();
    assert!(kept < 2 * limits::SPEECH_RATE.0, "{kept}");
    let mut guest = house.sit("/ws/1/1", &ada.bearer()).unwrap();
    for _ in 0..limits::AUTH_RATE.0 + 1 {
        guest.tell(&mut house.world, &json!({"type": "auth", "token": ada.access}));
    }
    assert_eq!(guest.heard_of(&mut house.world, "error")[0]["code"], "too_fast");
}

#[test]
fn who_is_turned_away_has_taken_no_seat() {
    let mut house = open_house();
    let (ada, bob) = (house.guest("ada"), house.guest("bob"));
    let mut nobody = house.sit("/ws/1/1", "").unwrap();
    assert_eq!(house.sit("/ws/1/1", &ada.bearer()).err().unwrap().status, 409);
    nobody.close(&mut house.world, 1000);
    nobody.news(&mut house.world);
    let mut again = house.sit("/ws/1/1", "").unwrap_or_else(|answer| panic!("{}", answer.head));
    again.close(&mut house.world, 1000);
    again.news(&mut house.world);
    assert!(house.sit("/ws/1/1", &bob.bearer()).is_ok());
}

#[test]
fn a_seat_that_changes_hands_is_told_of() {
    let mut house = open_house();
    let bob = house.guest("bob");
    let mut crowd: Vec<Guest> = (0..40).map(|n| house.sit(&format!("/ws/1/{n}"), "").unwrap()).collect();
    house.world.pass(50);
    let (witness, rest) = crowd.split_first_mut().unwrap();
    witness.news(&mut house.world);
    // Within the time for which comings and goings are gathered.
    rest[0].close(&mut house.world, 1000);
    let id = house.world.dial();
    house.world.pass(1);
    rest[0].listen(&mut house.world);
    house.world.pass(1);
    house.world.write(id, Guest::handshake("/ws/1/1", &bob.bearer()));
    let news = witness.news(&mut house.world);
    let told = |kind: &str| news.iter().filter(|message| message["type"] == kind).count();
    assert_eq!((told("left"), told("joined")), (1, 1), "{news:?}");
}

#[test]
fn tables_are_listed() {
    let mut house = open_house();
    let mut ada = house.sit("/ws/5/1", "").unwrap();
    let _bob = house.sit("/ws/-7/1", "").unwrap();
    ada.tell(&mut house.world, &json!({"type": "say", "text": "hello"}));
    ada.news(&mut house.world);
    let list = house.ask("GET", "/tables", "", "");
    let ids: Vec<_> =
        list.body["tables"].as_array().unwrap().iter().map(|t| (&t["table_id"], &t["count"])).collect();
    assert_eq!(ids, [(&json!(-7), &json!(1)), (&json!(5), &json!(1))]);
    let page = house.ask("GET", "/tables?limit=1", "", "");
    assert_eq!((&page.body["tables"][0]["table_id"], &page.body["next"]), (&json!(-7), &json!(-7)));
    assert_eq!(house.ask("GET", "/tables?after=-7", "", "").body["tables"][0]["table_id"], 5);
    let shown = house.ask("GET", "/tables/5", "", "");
    assert_eq!((&shown.body["messages"][0]["text"], &shown.body["count"]), (&json!("hello"), &json!(1)));
    assert_eq!(house.ask("GET", "/tables/6", "", "").status, 404);
    assert_eq!(house.ask("GET", "/tables/x", "", "").status, 422);
    let mut closed = House::new();
    assert!(closed.ask("GET", "/tables", "", "").is_unauthorized("missing"));
    assert!(closed.ask("GET", "/tables/1", "", "").is_unauthorized("missing"));
    let ada = closed.guest("ada");
    assert_eq!(closed.ask("GET", "/tables", &ada.bearer(), "").status, 200);
}

#[test]
fn a_crowd_that_comes_is_told_of_in_few_words() {
    let mut house = open_house();
    let mut ada = house.sit("/ws/1/0", "").unwrap();
    ada.news(&mut house.world);
    let ids: Vec<_> = (0..120).map(|_| house.world.dial()).collect();
    house.world.pass(10);
    for (n, &id) in ids.iter().enumerate() {
        house.world.write(id, Guest::handshake(&format!("/ws/1/{}", n + 1), ""));
    }
    house.world.pass(100);
    let answers: Vec<_> = ids.iter().map(|&id| (id, house.world.read(id).0)).collect();
    let mut crowd: Vec<_> =
        answers.iter().map(|(id, answer)| Guest::on(&house.world, *id, answer).unwrap()).collect();
    let joined = ada.heard_of(&mut house.world, "joined");
    assert!((1..60).contains(&joined.len()), "{}", joined.len());
    let number = |m: &Value| m["clients"].as_array().unwrap().len() + m["more"].as_u64().unwrap() as usize;
    let named: usize = joined.iter().map(number).sum();
    assert_eq!((named, &joined.last().unwrap()["count"]), (120, &json!(121)));
    crowd.iter_mut().for_each(|guest| guest.close(&mut house.world, 1000));
    house.world.pass(500);
    let left = ada.heard_of(&mut house.world, "left");
    let named: usize = left.iter().map(number).sum();
    assert_eq!((named, &left.last().unwrap()["count"]), (120, &json!(1)));
}

#[test]
pub(crate) fn who_has_no_name_is_another_one_when_the_house_begins_again() {
    let store = Arc::new(Store::in_memory());
    let mut house = House::on(&store, 1);
    let mut one = house.sit("/ws/1/1", "").unwrap();
    let two = house.sit("/ws/1/2", "").unwrap();
    one.tell(&mut house.world, &json!({"type": "whisper", "to": 2, "text": "psst"}));
    assert_eq!(one.heard_of(&mut house.world, "whispered").len(), 1);
    drop(two);
    let mut house = House::on(&store, 2);
    for client in [1, 2] {
        let mut again = house.sit(&format!("/ws/1/{client}?since=0"), "").unwrap();
        assert_eq!(again.heard_of(&mut house.world, "whispered").len(), 0, "client {client}");
    }
}
