//! What the runner says when there is nothing to judge: exit status 2 and one clear sentence.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use assert_cmd::Command;

/// Killed, and with that failed, when it does not end: nothing here is worth a long wait.
fn runner(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_volplug-conformance"))
        .args(arguments)
        .timeout(Duration::from_secs(60))
        .output()
        .unwrap()
}

/// Runs, and checks that it ends with status 2, nothing on standard output and one sentence.
fn refused(arguments: &[&str]) -> String {
    let output = runner(arguments);
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {told}");
    assert!(output.stdout.is_empty(), "{arguments:?}");
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines.len(), 1, "{told}");
    lines[0]
        .strip_prefix("error: ")
        .expect("it says that it is an error")
        .to_owned()
}

fn judge(socket: &Path) -> String {
    refused(&["--socket", socket.to_str().unwrap(), "--timeout", "0.5"])
}

/// A server that gives each connection to `serve`.
fn server(
    serve: impl Fn(UnixStream) + Send + Sync + Clone + 'static,
) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("p.sock");
    let listener = UnixListener::bind(&path).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let serve = serve.clone();
            std::thread::spawn(move || serve(stream.unwrap()));
        }
    });
    (directory, path)
}

/// A server that answers everything with these bytes, once it has read something.
fn answering(answer: &'static [u8]) -> (tempfile::TempDir, PathBuf) {
    server(move |mut stream| {
        let mut piece = [0; 4096];
        if stream.read(&mut piece).is_ok() {
            let _ = stream.write_all(answer);
        }
    })
}

#[test]
fn nothing_to_judge() {
    assert!(refused(&[]).starts_with("nothing to judge: give --socket"));
}

#[test]
fn a_path_that_does_not_exist() {
    let told = refused(&["--socket", "/nonexistent/p.sock"]);
    assert_eq!(
        told,
        "/nonexistent/p.sock does not exist: is the plugin running?"
    );
}

#[test]
fn a_path_that_is_no_socket() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("p.sock");
    std::fs::write(&file, "").unwrap();
    assert!(judge(&file).ends_with("is a file, not a socket: give the path of the plugin's .sock"));
    assert!(judge(directory.path()).contains("is a directory, not a socket"));
}

#[test]
fn a_dead_socket() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("p.sock");
    drop(UnixListener::bind(&path).unwrap());
    assert!(judge(&path).starts_with("nobody listens on unix://"));
}

#[test]
fn a_socket_path_that_is_too_long() {
    let path = format!("/tmp/{}.sock", "x".repeat(120));
    let told = refused(&["--socket", &path]);
    assert!(
        told.contains("has 130 bytes and the kernel takes 107"),
        "{told}"
    );
}

#[test]
fn no_permission() {
    if !nix::unistd::geteuid().is_root() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("p.sock");
        let _listener = UnixListener::bind(&path).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o0)).unwrap();
        assert!(judge(&path).starts_with("no permission to connect to"));
        return;
    }
    // Root may connect anywhere: another user tries.
    let directory = tempfile::tempdir_in("/tmp").unwrap();
    std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let (path, program) = (
        directory.path().join("p.sock"),
        directory.path().join("runner"),
    );
    let _listener = UnixListener::bind(&path).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::copy(env!("CARGO_BIN_EXE_volplug-conformance"), &program).unwrap();
    let output = Command::new("setpriv")
        .args(["--reuid", "65534", "--regid", "65534", "--clear-groups"])
        .arg(&program)
        .arg("--socket")
        .arg(&path)
        // It may be closed to others.
        .env_remove("TMPDIR")
        .output()
        .unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(
        told.starts_with("error: no permission to connect to unix://"),
        "{told}"
    );
}

#[test]
fn a_server_that_is_no_http_server() {
    let (_directory, path) = answering(b"SSH-2.0-OpenSSH_9.2\r\n");
    assert!(judge(&path).contains("is no HTTP server"));
}

#[test]
fn a_web_server_that_is_no_plugin() {
    let (_directory, path) = answering(
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\nConnection: close\r\n\r\nnot found",
    );
    let told = judge(&path);
    assert!(
        told.ends_with("is no volume plugin: /Plugin.Activate answered 404 \"not found\""),
        "{told}"
    );
}

#[test]
fn a_plugin_of_another_kind() {
    let (_directory, path) = answering(
        b"HTTP/1.1 200 OK\r\nContent-Length: 32\r\nConnection: close\r\n\r\n{\"Implements\":[\"NetworkDriver\"]}",
    );
    let told = judge(&path);
    assert!(
        told.contains("implements NetworkDriver and not VolumeDriver"),
        "{told}"
    );
}

#[test]
fn a_server_that_never_answers() {
    let (_directory, path) = server(|stream| {
        std::thread::sleep(Duration::from_secs(30));
        drop(stream);
    });
    let told = judge(&path);
    assert!(
        told.ends_with("takes connections but did not answer /Plugin.Activate within 0.5 s"),
        "{told}"
    );
}

#[test]
fn a_server_that_hangs_up() {
    let (_directory, path) = answering(b"");
    assert!(judge(&path).contains("closed the connection without an answer"));
}

#[test]
fn a_server_that_floods() {
    let (_directory, path) = server(|mut stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
        while stream.write_all(&[b'x'; 65_536]).is_ok() {}
    });
    let told = refused(&["--socket", path.to_str().unwrap()]);
    assert!(told.contains("answered more than 64 MiB"), "{told}");
}

#[test]
fn a_name_that_nobody_has() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().to_str().unwrap();
    let told = refused(&[
        "--plugin",
        "absent",
        "--sockets-dir",
        place,
        "--specs-dir",
        place,
    ]);
    assert!(
        told.starts_with(
            "plugin \"absent\" not found: no absent.sock, absent.spec or absent.json in"
        ),
        "{told}"
    );
}

#[test]
fn a_command_that_cannot_be_run_or_does_not_listen() {
    assert!(refused(&["--exec", "/nonexistent/plugin {socket}"]).contains("could not be started"));
    assert!(
        refused(&["--exec", "sh -c 'echo no backend >&2; exit 3' {socket}"])
            .contains("its last line was: no backend")
    );
    let told = refused(&[
        "--exec",
        "sh -c 'exec sleep 60' {socket}",
        "--start-timeout",
        "0.3",
    ]);
    assert!(
        told.contains("did not listen on unix://") && told.contains("within 0.3 s"),
        "{told}"
    );
    assert!(refused(&["--exec", "sleep 60"]).contains("put {socket} where the plugin takes"));
    assert!(refused(&["--exec", "sleep 'x"]).contains("--exec 'sleep 'x':"));
}

#[test]
fn a_selection_of_nothing() {
    assert!(
        refused(&["--reference", "--only", "mount.usabel"])
            .contains("did you mean `mount.usable`?")
    );
    assert!(
        refused(&["--reference", "--only", "cap", "--skip", "cap"])
            .contains("leaves no case to run")
    );
}

#[test]
fn a_report_that_cannot_be_written() {
    let told = refused(&["--reference", "--format", "json=/nonexistent/report.json"]);
    assert!(
        told.contains("cannot write /nonexistent/report.json"),
        "{told}"
    );
}

#[test]
fn a_failing_prepare_command_ends_the_run() {
    let told = refused(&[
        "--reference",
        "--only",
        "create.works",
        "--prepare",
        "false {volume}",
    ]);
    assert!(
        told.contains("--prepare failed") && told.contains("exit status: 1"),
        "{told}"
    );
}

#[test]
fn commands_for_the_storage_are_tried_before_the_first_case() {
    for (cut, restore, expected) in [
        ("false", "true", "--storage-cut failed"),
        ("true", "false", "--storage-restore failed"),
        ("/absent/command", "true", "/absent/command"),
    ] {
        let told = refused(&[
            "--reference",
            "--only",
            "create.works",
            "--storage-cut",
            cut,
            "--storage-restore",
            restore,
        ]);
        assert!(told.contains(expected), "{told}");
    }
    let told = refused(&["--reference", "--storage-restore", "true"]);
    assert!(told.contains("nothing to restore"), "{told}");
}

#[test]
fn a_peer_that_is_none_is_told() {
    let told = refused(&["--reference", "--peer", "/absent.sock"]);
    assert!(
        told.starts_with("--peer: ") && told.contains("/absent.sock"),
        "{told}"
    );
    let told = refused(&["--exec", "plugin {socket}", "--peer-exec", "plugin"]);
    assert!(told.contains("{socket}"), "{told}");
}

#[test]
fn a_directory_that_is_no_managed_plugin_is_told() {
    let told = refused(&["--reference", "--managed", "/absent"]);
    assert!(
        told.contains("/absent/config.json") && told.contains("docker plugin create"),
        "{told}"
    );
}

#[test]
fn flags_that_do_not_fit_are_usage_errors() {
    for arguments in [
        &["--reference", "--storage-cut", "true"][..],
        &["--socket", "/x", "--peer-exec", "plugin {socket}"],
        &["--socket", "/x", "--reference"],
        &["--reference", "--timeout", "0"],
        &["--reference", "--format", "yaml"],
        &["--reference", "--opt", "novalue"],
        &["--reference", "--jobs", "0"],
    ] {
        let output = runner(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    }
}
