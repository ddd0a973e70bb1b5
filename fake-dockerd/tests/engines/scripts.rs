//! The scripts: lines of arguments of the docker CLI, split at blanks. `mine` is the plugin, which
//! has volumes as directories, refuses a Create with the option `fail`, with its text, and every
//! Mount of the volume `unmountable`. Containers have names that no ID can begin with.

pub(crate) struct Script {
    pub(crate) name: &'static str,
    pub(crate) commands: &'static [&'static str],
}

/// Scripts that are not the same yet, and why.
pub(crate) const KNOWN: &[(&str, &str)] = &[];

const fn script(name: &'static str, commands: &'static [&'static str]) -> Script {
    Script { name, commands }
}

pub(crate) const SCRIPTS: &[Script] = &[
    script(
        "a_volume_comes_and_goes",
        &[
            "volume create -d mine vol",
            "volume inspect vol",
            "volume ls",
            "volume rm vol",
            "volume rm vol",
            "volume inspect vol",
        ],
    ),
    script(
        "volumes_have_options_and_labels",
        &[
            "volume create -d mine -o size=1 -o mode=0770 --label a=b --label c vol",
            "volume inspect vol",
            "volume ls --filter label=a=b -q",
            "volume ls --filter label=x -q",
            "volume ls --filter name=vo -q",
            "volume ls --filter driver=local -q",
            "volume ls --filter dangling=true -q",
        ],
    ),
    script(
        "an_unknown_filter",
        &["volume ls --filter nonsense=true -q"],
    ),
    script("kill_of_nobody", &["kill nobody"]),
    script(
        "an_unknown_signal",
        &[
            "run -d --name k1 -v vol:/data --volume-driver mine busybox sleep 600",
            "kill -s NOSUCH k1",
        ],
    ),
    script(
        "kill_of_what_does_not_run",
        &["create --name k1 busybox true", "kill k1"],
    ),
    script(
        "exec_of_an_unknown_command",
        &[
            "run -d --name k1 -v vol:/data --volume-driver mine busybox sleep 600",
            "exec k1 nosuch",
        ],
    ),
    script(
        "names_are_checked",
        &[
            "volume create -d mine a/b",
            "volume create -d mine v",
            "volume create -d mine .hidden",
            "volume create -d nosuch.plugin:1 --name x",
        ],
    ),
    script(
        "a_name_has_one_driver",
        &[
            "volume create -d mine vol",
            "volume create -d mine vol",
            "volume create vol",
            "volume create -d local vol",
            "run --rm -v vol:/data --volume-driver local busybox true",
        ],
    ),
    script(
        "create_that_fails",
        &[
            "volume create -d mine -o fail=nope vol",
            "volume ls -q",
            "volume create -d mine -o fail= vol",
        ],
    ),
    script(
        "local_volumes",
        &[
            "volume create loc",
            "volume ls",
            "volume inspect -f {{.Driver}}:{{.Scope}}:{{.Options}}:{{.Labels}} loc",
            "run --rm -v loc:/data busybox true",
            "volume rm loc",
        ],
    ),
    script(
        "anonymous_local_volumes_go_with_rm",
        &[
            "run --name k1 -v /data busybox true",
            "volume ls",
            "rm -v k1",
            "volume ls -q",
            "run --rm -v /data busybox true",
            "volume ls -q",
        ],
    ),
    script(
        "run_with_a_volume",
        &[
            "run --rm -v vol:/data --volume-driver mine busybox true",
            "volume ls",
            "run --rm -v vol:/data busybox true",
            "run --rm -v vol:/data:ro busybox true",
        ],
    ),
    script(
        "exit_codes",
        &[
            "run --rm -v vol:/data --volume-driver mine busybox false",
            "run --rm -v vol:/data busybox /nosuch",
            "run --rm -v vol:/data busybox nosuch",
            "run --name k1 busybox false",
            "wait k1",
            "inspect -f {{.State.Status}}:{{.State.ExitCode}} k1",
        ],
    ),
    script(
        "a_container_holds_its_volume",
        &[
            "run -d --name k1 -v vol:/data --volume-driver mine busybox sleep 600",
            "volume rm vol",
            "volume rm -f vol",
            "ps --format {{.Names}}:{{.Image}}:{{.Command}}:{{.Mounts}}",
            "ps -q --filter volume=vol",
            "inspect -f {{json.Mounts}} k1",
            "kill k1",
            "wait k1",
            "inspect -f {{.State.Status}}:{{.State.ExitCode}} k1",
            "volume rm vol",
            "rm k1",
            "volume rm vol",
        ],
    ),
    script(
        "two_containers_and_restarts",
        &[
            "run -d --name k1 -v vol:/data --volume-driver mine busybox sleep 600",
            "run -d --name k2 -v vol:/other busybox sleep 600",
            "restart -t 0 k1",
            "stop -t 0 k2",
            "start k2",
            "rm -f k1",
            "rm -f k2",
            "volume rm vol",
        ],
    ),
    script(
        "created_and_never_started",
        &[
            "create --name k1 -v vol:/data --volume-driver mine busybox true",
            "inspect -f {{.State.Status}} k1",
            "start -a k1",
            "wait k1",
            "start k1",
            "wait k1",
            "rm k1",
        ],
    ),
    script(
        "volumes_from",
        &[
            "create --name k1 -v vol:/data --volume-driver mine busybox true",
            "run --rm --volumes-from k1 busybox true",
            "run --rm --volumes-from k1:ro busybox true",
            "run --rm --volumes-from nobody busybox true",
        ],
    ),
    script(
        "volumes_from_containers_without_them",
        &[
            "create --name k1 --mount type=tmpfs,dst=/data busybox true",
            "create --pull never --name k2 --volumes-from k1 busybox true",
            "create --name k3 --tmpfs /data busybox true",
            "create --name k4 --volumes-from k3 busybox true",
            "inspect -f {{json.Mounts}} k4",
        ],
    ),
    script(
        "anonymous_volumes_of_both_flags",
        &[
            "create --name k1 --mount type=volume,dst=/data busybox true",
            "inspect -f {{range.Mounts}}{{.Driver}}{{end}} k1",
            "rm k1",
            "volume prune -f",
            "create --name k1 -v /data busybox true",
            "rm k1",
            "volume prune -f",
        ],
    ),
    script(
        "places_inside_of_a_volume",
        &[
            "run --rm -v vol:/data --volume-driver mine busybox mkdir /data/sub",
            "run --rm --mount type=volume,src=vol,dst=/data,volume-subpath=sub busybox touch /data/file",
            "run --rm --mount type=volume,src=vol,dst=/data,volume-subpath=no/such busybox true",
            "run --rm --mount type=volume,src=vol,dst=/data,volume-subpath=../x busybox true",
        ],
    ),
    script(
        "the_mount_flag",
        &[
            "run --rm --mount type=volume,src=vol,dst=/data,volume-driver=mine,volume-opt=size=1 busybox true",
            "volume inspect vol",
            "run --rm --mount type=volume,src=vol,dst=/data,readonly busybox true",
            "run --rm --mount type=volume,dst=/data,volume-driver=mine busybox true",
            "volume ls -q",
            "run --rm --mount type=tmpfs,dst=/data busybox true",
            "run --rm --mount type=bind,src=/nosuch/place,dst=/data busybox true",
        ],
    ),
    script(
        "a_mount_that_fails",
        &[
            "volume create -d mine vol",
            "volume create -d mine unmountable",
            "run --rm -v unmountable:/data busybox true",
            "create --name k1 -v unmountable:/data busybox true",
            "start k1",
            "inspect -f {{.State.Status}}:{{.State.ExitCode}} k1",
            "rm k1",
        ],
    ),
    script(
        "no_such_plugin_container_or_volume",
        &[
            "start nobody",
            "stop nobody",
            "rm nobody",
            "rm -f nobody",
            "inspect nobody",
            "wait nobody",
            "exec nobody true",
            "logs nobody",
            "volume rm nothing",
            "volume rm -f nothing",
        ],
    ),
    script(
        "names_of_containers",
        &[
            "create --name k1 busybox true",
            "create --name k1 busybox true",
            "create --name -bad busybox true",
            "rename k1 k2",
            "create --name k1 busybox true",
            "rename k1 k2",
            "rename k1 k3",
            "rm k2",
        ],
    ),
    script(
        "states_that_refuse",
        &[
            "run -d --name k1 -v vol:/data --volume-driver mine busybox sleep 600",
            "rm k1",
            "start k1",
            "pause k1",
            "pause k1",
            "ps --format {{.Names}}:{{.State}}",
            "unpause k1",
            "unpause k1",
            "kill -s HUP k1",
            "stop -t 0 k1",
            "stop -t 0 k1",
            "exec k1 true",
        ],
    ),
    script(
        "exec_ends_as_its_command",
        &[
            "run -d --name k1 -v vol:/data --volume-driver mine busybox sleep 600",
            "exec k1 true",
            "exec k1 false",
            "exec -d k1 sleep 1",
        ],
    ),
    script(
        "copies_of_stopped_and_running",
        &[
            "create --name k1 -v vol:/data --volume-driver mine busybox sleep 600",
            "cp /etc/hostname k1:/data/file",
            "cp k1:/data/file copied",
            "start k1",
            "cp k1:/data/nosuch -",
            "cp /etc/hostname k1:/nosuch/place",
            "cp nobody:/data/file -",
            "rm -f k1",
        ],
    ),
    script(
        "prune",
        &[
            "volume create -d mine vol",
            "volume create loc",
            "create --name k1 -v vol:/data busybox true",
            "volume prune -f",
            "container prune -f",
            "volume prune -f",
            "volume prune -a -f",
            "volume ls -q",
        ],
    ),
    script(
        "what_a_prune_reclaims",
        &[
            "run --name k1 -v vol:/data busybox true",
            "create --name k2 busybox true",
            "container prune -f",
        ],
    ),
    script(
        "output_of_commands",
        &[
            "run --rm -v vol:/data --volume-driver mine busybox echo hello",
            "run --name k1 busybox echo hello",
            "logs k1",
            "run --rm -v vol:/data busybox touch /data/file",
            "run --rm -v vol:/data busybox ls /data",
        ],
    ),
    script(
        "renamed_to_its_own_name",
        &[
            "create --name k1 busybox true",
            "rename k1 k1",
            "rename k1 /k1",
        ],
    ),
    script(
        "kill_says_whom_it_cannot_kill",
        &[
            "kill nobody",
            "kill -s NOSUCH nobody",
            "create --name k1 busybox true",
            "kill k1",
            "kill -s 0 k1",
            "kill -s 99 k1",
            "kill -s 99 nobody",
            "kill -s 32 k1",
            "pause k1",
            "unpause k1",
            "exec k1 true",
            "stop k1",
            "restart -t 0 nobody",
        ],
    ),
    script(
        "options_of_local_volumes",
        &[
            "volume create -o size=1 vol",
            "volume create -o size=0 vol",
            "volume create -o size=much vol2",
            "volume create -o Size=1 vol3",
            "volume create -o type=none vol4",
            "volume create -o device=/tmp vol5",
            "volume create -o nonsense=1 vol6",
            "volume create -o type=tmpfs -o device=tmpfs vol7",
            "volume inspect vol7",
            "volume ls -q",
        ],
    ),
    script(
        "filters_that_are_wrong",
        &[
            "volume ls --filter dangling=perhaps",
            "volume ls --filter dangling=1 -q",
            "ps --filter nonsense=x",
            "volume prune -f --filter nonsense=x",
            "volume prune -f --filter until=1h",
            "container prune -f --filter nonsense=x",
            "ps --filter health=nonsense",
            "ps --filter status=nonsense",
            "ps --filter is-task=x",
            "ps --filter exited=x",
            "volume prune -f --filter all=maybe",
            "volume prune -f --filter all=t",
            "volume ls --filter dangling=true --filter dangling=x -q",
        ],
    ),
    script(
        "the_common_driver_beside_the_mount_flag",
        &[
            "create --name k1 --volume-driver mine --mount type=volume,src=vol,dst=/data busybox true",
            "inspect -f {{json.Mounts}} k1",
        ],
    ),
    script(
        "exec_in_a_paused_container",
        &[
            "run -d --name k1 busybox sleep 600",
            "pause k1",
            "exec k1 true",
            "unpause k1",
            "exec k1 true",
        ],
    ),
];
