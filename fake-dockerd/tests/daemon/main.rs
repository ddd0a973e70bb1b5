#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

//! A daemon in-process: what it survives, what it never waits for, what it records.

mod plugin;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fake_dockerd::discovery::{Directories, PluginAddress};
use fake_dockerd::runtime::{RealPaths, Runtime, Simulated};
use fake_dockerd::{
    Clock, Config, ContainerCreate, Daemon, Engine, PluginCall, RemoveOptions, RestartPolicy,
    Status, VolumeCreate, VolumeFilters, WaitCondition, trace,
};
use plugin::Plugin;

/// Runs engine time 50 times as fast.
fn clock() -> Clock {
    Clock::scaled(50.0)
}

fn runtime() -> Arc<dyn Runtime> {
    Arc::new(Simulated::new(clock(), Arc::new(RealPaths)))
}

fn config(root: &Path, plugin: &Plugin) -> Config {
    Config::new(root.join("data"))
        .clock(clock())
        .seed(7)
        .with_plugin("p", PluginAddress::Unix(plugin.socket.clone()))
}

fn volume(name: &str) -> VolumeCreate {
    VolumeCreate {
        name: name.to_owned(),
        driver: "p".to_owned(),
        ..VolumeCreate::default()
    }
}

fn sleeper(name: &str, volume: &str) -> ContainerCreate {
    ContainerCreate {
        name: name.to_owned(),
        image: "busybox".to_owned(),
        command: vec!["sleep".to_owned(), "300".to_owned()],
        binds: vec![format!("{volume}:/data")],
        volume_driver: "p".to_owned(),
        detached: true,
        ..ContainerCreate::default()
    }
}

async fn run(daemon: &Daemon, asked: ContainerCreate) {
    let created = daemon.container_create(asked).await.unwrap();
    daemon.container_start(&created.id).await.unwrap();
}

/// The ID of the only mount among `calls`.
fn mounted(calls: &[String]) -> String {
    let mounts: Vec<_> = calls
        .iter()
        .filter(|call| call.starts_with("Mount"))
        .collect();
    assert_eq!(mounts.len(), 1, "{calls:?}");
    mounts[0].rsplit(' ').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_daemon_that_is_killed_mounts_with_the_same_id_again() {
    let root = tempfile::tempdir().unwrap();
    let plugin = Plugin::start(root.path(), "p", |_, _| None);
    let config = config(root.path(), &plugin).runtime(runtime());
    let daemon = Daemon::start(config.clone()).await.unwrap();
    run(&daemon, sleeper("c1", "v1")).await;
    let id = mounted(&plugin.take());

    daemon.crash().await;
    assert!(daemon.volume_inspect("v1").await.is_err(), "it is dead");
    let daemon = Daemon::start(config).await.unwrap();
    assert_eq!(
        plugin.take(),
        ["Activate", "Capabilities", "Get v1", "Get v1"]
    );
    let state = daemon.container_inspect("c1").await.unwrap().state;
    assert_eq!((state.status(), state.exit_code), (Status::Exited, 137));

    daemon.container_start("c1").await.unwrap();
    daemon.container_stop("c1", Some(1)).await.unwrap();
    let calls = [
        "Get v1",
        &format!("Mount v1 {id}"),
        "Get v1",
        &format!("Unmount v1 {id}"),
    ];
    assert_eq!(plugin.take(), calls);
    daemon.container_start("c1").await.unwrap();
    assert_ne!(mounted(&plugin.take()), id);
    daemon.shutdown().await;
}

#[tokio::test]
async fn live_restore_lets_go_of_what_it_counted() {
    for (engine, gets, unmounts) in [(Engine::V20_10, 2, 0), (Engine::V28_5, 3, 1)] {
        let root = tempfile::tempdir().unwrap();
        let plugin = Plugin::start(root.path(), "p", |_, _| None);
        let config = config(root.path(), &plugin)
            .engine(engine)
            .runtime(runtime())
            .live_restore(true);
        let daemon = Daemon::start(config.clone()).await.unwrap();
        run(&daemon, sleeper("c1", "v1")).await;
        let id = mounted(&plugin.take());
        daemon.shutdown().await;
        assert_eq!(plugin.take(), Vec::<String>::new());

        let daemon = Daemon::start(config).await.unwrap();
        let calls = plugin.take();
        assert_eq!(
            calls.iter().filter(|call| *call == "Get v1").count(),
            gets,
            "{engine}"
        );
        assert!(daemon.container_inspect("c1").await.unwrap().state.running);
        // On 20.10 this copy is taken for the only holder, and the container loses its mount.
        daemon
            .container_files("c1", "/data", |_| Ok(()))
            .await
            .unwrap();
        assert_eq!(mounted(&plugin.take()), id);
        daemon.container_stop("c1", Some(1)).await.unwrap();
        let calls = plugin.take();
        let unmounted = calls
            .iter()
            .filter(|call| call.starts_with("Unmount"))
            .count();
        assert_eq!(unmounted, unmounts, "{engine}");
        daemon.shutdown().await;
    }
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_crash() {
    let root = tempfile::tempdir().unwrap();
    let plugin = Plugin::start(root.path(), "p", |_, _| None);
    let daemon = Daemon::start(config(root.path(), &plugin)).await.unwrap();
    let labels = [("k".to_owned(), "v".to_owned())].into();
    let asked = VolumeCreate {
        labels: Some(labels),
        ..volume("../odd name")
    };
    daemon.volume_create(asked.clone()).await.unwrap();
    daemon.container_create(sleeper("c1", "v1")).await.unwrap();
    daemon.crash().await;

    let daemon = Daemon::start(config(root.path(), &plugin)).await.unwrap();
    let inspected = daemon.volume_inspect("../odd name").await.unwrap();
    assert_eq!(inspected.labels, asked.labels);
    let error = daemon.volume_remove("v1", true).await.unwrap_err();
    assert_eq!(error.status(), 409);
    assert!(
        error
            .message()
            .starts_with("remove v1: volume is in use - [")
    );
    daemon
        .container_remove("c1", RemoveOptions::default())
        .await
        .unwrap();
    daemon.volume_remove("v1", false).await.unwrap();
    daemon.shutdown().await;
}

#[tokio::test]
async fn a_plugin_that_hangs_holds_up_nobody_else() {
    let root = tempfile::tempdir().unwrap();
    let hangs = |path: &str, body: &str| {
        (path == "/VolumeDriver.Get" && body.contains("slow")).then_some(None)
    };
    let plugin = Plugin::start(root.path(), "p", hangs);
    // Not that fast: the hanging call has to outlast the others.
    let config = config(root.path(), &plugin).clock(Clock::scaled(5.0));
    let daemon = Daemon::start(config).await.unwrap();
    let hanging = tokio::spawn({
        let daemon = daemon.clone();
        async move { daemon.volume_create(volume("slow")).await }
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    let others = (0..200).map(|n| {
        let daemon = daemon.clone();
        tokio::spawn(async move { daemon.volume_create(volume(&format!("v{n}"))).await })
    });
    for other in others.collect::<Vec<_>>() {
        let created = tokio::time::timeout(Duration::from_secs(5), other).await;
        created.expect("nothing waits").unwrap().unwrap();
    }
    assert!(!hanging.is_finished());
    // A list waits for every name, this one too; with the daemon gone, it is over.
    let listing = tokio::spawn({
        let daemon = daemon.clone();
        async move { daemon.volume_list(VolumeFilters::default()).await }
    });
    daemon.crash().await;
    assert!(hanging.await.unwrap().is_err());
    assert!(listing.await.unwrap().is_err());
}

#[tokio::test]
async fn a_call_that_hangs_is_given_up_in_time() {
    let root = tempfile::tempdir().unwrap();
    let plugin = Plugin::start(root.path(), "p", |path, _| {
        (path == "/VolumeDriver.Mount").then_some(None)
    });
    let daemon = Daemon::start(config(root.path(), &plugin)).await.unwrap();
    daemon.container_create(sleeper("c1", "v1")).await.unwrap();
    let start = tokio::time::Instant::now();
    let error = daemon.container_start("c1").await.unwrap_err();
    let took = start.elapsed();
    assert!(
        took >= Duration::from_millis(2400) && took < Duration::from_millis(4000),
        "{took:?}"
    );
    assert_eq!(
        error.message(),
        "error while mounting volume '': Post \"http://plugin.moby.localhost/VolumeDriver.Mount\": \
         context deadline exceeded"
    );
    let state = daemon.container_inspect("c1").await.unwrap().state;
    assert_eq!((state.status(), state.exit_code), (Status::Created, 128));
    daemon.shutdown().await;
}

/// Go's client reports the deadline as a `net.Error`, which `lookupVolume` in moby's
/// `volume/service/store.go` does not take for a "no", other than an `Err` or a 500.
#[tokio::test]
async fn a_get_that_hangs_says_nothing_about_a_known_volume() {
    let root = tempfile::tempdir().unwrap();
    let hanging = Arc::new(AtomicBool::new(false));
    let hangs = Arc::clone(&hanging);
    let plugin = Plugin::start(root.path(), "p", move |path, _| {
        (path == "/VolumeDriver.Get" && hangs.load(Ordering::Relaxed)).then_some(None)
    });
    let daemon = Daemon::start(config(root.path(), &plugin)).await.unwrap();
    daemon.volume_create(volume("v1")).await.unwrap();
    hanging.store(true, Ordering::Relaxed);
    let error = daemon.volume_inspect("v1").await.unwrap_err();
    assert_eq!(error.status(), 500);
    assert_eq!(
        error.message(),
        "get v1: error while checking if volume \"v1\" exists in driver \"p\": Post \
         \"http://plugin.moby.localhost/VolumeDriver.Get\": context deadline exceeded"
    );
    hanging.store(false, Ordering::Relaxed);
    let error = daemon
        .volume_create(VolumeCreate {
            driver: "local".to_owned(),
            ..volume("v1")
        })
        .await
        .unwrap_err();
    assert_eq!(error.status(), 409, "it is still the plugin's");
    daemon.shutdown().await;
}

#[tokio::test]
async fn newer_engines_undo_a_start_whose_client_is_gone() {
    for (engine, running) in [(Engine::V20_10, true), (Engine::V28_5, false)] {
        let root = tempfile::tempdir().unwrap();
        let plugin = Plugin::start(root.path(), "p", |path, _| {
            if path == "/VolumeDriver.Mount" {
                std::thread::sleep(Duration::from_millis(150));
            }
            None
        });
        let config = config(root.path(), &plugin).engine(engine);
        let daemon = Daemon::start(config).await.unwrap();
        daemon.container_create(sleeper("c1", "v1")).await.unwrap();
        let start = daemon.container_start("c1");
        assert!(
            tokio::time::timeout(Duration::from_millis(50), start)
                .await
                .is_err()
        );
        // Waits for the start to be over.
        let state = daemon.container_inspect("c1").await.unwrap().state;
        assert_eq!(state.running, running, "{engine}");
        let unmounted = plugin.take().iter().any(|call| call.starts_with("Unmount"));
        assert_eq!(unmounted, !running, "{engine}");
        daemon.crash().await;
    }
}

#[tokio::test]
async fn a_null_in_a_list_is_left_out() {
    let root = tempfile::tempdir().unwrap();
    let plugin = Plugin::start(root.path(), "p", |path, _| {
        let list = r#"{"Volumes":[null,{"Name":"d1"}]}"#.to_owned();
        (path == "/VolumeDriver.List").then_some(Some(list))
    });
    let daemon = Daemon::start(config(root.path(), &plugin)).await.unwrap();
    let listed = daemon.volume_list(VolumeFilters::default()).await.unwrap();
    let names: Vec<_> = listed
        .volumes
        .iter()
        .map(|volume| volume.name.as_str())
        .collect();
    assert_eq!(names, ["d1"]);
    daemon.shutdown().await;
}

#[tokio::test]
async fn a_missing_plugin_is_looked_for_in_docker_s_time() {
    let root = tempfile::tempdir().unwrap();
    let directories = Directories {
        sockets: vec![root.path().to_owned()],
        specs: vec![],
    };
    let config = Config::new(root.path().join("data"))
        .clock(clock())
        .directories(directories);
    let daemon = Daemon::start(config).await.unwrap();
    let start = tokio::time::Instant::now();
    let error = daemon.volume_create(volume("v1")).await.unwrap_err();
    assert!(start.elapsed() >= Duration::from_millis(300));
    assert_eq!(error.status(), 404);
    assert_eq!(
        error.message(),
        "create v1: error looking up volume plugin p: plugin \"p\" not found"
    );
    daemon.shutdown().await;
}

#[tokio::test]
async fn every_call_is_traced_with_what_caused_it() {
    let root = tempfile::tempdir().unwrap();
    let plugin = Plugin::start(root.path(), "p", |_, _| None);
    let file = root.path().join("trace.jsonl");
    let config = config(root.path(), &plugin).trace(&file);
    let daemon = Daemon::start(config).await.unwrap();
    let mut told = daemon.plugin_calls();
    let create = daemon.volume_create(volume("v1"));
    trace::attribute("docker volume create -d p v1", create)
        .await
        .unwrap();
    daemon.shutdown().await;

    let text = std::fs::read_to_string(file).unwrap();
    let calls: Vec<PluginCall> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(
        calls.iter().map(|call| call.seq).collect::<Vec<_>>(),
        [1, 2, 3]
    );
    let get = calls.last().unwrap();
    assert_eq!(get.command, "docker volume create -d p v1");
    assert_eq!(
        (get.plugin.as_str(), get.path.as_str()),
        ("p", "/VolumeDriver.Get")
    );
    assert_eq!(get.request, "{\"Name\":\"v1\"}\n");
    assert_eq!(
        (get.status, get.response.as_str()),
        (Some(200), r#"{"Volume":{"Name":"v1"}}"#)
    );
    assert_eq!(
        get.headers[0],
        ("Host".to_owned(), "plugin.moby.localhost".to_owned())
    );
    assert_eq!(*told.recv().await.unwrap(), calls[0]);
}

#[tokio::test]
async fn a_policy_starts_a_container_again_until_it_is_stopped() {
    let root = tempfile::tempdir().unwrap();
    let plugin = Plugin::start(root.path(), "p", |_, _| None);
    let daemon = Daemon::start(config(root.path(), &plugin)).await.unwrap();
    let asked = ContainerCreate {
        command: vec!["false".to_owned()],
        restart: RestartPolicy::OnFailure(2),
        ..sleeper("c1", "v1")
    };
    run(&daemon, asked).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    let info = daemon.container_inspect("c1").await.unwrap();
    assert_eq!((info.restart_count, info.state.exit_code), (2, 1));
    let mut ids: Vec<_> = plugin
        .take()
        .into_iter()
        .filter_map(|call| call.strip_prefix("Mount v1 ").map(str::to_owned))
        .collect();
    assert_eq!(ids.len(), 3);
    ids.dedup();
    assert_eq!(ids.len(), 3, "each start has an ID of its own");
    daemon.shutdown().await;
}

/// moby's `State.Wait` always waits for the removal as well, and `SetRemoved` clears the error.
#[tokio::test]
async fn a_removal_ends_every_wait_without_an_error() {
    let root = tempfile::tempdir().unwrap();
    let plugin = Plugin::start(root.path(), "p", |path, _| {
        (path == "/VolumeDriver.Mount").then(|| Some(r#"{"Err":"boom"}"#.to_owned()))
    });
    let daemon = Daemon::start(config(root.path(), &plugin)).await.unwrap();
    for condition in [WaitCondition::NextExit, WaitCondition::Removed] {
        daemon.container_create(sleeper("c1", "v1")).await.unwrap();
        let end = daemon.container_wait("c1", condition).unwrap();
        daemon.container_start("c1").await.unwrap_err();
        let removed = daemon.container_remove("c1", RemoveOptions::default());
        removed.await.unwrap();
        let end = end.await;
        assert_eq!((end.exit_code, end.error.as_str()), (128, ""));
    }
    daemon.shutdown().await;
}
