//! How fast the reference driver answers, next to a server that does nothing.
//!
//! `cargo run --release -p volplug-driver --example measure [VOLUMES] [DIRECTORY]` makes that many
//! volumes below the directory (default: 1000, in the system's temporary directory), then sends
//! requests over one kept-alive connection, as dockerd does, and prints what came of it.

use std::{
    error::Error,
    io::{Read, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use volplug_driver::{
    backend::local::LocalOptions,
    plugin::{PluginArgs, PluginConfig, PluginOptions},
    serve,
};

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let volumes: usize = arguments.next().map_or(Ok(1000), |count| count.parse())?;
    let parent = arguments
        .next()
        .map_or_else(std::env::temp_dir, PathBuf::from);
    let scratch = parent.join(format!("volplug-measure-{}", std::process::id()));
    std::fs::create_dir_all(&scratch)?;
    let outcome = measure(volumes, &scratch);
    std::fs::remove_dir_all(&scratch)?;
    outcome
}

fn measure(volumes: usize, scratch: &Path) -> Outcome<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let (empty, driver) = (scratch.join("empty.sock"), scratch.join("driver.sock"));
    let listener = runtime.block_on(async { tokio::net::UnixListener::bind(&empty) })?;
    runtime.spawn(serve_nothing(listener));
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let options = PluginOptions::new(&driver, scratch.join("root"));
    let config = PluginConfig::Local(PluginArgs::new(options, LocalOptions::default()));
    let serving = runtime.spawn(async { serve(config, async { drop(stopped.await) }).await });
    while !driver.exists() {
        std::thread::sleep(Duration::from_millis(1));
    }
    fill(&driver, volumes)?;
    println!(
        "resident with {volumes} volumes: {} MiB",
        resident_kib()? / 1024
    );

    let (mut nothing, mut plugin) = (Client::connect(&empty)?, Client::connect(&driver)?);
    for _ in 0..2 {
        let floor = nothing.rate("empty handler", |_| vec![("Get", get(0))])?;
        let rate = plugin.rate("Get", |round| vec![("Get", get(round % volumes))])?;
        println!("  the empty handler is {:.2} times as fast", floor / rate);
    }
    plugin.rate("Mount and Unmount", |round| {
        let body = format!(r#"{{"Name":"v{}","ID":"{:064x}"}}"#, round % volumes, round);
        vec![("Mount", body.clone()), ("Unmount", body)]
    })?;
    plugin.rate("Create and Remove", |_| {
        let body = r#"{"Name":"another"}"#.to_owned();
        vec![("Create", body.clone()), ("Remove", body)]
    })?;
    let start = Instant::now();
    let length = plugin.call("List", "{}")?;
    println!("List: {} KiB in {:?}", length / 1024, start.elapsed());
    println!("resident afterwards: {} MiB", resident_kib()? / 1024);

    drop((nothing, plugin, stop));
    runtime.block_on(serving)??;
    Ok(())
}

fn get(volume: usize) -> String {
    format!(r#"{{"Name":"v{volume}"}}"#)
}

/// Creates volumes over several connections at once, as fast as the disk allows.
fn fill(socket: &Path, volumes: usize) -> Outcome<()> {
    const CONNECTIONS: usize = 16;
    let start = Instant::now();
    let create = |first: usize| -> Result<(), String> {
        let mut client = Client::connect(socket).map_err(|error| error.to_string())?;
        for volume in (first..volumes).step_by(CONNECTIONS) {
            client
                .call("Create", &get(volume))
                .map_err(|error| error.to_string())?;
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..CONNECTIONS)
            .map(|first| scope.spawn(move || create(first)))
            .collect();
        workers
            .into_iter()
            .try_for_each(|worker| worker.join().map_err(|_| "a worker panicked".to_owned())?)
    })?;
    println!(
        "created {volumes} volumes at {:.0} per second",
        volumes as f64 / start.elapsed().as_secs_f64()
    );
    Ok(())
}

async fn serve_nothing(listener: tokio::net::UnixListener) {
    while let Ok((stream, _)) = listener.accept().await {
        let answer = service_fn(|request: Request<Incoming>| async {
            let _ = request.into_body().collect().await;
            Ok::<_, std::convert::Infallible>(Response::new(Full::new(Bytes::from_static(
                br#"{"Err":""}"#,
            ))))
        });
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
    }
}

fn resident_kib() -> Outcome<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .ok_or("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

/// A blocking client on one connection.
struct Client {
    stream: UnixStream,
    buffer: Vec<u8>,
}

impl Client {
    fn connect(socket: &Path) -> Outcome<Self> {
        Ok(Self {
            stream: UnixStream::connect(socket)?,
            buffer: Vec::new(),
        })
    }

    /// Calls for two seconds; returns calls per second.
    fn rate(
        &mut self,
        what: &str,
        calls: impl Fn(usize) -> Vec<(&'static str, String)>,
    ) -> Outcome<f64> {
        let (start, mut count, mut round) = (Instant::now(), 0_u32, 0);
        while start.elapsed() < Duration::from_secs(2) {
            for (call, body) in calls(round) {
                self.call(call, &body)?;
                count += 1;
            }
            round += 1;
        }
        let rate = f64::from(count) / start.elapsed().as_secs_f64();
        println!("{what}: {rate:.0} calls per second");
        Ok(rate)
    }

    /// One call; returns the length of the answer's body.
    fn call(&mut self, call: &str, body: &str) -> Outcome<usize> {
        let length = body.len() + 1;
        let request = format!(
            "POST /VolumeDriver.{call} HTTP/1.1\r\nHost: plugin.moby.localhost\r\nUser-Agent: Go-http-client/1.1\r\n\
             Content-Length: {length}\r\nAccept: application/vnd.docker.plugins.v1.2+json\r\n\r\n{body}\n"
        );
        self.stream.write_all(request.as_bytes())?;
        self.buffer.clear();
        let mut piece = vec![0; 64 << 10];
        loop {
            let read = self.stream.read(&mut piece)?;
            if read == 0 {
                return Err("the server closed the connection".into());
            }
            self.buffer
                .extend_from_slice(piece.get(..read).unwrap_or_default());
            let Some(end) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") else {
                continue;
            };
            let head = std::str::from_utf8(self.buffer.get(..end).unwrap_or_default())?
                .to_ascii_lowercase();
            if !head.starts_with("http/1.1 200") {
                return Err(format!("{call} {body}: {head}").into());
            }
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "))
                .ok_or("no length")?;
            let length: usize = length.parse()?;
            if self.buffer.len() >= end + 4 + length {
                return Ok(length);
            }
        }
    }
}
