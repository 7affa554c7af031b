use super::*;
use crate::fault::{self, Fault};
use crate::http::testing::{Logbook, exchange, exchange_in};
use crate::http::{Job, Problem};

fn get(router: &mut Router, path: &str) -> (u16, String) {
    ask(router, &format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"))
}

/// The status, and all of the answer.
fn ask(router: &mut Router, request: &str) -> (u16, String) {
    let answer = exchange(router, request);
    (answer[9..12].parse().unwrap(), answer)
}

fn routes() -> Router {
    let mut router = Router::new();
    router
        .get("/", |_| Response::text(200, "<root>"))
        .get("/users/me", |_| Response::text(200, "<me>"))
        .get("/users/{id}", |request| {
            let id: i64 = request.parameter("id")?;
            Ok::<_, Problem>(Response::text(200, format!("<{id}>")))
        })
        .put("/users/{id}", |_| Response::empty(204))
        .get("/users/{id}/{name}", |request| {
            let (id, name): (i64, String) = request.parameter(["id", "name"])?;
            let (page, sort): (Option<u32>, Option<bool>) = request.query_parameter(["page", "sort"])?;
            Ok::<_, Problem>(Response::text(200, format!("<{id} {name} {page:?} {sort:?}>")))
        })
        .get("/files/{*path}", |request| {
            let path: String = request.parameter("path")?;
            Ok::<_, Problem>(Response::text(200, format!("<{path}>")))
        })
        .get("/a b", |_| Response::text(200, "<space>"))
        .post("/work", |_| Outcome::Later(Job::new(|| Response::text(201, "<worked>"))));
    router
}

#[test]
fn what_is_written_out_goes_before_a_parameter() {
    let mut router = routes();
    for (path, status, body) in [
        ("/", 200, "<root>"),
        ("/users/me", 200, "<me>"),
        ("/users/7", 200, "<7>"),
        ("/users/-007", 200, "<-7>"),
        ("/users/%37", 200, "<7>"),
        ("/%75sers/me", 200, "<me>"),
        ("/users/me/x", 422, "id is not an integer"),
        ("/users/7/h%C3%A9%2Fl%25", 200, "<7 hé/l% None None>"),
        ("/users/7/a?page=2&sort=true", 200, "<7 a Some(2) Some(true)>"),
        ("/users/7/a?other=%31", 200, "<7 a None None>"),
        ("/files/", 200, "<>"),
        ("/files/a/b%20c", 200, "<a/b c>"),
        ("/a%20b", 200, "<space>"),
        ("/files", 404, ""),
        ("/users/", 404, ""),
        ("/users", 404, ""),
        ("/users/7/", 404, ""),
        ("//", 404, ""),
        ("/users/../me", 422, "id is not an integer"),
        ("/Users/me", 404, ""),
    ] {
        let (is, answer) = get(&mut router, path);
        assert_eq!((is, answer.contains(body)), (status, true), "{path}: {answer}");
    }
}

#[test]
fn all_that_is_wrong_with_parameters_is_told() {
    let mut router = routes();
    let (status, answer) = get(&mut router, "/users/x/%ff");
    assert_eq!(status, 422);
    for said in [
        "application/problem+json",
        "{\"in\":\"path\",\"name\":\"id\",\"detail\":\"is not an integer from",
        "{\"in\":\"path\",\"name\":\"name\",\"detail\":\"is not UTF-8\"}",
    ] {
        assert!(answer.contains(said), "{said} in {answer}");
    }
    let (status, answer) = get(&mut router, "/users/1/a?page=-1&sort=2");
    assert!(
        status == 422
            && answer.contains("\"in\":\"query\",\"name\":\"page\"")
            && answer.contains("\"name\":\"sort\"")
    );
    for wrong in ["99999999999999999999", "1.5", "+1", "", "1%00"] {
        assert_ne!(get(&mut router, &format!("/users/{wrong}")).0, 200, "{wrong:?}");
    }
}

#[test]
fn other_methods_are_told_what_there_is() {
    let mut router = routes();
    for (request, status, said) in [
        ("POST /users/7", 405, "\r\nAllow: GET, HEAD, PUT, OPTIONS\r\n"),
        ("OPTIONS /users/7", 204, "\r\nAllow: GET, HEAD, PUT, OPTIONS\r\n"),
        ("OPTIONS *", 204, "\r\nAllow: GET, HEAD, POST, PUT, OPTIONS\r\n"),
        ("OPTIONS /nothing", 404, ""),
        ("TRACE /", 405, "\r\nAllow: GET, HEAD, OPTIONS\r\n"),
        ("PUT /users/7", 204, ""),
        ("HEAD /users/7", 200, "Content-Length: 3\r\n"),
        ("POST /work", 201, "<worked>"),
    ] {
        let (is, answer) = ask(&mut router, &format!("{request} HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert_eq!((is, answer.contains(said)), (status, true), "{request}: {answer}");
    }
    assert!(!ask(&mut router, "HEAD /users/7 HTTP/1.1\r\nHost: a\r\n\r\n").1.contains("<7>"));
}

#[test]
fn pages_of_listed_origins_may_read() {
    let listed = Cors::listed(["https://a.example"]).with_credentials().fields("X-One");
    let ask_from = |cors: Option<Cors>, method: &str, origin: &str, more: &str| {
        let mut router = routes();
        cors.map(|cors| router.cors(cors));
        ask(&mut router, &format!("{method} /users/7 HTTP/1.1\r\nHost: a\r\nOrigin: {origin}\r\n{more}\r\n"))
            .1
    };
    let answer = ask_from(Some(listed.clone()), "GET", "https://a.example", "");
    assert!(answer.contains("\r\nAccess-Control-Allow-Origin: https://a.example\r\n"), "{answer}");
    assert!(
        answer.contains("\r\nAccess-Control-Allow-Credentials: true\r\n")
            && answer.contains("\r\nVary: Origin\r\n")
    );
    let answer = ask_from(Some(listed.clone()), "GET", "https://b.example", "");
    assert!(!answer.contains("Access-Control") && answer.contains("\r\nVary: Origin\r\n"), "{answer}");
    assert!(!ask_from(None, "GET", "https://a.example", "").contains("Access-Control"));
    let preflight = "Access-Control-Request-Method: PUT\r\n";
    let answer = ask_from(Some(listed.clone()), "OPTIONS", "https://a.example", preflight);
    for said in
        ["204", "Allow-Methods: GET, HEAD, PUT, OPTIONS\r\n", "Allow-Headers: X-One\r\n", "Max-Age: 600\r\n"]
    {
        assert!(answer.contains(said), "{said} in {answer}");
    }
    assert!(
        !ask_from(Some(listed.clone()), "OPTIONS", "https://b.example", preflight).contains("Access-Control")
    );
    assert!(!ask_from(Some(listed), "OPTIONS", "https://a.example", "").contains("Allow-Methods"));
    let answer = ask_from(Some(Cors::any()), "GET", "null", "");
    assert!(
        answer.contains("\r\nAccess-Control-Allow-Origin: *\r\n") && !answer.contains("Vary"),
        "{answer}"
    );
}

#[test]
fn seeded_faults_are_noticed() {
    let noticed: [(Fault, fn()); 3] = [
        (Fault::CorsForAll, pages_of_listed_origins_may_read),
        (Fault::DecodedTwice, what_is_written_out_goes_before_a_parameter),
        (Fault::QueryLogged, an_access_log_knows_no_secret),
    ];
    for (fault, test) in noticed {
        fault::set(Some(fault));
        let result = std::panic::catch_unwind(test);
        fault::set(None);
        assert!(result.is_err(), "{fault:?} is not noticed");
    }
}

/// What an access log is told of a request, whole or cut.
fn logged(request: &str) -> Vec<String> {
    let log = Logbook::default();
    exchange_in(&log, &mut routes(), request);
    log.0.into_inner()
}

#[test]
fn an_access_log_knows_no_secret() {
    let fields = "Host: a\r\nAuthorization: Bearer SECRET\r\nCookie: a=SECRET";
    for (request, line) in [
        ("GET /users/7?token=SECRET&SECRET HTTP/1.1", "\"GET /users/7?token=…&… HTTP/1.1\" 200 0 in, 3 out,"),
        ("HEAD /users/7 HTTP/1.0", "\"HEAD /users/7 HTTP/1.0\" 200 0 in, 0 out,"),
        ("GET /nothing HTTP/1.1", "\"GET /nothing HTTP/1.1\" 404 0 in, "),
        ("POST /work HTTP/1.1\r\nContent-Length: 6", "\"POST /work HTTP/1.1\" 201 0 in, 8 out,"),
        ("GET /SECRET\u{7f} HTTP/1.1", "\"- - HTTP/1.1\" 400 0 in, "),
    ] {
        let lines = logged(&format!("{request}\r\n{fields}\r\n\r\nSECRET"));
        assert!(lines.len() == 1 && lines[0].starts_with(line), "{lines:?} instead of {line}");
        assert!(!lines[0].contains("SECRET"), "{lines:?}");
    }
}

#[test]
#[should_panic(expected = "has GET twice")]
fn a_route_stands_once() {
    Router::new().get("/a", |_| Response::empty(204)).get("/a", |_| Response::empty(204));
}

#[test]
#[should_panic(expected = "has another name already")]
fn a_parameter_has_one_name() {
    Router::new().get("/{a}", |_| Response::empty(204)).put("/{b}", |_| Response::empty(204));
}

#[test]
fn routes_are_listed_as_they_were_given() {
    let mut router = Router::new();
    router.get("/", |_| Response::empty(204)).put("/a/{b}/c", |_| Response::empty(204));
    router.get("/a/{b}/c", |_| Response::empty(204)).delete("/a/{*rest}", |_| Response::empty(204));
    let routes: Vec<_> = router.routes().map(|(method, path)| format!("{} {path}", method.name())).collect();
    assert_eq!(routes, ["GET /", "PUT /a/{b}/c", "GET /a/{b}/c", "DELETE /a/{*rest}"]);
}
