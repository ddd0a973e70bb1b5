//! What every kind of storage has in common when something goes wrong: servers that are frozen or
//! restarted, helpers that are missing or die. Volumes are directories of one share, or prefixes
//! of one bucket.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use nix::{
    mount::{MntFlags, MsFlags, mount, umount2},
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::server::{Kind, Server, on_a_kernel, processes_with};
use crate::support::{
    Client, ID,
    helpers::{Stage, is_mounted},
    process::Place,
    trials::{Test, Tried, tests},
    wait_until,
};

pub(crate) const TESTS: &[Test] = tests![
    s3_frozen,
    s3_away_at_the_start,
    s3_restarted,
    s3_helpers,
    moosefs_frozen,
    moosefs_away_at_the_start,
    moosefs_restarted,
    moosefs_helpers,
    nfs_frozen,
    nfs_restarted_without_helpers,
    cifs_frozen,
    cifs_restarted_without_helpers,
];

fn s3_frozen() -> Tried {
    on_a_kernel(Kind::S3, "faults::s3_frozen", frozen)
}

fn s3_away_at_the_start() -> Tried {
    on_a_kernel(Kind::S3, "faults::s3_away_at_the_start", |server| {
        let (url, keys) = (server.setting("URL"), server.setting("KEY_FILE"));
        let nowhere = Place::new().on(&[
            "s3",
            "--bucket",
            "data",
            "--key-file",
            keys,
            "--url",
            "http://127.0.0.1:1",
        ]);
        let address = url.to_owned();
        away_at_the_start(server, &address, &nowhere)
    })
}

fn s3_restarted() -> Tried {
    on_a_kernel(Kind::S3, "faults::s3_restarted", restarted)
}

fn s3_helpers() -> Tried {
    on_a_kernel(Kind::S3, "faults::s3_helpers", helpers)
}

fn moosefs_frozen() -> Tried {
    on_a_kernel(Kind::MooseFs, "faults::moosefs_frozen", frozen)
}

fn moosefs_away_at_the_start() -> Tried {
    let name = "faults::moosefs_away_at_the_start";
    on_a_kernel(Kind::MooseFs, name, |server| {
        let nowhere = Place::new().on(&["moosefs", "--host", "127.0.0.1", "--port", "1"]);
        let address = format!("{}:{}", server.setting("HOST"), server.setting("PORT"));
        away_at_the_start(server, &address, &nowhere)
    })
}

fn moosefs_restarted() -> Tried {
    on_a_kernel(Kind::MooseFs, "faults::moosefs_restarted", restarted)
}

fn moosefs_helpers() -> Tried {
    on_a_kernel(Kind::MooseFs, "faults::moosefs_helpers", helpers)
}

fn nfs_frozen() -> Tried {
    on_a_kernel(Kind::Nfs, "faults::nfs_frozen", frozen)
}

fn nfs_restarted_without_helpers() -> Tried {
    on_a_kernel(Kind::Nfs, "faults::nfs_restarted_without_helpers", both)
}

fn cifs_frozen() -> Tried {
    on_a_kernel(Kind::Cifs, "faults::cifs_frozen", frozen)
}

fn cifs_restarted_without_helpers() -> Tried {
    on_a_kernel(Kind::Cifs, "faults::cifs_restarted_without_helpers", both)
}

fn both(mut server: Server) -> Tried {
    check_helpers(&server)?;
    check_restart(&mut server)
}

fn restarted(mut server: Server) -> Tried {
    check_restart(&mut server)
}

fn helpers(server: Server) -> Tried {
    check_helpers(&server)
}

/// Each call's time is bounded while the server answers nothing; all goes on when it does again.
fn frozen(mut server: Server) -> Tried {
    let _stage = Stage::new()?;
    let place = server.place(&["--mount-timeout", "10", "--unmount-timeout", "2"]);
    let driver = place.start();
    let mut client = driver.client();
    for name in ["gone1", "gone2"] {
        client.create(name).ok();
    }
    let mountpoint = client.mount("gone1", ID).mountpoint();
    let names = client.names();
    // The kernel's own clients answer from their cache for some time.
    let by_fuse = matches!(server.kind(), Kind::S3 | Kind::MooseFs);
    assert_eq!(names, ["gone1", "gone2"]);
    let silence = server.freeze();
    // Reasons to stop waiting: dockerd gives up on a look after seconds, on a mount after two
    // minutes.
    for _ in 0..3 {
        let status = within("Get", 3, || client.get("gone1").ok().json());
        if by_fuse {
            assert_eq!(
                status["Volume"]["Status"]["storage"]["answers"], false,
                "{status}"
            );
        }
    }
    assert_eq!(within("List", 6, || client.names()), names);
    within("Mount", 30, || client.mount("gone2", ID).failed(500));
    within("Unmount", 30, || client.unmount("gone1", ID).status);
    assert!(!is_mounted(&mountpoint));
    drop(client);
    driver.kill();
    // What was known is known to the next start as well.
    let driver = place.start();
    let mut client = driver.client();
    assert_eq!(within("List", 6, || client.names()), names);
    client.get("gone2").ok();
    drop(silence);
    wait_until("the storage is used again", || {
        client.mount("gone2", ID).status == 200
    });
    client.unmount("gone2", ID).ok();
    wait_until("Status says so", || {
        client.get("gone1").ok().json()["Volume"]["Status"]["storage"]["answers"] == true
    });
    for name in ["gone1", "gone2"] {
        wait_until("volumes can be removed again", || {
            client.remove(name).status == 200
        });
    }
    Ok(())
}

/// A driver that has not reached its storage since it started does not know what is there: it says
/// so, and not that a volume of another host does not exist.
/// `nowhere` is for a driver that finds nobody at 127.0.0.1:1.
fn away_at_the_start(mut server: Server, address: &str, nowhere: &Place) -> Tried {
    let _stage = Stage::new()?;
    let elsewhere = server.place(&[]);
    elsewhere.start().client().create("theirs").ok();
    let place = server.place(&["--mount-timeout", "5"]);
    let silence = server.freeze();
    let driver = place.start();
    says_that_it_is_away(&mut driver.client(), address);
    drop(silence);
    let mut client = driver.client();
    wait_until("the volume is found", || client.get("theirs").status == 200);
    wait_until("what is not there is known not to be", || {
        client.get("nobody").failed(500).contains("does not exist")
    });
    drop(driver);

    let driver = nowhere.start();
    let mut client = driver.client();
    says_that_it_is_away(&mut client, "127.0.0.1:1");
    let error = client.create("mine").failed(500);
    assert!(error.contains("127.0.0.1"), "{error}");
    Ok(())
}

#[track_caller]
fn says_that_it_is_away(client: &mut Client, address: &str) {
    for call in ["Get", "Path", "Remove", "Get"] {
        let error = within(call, 3, || client.named(call, "theirs").failed(500));
        assert!(
            error.contains(address) && !error.contains("does not exist"),
            "{call}: {error}"
        );
    }
    let error = within("Mount", 3, || client.mount("theirs", ID).failed(500));
    assert!(error.contains(address), "{error}");
    assert!(within("List", 6, || client.names()).is_empty());
}

/// What is asked for, in this many seconds.
#[track_caller]
fn within<T>(what: &str, seconds: u64, ask: impl FnOnce() -> T) -> T {
    let began = Instant::now();
    let answer = ask();
    let took = began.elapsed();
    assert!(took < Duration::from_secs(seconds), "{what} took {took:?}");
    answer
}

/// A server that ends and comes back has its volumes and data, and is used again.
fn check_restart(server: &mut Server) -> Tried {
    let _stage = Stage::new()?;
    let place = server.place(&["--mount-timeout", "10", "--unmount-timeout", "2"]);
    let driver = place.start();
    let mut client = driver.client();
    client.create("data").ok();
    write(&mut client, "data");
    server.restart();
    if server.kind() == Kind::S3 {
        // This server keeps everything in memory; a volume of its own makes the bucket again.
        wait_until("there is a bucket again", || {
            let made = [("bucket", "data"), ("prefix", "any"), ("create", "true")];
            client.create_with("maker", &made).status == 200
        });
        wait_until("volumes can be made again", || {
            client.create("anew").status == 200
        });
        write(&mut client, "anew");
        return Ok(());
    }
    wait_until("the volume can be mounted again", || {
        client.mount("data", ID).status == 200
    });
    let mountpoint = client.mount("data", ID).mountpoint();
    assert_eq!(
        fs::read_to_string(Path::new(&mountpoint).join("file")).unwrap(),
        "data"
    );
    client.unmount("data", ID).ok();
    client.unmount("data", ID).ok();
    assert!(!is_mounted(&mountpoint));
    Ok(())
}

fn write(client: &mut Client, volume: &str) {
    let mountpoint = client.mount(volume, ID).mountpoint();
    fs::write(Path::new(&mountpoint).join("file"), "data").unwrap();
    client.unmount(volume, ID).ok();
}

/// The helper is missing, or what it has started dies.
fn check_helpers(server: &Server) -> Tried {
    let _stage = Stage::new()?;
    let place = server.place(&[]);
    let driver = place.start();
    let mut client = driver.client();
    client.create("data").ok();
    let mountpoint = client.mount("data", "a").mountpoint();
    fs::write(Path::new(&mountpoint).join("file"), "data").unwrap();
    if matches!(server.kind(), Kind::S3 | Kind::MooseFs) {
        for pid in processes_with(&mountpoint) {
            kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
        }
        wait_until("the mount is dead", || fs::metadata(&mountpoint).is_err());
    } else {
        umount2(Path::new(&mountpoint), MntFlags::MNT_DETACH).unwrap();
    }
    assert_eq!(client.mount("data", "b").mountpoint(), mountpoint);
    assert_eq!(
        fs::read_to_string(Path::new(&mountpoint).join("file")).unwrap(),
        "data"
    );
    client.unmount("data", "a").ok();
    client.unmount("data", "b").ok();
    assert!(!is_mounted(&mountpoint));

    let (program, package) = server.kind().client();
    let hidden = hide(program);
    let error = client.mount("data", ID).failed(500);
    assert!(
        error.contains(program) && error.contains(package),
        "{error}"
    );
    client.get("data").ok();
    assert_eq!(client.names(), ["data"]);
    for directory in hidden {
        umount2(&directory, MntFlags::MNT_DETACH).unwrap();
    }
    client.mount("data", ID).ok();
    client.unmount("data", ID).ok();
    Ok(())
}

/// Lays nothing over the directories that have a program.
fn hide(program: &str) -> Vec<PathBuf> {
    let path = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap());
    let mut hidden = Vec::new();
    for directory in std::env::split_paths(&path) {
        if directory.join(program).exists() {
            let directory = directory.canonicalize().unwrap();
            let none = None::<&str>;
            mount(none, &directory, Some("tmpfs"), MsFlags::empty(), none).unwrap();
            hidden.push(directory);
        }
    }
    hidden
}
