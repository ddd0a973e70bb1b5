//! A volume plugin that does as it is told, on a unix socket and a thread per connection.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// What the plugin answers to a path and a body: the body of a 200, or all of a response from its
/// `HTTP/1.1` on; nothing hangs for ever.
pub(crate) type Answers = dyn Fn(&str, &str) -> Option<String> + Send + Sync;

/// A plugin with a record of what it was asked.
#[derive(Clone)]
pub(crate) struct Plugin {
    pub(crate) socket: PathBuf,
    calls: Arc<Mutex<Vec<(String, String)>>>,
}

impl Plugin {
    /// A plugin with every volume, and whatever `answers` answers instead.
    pub(crate) fn start(
        directory: &Path,
        name: &str,
        answers: impl Fn(&str, &str) -> Option<Option<String>> + Send + Sync + 'static,
    ) -> Self {
        let socket = directory.join(format!("{name}.sock"));
        let listener = UnixListener::bind(&socket).unwrap();
        let plugin = Self {
            socket,
            calls: Arc::default(),
        };
        let answers: Arc<Answers> = Arc::new(move |path: &str, body: &str| {
            answers(path, body).unwrap_or_else(|| Some(usual(path, body)))
        });
        let calls = Arc::clone(&plugin.calls);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (answers, calls) = (Arc::clone(&answers), Arc::clone(&calls));
                std::thread::spawn(move || serve(stream.unwrap(), &*answers, &calls));
            }
        });
        plugin
    }

    /// What was asked since the last time: paths and bodies.
    pub(crate) fn take_whole(&self) -> Vec<(String, String)> {
        self.calls.lock().unwrap().drain(..).collect()
    }

    /// What was asked since the last time, `Mount v ID` for short.
    pub(crate) fn take(&self) -> Vec<String> {
        let calls = self.take_whole();
        let short = |(path, body): (String, String)| {
            let body: serde_json::Value = serde_json::from_str(&body).unwrap_or_default();
            let mut words = vec![path.rsplit('.').next().unwrap().to_owned()];
            words.extend(body["Name"].as_str().map(str::to_owned));
            words.extend(body["ID"].as_str().map(str::to_owned));
            words.join(" ")
        };
        calls.into_iter().map(short).collect()
    }
}

fn usual(path: &str, body: &str) -> String {
    let body: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
    let name = body["Name"].as_str().unwrap_or_default();
    match path {
        "/Plugin.Activate" => r#"{"Implements":["VolumeDriver"]}"#.to_owned(),
        "/VolumeDriver.Capabilities" => r#"{"Capabilities":{"Scope":"local"}}"#.to_owned(),
        "/VolumeDriver.Get" => format!(r#"{{"Volume":{{"Name":"{name}"}}}}"#),
        "/VolumeDriver.Mount" => r#"{"Mountpoint":"/tmp"}"#.to_owned(),
        "/VolumeDriver.List" => r#"{"Volumes":[]}"#.to_owned(),
        _ => "{}".to_owned(),
    }
}

fn serve(stream: UnixStream, answers: &Answers, calls: &Mutex<Vec<(String, String)>>) {
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        let path = line.split(' ').nth(1).unwrap().to_owned();
        let mut length = 0;
        loop {
            line.clear();
            if reader.read_line(&mut line).unwrap_or(0) == 0 || line == "\r\n" {
                break;
            }
            if let Some(value) = line.strip_prefix("Content-Length: ") {
                length = value.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        if reader.read_exact(&mut body).is_err() {
            return;
        }
        let body = String::from_utf8(body).unwrap();
        calls.lock().unwrap().push((path.clone(), body.clone()));
        let Some(answer) = answers(&path, &body) else {
            // Until the engine hangs up.
            let _ = reader.read(&mut [0; 1]);
            return;
        };
        let length = answer.len();
        let answer = match answer.starts_with("HTTP/1.1 ") {
            true => answer,
            false => format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{answer}"),
        };
        if reader.get_mut().write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}
