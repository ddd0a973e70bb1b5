//! Tests of mounts that the machine's own kernel cannot make: they run in a guest with another
//! kernel, the servers outside of it.
//!
//! The test binary starts itself there for one test (`ci/storage/kernel`). What the servers
//! printed reaches it through its environment, what it wants of them goes over TCP to the one that
//! has started them.

use std::{
    collections::BTreeMap,
    env,
    io::{BufRead, BufReader, Write as _},
    net::{TcpListener, TcpStream},
    path::Path,
    process::Command,
    thread,
};

use nix::{
    mount::{MsFlags, mount},
    sched::{CloneFlags, unshare},
};

use super::{Control, Kind, Server};
use crate::support::trials::{Skip, Tried, is_installed};

/// In a guest: the address of the one outside who has started the server.
const OUTSIDE: &str = "VOLPLUG_OUTSIDE_PORT";
const SETTING: &str = "VOLPLUG_SERVER_";

/// Runs a test with the server that it needs, by a kernel that can mount it: this machine's, where
/// it can. `name` is the test's own.
pub(crate) fn on_a_kernel(kind: Kind, name: &str, test: fn(Server) -> Tried) -> Tried {
    if kernel_mounts(kind) || env::var(OUTSIDE).is_ok() {
        return test(Server::start(kind)?);
    }
    if !nix::unistd::geteuid().is_root() {
        return Err(Skip(
            "starting a kernel that can mount needs root".to_owned(),
        ));
    }
    for program in ["linux.uml", "busybox", "ip"] {
        if !is_installed(program) {
            return Err(Skip(format!(
                "this kernel cannot mount {}, and {program} is not installed for one that can",
                kind.name()
            )));
        }
    }
    if env::var("DOCKER_HOST").is_err() {
        isolate();
    }
    let server = Server::start(kind)?;
    let listener = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut guest =
        Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("../ci/storage/kernel"));
    guest
        .args(["-t", "400", "--"])
        .arg(env::current_exe().unwrap())
        .args(["--exact", name, "--color", "never"])
        .env(OUTSIDE, port.to_string());
    for (key, value) in &server.settings {
        guest.env(format!("{SETTING}{key}"), value);
    }
    // Ends with this process, waiting for a guest that comes no more.
    let server = thread::spawn(move || obey(server, &listener));
    let output = guest.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let _ = TcpStream::connect(("127.0.0.1", port));
    let _ = server.join();
    if let Some((_, reason)) = text.split_once("... ignored (") {
        let reason = reason.split(")\n").next().unwrap_or_default();
        return Err(Skip(reason.to_owned()));
    }
    match output.status.code() {
        Some(0) => Ok(()),
        Some(3) => Err(Skip("no guest can be started here".to_owned())),
        status => {
            let errors = String::from_utf8_lossy(&output.stderr);
            panic!("the guest ended with {status:?}:\n{text}{errors}")
        }
    }
}

/// Gives the servers a network and a `/run` of their own: NFS 3 has one well-known port.
fn isolate() {
    unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET).unwrap();
    let none = None::<&str>;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).unwrap();
    mount(none, "/run", Some("tmpfs"), MsFlags::empty(), none).unwrap();
    let up = Command::new("ip")
        .args(["link", "set", "lo", "up"])
        .status();
    assert!(up.unwrap().success());
}

fn kernel_mounts(kind: Kind) -> bool {
    let known = std::fs::read_to_string("/proc/filesystems").unwrap();
    let type_ = match kind {
        Kind::Nfs => "nfs4",
        Kind::Cifs => "cifs",
        Kind::S3 | Kind::SeaweedFs | Kind::Minio | Kind::MooseFs => "fuse",
    };
    known
        .lines()
        .any(|line| line.trim_start_matches("nodev").trim() == type_)
}

/// Does what the guest asks for, until it has ended.
fn obey(mut server: Server, listener: &TcpListener) {
    loop {
        let (mut stream, _) = listener.accept().unwrap();
        let mut word = String::new();
        let _ = BufReader::new(stream.try_clone().unwrap()).read_line(&mut word);
        match word.trim() {
            "pause" => server.control.pause(),
            "resume" => server.control.resume(),
            "restart" => server.control.restart(),
            _ => return,
        }
        let _ = stream.write_all(b"done\n");
    }
}

/// The server outside, for a test in the guest.
pub(super) fn server(kind: Kind) -> Option<Server> {
    let port = env::var(OUTSIDE).ok()?.parse().unwrap();
    let mut settings: BTreeMap<_, _> = env::vars()
        .filter_map(|(key, value)| Some((key.strip_prefix(SETTING)?.to_owned(), value)))
        .collect();
    let host = env::var("STORAGE_HOST").unwrap();
    settings.insert("HOST".to_owned(), host.clone());
    Some(Server {
        kind,
        control: Box::new(Outside { host, port }),
        settings,
        directory: None,
    })
}

/// Asks the one outside.
#[derive(Debug)]
struct Outside {
    host: String,
    port: u16,
}

impl Outside {
    fn ask(&self, word: &str) {
        let mut stream = TcpStream::connect((self.host.as_str(), self.port)).unwrap();
        writeln!(stream, "{word}").unwrap();
        let mut done = String::new();
        BufReader::new(stream).read_line(&mut done).unwrap();
        assert_eq!(done, "done\n", "{word}");
    }
}

impl Control for Outside {
    fn pause(&mut self) {
        self.ask("pause");
    }

    fn resume(&mut self) {
        self.ask("resume");
    }

    fn restart(&mut self) {
        self.ask("restart");
    }
}
