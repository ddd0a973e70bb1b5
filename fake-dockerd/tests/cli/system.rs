//! Networks, events, filters, and what this engine does not have.

use crate::engine::Engine;

pub(crate) fn networks() {
    let engine = Engine::start();
    let built_in = engine.stdout(&["network", "ls", "--format", "{{.Name}}"]);
    assert_eq!(built_in, "bridge\nhost\nnone\n");
    let id = engine.stdout(&["network", "create", "--label", "a=b", "own"]);
    let again = engine.refused(&["network", "create", "own"]);
    assert!(
        again.contains("network with name own already exists"),
        "{again}"
    );
    engine.stdout(&[
        "run",
        "-d",
        "--name",
        "c1",
        "--network",
        "own",
        "busybox",
        "top",
    ]);
    let on = "{{range $name, $_ := .NetworkSettings.Networks}}{{$name}} {{end}}";
    assert_eq!(engine.stdout(&["inspect", "-f", on, "c1"]), "own \n");
    let used = engine.refused(&["network", "rm", "own"]);
    assert!(
        used.contains("network own has active endpoints (name:\"c1\" id:"),
        "{used}"
    );
    engine.stdout(&["network", "connect", "bridge", "c1"]);
    assert_eq!(engine.stdout(&["inspect", "-f", on, "c1"]), "bridge own \n");
    engine.stdout(&["network", "disconnect", "own", "c1"]);
    assert_eq!(engine.stdout(&["network", "rm", id.trim()]), id);
    let missing = engine.refused(&["network", "inspect", "own"]);
    assert!(missing.contains("network own not found"), "{missing}");
    let kept = engine.refused(&["network", "rm", "bridge"]);
    assert!(
        kept.contains("bridge is a pre-defined network and cannot be removed"),
        "{kept}"
    );
    engine.stdout(&["network", "create", "unused"]);
    let pruned = engine.stdout(&["network", "prune", "-f"]);
    assert!(pruned.contains("unused"), "{pruned}");
}

pub(crate) fn events() {
    let engine = Engine::start();
    engine.stdout(&["volume", "create", "-d", "mine", "vol"]);
    let volume = ["-v", "vol:/data", "--volume-driver", "mine"];
    let run = ["run", "--name", "c1", "--label", "a=b"];
    engine.stdout(&[&run[..], &volume, &["busybox", "true"]].concat());
    let told = |filters: &[&str]| {
        // The CLI rounds times to whole seconds: this one is still to come.
        let until = (jiff::Timestamp::now().as_second() + 1).to_string();
        let mut arguments = vec!["events", "--since", "0", "--until", &until];
        arguments.extend(["--format", "{{.Type}} {{.Action}}"]);
        for filter in filters {
            arguments.extend(["--filter", filter]);
        }
        engine.stdout(&arguments)
    };
    assert_eq!(
        told(&["volume=vol"]),
        "volume create\nvolume mount\nvolume unmount\n"
    );
    let all = told(&["container=c1", "type=container"]);
    for action in ["create", "start", "die"] {
        assert!(all.contains(&format!("container {action}\n")), "{all}");
    }
    assert_eq!(told(&["label=a=b"]), all);
    assert_eq!(told(&["label=a=c"]), "");
    assert_eq!(told(&["event=die", "container=c1"]), "container die\n");
}

pub(crate) fn filters() {
    let engine = Engine::start();
    engine.stdout(&["run", "--name", "ok", "--label", "a=b", "busybox", "true"]);
    let failed = engine.docker(&["run", "--name", "failed", "busybox", "false"]);
    assert_eq!(failed.status.code(), Some(1));
    engine.stdout(&["create", "--name", "new", "-v", "vol:/data", "other"]);
    let picked = |filter: &str| {
        let format = ["--format", "{{.Names}}"];
        let names = engine.stdout(&[&["ps", "-a", "--filter", filter], &format[..]].concat());
        names.lines().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(picked("status=exited"), "failed ok");
    assert_eq!(picked("exited=1"), "failed");
    assert_eq!(picked("ancestor=busybox"), "failed ok");
    assert_eq!(picked("before=failed"), "ok");
    assert_eq!(picked("since=failed"), "new");
    assert_eq!(picked("label=a"), "ok");
    assert_eq!(picked("volume=/data"), "new");
    assert_eq!(picked("name=^/?o"), "ok");
    let unknown = engine.refused(&["ps", "--filter", "status=lost"]);
    assert!(
        unknown.contains("invalid filter 'status=lost'"),
        "{unknown}"
    );

    let pruned = engine.stdout(&["container", "prune", "-f", "--filter", "until=1h"]);
    assert!(pruned.starts_with("Total reclaimed space"), "{pruned}");
    engine.stdout(&["container", "prune", "-f", "--filter", "label!=a"]);
    assert_eq!(picked("name=."), "ok");
    let unnamed = engine.stdout(&["create", "busybox"]);
    let name = engine.stdout(&["inspect", "-f", "{{.Name}}", unnamed.trim()]);
    let (adjective, surname) = name.trim().split_once('_').unwrap();
    assert!(adjective.len() > 2 && surname.len() > 2, "{name}");
}

/// As each engine words it; compared with real ones in `tests/engines`.
pub(crate) fn wrong_filters() {
    let states = "created, running, paused, restarting, removing, exited, dead";
    let with_states =
        format!("invalid filter 'status=x': invalid value for state (x): must be one of {states}");
    let go = "strconv.Atoi: parsing \"x\": invalid syntax";
    let with_filter = format!("invalid filter 'exited=x': {go}");
    let all = "invalid filter 'all': strconv.ParseBool: parsing \"x\": invalid syntax";
    for (version, status, health, exited, all) in [
        (
            "20.10",
            "Invalid filter 'status=x'",
            "Unrecognised filter value for health: x",
            go,
            "Invalid filter 'all'",
        ),
        (
            "26.1",
            "invalid filter 'status=x'",
            "unrecognized filter value for health: x",
            &with_filter,
            all,
        ),
        (
            "28.5",
            &with_states,
            "invalid filter 'health=x': invalid value for health (x): must be one of none, \
             starting, healthy, unhealthy",
            &with_filter,
            all,
        ),
    ] {
        let engine = Engine::with(&["--run=off", "--engine", version]);
        let ends = |arguments: &[&str], text: &str| {
            let said = engine.refused(arguments);
            let daemon = "Error response from daemon: ";
            let said = said.trim_end().split_once(daemon).unwrap().1;
            assert_eq!(said, text, "{version}");
        };
        ends(&["ps", "--filter", "status=x"], status);
        ends(&["ps", "--filter", "health=x"], health);
        ends(&["ps", "--filter", "exited=x"], exited);
        ends(&["volume", "prune", "-f", "--filter", "all=x"], all);
        let both = ["--filter", "dangling=true", "--filter", "dangling=false"];
        let listed = engine.docker(&[&["volume", "ls"], &both[..]].concat());
        assert_eq!(listed.status.success(), version == "20.10", "{listed:?}");
    }
}

pub(crate) fn absent() {
    let engine = Engine::start();
    assert_eq!(engine.stdout(&["plugin", "ls", "-q"]), "");
    let plugin = engine.refused(&["plugin", "inspect", "x"]);
    assert!(plugin.contains("plugin \"x\" not found"), "{plugin}");
    let swarm = engine.refused(&["node", "ls"]);
    assert!(
        swarm.contains("This node is not a swarm manager"),
        "{swarm}"
    );
    engine.stdout(&["create", "--name", "c1", "busybox"]);
    let link = engine.refused(&["rm", "--link", "c1"]);
    assert!(
        link.contains("Conflict, cannot remove the default link name"),
        "{link}"
    );
    let memory: u64 = engine
        .stdout(&["info", "-f", "{{.MemTotal}}"])
        .trim()
        .parse()
        .unwrap();
    assert!(memory > 0);
    assert!(
        engine
            .stdout(&["system", "df", "-v"])
            .contains("Local Volumes space usage")
    );
}
