//! `record`: a proxy between an engine and a plugin that writes down what it sees.

use std::path::PathBuf;

use clap::Args;
use tokio::net::UnixListener;
use tokio::signal::unix::{SignalKind, signal};

use super::setup::plugin_directories;
use crate::exit::Exit;
use crate::recording::{Journal, Mask, Proxy, Recording, Swap, bind, repair};
use crate::target::address;
use crate::wire::{Address, TlsFiles};

/// The flags of `record`.
#[derive(Debug, Args)]
#[command(after_help = "EXAMPLES:
  volplug-conformance record --plugin mine --output mine.json
  volplug-conformance record --listen /run/docker/plugins/rec.sock \\
      --upstream /run/mine.sock --output mine.json

Ends with Ctrl-C or SIGTERM. The file is a whole recording at any moment.")]
pub(super) struct RecordArgs {
    /// Where the engine is to connect: a socket that is made.
    #[arg(
        long,
        value_name = "PATH",
        requires = "upstream",
        conflicts_with = "plugin",
        required_unless_present = "plugin"
    )]
    listen: Option<PathBuf>,
    /// Where the plugin listens: a path, unix://PATH, tcp://HOST:PORT, http://… or https://…
    #[arg(long, value_name = "ADDRESS", requires = "listen")]
    upstream: Option<String>,
    /// Take the place of this plugin's socket or spec file, and put it back at the end.
    #[arg(long, value_name = "NAME")]
    plugin: Option<String>,
    /// The file to write; it must not be there yet.
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
    /// An option whose value is masked, beside those whose names look secret; repeatable.
    #[arg(long, value_name = "KEY")]
    redact: Vec<String>,
    /// Where Docker looks for sockets; repeatable [default: /run/docker/plugins].
    #[arg(long, value_name = "DIR")]
    sockets_dir: Vec<PathBuf>,
    /// Where Docker looks for .spec and .json files; repeatable
    /// [default: /etc/docker/plugins, /usr/lib/docker/plugins].
    #[arg(long, value_name = "DIR")]
    specs_dir: Vec<PathBuf>,
    /// The certificate authority of an https plugin.
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// The client certificate for an https plugin.
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,
    /// The key of --cert.
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
}

pub(super) fn record(args: &RecordArgs) -> Result<Exit, String> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| format!("cannot start: {error}"))?;
    runtime.block_on(proxy(args)).map(|()| Exit::Ok)
}

async fn proxy(args: &RecordArgs) -> Result<(), String> {
    // Before anything is changed that has to be put back.
    let end = ended()?;
    let scenario = args.output.file_stem().unwrap_or_default();
    let head = Recording {
        scenario: scenario.to_string_lossy().into_owned(),
        notes: vec![format!(
            "made by volplug-conformance {} record",
            env!("CARGO_PKG_VERSION")
        )],
        ..Recording::default()
    };
    let output = args.output.display();
    let journal = Journal::create(&args.output, &head).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => {
            format!("--output: {output} is there already: give another file, or remove it")
        }
        _ => format!("--output: cannot write {output}: {error}"),
    })?;
    let place = Standing::take(args).inspect_err(|_| {
        // Nothing is in it.
        let _ = std::fs::remove_file(&args.output);
    })?;
    let mask = Mask::new(args.redact.iter().cloned());
    let proxy = Proxy::new(&place.name, place.upstream.clone(), mask, journal.sender());
    anstream::eprintln!(
        "recording what passes between {} and {}",
        place.at.display(),
        place.upstream
    );
    if let Some(swap) = &place.swap
        && let Err(error) = swap.keep()
    {
        anstream::eprintln!("note: a plugin that starts anew takes its place back: {error}");
    }
    let served = proxy.serve(&place.listener, end).await;
    drop(place);
    let written = journal
        .finish()
        .map_err(|error| format!("cannot write {output}: {error}"))?;
    served.map_err(|error| format!("cannot accept connections any more: {error}"))?;
    anstream::eprintln!("{written} calls are in {output}");
    Ok(())
}

/// Where the recorder stands.
struct Standing {
    name: String,
    at: PathBuf,
    upstream: Address,
    listener: UnixListener,
    /// Gives the place back when it goes.
    swap: Option<Swap>,
}

impl Standing {
    fn take(args: &RecordArgs) -> Result<Self, String> {
        let tls = TlsFiles {
            ca: args.ca.clone(),
            cert: args.cert.clone(),
            key: args.key.clone(),
        };
        if let Some(name) = &args.plugin {
            let directories = plugin_directories(&args.sockets_dir, &args.specs_dir);
            for done in repair(directories.sockets.iter().chain(&directories.specs)) {
                anstream::eprintln!("note: a recorder was killed here: {done}");
            }
            let (address, found) = address::locate(name, &directories, &tls)?;
            let (swap, listener) = Swap::take(&found, &address)?;
            return Ok(Self {
                name: name.clone(),
                at: found.path,
                upstream: swap.upstream().clone(),
                listener,
                swap: Some(swap),
            });
        }
        let (Some(at), Some(upstream)) = (&args.listen, &args.upstream) else {
            return Err("give --plugin NAME, or --listen PATH with --upstream ADDRESS".to_owned());
        };
        let upstream = address::parse(upstream, &tls)?;
        let listener = bind(at, upstream.socket())?;
        Ok(Self {
            name: address::driver_name(&address::unix(at)?),
            at: at.clone(),
            upstream,
            listener,
            swap: None,
        })
    }
}

impl Drop for Standing {
    fn drop(&mut self) {
        if self.swap.is_none() {
            let _ = std::fs::remove_file(&self.at);
        }
    }
}

/// Over with the first signal that asks to end.
fn ended() -> Result<impl Future<Output = ()>, String> {
    let listen = |kind| signal(kind).map_err(|error| format!("cannot listen for signals: {error}"));
    let mut int = listen(SignalKind::interrupt())?;
    let mut term = listen(SignalKind::terminate())?;
    let mut hangup = listen(SignalKind::hangup())?;
    Ok(async move {
        tokio::select! {
            _ = int.recv() => {}
            _ = term.recv() => {}
            _ = hangup.recv() => {}
        }
    })
}
