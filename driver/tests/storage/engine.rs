//! Containers of a real engine with volumes on these servers: what they write is on the server,
//! for as long and as often as they are started, copied from, killed and removed.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use nix::{
    mount::{MsFlags, mount},
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tempfile::TempDir;

use crate::server::{Kind, Server};
use crate::support::{
    Client, ID,
    helpers::{Stage, is_mounted},
    trials::{Skip, Test, Tried, tests},
    wait_until,
};

pub(crate) const TESTS: &[Test] = tests![
    containers_keep_their_data_in_s3,
    containers_keep_their_data_on_moosefs,
];

fn containers_keep_their_data_in_s3() -> Tried {
    containers(Kind::S3)
}

fn containers_keep_their_data_on_moosefs() -> Tried {
    containers(Kind::MooseFs)
}

fn containers(kind: Kind) -> Tried {
    let program =
        env::var("VOLPLUG_DOCKERD").map_err(|_| Skip("it takes ci/real-engine".into()))?;
    let _stage = Stage::new()?;
    // What the driver mounts from now on is seen by the engine that is started here.
    let none = None::<&str>;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_SHARED, none).unwrap();
    let server = Server::start(kind)?;
    let (place, peer) = (server.place(&[]), server.place(&[]));
    let (driver, elsewhere) = (place.start(), peer.start());
    let plugin = Socket::link(kind, driver.socket());
    let mut engine = Engine::start(&program);
    let volume = |name: &str, at: &str| {
        format!(
            "type=volume,source={name},target={at},volume-driver={}",
            plugin.name
        )
    };
    let (one, two) = (volume("one", "/data"), volume("two", "/other"));

    // Two volumes in one container, and a second container.
    let write = "echo first >/data/file && echo second >/other/file";
    engine.docker(&[
        "run", "--rm", "--mount", &one, "--mount", &two, "busybox", "sh", "-c", write,
    ]);
    let read = ["busybox", "cat", "/data/file"];
    assert_eq!(
        engine.docker(&[&["run", "--rm", "--mount", &one][..], &read].concat()),
        "first"
    );
    let mut other_host = elsewhere.client();
    assert_eq!(on_the_server(&mut other_host, "one", "file"), "first\n");
    assert_eq!(on_the_server(&mut other_host, "two", "file"), "second\n");

    // Two holders: the data stay for the one that is left.
    for name in ["c1", "c2"] {
        engine.docker(&[
            "run", "-d", "--name", name, "--mount", &one, "busybox", "sleep", "600",
        ]);
    }
    engine.docker(&["exec", "c1", "sh", "-c", "echo third >/data/file"]);
    assert_eq!(engine.docker(&["exec", "c2", "cat", "/data/file"]), "third");
    let place = engine.docker(&["volume", "inspect", "-f", "{{.Mountpoint}}", "one"]);
    assert!(is_mounted(&place), "{place}");
    assert_eq!(driver.client().holders("one"), 2);
    engine.docker(&["stop", "-t", "0", "c1"]);
    assert_eq!(engine.docker(&["exec", "c2", "cat", "/data/file"]), "third");

    // Copying out of and into a container that runs, and one that does not.
    let copied = engine.path("copied");
    for container in ["c1", "c2"] {
        let (from, to) = (
            format!("{container}:/data/file"),
            format!("{container}:/data/back"),
        );
        engine.docker(&["cp", &from, copied.to_str().unwrap()]);
        assert_eq!(fs::read_to_string(&copied).unwrap(), "third\n");
        engine.docker(&["cp", copied.to_str().unwrap(), &to]);
        assert_eq!(engine.docker(&["exec", "c2", "cat", "/data/back"]), "third");
    }
    assert!(is_mounted(&place));
    engine.docker(&["rm", "-f", "c1", "c2"]);
    assert!(!is_mounted(&place), "{place} is still mounted");

    // An engine that is restarted, with a container that is started again by it and by hand.
    let again = [
        "--restart",
        "always",
        "--mount",
        &one,
        "busybox",
        "sleep",
        "600",
    ];
    engine.docker(&[&["run", "-d", "--name", "c3"][..], &again].concat());
    engine.docker(&[
        "run", "-d", "--name", "c4", "--mount", &one, "busybox", "sleep", "600",
    ]);
    engine.restart();
    wait_until("the container is started again", || {
        engine.docker(&["inspect", "-f", "{{.State.Running}}", "c3"]) == "true"
    });
    assert_eq!(engine.docker(&["exec", "c3", "cat", "/data/file"]), "third");
    engine.docker(&["start", "c4"]);
    engine.docker(&["exec", "c4", "sh", "-c", "echo fourth >/data/file"]);
    engine.docker(&["rm", "-f", "c3", "c4"]);
    assert_eq!(on_the_server(&mut other_host, "one", "file"), "fourth\n");
    assert!(!is_mounted(&place), "{place} is still mounted");
    engine.docker(&["volume", "rm", "one", "two"]);
    assert!(driver.client().names().is_empty());
    Ok(())
}

/// A file as another host sees it, which has the volume from the server itself.
fn on_the_server(client: &mut Client, volume: &str, file: &str) -> String {
    wait_until("the other host sees the volume", || {
        client.get(volume).status == 200
    });
    let mountpoint = client.mount(volume, ID).mountpoint();
    let text = fs::read_to_string(Path::new(&mountpoint).join(file)).unwrap();
    client.unmount(volume, ID).ok();
    text
}

/// The driver's socket where engines look for plugins.
struct Socket {
    name: String,
    path: PathBuf,
}

impl Socket {
    fn link(kind: Kind, socket: &Path) -> Self {
        let name = format!("vp-{}-{}", kind.name(), std::process::id());
        let path = Path::new("/run/docker/plugins").join(format!("{name}.sock"));
        std::os::unix::fs::symlink(socket, &path).unwrap();
        Self { name, path }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// A dockerd that only this test uses, with the image `busybox`.
struct Engine {
    directory: TempDir,
    program: String,
    host: String,
    daemon: Child,
}

impl Engine {
    fn start(program: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let host = format!("unix://{}", directory.path().join("docker.sock").display());
        let daemon = launch(program, directory.path(), &host);
        let engine = Self {
            directory,
            program: program.to_owned(),
            host,
            daemon,
        };
        engine.wait();
        let image = engine.path("busybox.tar");
        let image = image.to_str().unwrap();
        // From the one that ci/real-engine has prepared.
        let saved = Command::new("docker")
            .args(["save", "-o", image, "busybox"])
            .status();
        assert!(saved.unwrap().success());
        engine.docker(&["load", "-i", image]);
        engine
    }

    fn wait(&self) {
        wait_until("the engine answers", || {
            self.output(&["version"]).status.success()
        });
    }

    fn restart(&mut self) {
        self.stop();
        self.daemon = launch(&self.program, self.directory.path(), &self.host);
        self.wait();
    }

    fn stop(&mut self) {
        let pid = Pid::from_raw(i32::try_from(self.daemon.id()).unwrap());
        let _ = kill(pid, Signal::SIGTERM);
        let _ = self.daemon.wait();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn output(&self, arguments: &[&str]) -> Output {
        Command::new("docker")
            .args(arguments)
            .env("DOCKER_HOST", &self.host)
            .output()
            .unwrap()
    }

    /// Runs a command that has to succeed, and returns what it prints.
    #[track_caller]
    fn docker(&self, arguments: &[&str]) -> String {
        let output = self.output(arguments);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "docker {arguments:?}: {error}");
        String::from_utf8(output.stdout)
            .unwrap()
            .trim_end()
            .to_owned()
    }
}

fn launch(program: &str, directory: &Path, host: &str) -> Child {
    let place = |name: &str| directory.join(name);
    Command::new(program)
        .arg("--data-root")
        .arg(place("data"))
        .arg("--exec-root")
        .arg(place("exec"))
        .arg("--pidfile")
        .arg(place("pid"))
        .args(["--host", host])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(fs::File::create(place("log")).unwrap())
        .spawn()
        .unwrap()
}

impl Drop for Engine {
    fn drop(&mut self) {
        let containers = self.output(&["ps", "-aq"]).stdout;
        for container in String::from_utf8_lossy(&containers).split_whitespace() {
            self.output(&["rm", "-f", container]);
        }
        self.stop();
    }
}
