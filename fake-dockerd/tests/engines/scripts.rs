//! The scripts: lines of arguments of the docker CLI, split at blanks. `mine` is the plugin, which
//! has volumes as directories, refuses a Create with the option `fail`, with its text, and every
//! Mount of the volume `unmountable`.

pub(crate) struct Script {
    pub(crate) name: &'static str,
    pub(crate) commands: &'static [&'static str],
}

/// Scripts that are not the same yet, and why.
pub(crate) const KNOWN: &[(&str, &str)] = &[
    (
        "exec_of_an_unknown_command",
        "exec does not say why it failed",
    ),
    (
        "no_such_plugin_container_or_volume",
        "GET /plugins/NAME/json, which `docker inspect` comes to last, is not served",
    ),
    (
        "states_that_refuse",
        "20.10 begins what exec says of a stopped container with a capital letter",
    ),
    (
        "output_of_commands",
        "processes are simulated, and print nothing",
    ),
];

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
            "run -d --name c1 -v vol:/data --volume-driver mine busybox sleep 600",
            "kill -s NOSUCH c1",
        ],
    ),
    script(
        "kill_of_what_does_not_run",
        &["create --name c1 busybox true", "kill c1"],
    ),
    script(
        "exec_of_an_unknown_command",
        &[
            "run -d --name c1 -v vol:/data --volume-driver mine busybox sleep 600",
            "exec c1 nosuch",
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
            "run --name c1 -v /data busybox true",
            "volume ls",
            "rm -v c1",
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
            "run --name c1 busybox false",
            "wait c1",
            "inspect -f {{.State.Status}}:{{.State.ExitCode}} c1",
        ],
    ),
    script(
        "a_container_holds_its_volume",
        &[
            "run -d --name c1 -v vol:/data --volume-driver mine busybox sleep 600",
            "volume rm vol",
            "volume rm -f vol",
            "ps --format {{.Names}}:{{.Image}}:{{.Command}}:{{.Mounts}}",
            "ps -q --filter volume=vol",
            "inspect -f {{json.Mounts}} c1",
            "kill c1",
            "wait c1",
            "inspect -f {{.State.Status}}:{{.State.ExitCode}} c1",
            "volume rm vol",
            "rm c1",
            "volume rm vol",
        ],
    ),
    script(
        "two_containers_and_restarts",
        &[
            "run -d --name c1 -v vol:/data --volume-driver mine busybox sleep 600",
            "run -d --name c2 -v vol:/other busybox sleep 600",
            "restart -t 0 c1",
            "stop -t 0 c2",
            "start c2",
            "rm -f c1",
            "rm -f c2",
            "volume rm vol",
        ],
    ),
    script(
        "created_and_never_started",
        &[
            "create --name c1 -v vol:/data --volume-driver mine busybox true",
            "inspect -f {{.State.Status}} c1",
            "start -a c1",
            "wait c1",
            "start c1",
            "wait c1",
            "rm c1",
        ],
    ),
    script(
        "volumes_from",
        &[
            "create --name c1 -v vol:/data --volume-driver mine busybox true",
            "run --rm --volumes-from c1 busybox true",
            "run --rm --volumes-from c1:ro busybox true",
            "run --rm --volumes-from nobody busybox true",
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
            "create --name c1 -v vol:/good -v unmountable:/zbad busybox true",
            "start c1",
            "inspect -f {{.State.Status}}:{{.State.ExitCode}} c1",
            "rm c1",
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
            "create --name c1 busybox true",
            "create --name c1 busybox true",
            "create --name -bad busybox true",
            "rename c1 c2",
            "rename c1 c3",
            "rm c2",
        ],
    ),
    script(
        "states_that_refuse",
        &[
            "run -d --name c1 -v vol:/data --volume-driver mine busybox sleep 600",
            "rm c1",
            "start c1",
            "pause c1",
            "pause c1",
            "ps --format {{.Names}}:{{.State}}",
            "unpause c1",
            "unpause c1",
            "kill -s HUP c1",
            "stop -t 0 c1",
            "stop -t 0 c1",
            "exec c1 true",
        ],
    ),
    script(
        "exec_ends_as_its_command",
        &[
            "run -d --name c1 -v vol:/data --volume-driver mine busybox sleep 600",
            "exec c1 true",
            "exec c1 false",
            "exec -d c1 sleep 1",
        ],
    ),
    script(
        "copies_of_stopped_and_running",
        &[
            "create --name c1 -v vol:/data --volume-driver mine busybox sleep 600",
            "cp /etc/hostname c1:/data/file",
            "cp c1:/data/file copied",
            "start c1",
            "cp c1:/data/nosuch -",
            "cp /etc/hostname c1:/nosuch/place",
            "cp nobody:/data/file -",
            "rm -f c1",
        ],
    ),
    script(
        "prune",
        &[
            "volume create -d mine vol",
            "volume create loc",
            "create --name c1 -v vol:/data busybox true",
            "volume prune -f",
            "container prune -f",
            "volume prune -f",
            "volume prune -a -f",
            "volume ls -q",
        ],
    ),
    script(
        "output_of_commands",
        &[
            "run --rm -v vol:/data --volume-driver mine busybox echo hello",
            "run --name c1 busybox echo hello",
            "logs c1",
            "run --rm -v vol:/data busybox touch /data/file",
            "run --rm -v vol:/data busybox ls /data",
        ],
    ),
];
