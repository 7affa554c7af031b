//! `/users`.

use serde_json::json;
use taphouse::app::accounts::Role;
use taphouse::app::accounts::admin::Command;
use taphouse::app::service::Settings;
use taphouse::limits;

use crate::house::{House, PASSWORD, Session};

const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";

impl House {
    fn keeper_makes(&mut self, name: &str, role: Role) -> Session {
        let (email, nickname) = (format!("{name}@example.com"), name.to_owned());
        let command = Command::Add { email, nickname, role, password: PASSWORD.to_owned() };
        self.service.administrate(self.world.now().wall, command).unwrap();
        self.sign_in(name)
    }
}

#[test]
fn somebody_signs_up_in_three_ways() {
    let mut house = House::new();
    for (number, (content_type, body)) in [
        ("application/json", r#"{"email":"u1@example.com","nickname":"U","password":"correct horse battery"}"#),
        ("application/x-www-form-urlencoded", "email=u2%40example.com&nickname=U&password=correct+horse+battery"),
        ("application/xml", "<u><email>u3@example.com</email><nickname>U</nickname><password>correct horse battery</password></u>"),
    ]
    .into_iter()
    .enumerate()
    {
        let id = number + 1;
        let answer = house.ask("POST", "/users", &format!("Content-Type: {content_type}\r\n"), body);
        assert_eq!((answer.status, answer.field("Location")), (201, Some(&*format!("/users/{id}"))));
        assert_eq!((&answer.body["id"], &answer.body["email"]), (&json!(id), &json!(format!("u{id}@example.com"))));
        assert!(!answer.body.to_string().contains("password") && !answer.body.to_string().contains("horse"));
        assert_eq!(house.sign_in(&format!("u{id}")).id, id as u64);
    }
}

#[test]
fn an_address_is_taken_once() {
    let mut house = House::new();
    assert_eq!(house.sign_up("ada").status, 201);
    assert_eq!(house.sign_up("ada").status, 409);
    assert_eq!(house.sign_up("ADA").status, 409, "whatever of it is in capitals");
}

#[test]
fn all_that_is_invalid_is_named() {
    let mut house = House::new();
    let answer = house.post("/users", &json!({"email": "nobody", "password": "password1", "nickname": ""}));
    assert_eq!(answer.status, 422);
    let mut names: Vec<_> =
        answer.body["errors"].as_array().unwrap().iter().map(|e| e["name"].clone()).collect();
    names.sort_by_key(ToString::to_string);
    assert_eq!(names, ["email", "nickname", "password"]);
    assert!(!answer.body.to_string().contains("password1"), "nothing that came is said again");
    for (body, name) in [
        (json!({"email": "a@b.c", "nickname": "a", "password": "ab1!cd2"}), "password"),
        (json!({"email": "a@b.c", "nickname": "a", "password": "x y".repeat(100)}), "password"),
        (json!({"email": "longer-name@b.c", "nickname": "a", "password": "longer-name1"}), "password"),
        (json!({"email": "a@b.c", "nickname": "a\u{202e}b", "password": PASSWORD}), "nickname"),
        (json!({"email": 5, "nickname": "a", "password": PASSWORD}), "email"),
        (json!({"nickname": "a", "password": PASSWORD}), "email"),
    ] {
        let answer = house.post("/users", &body);
        assert_eq!((answer.status, &answer.body["errors"][0]["name"]), (422, &json!(name)), "{body}");
        assert_eq!(answer.body["errors"].as_array().unwrap().len(), 1, "{body}");
    }
}

#[test]
fn other_bodies_are_refused() {
    let mut house = House::new();
    for (content_type, body, status) in [
        ("text/plain", "email=a", 415),
        ("multipart/form-data; boundary=a", "--a--", 415),
        ("application/json", "{\"email\"", 400),
        ("application/json", "[1]", 422),
        ("application/xml", "<!DOCTYPE x [<!ENTITY a \"b\">]><x><email>&a;</email></x>", 400),
        ("application/x-www-form-urlencoded", "email=%ff", 400),
    ] {
        let answer = house.ask("POST", "/users", &format!("Content-Type: {content_type}\r\n"), body);
        assert_eq!(answer.status, status, "{content_type} {body}");
    }
    let long = format!("email={}", "a".repeat(20_000));
    assert_eq!(house.ask("POST", "/users", FORM, &long).status, 413);
}

#[test]
pub(crate) fn too_many_sign_ups_are_told_to_come_back() {
    let mut house = House::new();
    let ada = house.guest("ada");
    house.world.is_lazy = true;
    let body = |n: usize| format!("email=u{n}@example.com&nickname=U&password=correct+horse+battery");
    let ids: Vec<_> =
        (0..=limits::SIGNING_UP).map(|n| house.send("POST", "/users", FORM, &body(n))).collect();
    house.world.pass(100);
    let (last, served) = ids.split_last().unwrap();
    let refused = house.answer_on(*last);
    assert_eq!((refused.status, refused.field("Retry-After")), (503, Some("1")));
    let sign_in = "email=ada%40example.com&password=correct+horse+battery";
    let others = house.send("POST", "/sessions", FORM, sign_in);
    house.world.pass(100);
    house.world.work();
    house.world.pass(100);
    assert!(served.iter().all(|&id| house.answer_on(id).status == 201));
    assert_eq!(house.answer_on(others).status, 200, "those who sign in have a half of the queue");
    let _ = ada;
}

#[test]
pub(crate) fn sign_ups_are_throttled_by_address() {
    let mut house = House::new();
    for n in 0..limits::SIGN_UPS.0 * 2 {
        let answer = house.post("/users", &json!({"email": "a@b", "nickname": "a", "password": PASSWORD}));
        if answer.status == 429 {
            assert!(n >= limits::SIGN_UPS.0 && answer.field("Retry-After").is_some(), "{n}");
            return;
        }
        assert_eq!(answer.status, if n == 0 { 201 } else { 409 });
    }
    panic!("an address may ask for addresses without end");
}

#[test]
fn a_change_that_was_begun_before_the_end_is_not_made_after_it() {
    let mut house = House::new();
    let ada = house.guest("ada");
    let id = house.world.connect();
    let head =
        format!("PUT /users/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n{FORM}{}\r\n", ada.bearer());
    house.world.write(id, head);
    house.world.pass(20);
    house.service.administrate(house.world.now().wall, Command::Disable("1".to_owned())).unwrap();
    house.world.write(id, "nickname=x");
    house.world.pass(50);
    assert!(house.answer_on(id).is_unauthorized("revoked"));
}

#[test]
fn his_own_record_is_shown_whole_and_others_in_brief() {
    let mut house = House::new();
    let (ada, bob) = (house.guest("ada"), house.guest("bob"));
    let root = house.keeper_makes("root", Role::Admin);
    let mut see = |who: &Session, path: &str| {
        let answer = house.ask("GET", path, &who.bearer(), "");
        (answer.status, answer.body)
    };
    let whole = |body: &serde_json::Value| body["email"].is_string() && body["permissions"].is_array();
    let (status, own) = see(&ada, "/users/1?details=full");
    assert!(status == 200 && whole(&own), "{own}");
    assert_eq!(see(&ada, "/users/1"), (200, json!({"id": 1, "nickname": "ada"})));
    assert_eq!(see(&bob, "/users/1?details=full"), (200, json!({"id": 1, "nickname": "ada"})));
    let (status, seen) = see(&root, "/users/1?details=full");
    assert!(status == 200 && whole(&seen), "{seen}");
    assert_eq!(see(&bob, "/users/99").0, 404);
    assert_eq!(see(&bob, "/users/x").0, 422);
    assert_eq!(see(&bob, "/users/1?details=most").0, 422);
    assert!(house.ask("GET", "/users/1", "", "").is_unauthorized("missing"));

    house.service.administrate(0, Command::Disable("ada@example.com".to_owned())).unwrap();
    assert_eq!(house.ask("GET", "/users/1", &bob.bearer(), "").status, 404, "who may not sign in is nobody");
    assert_eq!(house.ask("GET", "/users/1?details=full", &root.bearer(), "").body["disabled"], true);
}

#[test]
fn what_is_not_his_tells_him_nothing() {
    let mut house = House::new();
    let (_, bob) = (house.guest("ada"), house.guest("bob"));
    for method in ["PUT", "DELETE"] {
        let body = if method == "PUT" { "nickname=x" } else { "" };
        let mut ask = |path: &str| {
            let answer = house.ask(method, path, &(bob.bearer() + FORM), body);
            (answer.status, answer.body)
        };
        let there = ask("/users/1");
        assert_eq!(there.0, 403);
        assert_eq!(there, ask("/users/99"), "{method}: whether there is such a user or not");
    }
}

#[test]
fn a_user_changes_his_record() {
    let mut house = House::new();
    let (ada, _) = (house.guest("ada"), house.guest("bob"));
    let mut put = |body: &str| house.ask("PUT", "/users/1", &(ada.bearer() + FORM), body);
    let answer = put("nickname=Countess&email=lady%40example.com");
    assert_eq!(
        (answer.status, &answer.body["nickname"], &answer.body["email"]),
        (200, &json!("Countess"), &json!("lady@example.com"))
    );
    assert_eq!(put("email=bob@example.com").status, 409);
    assert_eq!(put("").status, 422, "nothing");
    assert_eq!(put("other=1").status, 422);
    assert_eq!(put("email=x&nickname=").body["errors"].as_array().unwrap().len(), 2);
    assert_eq!(put("password=another+good+one").body["errors"][0]["name"], "old_password");
    assert_eq!(put("password=another+good+one&old_password=wrong").status, 403);
    assert_eq!(put("password=password&old_password=correct+horse+battery").status, 422);
    assert_eq!(house.sign_up("ada").status, 201, "the old address is free");
    assert_eq!(house.sign_in("lady").id, 1);
}

#[test]
pub(crate) fn a_new_password_signs_out_everywhere() {
    let mut house = House::new();
    let (here, there) = (house.guest("ada"), house.sign_in("ada"));
    let body = "password=another+good+one&old_password=correct+horse+battery";
    assert_eq!(house.ask("PUT", "/users/1", &(here.bearer() + FORM), body).status, 200);
    for session in [here, there] {
        assert!(house.ask("GET", "/users/1", &session.bearer(), "").is_unauthorized("revoked"));
        assert!(
            house
                .post("/sessions/refresh", &json!({"refresh_token": session.refresh}))
                .is_unauthorized("revoked")
        );
    }
    let sign_in = |house: &mut House, password: &str| {
        house.post("/sessions", &json!({"email": "ada@example.com", "password": password})).status
    };
    assert_eq!(sign_in(&mut house, PASSWORD), 401);
    assert_eq!(sign_in(&mut house, "another good one"), 200);
}

#[test]
pub(crate) fn a_stolen_token_does_not_find_the_password() {
    let mut house = House::new();
    let ada = house.guest("ada");
    let body = "password=another+good+one&old_password=guess";
    for n in 0..limits::ACCOUNT_ATTEMPTS.0 {
        // By another address it is the same password.
        if n == 5 {
            let renamed = house.ask("PUT", "/users/1", &(ada.bearer() + FORM), "email=other%40example.com");
            assert_eq!(renamed.status, 200);
        }
        assert_eq!(house.ask("PUT", "/users/1", &(ada.bearer() + FORM), body).status, 403);
    }
    assert_eq!(house.ask("PUT", "/users/1", &(ada.bearer() + FORM), body).status, 429);
}

#[test]
fn a_user_is_gone_when_he_is_deleted() {
    let mut house = House::new();
    let (ada, bob) = (house.guest("ada"), house.guest("bob"));
    let root = house.keeper_makes("root", Role::Admin);
    assert_eq!(house.ask("DELETE", "/users/1", &ada.bearer(), "").status, 204);
    assert!(house.ask("GET", "/users/1", &ada.bearer(), "").is_unauthorized("revoked"));
    assert_eq!(house.ask("GET", "/users/1", &bob.bearer(), "").status, 404);
    assert_eq!(
        house.post("/sessions", &json!({"email": "ada@example.com", "password": PASSWORD})).status,
        401
    );
    assert_eq!(house.ask("DELETE", "/users/2", &root.bearer(), "").status, 204, "an admin may");
    assert_eq!(house.ask("DELETE", "/users/2", &root.bearer(), "").status, 404);
    assert_eq!(house.sign_up("ada").body["id"], 4, "with another id");
}

#[test]
fn an_admin_changes_what_is_not_secret() {
    let mut house = House::new();
    house.guest("ada");
    let root = house.keeper_makes("root", Role::Admin);
    let mut put = |body: &str| house.ask("PUT", "/users/1", &(root.bearer() + FORM), body);
    assert_eq!(put("nickname=Renamed").body["nickname"], "Renamed");
    let refused = put("password=another+good+one&old_password=correct+horse+battery");
    assert_eq!((refused.status, &refused.body["errors"][0]["name"]), (422, &json!("password")));
    assert_eq!(put("nickname=x").status, 200);
}

#[test]
fn the_keeper_does_what_he_says() {
    let mut house = House::new();
    let ada = house.guest("ada");
    let now = house.world.now().wall;
    let service = std::sync::Arc::clone(&house.service);
    let keep = |command| service.administrate(now, command);
    let named = || "ada@example.com".to_owned();

    assert!(keep(Command::Disable(named())).unwrap().contains("user 1 is disabled"));
    assert!(house.ask("GET", "/users/1", &ada.bearer(), "").is_unauthorized("revoked"));
    assert_eq!(house.post("/sessions", &json!({"email": named(), "password": PASSWORD})).status, 401);
    keep(Command::Enable("1".to_owned())).unwrap();
    let ada = house.sign_in("ada");
    keep(Command::Role { user: named(), role: Role::Moderator }).unwrap();
    assert!(
        house.ask("GET", "/users/1", &ada.bearer(), "").is_unauthorized("revoked"),
        "his token says less"
    );
    let again = house.post("/sessions", &json!({"email": named(), "password": PASSWORD}));
    assert_eq!(again.body["user"]["permissions"], json!(["member", "moderator"]));

    assert!(keep(Command::Reset { user: named(), password: "short".to_owned() }).is_err());
    keep(Command::Reset { user: named(), password: "given by the keeper".to_owned() }).unwrap();
    assert_eq!(
        house.post("/sessions", &json!({"email": named(), "password": "given by the keeper"})).status,
        200
    );
    let wrong = Command::Add {
        email: "x".to_owned(),
        nickname: String::new(),
        role: Role::Admin,
        password: "password".to_owned(),
    };
    let error = keep(wrong).unwrap_err();
    assert!(
        error.contains("the email is no e-mail address") && error.contains("the nickname is empty"),
        "{error}"
    );
    assert!(
        keep(Command::Disable("nobody@example.com".to_owned())).unwrap_err().contains("there is no user")
    );
    assert!(keep(Command::List).unwrap().contains("1  moderator"));

    let before =
        Session::of(&house.post("/sessions", &json!({"email": named(), "password": "given by the keeper"})));
    keep(Command::Rotate { forget: false }).unwrap();
    assert_eq!(house.ask("GET", "/users/1", &before.bearer(), "").status, 200, "it lives out its time");
    keep(Command::Rotate { forget: true }).unwrap();
    assert!(house.ask("GET", "/users/1", &before.bearer(), "").is_unauthorized("malformed"));
}

#[test]
fn longer_passwords_can_be_asked_for() {
    let mut house = House::with(Settings { password_chars: 30, ..Settings::default() });
    assert_eq!(house.sign_up("ada").body["errors"][0]["detail"], "is shorter than 30 characters");
}
