//! What goes on when the engine is started again.

use crate::engine::{Engine, SIGKILL, SIGTERM};

/// With live-restore a pretended process runs on, and its volume stays mounted under one ID.
pub(crate) fn live_restore() {
    let mut engine = Engine::with(&["--run=off", "--live-restore"]);
    let run = ["run", "-d", "--name", "c1", "--volume-driver", "mine"];
    let sleep = ["-v", "data:/d", "busybox", "sleep", "600"];
    engine.stdout(&[&run[..], &sleep].concat());
    let about = |engine: &Engine, call: &str| {
        let calls = engine.plugin.take();
        let calls = calls.into_iter().filter(|one| one.starts_with(call));
        calls.collect::<Vec<_>>()
    };
    let mounted = about(&engine, "Mount data ");
    let [mount] = &mounted[..] else {
        panic!("{mounted:?}")
    };
    let id = mount.strip_prefix("Mount data ").unwrap();
    for signal in [SIGTERM, SIGKILL] {
        engine.restart(signal);
        assert_eq!(engine.inspect("c1", ".State.Status"), "running");
        let calls = engine.plugin.take();
        let looked = calls.iter().filter(|call| *call == "Get data").count();
        assert_eq!(looked, calls.len() - 2, "a start looks only: {calls:?}");
    }
    engine.stdout(&["stop", "-t", "0", "c1"]);
    assert_eq!(engine.inspect("c1", ".State.ExitCode"), "137");
    assert_eq!(about(&engine, "Unmount"), [format!("Unmount data {id}")]);

    // One that would have ended meanwhile has.
    engine.stdout(&["run", "-d", "--name", "c2", "busybox", "sleep", "2"]);
    engine.end(SIGKILL);
    std::thread::sleep(std::time::Duration::from_secs(2));
    engine.again();
    let state = engine.inspect("c2", ".State.Status}} {{.State.ExitCode");
    assert_eq!(state, "exited 0");

    // Without live-restore nothing of it is left to be found.
    engine.stdout(&["start", "c1"]);
    engine.end(SIGKILL);
    engine.without("--live-restore");
    engine.again();
    assert_eq!(engine.inspect("c1", ".State.Status"), "exited");
    engine.stdout(&["rm", "c1", "c2"]);
}
