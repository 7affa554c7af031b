//! A page, a JSON route and a chat on a TAP.

use serde_json::json;
use taphouse::http::{Problem, Response, Router, WebSocket};
use taphouse::server::{Server, ServerError};
use taphouse::ws::{Closed, Group, Handler, Message, Sender, Socket};

struct Guest(Group, Option<Sender>);

impl Handler for Guest {
    fn handle_open(&mut self, socket: &mut Socket<'_>) {
        self.0.join(self.1.insert(socket.sender()).clone());
    }

    fn handle_message(&mut self, _: &mut Socket<'_>, message: Message) {
        self.0.send(message);
    }

    fn handle_close(&mut self, _: &Closed) {
        self.1.iter().for_each(|sender| self.0.leave(sender));
    }
}

fn main() -> Result<(), ServerError> {
    let (chat, socket) = (Group::new(), WebSocket::default());
    let mut router = Router::new();
    router
        .get("/", |_| Response::html(200, "<!doctype html><title>web</title><h1>Hello from a TAP</h1>"))
        .get("/users/{id}", |request| {
            let id: i64 = request.parameter("id")?;
            Ok::<_, Problem>(Response::json(200, &json!({ "id": id })))
        })
        .get("/chat", move |request| socket.accept(request, Guest(chat.clone(), None)));
    Server::new(router).tap("tap0").run()
}
