//! `/sessions`, and what tokens are good for.

use serde_json::json;
use taphouse::app::service::Settings;
use taphouse::app::tokens::Algorithm;
use taphouse::limits;

use crate::house::{House, PASSWORD, Session};

#[test]
fn a_session_is_refreshed_as_long_as_it_is_used() {
    for algorithm in [Algorithm::EdDSA, Algorithm::HS256] {
        let settings = Settings { algorithm: Some(algorithm), session_life: 1000, ..Settings::default() };
        let mut house = House::with(settings);
        let mut ada = house.guest("ada");
        for _ in 0..5 {
            house.wait(800);
            let answer = house.post("/sessions/refresh", &json!({"refresh_token": ada.refresh}));
            assert_eq!((answer.status, answer.field("Cache-Control")), (200, Some("no-store")));
            let next = Session::of(&answer);
            assert!(next.access != ada.access && next.refresh != ada.refresh);
            ada = next;
            assert_eq!(house.ask("GET", "/users/1", &ada.bearer(), "").status, 200);
        }
        house.wait(1001);
        assert!(
            house
                .post("/sessions/refresh", &json!({"refresh_token": ada.refresh}))
                .is_unauthorized("expired")
        );
        assert!(
            house
                .post("/sessions/refresh", &json!({"refresh_token": ada.refresh}))
                .is_unauthorized("revoked")
        );
    }
}

#[test]
pub(crate) fn a_token_expires() {
    let mut house = House::new();
    let ada = house.guest("ada");
    house.wait(limits::TOKEN_LIFE - 2);
    assert_eq!(house.ask("GET", "/users/1", &ada.bearer(), "").status, 200);
    house.wait(2);
    assert!(house.ask("GET", "/users/1", &ada.bearer(), "").is_unauthorized("expired"));
}

#[test]
pub(crate) fn forged_tokens_are_refused() {
    let mut house = House::new();
    let (ada, bob) = (house.guest("ada"), house.guest("bob"));
    let (message, _) = ada.access.rsplit_once('.').unwrap();
    let (_, signature) = bob.access.rsplit_once('.').unwrap();
    for (field, why) in [
        (format!("Authorization: Bearer {message}.{signature}\r\n"), "malformed"),
        (format!("Authorization: Bearer {message}.\r\n"), "malformed"),
        (format!("Authorization: Bearer {}\r\n", &ada.access[..100]), "malformed"),
        ("Authorization: Bearer\r\n".to_owned(), "malformed"),
        ("Authorization: Bearer \r\n".to_owned(), "malformed"),
        ("Authorization: Bearer x\r\n".to_owned(), "malformed"),
        (ada.bearer() + &ada.bearer(), "malformed"),
        (format!("Authorization: Bearer {} {}\r\n", ada.access, ada.access), "malformed"),
        ("Authorization: Basic YTpi\r\n".to_owned(), "missing"),
        (String::new(), "missing"),
    ] {
        let answer = house.ask("GET", "/users/1", &field, "");
        assert!(answer.is_unauthorized(why), "{field}: {}", answer.head);
    }
    let small = format!("authorization: bearer   {}\r\n", ada.access);
    assert_eq!(house.ask("GET", "/users/1", &small, "").status, 200, "RFC 9110 11.1");
    for token in [
        "",
        "x",
        &ada.access,
        &bob.refresh[..60],
        &ada.refresh.replace(&ada.refresh[40..], &bob.refresh[40..]),
    ] {
        assert!(
            house.post("/sessions/refresh", &json!({"refresh_token": token})).is_unauthorized("malformed"),
            "{token}"
        );
    }
}

#[test]
pub(crate) fn an_old_refresh_token_ends_the_session() {
    let mut house = House::new();
    let old = house.guest("ada");
    let other = house.sign_in("ada");
    let new = Session::of(&house.post("/sessions/refresh", &json!({"refresh_token": old.refresh})));
    assert!(
        house.post("/sessions/refresh", &json!({"refresh_token": old.refresh})).is_unauthorized("revoked")
    );
    assert!(
        house.post("/sessions/refresh", &json!({"refresh_token": new.refresh})).is_unauthorized("revoked")
    );
    assert!(house.ask("GET", "/users/1", &new.bearer(), "").is_unauthorized("revoked"));
    assert_eq!(
        house.ask("GET", "/users/1", &other.bearer(), "").status,
        200,
        "of the other session nothing is known"
    );
}

#[test]
pub(crate) fn who_signs_out_is_out() {
    let mut house = House::new();
    let (here, there, third) = (house.guest("ada"), house.sign_in("ada"), house.sign_in("ada"));
    assert_eq!(house.ask("DELETE", "/sessions", &here.bearer(), "").status, 204);
    assert!(house.ask("GET", "/users/1", &here.bearer(), "").is_unauthorized("revoked"));
    assert!(
        house.post("/sessions/refresh", &json!({"refresh_token": here.refresh})).is_unauthorized("revoked")
    );
    assert_eq!(house.ask("GET", "/users/1", &there.bearer(), "").status, 200);
    assert_eq!(house.ask("DELETE", "/sessions?all=true", &there.bearer(), "").status, 204);
    assert!(house.ask("GET", "/users/1", &third.bearer(), "").is_unauthorized("revoked"));
    let again = house.sign_in("ada");
    assert_eq!(house.ask("DELETE", "/sessions?all=perhaps", &again.bearer(), "").status, 422);
}

#[test]
fn a_stranger_is_told_the_same_as_a_wrong_password() {
    let mut house = House::new();
    house.guest("ada");
    let mut told = |email: &str| {
        let answer = house.post("/sessions", &json!({"email": email, "password": "wrong horse"}));
        let head: Vec<_> =
            answer.head.lines().filter(|line| !line.starts_with("Date:")).map(str::to_owned).collect();
        (head, answer.body)
    };
    let known = told("ada@example.com");
    assert!(known.0[0].contains("401"), "{:?}", known.0);
    assert_eq!(known, told("nobody@example.com"));
    assert_eq!(known, told("no address"));
}

/// By the clock of the machine, which is the one that a stranger has: a hash takes tens of milliseconds.
#[test]
#[expect(clippy::disallowed_methods, reason = "what takes no time in the simulation is what is measured")]
pub(crate) fn a_stranger_is_told_as_late_as_a_wrong_password() {
    let mut house = House::new();
    house.guest("ada");
    house.world.is_lazy = true;
    let mut took = |email: &str| {
        let times = (0..5).map(|_| {
            let body = json!({"email": email, "password": "wrong horse"}).to_string();
            house.send("POST", "/sessions", "Content-Type: application/json\r\n", &body);
            house.world.pass(10);
            assert_eq!(house.world.undone.len(), 1);
            let before = std::time::Instant::now();
            house.world.work();
            before.elapsed()
        });
        times.min().unwrap()
    };
    let (known, stranger) = (took("ada@example.com"), took("nobody@example.com"));
    let ratio = stranger.as_secs_f64() / known.as_secs_f64();
    assert!((0.5..2.0).contains(&ratio), "{known:?} {stranger:?}");
}

#[test]
pub(crate) fn attempts_are_throttled_by_account_and_by_address() {
    let mut house = House::new();
    house.guest("ada");
    let attempt = |house: &mut House, email: &str, password: &str| {
        let answer = house.post("/sessions", &json!({"email": email, "password": password}));
        (answer.status, answer.field("Retry-After").map(|seconds| seconds.parse::<u64>().unwrap()))
    };
    for n in 0..limits::ACCOUNT_ATTEMPTS.0 {
        assert_eq!(attempt(&mut house, "ada@example.com", "guess"), (401, None), "{n}");
    }
    let (status, wait) = attempt(&mut house, "ADA@example.com", PASSWORD);
    assert!(
        status == 429 && (1..=limits::ACCOUNT_ATTEMPTS.1).contains(&wait.unwrap()),
        "also with the right one"
    );
    assert_eq!(attempt(&mut house, "nobody@example.com", "guess"), (401, None), "others go on");
    house.wait(wait.unwrap());
    assert_eq!(attempt(&mut house, "ada@example.com", PASSWORD), (200, None));
    assert_eq!(attempt(&mut house, "ada@example.com", "guess"), (401, None), "success has cleared it");

    let mut told = 0;
    for n in 0..200 {
        let (status, wait) = attempt(&mut house, &format!("user{n}@example.com"), "guess");
        told += u64::from(status == 429);
        assert_eq!(wait.is_some(), status == 429);
        if told == 3 {
            assert!(n >= 10, "{n}");
            return;
        }
    }
    panic!("one address may try without end");
}

#[test]
pub(crate) fn cookies_are_taken_from_own_pages_alone() {
    let mut house = House::new();
    house.guest("ada");
    let body = json!({"email": "ada@example.com", "password": PASSWORD, "cookies": true}).to_string();
    let json_type = "Content-Type: application/json\r\n";
    let foreign = "Origin: http://elsewhere.example\r\n";
    let own = "Origin: http://a\r\n";
    assert_eq!(house.ask("POST", "/sessions", &format!("{json_type}{foreign}"), &body).status, 403);
    let answer = house.ask("POST", "/sessions", &format!("{json_type}{own}"), &body);
    assert!(answer.body["refresh_token"].is_null(), "no script shall see it");
    let set: Vec<&str> = answer.fields("Set-Cookie").collect();
    assert_eq!(set.len(), 2);
    assert!(set.iter().all(|cookie| cookie.contains("; HttpOnly") && cookie.contains("; SameSite=Strict")));
    assert!(set[0].starts_with("taphouse_access=") && set[0].contains("; Path=/; "));
    assert!(set[1].starts_with("taphouse_refresh=") && set[1].contains("; Path=/sessions; "));
    let values: Vec<&str> = set.iter().map(|cookie| cookie.split(';').next().unwrap()).collect();
    let cookies = format!("Cookie: {}; {}\r\n", values[0], values[1]);

    assert_eq!(house.ask("GET", "/users/1", &cookies, "").status, 200, "to read it is enough");
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    for (method, path, body) in [
        ("PUT", "/users/1", "nickname=x"),
        ("DELETE", "/users/1", ""),
        ("DELETE", "/sessions", ""),
        ("POST", "/sessions/refresh", ""),
    ] {
        for origin in ["", foreign, "Origin: null\r\n", &format!("{own}{own}")] {
            let answer = house.ask(method, path, &format!("{cookies}{form}{origin}"), body);
            assert_eq!(answer.status, 403, "{method} {path} {origin}");
        }
    }
    let twice = format!("Cookie: {}; taphouse_access=x\r\n", values[0]);
    assert!(
        house.ask("GET", "/users/1", &twice, "").is_unauthorized("missing"),
        "nobody knows which is whose"
    );
    assert_eq!(house.ask("PUT", "/users/1", &format!("{cookies}{form}{own}"), "nickname=x").status, 200);
    let renewed = house.ask("POST", "/sessions/refresh", &format!("{cookies}{own}"), "");
    assert_eq!((renewed.status, renewed.fields("Set-Cookie").count()), (200, 2));
    let again = house.ask("POST", "/sessions/refresh", &format!("{cookies}{own}"), "");
    assert!(again.is_unauthorized("revoked"));
    assert!(again.fields("Set-Cookie").all(|cookie| cookie.contains("; Max-Age=0")), "{}", again.head);
    assert!(house.ask("POST", "/sessions/refresh", own, "").is_unauthorized("missing"));
}
