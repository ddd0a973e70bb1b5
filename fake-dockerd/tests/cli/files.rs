//! `docker cp` and `docker import`.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::engine::{Engine, SIGKILL};

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

/// The names in a tar, as they are written.
fn names(tar: &[u8]) -> Vec<String> {
    let mut archive = tar::Archive::new(tar);
    let entries = archive.entries().unwrap();
    let names = entries.map(|entry| String::from_utf8(entry.unwrap().path_bytes().into()).unwrap());
    names.collect()
}

pub(crate) fn copied_in_and_out() {
    let engine = Engine::start();
    let volume = ["-v", "vol:/data", "--volume-driver", "mine"];
    engine.stdout(&[&["create", "--name", "c1"], &volume[..], &["busybox"]].concat());
    engine.plugin.take();
    fs::write(engine.path("file"), "content").unwrap();

    // Outside of its volumes a container has files of its own.
    engine.stdout(&["cp", &text(&engine.path("file")), "c1:/tmp/x"]);
    let out = engine.docker(&["cp", "c1:/tmp/x", "-"]).stdout;
    assert_eq!(names(&out), ["x"]);
    engine.stdout(&["cp", "c1:/tmp/x", &text(&engine.path("back"))]);
    assert_eq!(fs::read_to_string(engine.path("back")).unwrap(), "content");
    assert!(names(&engine.docker(&["cp", "c1:/", "-"]).stdout).contains(&"/tmp/x".to_owned()));

    // Each copy holds every volume, wherever it goes.
    let calls = engine.plugin.take();
    let count = |call: &str| calls.iter().filter(|name| name.starts_with(call)).count();
    assert!(count("Mount vol") > 0 && count("Mount vol") == count("Unmount vol"));

    // What is below `DIRECTORY/.` and not the directory.
    engine.stdout(&["cp", &text(&engine.path("file")), "c1:/data/"]);
    fs::create_dir(engine.volume("vol").join("inner")).unwrap();
    symlink("inner", engine.volume("vol").join("link")).unwrap();
    let out = engine.docker(&["cp", "c1:/data/.", "-"]).stdout;
    assert_eq!(names(&out), ["./", "./file", "./inner/", "./link"]);
    engine.stdout(&["cp", "c1:/data/.", &text(&engine.path("out"))]);
    assert_eq!(
        fs::read_to_string(engine.path("out/file")).unwrap(),
        "content"
    );
    assert!(engine.path("out/link").is_symlink());

    let missing = engine.refused(&["cp", "c1:/data/none", "-"]);
    assert!(
        missing.contains("Could not find the file /data/none in container c1"),
        "{missing}"
    );
    fs::create_dir(engine.path("inner")).unwrap();
    let refused = engine.refused(&["cp", &text(&engine.path("inner")), "c1:/data/file"]);
    assert!(refused.contains("cannot copy directory"), "{refused}");
}

pub(crate) fn within_bounds() {
    let engine = Engine::start();
    let volume = ["-v", "vol:/data", "--volume-driver", "mine"];
    engine.stdout(&[&["create", "--name", "c1"], &volume[..], &["busybox"]].concat());
    fs::write(engine.path("secret"), "secret").unwrap();
    fs::create_dir_all(engine.volume("vol")).unwrap();
    let outside = text(engine.path("secret").parent().unwrap());
    symlink(&outside, engine.volume("vol").join("absolute")).unwrap();
    symlink(
        "../../../../../../..",
        engine.volume("vol").join("relative"),
    )
    .unwrap();
    for path in [
        "c1:/data/absolute/secret".to_owned(),
        format!("c1:/data/relative{outside}/secret"),
        format!("c1:/data/../../..{outside}/secret"),
    ] {
        let refused = engine.refused(&["cp", &path, "-"]);
        assert!(
            refused.contains("Could not find the file"),
            "{path}: {refused}"
        );
    }
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(3);
    header.set_mode(0o644);
    tar.append_data(&mut header, "absolute/written", b"bad".as_slice())
        .unwrap();
    let mut copy = Command::new("docker")
        .args(["-H", &engine.address(), "cp", "-", "c1:/data"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let tar = tar.into_inner().unwrap();
    std::io::Write::write_all(&mut copy.stdin.take().unwrap(), &tar).unwrap();
    assert!(copy.wait().unwrap().success());
    assert!(!engine.path("written").exists(), "a link led out");
}

pub(crate) fn imported() {
    let mut engine = Engine::start();
    let mut tar = tar::Builder::new(Vec::new());
    for name in ["data/file", "etc/os-release"] {
        let mut header = tar::Header::new_gnu();
        header.set_size(5);
        header.set_mode(0o640);
        tar.append_data(&mut header, name, b"image".as_slice())
            .unwrap();
    }
    fs::write(engine.path("image.tar"), tar.into_inner().unwrap()).unwrap();
    let changes = [
        "-c",
        "VOLUME /data",
        "-c",
        "CMD [\"true\"]",
        "-c",
        "ENV A=1",
    ];
    let image = text(&engine.path("image.tar"));
    let id = engine.stdout(&[&["import"], &changes[..], &[&image, "own:1"]].concat());
    assert!(id.starts_with("sha256:"), "{id}");
    let refused = engine.refused(&["import", "-c", "RUN x", &image]);
    assert!(
        refused.contains("RUN is not a valid change command"),
        "{refused}"
    );
    engine.stdout(&["pull", "other"]);

    // It outlives the daemon, pulled names too.
    engine.restart(SIGKILL);
    let listed = engine.stdout(&["images", "--format", "{{.Repository}}:{{.Tag}}"]);
    assert_eq!(listed, "own:1\nother:latest\n");
    let inspected = engine.stdout(&["inspect", "-f", "{{.Id}} {{.Config.Env}}", "own:1"]);
    assert_eq!(inspected, format!("{} [A=1]\n", id.trim()));

    // A new volume gets what the image has, one with something in it does not.
    let run = |volume: &str| {
        let mount = format!("{volume}:/data");
        let options = [
            "run",
            "--rm",
            "-v",
            &mount,
            "--volume-driver",
            "mine",
            "own:1",
        ];
        engine.stdout(&options);
    };
    run("fresh");
    let file = engine.volume("fresh").join("file");
    assert_eq!(fs::read_to_string(&file).unwrap(), "image");
    fs::write(&file, "changed").unwrap();
    run("fresh");
    assert_eq!(fs::read_to_string(&file).unwrap(), "changed");
    let mount = "type=volume,source=bare,target=/data,volume-driver=mine,volume-nocopy";
    engine.stdout(&["run", "--rm", "--mount", mount, "own:1"]);
    assert!(!engine.volume("bare").join("file").exists());

    // VOLUME makes an anonymous one.
    engine.stdout(&["create", "--name", "c1", "own:1"]);
    let mounts = engine.stdout(&[
        "inspect",
        "-f",
        "{{range .Mounts}}{{.Destination}}{{end}}",
        "c1",
    ]);
    assert_eq!(mounts, "/data\n");
    engine.stdout(&["cp", "c1:/etc/os-release", &text(&engine.path("back"))]);
    assert_eq!(fs::read_to_string(engine.path("back")).unwrap(), "image");

    let refused = engine.refused(&["rmi", "own:1"]);
    assert!(
        refused.contains("is using its referenced image"),
        "{refused}"
    );
    engine.stdout(&["rm", "-v", "c1"]);
    engine.stdout(&["tag", "own:1", "own:2"]);
    engine.stdout(&["rmi", "own:1"]);
    engine.stdout(&["rmi", "own:2"]);
    assert!(
        engine
            .refused(&["image", "inspect", id.trim()])
            .contains("No such image")
    );
    let refused = engine.refused(&["save", "other"]);
    assert!(
        refused.contains("does not serve GET /images/get"),
        "{refused}"
    );
}
