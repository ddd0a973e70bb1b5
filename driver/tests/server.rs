//! The server with drivers that misbehave.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod support;

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use support::{Client, ID, request, wait_until};
use tokio::sync::{Semaphore, oneshot};
use volplug_driver::{
    CreateRequest, Error, MountRequest, Volume, VolumeDriver, VolumeName,
    server::{Limits, Listener, Server},
};

/// What happened, and a gate before the end of every change.
#[derive(Debug)]
struct Stage {
    events: Mutex<Vec<String>>,
    gate: Semaphore,
    mountpoint: &'static str,
}

impl Stage {
    fn note(&self, event: impl Into<String>) {
        self.events.lock().unwrap().push(event.into());
    }

    fn saw(&self, event: &str) -> bool {
        self.events.lock().unwrap().iter().any(|seen| seen == event)
    }

    async fn pass(&self, call: &str) {
        self.note(format!("{call} begins"));
        self.gate.acquire().await.unwrap().forget();
        self.note(format!("{call} ends"));
    }
}

struct Gated(Arc<Stage>);

impl VolumeDriver for Gated {
    async fn create(&self, _: CreateRequest) -> Result<(), Error> {
        self.0.pass("create").await;
        Ok(())
    }
    async fn get(&self, name: VolumeName) -> Result<Volume, Error> {
        match name.as_str() {
            "panic" => panic!("get went wrong"),
            "slow" => std::future::pending().await,
            _ => Ok(Volume::new(name.as_str())),
        }
    }
    async fn list(&self) -> Result<Vec<Volume>, Error> {
        Ok(Vec::new())
    }
    async fn mount(&self, _: MountRequest) -> Result<PathBuf, Error> {
        self.0.pass("mount").await;
        Ok(self.0.mountpoint.into())
    }
    async fn unmount(&self, _: MountRequest) -> Result<(), Error> {
        self.0.note("unmount");
        Ok(())
    }
    async fn remove(&self, _: VolumeName) -> Result<(), Error> {
        panic!("remove went wrong")
    }
}

/// A server on a thread of its own, stopped when dropped.
struct Running {
    stage: Arc<Stage>,
    socket: PathBuf,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
    _directory: tempfile::TempDir,
}

impl Running {
    fn start(limits: Limits, mountpoint: &'static str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("plug.sock");
        let stage = Arc::new(Stage {
            events: Mutex::default(),
            gate: Semaphore::new(0),
            mountpoint,
        });
        let (stop, stopped) = oneshot::channel();
        let server = Server::new(Gated(Arc::clone(&stage))).limits(limits);
        let listener = Listener::unix(&socket).unwrap();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime
                .block_on(server.run([listener], async { drop(stopped.await) }))
                .unwrap();
            runtime.shutdown_background();
        });
        Self {
            stage,
            socket,
            stop: Some(stop),
            thread: Some(thread),
            _directory: directory,
        }
    }

    fn client(&self) -> Client {
        Client::connect(&self.socket)
    }

    fn begin_stop(&mut self) {
        drop(self.stop.take());
    }

    fn join(mut self) {
        self.thread.take().unwrap().join().unwrap();
    }
}

fn quick() -> Limits {
    let mut limits = Limits::default().with_request_timeout(Duration::from_millis(200));
    limits.shutdown = Duration::from_millis(500);
    limits
}

fn send_mount(client: &mut Client) {
    client.send(request(
        "/VolumeDriver.Mount",
        &format!(r#"{{"Name":"v","ID":"{ID}"}}"#),
    ));
}

#[test]
fn a_call_outlives_its_client_and_an_unheard_mount_is_taken_back() {
    let server = Running::start(Limits::default(), "/mnt");
    let mut creator = server.client();
    creator.send(request("/VolumeDriver.Create", r#"{"Name":"v"}"#));
    wait_until("the create runs", || server.stage.saw("create begins"));
    drop(creator);
    server.stage.gate.add_permits(1);
    wait_until("the create is finished", || server.stage.saw("create ends"));

    // Whether the server notices in time that the client left cannot be seen from here; mostly it
    // does, and once is enough.
    wait_until("a mount is taken back", || {
        let mut mounter = server.client();
        send_mount(&mut mounter);
        server.client().get("v").ok();
        drop(mounter);
        server.client().get("v").ok();
        server.stage.gate.add_permits(1);
        server.stage.saw("unmount")
    });
}

#[test]
fn a_mount_that_was_answered_is_not_taken_back() {
    let server = Running::start(Limits::default(), "/mnt");
    let mut client = server.client();
    send_mount(&mut client);
    server.stage.gate.add_permits(1);
    assert_eq!(client.answer().unwrap().mountpoint(), "/mnt");
    drop(client);
    server.client().get("v").ok();
    assert!(!server.stage.saw("unmount"));
}

#[test]
fn time_is_limited_and_a_late_mount_is_taken_back() {
    let server = Running::start(quick(), "/mnt");
    let mut client = server.client();
    send_mount(&mut client);
    let err = client.answer().unwrap().failed(500);
    assert!(
        err.contains("volume \"v\": no result within 200ms"),
        "{err}"
    );
    assert!(
        client
            .get("slow")
            .failed(500)
            .contains("no result within 200ms")
    );
    server.stage.gate.add_permits(1);
    wait_until("the late mount is taken back", || {
        server.stage.saw("unmount")
    });
}

#[test]
fn a_panic_is_an_error_and_the_server_goes_on() {
    let server = Running::start(Limits::default(), "/mnt");
    let mut client = server.client();
    let err = client.get("panic").failed(500);
    assert!(
        err.contains("panicked") && err.contains("get went wrong"),
        "{err}"
    );
    assert!(client.remove("v").failed(500).contains("remove went wrong"));
    client.get("v").ok();
}

#[test]
fn a_relative_mountpoint_is_not_handed_to_docker() {
    let server = Running::start(Limits::default(), "relative");
    server.stage.gate.add_permits(1);
    let err = server.client().mount("v", ID).failed(500);
    assert!(err.contains("not an absolute path"), "{err}");
}

#[test]
fn stopping_finishes_the_calls_in_flight() {
    let mut server = Running::start(Limits::default(), "/mnt");
    let (mut busy, idle) = (server.client(), server.client());
    send_mount(&mut busy);
    wait_until("the call runs", || server.stage.saw("mount begins"));
    server.begin_stop();
    wait_until("the socket is gone", || !server.socket.exists());
    assert!(Client::try_connect(&server.socket).is_err());
    server.stage.gate.add_permits(1);
    assert_eq!(busy.answer().unwrap().mountpoint(), "/mnt");
    server.join();
    drop(idle);
}

#[test]
fn stopping_is_bounded() {
    let mut server = Running::start(quick(), "/mnt");
    let mut busy = server.client();
    send_mount(&mut busy);
    wait_until("the call runs", || server.stage.saw("mount begins"));
    let start = Instant::now();
    server.begin_stop();
    server.join();
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "{:?}",
        start.elapsed()
    );
}

#[test]
fn a_body_that_never_ends_is_cut_off() {
    let mut limits = Limits::default();
    limits.body = Duration::from_millis(200);
    let server = Running::start(limits, "/mnt");
    let mut client = server.client();
    client.send("POST /VolumeDriver.Get HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{");
    client.answer().unwrap().failed(408);
    assert!(
        client.answer().is_err(),
        "the connection stays open though the request was not read"
    );
}

#[test]
fn a_client_that_does_not_read_is_cut_off() {
    let mut limits = Limits::default();
    limits.stalled_write = Duration::from_millis(200);
    let server = Running::start(limits, "/mnt");
    let client = server.client();
    let closed = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            // Asks and asks, and reads nothing, until the server has had enough.
            let mut stream = &client.stream;
            let request = request(
                "/VolumeDriver.Get",
                &format!(r#"{{"Name":"{}"}}"#, "x".repeat(4000)),
            );
            while std::io::Write::write_all(&mut stream, request.as_bytes()).is_ok() {}
            closed.store(true, Ordering::Relaxed);
        });
        wait_until("the client is cut off", || closed.load(Ordering::Relaxed));
    });
}
