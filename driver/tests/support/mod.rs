//! What the tests share: a raw client, and the driver as a process that can be killed.

#![allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    unused_macros,
    reason = "each test binary uses its part"
)]

pub mod helpers;
pub mod process;
pub mod service;
pub mod several;
pub mod trials;

use std::{
    io::{self, Read, Write},
    os::unix::net::UnixStream,
    path::Path,
    time::{Duration, Instant},
};

use serde_json::Value;

/// An ID as dockerd makes them.
pub const ID: &str = "2f05da218e5e2ab2d5262ee24ebb26b2bec49ff769c600a8da65c182a5454496";

/// One connection on which bytes are written as they are.
#[derive(Debug)]
pub struct Client {
    pub stream: UnixStream,
    received: Vec<u8>,
}

/// An answer as it came.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The text of `Err`, which every answer has.
    pub fn err(&self) -> String {
        self.json()["Err"]
            .as_str()
            .unwrap_or_else(|| panic!("no Err: {self:?}"))
            .to_owned()
    }

    pub fn mountpoint(&self) -> String {
        self.ok().json()["Mountpoint"].as_str().unwrap().to_owned()
    }

    /// A success: 200, a JSON object, an empty `Err`.
    #[track_caller]
    pub fn ok(&self) -> &Self {
        assert_eq!((self.status, self.err().as_str()), (200, ""), "{self:?}");
        self
    }

    /// A failure, told through the status and through `Err`.
    #[track_caller]
    pub fn failed(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{self:?}");
        let err = self.err();
        assert!(!err.is_empty() && !err.contains('\n'), "{self:?}");
        err
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then_some(value)
        })
    }
}

impl Client {
    pub fn connect(socket: &Path) -> Self {
        Self::try_connect(socket).unwrap_or_else(|error| panic!("{}: {error}", socket.display()))
    }

    pub fn try_connect(socket: &Path) -> io::Result<Self> {
        let stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        Ok(Self {
            stream,
            received: Vec::new(),
        })
    }

    /// A call of the volume driver, byte for byte as dockerd 28.5 sends it: these headers and no
    /// Content-Type.
    pub fn call(&mut self, call: &str, body: &str) -> Answer {
        self.try_call(call, body)
            .unwrap_or_else(|error| panic!("{call} {body}: {error}"))
    }

    pub fn try_call(&mut self, call: &str, body: &str) -> io::Result<Answer> {
        self.stream
            .write_all(request(&format!("/VolumeDriver.{call}"), body).as_bytes())?;
        self.answer()
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).unwrap();
    }

    /// Reads one answer; what follows it stays for the next.
    pub fn answer(&mut self) -> io::Result<Answer> {
        let mut piece = [0; 16 << 10];
        loop {
            if let Some(answer) = self.parse() {
                return Ok(answer);
            }
            match self.stream.read(&mut piece)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => self.received.extend_from_slice(&piece[..read]),
            }
        }
    }

    fn parse(&mut self) -> Option<Answer> {
        let end = self
            .received
            .windows(4)
            .position(|four| four == b"\r\n\r\n")?;
        let head = String::from_utf8(self.received[..end].to_vec()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let answer = Answer {
            status,
            head,
            body: String::new(),
        };
        let length: usize = answer.header("content-length").unwrap().parse().unwrap();
        let body = self.received.get(end + 4..end + 4 + length)?.to_vec();
        self.received.drain(..end + 4 + length);
        Some(Answer {
            body: String::from_utf8(body).unwrap(),
            ..answer
        })
    }

    pub fn create(&mut self, name: &str) -> Answer {
        self.call(
            "Create",
            &serde_json::json!({ "Name": name, "Opts": null }).to_string(),
        )
    }

    pub fn create_with(&mut self, name: &str, options: &[(&str, &str)]) -> Answer {
        let options: serde_json::Map<_, _> = options
            .iter()
            .map(|(key, value)| ((*key).to_owned(), Value::from(*value)))
            .collect();
        self.call(
            "Create",
            &serde_json::json!({ "Name": name, "Opts": options }).to_string(),
        )
    }

    pub fn mount(&mut self, name: &str, id: &str) -> Answer {
        self.call(
            "Mount",
            &serde_json::json!({ "Name": name, "ID": id }).to_string(),
        )
    }

    pub fn unmount(&mut self, name: &str, id: &str) -> Answer {
        self.call(
            "Unmount",
            &serde_json::json!({ "Name": name, "ID": id }).to_string(),
        )
    }

    pub fn get(&mut self, name: &str) -> Answer {
        self.named("Get", name)
    }

    pub fn remove(&mut self, name: &str) -> Answer {
        self.named("Remove", name)
    }

    pub fn named(&mut self, call: &str, name: &str) -> Answer {
        self.call(call, &serde_json::json!({ "Name": name }).to_string())
    }

    /// The names that List shows, sorted.
    pub fn names(&mut self) -> Vec<String> {
        let volumes = self.call("List", "{}").ok().json();
        let mut names: Vec<_> = volumes["Volumes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|volume| volume["Name"].as_str().unwrap().to_owned())
            .collect();
        names.sort();
        names
    }

    /// How many hold the volume, as `docker volume inspect` shows it.
    pub fn holders(&mut self, name: &str) -> u64 {
        self.get(name).ok().json()["Volume"]["Status"]["holders"]
            .as_u64()
            .unwrap()
    }
}

/// A request as dockerd writes it; an empty body is dockerd's retry.
pub fn request(path: &str, body: &str) -> String {
    let body = if body.is_empty() {
        String::new()
    } else {
        format!("{body}\n")
    };
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nHost: plugin.moby.localhost\r\nUser-Agent: Go-http-client/1.1\r\n\
         Content-Length: {length}\r\nAccept: application/vnd.docker.plugins.v1.2+json\r\n\r\n{body}"
    )
}

/// Waits for a condition; fails after a time that only a broken program needs.
#[track_caller]
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(
            start.elapsed() < Duration::from_secs(20),
            "waited in vain until {what}"
        );
        std::thread::sleep(Duration::from_millis(2));
    }
}
