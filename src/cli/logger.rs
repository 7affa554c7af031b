//! Where log lines go: by a bounded queue to a thread that writes them, so that no turn waits for whoever reads them.
//! When the queue is full, lines are dropped and counted.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread;
use std::time::Duration;

use env_logger::{Builder, Env, Target};

/// Lines on their way.
const QUEUE: usize = 4096;
/// How long the end waits for a reader.
const PATIENCE: Duration = Duration::from_secs(1);

enum Item {
    Line(Vec<u8>),
    Flush(Sender<()>),
}

/// Writes what is on its way when it is dropped.
pub(crate) struct Logger(SyncSender<Item>);

/// Says where a panic was, and not what it said: that may be what somebody has sent.
fn log_panics() {
    std::panic::set_hook(Box::new(|info| match info.location() {
        Some(at) => log::error!("a panic at {}:{}", at.file(), at.line()),
        None => log::error!("a panic"),
    }));
}

/// Begins to log, as RUST_LOG says; `access` adds the access log. Panics are logged too, without their words.
pub(crate) fn start(access: bool) -> io::Result<Logger> {
    let (sender, receiver) = sync_channel(QUEUE);
    let dropped = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&dropped);
    thread::Builder::new().name("log".to_owned()).spawn(move || write_all(&receiver, &count))?;
    let mut builder = Builder::from_env(Env::default().default_filter_or("warn,life=info"));
    if access {
        builder.filter_module("access", log::LevelFilter::Info);
    }
    builder.target(Target::Pipe(Box::new(Queue { sender: sender.clone(), dropped }))).init();
    log_panics();
    Ok(Logger(sender))
}

/// What the logging crate takes for a file.
struct Queue {
    sender: SyncSender<Item>,
    dropped: Arc<AtomicU64>,
}

impl Write for Queue {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.sender.try_send(Item::Line(line.to_vec())).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn write_all(receiver: &Receiver<Item>, dropped: &AtomicU64) {
    let mut out = io::stderr();
    while let Ok(item) = receiver.recv() {
        // Nobody can be told that standard error is gone.
        let _ = match item {
            Item::Line(line) => out.write_all(&line),
            Item::Flush(done) => {
                let _ = done.send(());
                Ok(())
            }
        };
        let lost = dropped.swap(0, Ordering::Relaxed);
        if lost > 0 {
            let _ = writeln!(out, "[{lost} lines of the log were dropped: they are not read fast enough]");
        }
    }
}

impl Drop for Logger {
    fn drop(&mut self) {
        let (done, is_done) = channel();
        if self.0.try_send(Item::Flush(done)).is_ok() {
            let _ = is_done.recv_timeout(PATIENCE);
        }
    }
}
