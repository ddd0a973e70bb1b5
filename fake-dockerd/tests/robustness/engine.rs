//! The daemon's binary, and requests to it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

/// Nothing is expected to take that long: who waits longer waits for ever.
const FOREVER: Duration = Duration::from_secs(60);

/// A daemon that runs; dropped, it is killed.
pub(crate) struct Engine {
    process: Child,
    log: BufReader<ChildStderr>,
    pub(crate) socket: PathBuf,
}

/// The daemon's command line with everything below `root`.
pub(crate) fn command(root: &Path) -> Command {
    let path = |name: &str| root.join(name);
    let mut command = Command::new(env!("CARGO_BIN_EXE_fake-dockerd"));
    command
        .arg(format!("--host=unix://{}", path("docker").display()))
        .args([Path::new("--sockets-dir"), root])
        .args([Path::new("--specs-dir"), &path("specs")])
        .args([Path::new("--data-root"), &path("state")])
        .stderr(Stdio::piped());
    command
}

impl Engine {
    pub(crate) fn start(root: &Path) -> Self {
        Self::spawn(&mut command(root), root.join("docker"))
    }

    /// Starts a daemon, and waits until it listens.
    pub(crate) fn spawn(command: &mut Command, socket: PathBuf) -> Self {
        Self::spawn_saying(command, socket).0
    }

    /// Starts a daemon, and waits until it listens; what it said until then.
    pub(crate) fn spawn_saying(command: &mut Command, socket: PathBuf) -> (Self, String) {
        let mut process = command.stderr(Stdio::piped()).spawn().unwrap();
        let log = BufReader::new(process.stderr.take().unwrap());
        let mut engine = Self {
            process,
            log,
            socket,
        };
        let said = engine.said("API listen on");
        (engine, said)
    }

    /// Everything that was logged up to the first line with this in it.
    pub(crate) fn said(&mut self, what: &str) -> String {
        let mut said = String::new();
        while !said.contains(what) {
            let read = self.log.read_line(&mut said).unwrap();
            assert_ne!(read, 0, "the daemon ended and said {said}");
        }
        said
    }

    /// Ends as on SIGKILL.
    pub(crate) fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    pub(crate) fn client(&self) -> Client {
        Client(self.socket.clone())
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Who asks the daemon.
#[derive(Debug, Clone)]
pub(crate) struct Client(PathBuf);

impl Client {
    /// Status and body; nothing where the daemon is gone.
    pub(crate) fn try_ask(&self, method: &str, path: &str, body: &Value) -> Option<(u16, Value)> {
        let stream = UnixStream::connect(&self.0).ok()?;
        stream.set_read_timeout(Some(FOREVER)).unwrap();
        exchange(stream, method, path, body)
    }

    pub(crate) fn ask(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let answer = self.try_ask(method, path, body);
        answer.unwrap_or_else(|| panic!("{method} {path} {body} was not answered"))
    }

    pub(crate) fn get(&self, path: &str) -> (u16, Value) {
        self.ask("GET", path, &Value::Null)
    }
}

/// A request over TCP.
pub(crate) fn ask_tcp(address: &str, path: &str) -> (u16, Value) {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(FOREVER)).unwrap();
    exchange(stream, "GET", path, &Value::Null).unwrap()
}

fn exchange(
    mut stream: impl Read + Write,
    method: &str,
    path: &str,
    body: &Value,
) -> Option<(u16, Value)> {
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: docker\r\nConnection: close\r\nContent-Length: {}\r\n\r\n\
         {body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let value = serde_json::from_str(body).unwrap_or_else(|_| Value::String(body.to_owned()));
    Some((status, value))
}
