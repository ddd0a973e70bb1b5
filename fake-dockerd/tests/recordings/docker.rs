//! The real docker CLI, and the daemon behind a socket for it.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use fake_dockerd::{Daemon, Host, Listener};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::process::Command;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// The CLI that the recordings were made with; another one words its own texts in another way.
pub(crate) const RECORDED: &str = "28.2.2";

/// The version of the docker CLI that is there.
pub(crate) fn version() -> Option<String> {
    let mut command = std::process::Command::new("docker");
    let output = command.arg("--version").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let version = text.strip_prefix("Docker version ")?.split(',').next()?;
    Some(version.to_owned())
}

/// What a command line came to.
#[derive(Debug)]
pub(crate) struct Printed {
    pub(crate) exit: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Where the CLI finds the daemon, and the CLI's own empty configuration.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    socket: PathBuf,
    home: PathBuf,
}

impl Client {
    /// Runs `docker` with these arguments.
    pub(crate) async fn run(&self, argv: &[String]) -> Printed {
        let output = Command::new("docker")
            .args(argv)
            .env("DOCKER_HOST", format!("unix://{}", self.socket.display()))
            .env("DOCKER_CONFIG", &self.home)
            .env("HOME", &self.home)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Printed {
            exit: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }

    /// A request without the CLI; status and body.
    pub(crate) async fn request(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        let mut stream = UnixStream::connect(&self.socket).await.unwrap();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, body.to_owned())
    }
}

/// A daemon that listens.
#[derive(Debug)]
pub(crate) struct Served {
    pub(crate) client: Client,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

impl Served {
    pub(crate) async fn start(daemon: Daemon, root: &Path) -> Self {
        let client = Client {
            socket: root.join("docker.sock"),
            home: root.join("home"),
        };
        let host = Host::Unix(client.socket.clone());
        let listener = Listener::bind(&host).await.unwrap();
        let (stop, stopped) = oneshot::channel();
        let data_root = root.join("d");
        let serving = tokio::spawn(async move {
            let stopped = async {
                let _ = stopped.await;
            };
            fake_dockerd::serve(daemon, &data_root, vec![listener], stopped).await;
        });
        Self {
            client,
            stop,
            serving,
        }
    }

    /// Ends as on SIGTERM.
    pub(crate) async fn stop(self) {
        let _ = self.stop.send(());
        self.serving.await.unwrap();
    }

    /// Ends as on SIGKILL; the daemon itself has to be ended, too.
    pub(crate) async fn crash(self) {
        self.serving.abort();
        let _ = self.serving.await;
    }
}
