//! Commands that really run: what they find and write, how they end, what is seen of them. Where
//! bubblewrap or the docker CLI are missing the tests are ignored, with the reason in their names.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

#[path = "../cli/engine.rs"]
#[expect(dead_code, reason = "some of it is for what does not run")]
mod engine;
#[path = "../daemon/plugin.rs"]
#[expect(dead_code, reason = "what it was asked is looked at elsewhere")]
mod plugin;

use std::process::{Command, ExitCode};

use engine::{Engine, SIGKILL, SIGTERM, all, until};
use fake_dockerd::runtime::HostRuntime;
use libtest_mimic::{Arguments, Trial};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let reason = missing();
    let not_root = (!nix::unistd::geteuid().is_root()).then(|| "not root".to_owned());
    let tests: [(&str, fn()); 12] = [
        ("data_goes_through_the_plugin", data),
        ("what_is_mounted", mounts),
        ("surroundings", surroundings),
        ("exit_codes", exit_codes),
        ("signals", signals),
        ("streams", streams),
        ("logs_outlive_the_daemon", logs),
        ("commands_beside", exec),
        ("what_is_seen_of_processes", seen),
        ("restart_policies", restarts),
        ("the_end_of_the_daemon", ends),
        ("live_restore", live_restore),
    ];
    let mut trials: Vec<Trial> = tests
        .into_iter()
        .map(|(name, test)| trial(name, test, &reason))
        .collect();
    let reason = reason.or(not_root);
    trials.push(trial("without_root", without_root, &reason));
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn trial(name: &str, test: fn(), missing: &Option<String>) -> Trial {
    let reason = missing
        .as_ref()
        .map_or(String::new(), |missing| format!(" (skipped: {missing})"));
    let run = move || {
        test();
        Ok(())
    };
    Trial::test(format!("{name}{reason}"), run).with_ignored_flag(missing.is_some())
}

fn missing() -> Option<String> {
    if Command::new("docker").arg("--version").output().is_err() {
        return Some("no docker CLI".to_owned());
    }
    HostRuntime::probe().err().map(|why| why.to_string())
}

fn data() {
    let engine = Engine::host();
    let written = engine.run("echo hi > /data/x");
    assert_eq!(all(&written), (String::new(), String::new(), Some(0)));
    let file = engine.volume("data/x");
    assert_eq!(std::fs::read_to_string(file).unwrap(), "hi\n");
    assert_eq!(all(&engine.run("cat /data/x")).0, "hi\n");

    let mount = ["-v", "data:/data", "--volume-driver", "mine"];
    let sleep = ["--name", "c1", "busybox", "sleep", "300"];
    engine.stdout(&[&["run", "-d"][..], &mount, &sleep].concat());
    assert_eq!(engine.stdout(&["exec", "c1", "cat", "/data/x"]), "hi\n");
    let copy = engine.path("copy");
    engine.stdout(&["cp", "c1:/data/x", copy.to_str().unwrap()]);
    assert_eq!(std::fs::read_to_string(copy).unwrap(), "hi\n");
}

fn mounts() {
    let engine = Engine::host();
    engine.run("mkdir /data/sub; echo below > /data/sub/f");
    let mount = |mount: &str, script: &str| {
        let output = engine.docker(&[
            "run", "--rm", "--mount", mount, "busybox", "sh", "-c", script,
        ]);
        all(&output)
    };
    let volume = "type=volume,source=data,volume-driver=mine";
    let (_, stderr, code) = mount(&format!("{volume},target=/d,readonly"), "touch /d/y");
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains("Read-only file system"), "{stderr}");
    let below = mount(
        &format!("{volume},target=/d,volume-subpath=sub"),
        "cat /d/f",
    );
    assert_eq!(below.0, "below\n");
    // The host has no such directory, and its own ones cannot be written to.
    let deep = mount(
        &format!("{volume},target=/usr/share/nosuch/d"),
        "cat /usr/share/nosuch/d/sub/f",
    );
    assert_eq!(deep.0, "below\n", "{deep:?}");
    let tmpfs = mount(
        "type=tmpfs,target=/t,tmpfs-size=1m",
        "echo a > /t/a; cat /t/a",
    );
    assert_eq!(tmpfs.0, "a\n", "{tmpfs:?}");
    std::fs::write(engine.path("bound"), "from the host").unwrap();
    let bind = format!(
        "type=bind,source={},target=/etc/bound",
        engine.path("bound").display()
    );
    assert_eq!(mount(&bind, "cat /etc/bound").0, "from the host");
    assert_eq!(
        all(&engine.run("echo > /usr/x")).2,
        Some(2),
        "programs are the host's"
    );
    let own = engine.docker(&["run", "--rm", "--read-only", "busybox", "touch", "/x"]);
    assert_eq!(own.status.code(), Some(1));
}

fn surroundings() {
    let engine = Engine::host();
    let run = |options: &[&str], script: &str| {
        let command = ["busybox", "sh", "-c", script];
        let output = engine.docker(&[&["run", "--rm"][..], options, &command].concat());
        assert!(output.status.success(), "{output:?}");
        all(&output).0
    };
    assert_eq!(
        run(&["-e", "A=b c", "-w", "/usr"], "echo $A; pwd"),
        "b c\n/usr\n"
    );
    assert_eq!(run(&["-w", "/made/up"], "pwd"), "/made/up\n");
    assert_eq!(
        run(&["--hostname", "h"], "hostname; echo $HOSTNAME"),
        "h\nh\n"
    );
    assert_eq!(run(&["-u", "123:45"], "id -u; id -g"), "123\n45\n");
    assert_eq!(run(&[], "id -u; echo $$"), "0\n1\n");
    let unknown = engine.docker(&["run", "--rm", "-u", "nosuchuser", "busybox", "true"]);
    let unknown = all(&unknown).1;
    assert!(
        unknown.contains("unable to find user nosuchuser"),
        "{unknown}"
    );
    // What a container writes outside of its volumes is its own, and stays.
    let script = "cat /kept; echo kept > /kept";
    engine.docker(&["run", "--name", "own", "busybox", "sh", "-c", script]);
    assert_eq!(engine.stdout(&["start", "-a", "own"]), "kept\n");
}

fn exit_codes() {
    let engine = Engine::host();
    let code =
        |command: &[&str]| all(&engine.docker(&[&["run", "--rm", "busybox"], command].concat()));
    assert_eq!(code(&["sh", "-c", "exit 3"]).2, Some(3));
    let (_, missing, status) = code(&["nosuchcommand"]);
    assert_eq!(status, Some(127));
    let text = "exec: \"nosuchcommand\": executable file not found in $PATH";
    assert!(missing.contains(text), "{missing}");
    assert_eq!(code(&["/nosuch/command"]).2, Some(127));
    assert_eq!(code(&["/etc/passwd"]).2, Some(126));
    assert_eq!(code(&["/etc"]).2, Some(126));
    // The first process of a container cannot be killed from inside.
    assert_eq!(code(&["sh", "-c", "kill -9 $$; exit 4"]).2, Some(4));
}

fn signals() {
    let engine = Engine::host();
    let start = |name: &str, script: &str| {
        let command = ["run", "-d", "--name", name, "busybox", "sh", "-c", script];
        engine.stdout(&command);
    };
    let ended = |name: &str| {
        engine.inspect(name, ".State.Status") + " " + &engine.inspect(name, ".State.ExitCode")
    };
    start(
        "polite",
        "trap 'exit 143' TERM; echo ready; while :; do sleep 0.1; done",
    );
    until("it is ready", || {
        all(&engine.docker(&["logs", "polite"])).0 == "ready\n"
    });
    engine.stdout(&["stop", "polite"]);
    assert_eq!(ended("polite"), "exited 143");

    start("stubborn", "trap '' TERM; sleep 300");
    engine.stdout(&["stop", "-t", "1", "stubborn"]);
    assert_eq!(ended("stubborn"), "exited 137");

    start(
        "told",
        "trap 'echo usr' USR1; echo ready; while :; do sleep 0.1; done",
    );
    let logs = || all(&engine.docker(&["logs", "told"])).0;
    until("it is ready", || logs() == "ready\n");
    engine.stdout(&["kill", "-s", "USR1", "told"]);
    until("it was told", || logs() == "ready\nusr\n");
    engine.stdout(&["pause", "told"]);
    let pid = engine.inspect("told", ".State.Pid");
    let state = || state_of(&pid) == Some('T');
    until("it is stopped", state);
    engine.stdout(&["unpause", "told"]);
    until("it goes on", || !state());
    engine.stdout(&["kill", "told"]);
    assert_eq!(ended("told"), "exited 137");
}

fn streams() {
    let engine = Engine::host();
    let both = engine.run("echo out; echo err >&2");
    assert_eq!(
        all(&both),
        ("out\n".to_owned(), "err\n".to_owned(), Some(0))
    );
    let typed = engine.docker_with(&["run", "--rm", "-i", "busybox", "cat"], "hi\nthere");
    assert_eq!(all(&typed).0, "hi\nthere");
    let large = "0123456789abcdef".repeat(1 << 16);
    let typed = engine.docker_with(&["run", "--rm", "-i", "busybox", "cat"], &large);
    assert!(all(&typed).0 == large, "a megabyte goes through");
    let terminal = engine.docker(&[
        "run",
        "--rm",
        "-t",
        "busybox",
        "sh",
        "-c",
        "test -t 1 && echo tty",
    ]);
    assert_eq!(all(&terminal).0, "tty\r\n");

    engine.stdout(&[
        "create",
        "--name",
        "c1",
        "busybox",
        "sh",
        "-c",
        "echo again; exit 5",
    ]);
    for _ in 0..2 {
        let output = engine.docker(&["start", "-a", "c1"]);
        assert_eq!(all(&output), ("again\n".to_owned(), String::new(), Some(5)));
    }
    engine.stdout(&["create", "-i", "--name", "i1", "busybox", "cat"]);
    let typed = engine.docker_with(&["start", "-ai", "i1"], "typed");
    assert_eq!(all(&typed).0, "typed");
}

fn logs() {
    let mut engine = Engine::host();
    let script = "echo one; echo three; echo two >&2; exec sleep 300";
    engine.stdout(&["run", "-d", "--name", "c1", "busybox", "sh", "-c", script]);
    let logs = |engine: &Engine, options: &[&str]| {
        let output = engine.docker(&[&["logs"], options, &["c1"]].concat());
        assert!(output.status.success(), "{output:?}");
        let (stdout, stderr, _) = all(&output);
        (stdout, stderr)
    };
    let whole = ("one\nthree\n".to_owned(), "two\n".to_owned());
    until("it has printed", || logs(&engine, &[]) == whole);

    let (dated, _) = logs(&engine, &["-t"]);
    let last = dated.lines().last().unwrap();
    let (time, text) = last.split_once(' ').unwrap();
    assert_eq!(text, "three");
    assert!(time.len() == 30 && time.ends_with('Z'), "{time}");
    assert!(logs(&engine, &["--since", time]).0.ends_with("three\n"));
    assert_eq!(logs(&engine, &["--until", "2001-01-01T00:00:00Z"]).0, "");
    let counting = ["run", "--name", "c2", "busybox", "seq", "1000"];
    engine.stdout(&counting);
    assert_eq!(engine.stdout(&["logs", "-n", "2", "c2"]), "999\n1000\n");
    engine.stdout(&["rm", "c2"]);

    let host = format!("unix://{}", engine.path("docker").display());
    let following = Command::new("docker")
        .args(["-H", &host, "logs", "-f", "c1"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    engine.stdout(&["kill", "c1"]);
    let followed = all(&following.wait_with_output().unwrap());
    assert_eq!((followed.0, followed.1), whole);
    engine.restart(SIGKILL);
    assert_eq!(logs(&engine, &[]), whole);
    engine.stdout(&["rm", "c1"]);
    assert!(
        engine
            .path("state/containers")
            .read_dir()
            .unwrap()
            .next()
            .is_none()
    );
}

/// The state of a process: R, S, T, Z …
fn state_of(pid: &str) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit(") ").next()?.chars().next()
}

/// Whoever inherits a process may take its time to bury it.
fn is_running(pid: &str) -> bool {
    state_of(pid).is_some_and(|state| state != 'Z')
}

fn exec() {
    let engine = Engine::host();
    engine.stdout(&[
        "run", "-d", "--name", "c1", "-e", "A=1", "-w", "/usr", "busybox", "sleep", "300",
    ]);
    let exec = |arguments: &[&str], input: &str| {
        all(&engine.docker_with(&[&["exec"], arguments].concat(), input))
    };
    let (stdout, stderr, code) = exec(
        &[
            "-e",
            "B=2",
            "c1",
            "sh",
            "-c",
            "echo $A $B; pwd; hostname; echo e >&2; exit 7",
        ],
        "",
    );
    let id = engine.inspect("c1", ".Config.Hostname");
    let hostname = if id.is_empty() {
        engine.inspect("c1", "slice .Id 0 12")
    } else {
        id
    };
    assert_eq!(stdout, format!("1 2\n/usr\n{hostname}\n"), "{stderr}");
    assert_eq!((stderr.as_str(), code), ("e\n", Some(7)));
    assert_eq!(exec(&["-w", "/etc", "c1", "pwd"], "").0, "/etc\n");
    assert_eq!(exec(&["-i", "c1", "cat"], "typed").0, "typed");
    let (stdout, _, code) = exec(&["c1", "nosuchcommand"], "");
    assert!(stdout.contains("OCI runtime exec failed"), "{stdout}");
    assert_eq!(code, Some(127));
    let seen = exec(&["c1", "sh", "-c", "cat /proc/1/comm"], "").0;
    assert_eq!(seen, "sleep\n", "it is in the same pid namespace");
    exec(&["-d", "c1", "sh", "-c", "echo done > /detached"], "");
    until("the detached one wrote", || {
        exec(&["c1", "cat", "/detached"], "").0 == "done\n"
    });
    assert_eq!(
        exec(&["-t", "c1", "sh", "-c", "test -t 1 && echo tty"], "").0,
        "tty\r\n"
    );
    engine.stdout(&["rm", "-f", "c1"]);
    assert_eq!(exec(&["c1", "true"], "").2, Some(1));
}

fn seen() {
    let engine = Engine::host();
    engine.stdout(&[
        "run",
        "-d",
        "--name",
        "c1",
        "busybox",
        "sh",
        "-c",
        "sleep 301; true",
    ]);
    let pid = engine.inspect("c1", ".State.Pid");
    assert!(is_running(&pid));
    until("both run", || {
        engine.stdout(&["top", "c1"]).lines().count() == 3
    });
    assert!(
        engine
            .stdout(&["top", "c1", "-o", "pid,args"])
            .contains("sleep 301")
    );
    let stats = engine.stdout(&[
        "stats",
        "--no-stream",
        "--format",
        "{{.Name}} {{.PIDs}}",
        "c1",
    ]);
    assert_eq!(stats, "c1 2\n");
    let info = engine.stdout(&["info", "--format", "{{.DefaultRuntime}}"]);
    assert_eq!(info, "host\n");
    engine.stdout(&["kill", "c1"]);
    assert_eq!(engine.inspect("c1", ".State.Pid"), "0");
    assert!(!is_running(&pid));
}

fn restarts() {
    let engine = Engine::host();
    let policy = ["run", "-d", "--restart", "on-failure:2", "--name", "c1"];
    engine.stdout(&[&policy[..], &["busybox", "sh", "-c", "echo run; exit 1"]].concat());
    until("it gave up", || {
        engine.inspect("c1", ".State.Status") == "exited"
    });
    assert_eq!(engine.inspect("c1", ".RestartCount"), "2");
    assert_eq!(engine.stdout(&["logs", "c1"]), "run\nrun\nrun\n");
}

fn ends() {
    let mut engine = Engine::host();
    for signal in [SIGTERM, SIGKILL] {
        engine.stdout(&[
            "run",
            "-d",
            "--name",
            "c1",
            "--stop-timeout",
            "1",
            "busybox",
            "sleep",
            "300",
        ]);
        let pid = engine.inspect("c1", ".State.Pid");
        engine.end(signal);
        until("the process is gone", || !is_running(&pid));
        engine.again();
        let code = if signal == SIGTERM { "137" } else { "255" };
        assert_eq!(engine.inspect("c1", ".State.ExitCode"), code);
        engine.stdout(&["rm", "c1"]);
    }
}

/// With live-restore a container goes on while no engine is there: its output waits, and its exit
/// code is known afterwards. The loops end by themselves should the test not come that far.
fn live_restore() {
    let mut engine = Engine::with(&["--run=host", "--live-restore"]);
    let wait = |file: &str| {
        format!("n=0; until [ -e /data/{file} ] || [ $n = 600 ]; do n=$((n + 1)); sleep 0.05; done")
    };
    let run = |engine: &Engine, name: &str, script: &str| {
        let mount = ["-v", "data:/data", "--volume-driver", "mine"];
        let command = ["--name", name, "busybox", "sh", "-c", script];
        engine.stdout(&[&["run", "-d"][..], &mount, &command].concat());
        engine.inspect(name, ".State.Pid")
    };
    let touch = |engine: &Engine, file: &str| {
        std::fs::write(engine.volume("data").join(file), file).unwrap();
    };
    for (signal, name) in [(SIGTERM, "c1"), (SIGKILL, "c2")] {
        let (go, said, end) = (
            format!("{name}-go"),
            format!("{name}-said"),
            format!("{name}-end"),
        );
        let script = format!(
            "echo one; {}; echo two; touch /data/{said}; {}; exit 7",
            wait(&go),
            wait(&end)
        );
        let pid = run(&engine, name, &script);
        until("it has printed", || {
            engine.stdout(&["logs", name]) == "one\n"
        });
        engine.end(signal);
        touch(&engine, &go);
        let said = engine.volume("data").join(said);
        until("it has gone on alone", || said.exists());
        engine.again();
        assert_eq!(engine.inspect(name, ".State.Pid"), pid);
        until("what waited is there", || {
            engine.stdout(&["logs", name]) == "one\ntwo\n"
        });
        assert_eq!(
            engine.stdout(&["exec", name, "cat", &format!("/data/{go}")]),
            go
        );
        touch(&engine, &end);
        assert_eq!(engine.stdout(&["wait", name]), "7\n");
    }

    let pid = run(&engine, "c3", &format!("{}; exit 9", wait("c3-end")));
    engine.end(SIGKILL);
    touch(&engine, "c3-end");
    until("it has ended alone", || !is_running(&pid));
    engine.again();
    let state = engine.inspect("c3", ".State.Status}} {{.State.ExitCode");
    assert_eq!(state, "exited 9");

    // Without live-restore, what is found is stopped.
    let pid = run(&engine, "c4", &wait("never"));
    engine.end(SIGKILL);
    engine.without("--live-restore");
    engine.again();
    assert!(!is_running(&pid));
    assert_eq!(engine.inspect("c4", ".State.Status"), "exited");
}

fn without_root() {
    let engine = Engine::of(&["--run=host"], Some("65534"));
    let written = engine.run("echo hi > /data/x; id -u");
    assert_eq!(all(&written), ("0\n".to_owned(), String::new(), Some(0)));
    let file = engine.volume("data/x");
    assert_eq!(std::fs::read_to_string(file).unwrap(), "hi\n");
    engine.stdout(&["run", "-d", "--name", "c1", "busybox", "sleep", "300"]);
    assert_eq!(
        engine.stdout(&["exec", "c1", "sh", "-c", "id -u; cat /proc/1/comm"]),
        "0\nsleep\n"
    );
    let other = engine.docker(&["exec", "-u", "12", "c1", "id", "-u"]);
    assert!(all(&other).0.contains("without root"), "{other:?}");
    let user = engine.docker(&["run", "--rm", "-u", "12", "busybox", "id", "-u"]);
    assert_eq!(all(&user).0, "12\n");
    engine.stdout(&["stop", "-t", "0", "c1"]);
}
