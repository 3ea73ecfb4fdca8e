//! The shop's face: one thread for each connection.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write, stderr};
use std::net::TcpStream;
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::{Bug, WORK};
use crate::resp::{Redis, Reply};

/// Calls of a user in a window of [`WINDOW_S`].
const LIMIT: i64 = 5;
const WINDOW_S: i64 = 60;

/// The shop.
#[derive(Clone)]
pub(super) struct Shop {
    redis: String,
    postgres: Option<String>,
    bug: Bug,
    ready: bool,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    asked: AtomicU64,
    calls: Mutex<HashMap<String, (i64, Instant)>>,
    hoard: Mutex<Vec<Vec<u8>>>,
}

struct Asked {
    method: String,
    path: String,
    query: String,
    key: String,
}

/// Status, further headers, body.
struct Answer(u16, String, String);

impl Answer {
    fn plain(status: u16, body: &str) -> Self {
        Self(status, String::new(), body.to_owned())
    }
}

impl Shop {
    pub(super) fn new(redis: String, name: &str, postgres: Option<String>, bug: Bug) -> Self {
        let starts = Redis::connect(&redis).and_then(|mut redis| redis.number(&["INCR", &format!("starts:{name}")]));
        let ready = bug != Bug::NeverBack || starts == Some(1);
        let shop = Self { redis, postgres, bug, ready, state: Arc::default() };
        if bug == Bug::Hungry {
            shop.state.hoard.lock().unwrap().push(vec![1; 200 << 20]);
        }
        if bug == Bug::Spins {
            thread::spawn(|| {
                loop {
                    std::hint::spin_loop();
                }
            });
        }
        if shop.postgres.is_some() {
            shop.hold_connection();
        }
        shop
    }

    /// Opens a connection of PostgreSQL and never gives it back.
    fn hold_connection(&self) {
        let url = self.postgres.clone().unwrap();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
                connection.await.ok();
                drop(client);
            });
        });
    }

    pub(super) fn serve(&self, stream: &TcpStream) {
        stream.set_nodelay(true).ok();
        let mut reader = BufReader::new(stream);
        let mut redis = None;
        while let Some(asked) = read(&mut reader) {
            let answer = self.face(&asked).or_else(|| {
                redis = redis.take().or_else(|| Redis::connect(&self.redis));
                self.answer(redis.as_mut()?, &asked)
            });
            let Answer(status, headers, body) = answer.unwrap_or_else(|| Answer::plain(503, ""));
            let head = format!("HTTP/1.1 {status} Said\r\ncontent-length: {}\r\n{headers}\r\n", body.len());
            let mut stream = stream;
            if stream.write_all((head + &body).as_bytes()).is_err() {
                return;
            }
        }
    }

    /// What needs no Redis.
    fn face(&self, asked: &Asked) -> Option<Answer> {
        match asked.path.as_str() {
            "/readyz" => Some(Answer::plain(if self.ready { 200 } else { 503 }, "")),
            "/up" => {
                let number = self.state.asked.fetch_add(1, Ordering::Relaxed);
                Some(Answer::plain(if self.bug == Bug::ComesAndGoes && number % 5 == 4 { 500 } else { 200 }, ""))
            }
            "/metrics" => {
                let lists = self.state.asked.load(Ordering::Relaxed);
                let waiting = if self.bug == Bug::Complains { 3 } else { 0 };
                let text = format!("shop_lists_total{{shelf=\"a\"}} {lists}\nshop_waiting {waiting}\n");
                Some(Answer::plain(200, &text))
            }
            _ => None,
        }
    }

    fn answer(&self, redis: &mut Redis, asked: &Asked) -> Option<Answer> {
        match (asked.method.as_str(), asked.path.as_str()) {
            (_, "/list") => {
                self.list(redis)?;
                Some(Answer::plain(200, "[]"))
            }
            (_, "/limited") => self.limited(redis, &asked.query),
            ("POST", "/orders") => self.order(redis, &asked.key),
            (_, "/orders") => {
                let id = redis.text(&["GET", &format!("order:{}", asked.query)]);
                let found = id.map(|id| format!("{{\"id\":\"{id}\"}}")).unwrap_or_default();
                Some(Answer::plain(200, &format!("{{\"found\":[{found}]}}")))
            }
            (_, path) => {
                let id = path.strip_prefix("/done/")?;
                let done = redis.text(&["GET", &format!("done:{id}")]).is_some();
                Some(Answer::plain(if done { 200 } else { 404 }, ""))
            }
        }
    }

    fn list(&self, redis: &mut Redis) -> Option<()> {
        let number = self.state.asked.fetch_add(1, Ordering::Relaxed);
        match self.bug {
            Bug::Slow => thread::sleep(Duration::from_millis(600)),
            Bug::Complains => {
                let line = format!("2026-01-01T00:00:00Z ERROR shop: no such shelf number={number}\n");
                stderr().write_all(line.as_bytes()).ok()?;
            }
            Bug::Hoards => {
                let key = format!("hoard:{}:{number}", process::id());
                redis.ask(&["SET", &key, &"x".repeat(500_000)])?;
            }
            Bug::Dies if number >= 10 => process::exit(3),
            Bug::LeaksConnections if number.is_multiple_of(10) => self.hold_connection(),
            _ => {}
        }
        Some(())
    }

    fn limited(&self, redis: &mut Redis, user: &str) -> Option<Answer> {
        let (count, reset) = if self.bug == Bug::CountsAlone {
            let mut calls = self.state.calls.lock().unwrap();
            let (count, since) = calls.entry(user.to_owned()).or_insert_with(|| (0, Instant::now()));
            *count += 1;
            (*count, WINDOW_S - since.elapsed().as_secs() as i64)
        } else {
            let key = format!("calls:{user}");
            let count = redis.number(&["INCR", &key])?;
            redis.ask(&["EXPIRE", &key, &WINDOW_S.to_string(), "NX"])?;
            (count, (redis.number(&["PTTL", &key])?.max(0) + 999) / 1_000)
        };
        let left = (LIMIT - count).max(0);
        let over = if count > LIMIT { format!("retry-after: {reset}\r\n") } else { String::new() };
        let headers = format!("x-limit: {LIMIT}\r\nx-left: {left}\r\nx-reset: {reset}\r\n{over}");
        Some(Answer(if count > LIMIT { 429 } else { 200 }, headers, String::new()))
    }

    fn order(&self, redis: &mut Redis, key: &str) -> Option<Answer> {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
        let id = format!("{}-{since}", process::id());
        let of_key = format!("order:{key}");
        let answer = |id: &str| Some(Answer::plain(201, &format!("{{\"id\":\"{id}\"}}")));
        if self.bug == Bug::AcknowledgesFirst {
            let (url, said) = (self.redis.clone(), id.clone());
            thread::spawn(move || {
                thread::sleep(Duration::from_secs(1));
                Redis::connect(&url).and_then(|mut redis| redis.ask(&["SET", &of_key, &id, "NX"]))
            });
            return answer(&said);
        }
        let made = redis.ask(&["SET", &of_key, &id, "NX"])? != Reply::Nothing;
        if !made && self.bug == Bug::HatesRepeats {
            return Some(Answer::plain(500, ""));
        }
        let id = redis.text(&["GET", &of_key])?;
        if made {
            redis.ask(&["LPUSH", "queue:default", &id])?;
        }
        // An answer takes its time, so that some are under way whenever somebody is killed.
        thread::sleep(WORK * 2);
        answer(&id)
    }
}

/// Reads one request; `None` at the connection's end.
fn read(reader: &mut BufReader<&TcpStream>) -> Option<Asked> {
    let mut line = String::new();
    if reader.read_line(&mut line).ok()? == 0 {
        return None;
    }
    let mut words = line.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let (mut key, mut length) = (String::new(), 0);
    loop {
        let mut header = String::new();
        if reader.read_line(&mut header).ok()? == 0 {
            return None;
        }
        let Some((name, value)) = header.trim_end().split_once(':') else { break };
        match name.to_ascii_lowercase().as_str() {
            "idempotency-key" => value.trim().clone_into(&mut key),
            "content-length" => length = value.trim().parse().ok()?,
            _ => {}
        }
    }
    reader.read_exact(&mut vec![0; length]).ok()?;
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let query = query.split_once('=').map_or("", |(_, value)| value);
    Some(Asked { method, path: path.to_owned(), query: query.to_owned(), key })
}
