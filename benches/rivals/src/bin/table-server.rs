//! The house's tables on kernel sockets: tokio, on one thread, and tokio-tungstenite. It speaks as much of the protocol as
//! the benchmark needs (welcome, joined, said, error), keeps nothing on a disk, and encodes a message once.
//!
//! Comings are gathered as the house gathers them, so that both tell a crowd of itself at the same cost.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::LocalSet;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

/// Messages of a table that are kept, as by the house.
const HISTORY: usize = 500;
/// People whom a message names.
const PEOPLE: usize = 100;
/// The pause between two tellings of who has come, for each seat.
const PAUSE: Duration = Duration::from_micros(50);

#[derive(Default)]
struct Table {
    seq: u64,
    seats: BTreeMap<i64, UnboundedSender<Utf8Bytes>>,
    history: VecDeque<Utf8Bytes>,
    /// Who has come since that was told.
    came: Vec<i64>,
    is_telling: bool,
}

type Tables = Rc<RefCell<BTreeMap<i64, Rc<RefCell<Table>>>>>;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    taphouse_rivals::sys::raise_open_files()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let local = LocalSet::new();
    runtime.block_on(local.run_until(serve()))
}

async fn serve() -> Result<(), Box<dyn std::error::Error>> {
    let listener = taphouse_rivals::sys::listen(80, 8192)?;
    let listener = TcpListener::from_std(listener)?;
    let tables = Tables::default();
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let tables = Rc::clone(&tables);
        tokio::task::spawn_local(async move {
            // A peer that goes is nobody's loss.
            let _ = sit(stream, tables).await;
        });
    }
}

async fn sit(stream: TcpStream, tables: Tables) -> Result<(), Box<dyn std::error::Error>> {
    let mut path = String::new();
    #[expect(clippy::result_large_err, reason = "tungstenite wants it so")]
    let look = |request: &Request, response: Response| -> Result<Response, ErrorResponse> {
        request.uri().path().clone_into(&mut path);
        Ok(response)
    };
    let mut socket = tokio_tungstenite::accept_hdr_async(stream, look).await?;
    let mut numbers = path.trim_start_matches("/ws/").split('/').map(str::parse::<i64>);
    let (Some(Ok(id)), Some(Ok(client))) = (numbers.next(), numbers.next()) else { return Ok(()) };
    let table = Rc::clone(tables.borrow_mut().entry(id).or_default());
    let (sender, receiver) = unbounded_channel();
    table.borrow_mut().seats.insert(client, sender);
    let welcome = table.borrow().welcome(id, client);
    socket.send(Message::Text(welcome)).await?;
    come(&table, client);
    let done = talk(&mut socket, &table, client, receiver).await;
    table.borrow_mut().seats.remove(&client);
    done
}

async fn talk(
    socket: &mut tokio_tungstenite::WebSocketStream<TcpStream>,
    table: &Rc<RefCell<Table>>,
    client: i64,
    mut receiver: UnboundedReceiver<Utf8Bytes>,
) -> Result<(), Box<dyn std::error::Error>> {
    loop {
        tokio::select! {
            told = receiver.recv() => {
                let Some(text) = told else { return Ok(()) };
                socket.feed(Message::Text(text)).await?;
                // What is there already goes in the same write.
                while let Ok(text) = receiver.try_recv() {
                    socket.feed(Message::Text(text)).await?;
                }
                socket.flush().await?;
            }
            came = socket.next() => {
                let Some(message) = came else { return Ok(()) };
                if let Message::Text(text) = message? {
                    match serde_json::from_str::<Value>(&text) {
                        Ok(wish) if wish["type"] == "say" => table.borrow_mut().say(client, &wish),
                        _ => socket.send(Message::text(r#"{"type":"error","code":"invalid"}"#)).await?,
                    }
                }
            }
        }
    }
}

/// Tells that somebody has come, behind the pause if one was told a while ago.
fn come(table: &Rc<RefCell<Table>>, client: i64) {
    let mut now = table.borrow_mut();
    now.came.push(client);
    if std::mem::replace(&mut now.is_telling, true) {
        return;
    }
    let pause = PAUSE * u32::try_from(now.seats.len()).unwrap_or(u32::MAX);
    let table = Rc::clone(table);
    tokio::task::spawn_local(async move {
        tokio::time::sleep(pause).await;
        let mut table = table.borrow_mut();
        table.is_telling = false;
        table.tell();
    });
}

impl Table {
    fn welcome(&self, id: i64, client: i64) -> Utf8Bytes {
        let last: Vec<&str> = self.history.iter().rev().take(50).rev().map(Utf8Bytes::as_str).collect();
        let clients: Vec<Value> = self.seats.keys().take(PEOPLE).map(|&client| person(client)).collect();
        let head = json!({
            "type": "welcome", "table_id": id, "you": person(client), "seq": self.seq, "clients": clients,
            "count": self.seats.len(), "complete": true,
        });
        let mut text = head.to_string();
        text.pop();
        text += &format!(",\"messages\":[{}]}}", last.join(","));
        text.into()
    }

    fn tell(&mut self) {
        let came = std::mem::take(&mut self.came);
        self.seq += 1;
        let clients: Vec<Value> = came.iter().take(PEOPLE).map(|&client| person(client)).collect();
        let message = json!({
            "type": "joined", "seq": self.seq, "time": time(), "clients": clients,
            "more": came.len().saturating_sub(PEOPLE), "count": self.seats.len(),
        });
        self.send_all(message.to_string().into());
    }

    fn say(&mut self, client: i64, wish: &Value) {
        self.seq += 1;
        let nickname = format!("guest {client}");
        let message = json!({
            "type": "said", "seq": self.seq, "time": time(), "client_id": client, "nickname": nickname,
            "text": wish["text"],
        });
        let text: Utf8Bytes = message.to_string().into();
        self.history.push_back(text.clone());
        if self.history.len() > HISTORY {
            self.history.pop_front();
        }
        self.send_all(text);
    }

    fn send_all(&self, text: Utf8Bytes) {
        for seat in self.seats.values() {
            // One that is gone takes its seat away itself.
            let _ = seat.send(text.clone());
        }
    }
}

fn person(client: i64) -> Value {
    json!({"client_id": client, "nickname": format!("guest {client}")})
}

fn time() -> Value {
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    let at = i64::try_from(wall).ok().and_then(|at| jiff::Timestamp::from_second(at).ok());
    at.map_or(Value::Null, |at| at.to_string().into())
}
