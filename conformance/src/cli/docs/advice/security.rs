//! Names, secrets, several hosts, managed plugins.

pub(super) const ADVICE: &[(&str, &str)] = &[
    (
        "sec.any-name",
        "Decide about a name once, in Create: refuse it with `Err`, or take it and treat it alike in all calls.",
    ),
    (
        "sec.no-traversal",
        "Never join a name to a path. Encode it (a hash, or percent signs for all but letters, digits, dash and underscore), or refuse \
         `/`, `..` and an empty one.",
    ),
    (
        "sec.injective",
        "Encode names one to one: no lower-casing, trimming, cutting or replacing of several characters by the same one.",
    ),
    (
        "sec.no-shell",
        "Start programs with an argument list (`exec`, `Command`), never through `sh -c`, and with `--` in front of names.",
    ),
    (
        "sec.no-option-injection",
        "Check values before they become part of `-o a,b`: refuse commas, blanks at the start and leading dashes, or pass them by file.",
    ),
    (
        "sec.symlinks",
        "Open below the volume with `openat2` and `RESOLVE_NO_SYMLINKS` (or `O_NOFOLLOW` step by step), and delete with `unlinkat`.",
    ),
    (
        "sec.state-mode",
        "Make the state directory with mode 0700 and its files with 0600 from the start, and not with a `chmod` afterwards.",
    ),
    (
        "sec.no-open-tcp",
        "Listen on a unix socket; bind metrics and debug servers to 127.0.0.1, or leave them out.",
    ),
    (
        "secret.not-in-answers",
        "Leave options out of `Status`, or mask them there, and mask the values in error texts of tools before they become `Err`.",
    ),
    (
        "secret.not-in-logs",
        "Keep secrets in a type that prints as stars, and log neither request bodies nor command lines as they are.",
    ),
    (
        "secret.not-in-argv",
        "Hand secrets to programs through a file of mode 0600, a pipe or the environment, never as an argument or mount option.",
    ),
    (
        "secret.by-reference",
        "Take `OPTION-file` (or the like) beside each secret option, and read the file at each Mount.",
    ),
    (
        "secret.special-characters",
        "Write values into credentials files as their format quotes them, or refuse with a word what it cannot hold.",
    ),
    (
        "glob.visible",
        "Keep the records on the shared storage, or ask it on a Get that finds nothing locally, instead of trusting the host's own list.",
    ),
    (
        "glob.data",
        "Mount with close-to-open consistency: no `nocto`, no write-back cache that outlives the last close.",
    ),
    (
        "glob.remove-in-use",
        "Note on the storage which hosts hold a volume, and refuse Remove while another one's note is there.",
    ),
    (
        "glob.out-of-band-remove",
        "Look at the shared records before answering from a cache: what another host removed is gone here, too.",
    ),
    (
        "glob.per-host-count",
        "Count holds for each host by itself: an Unmount is about this host's mount only.",
    ),
    (
        "glob.exclusive",
        "Take the storage's own lock or reservation at the first Mount of a host, and fail with the holder's name in `Err` where it is \
         taken.",
    ),
    (
        "man.interface",
        "Write `docker.volumedriver/1.0` into `interface.types`, and into `interface.socket` the name of the file that the process \
         makes in `/run/docker/plugins`.",
    ),
    (
        "man.starts",
        "Listen before anything slow: dockerd tries four times within about 9 s, and then enabling the plugin fails.",
    ),
    (
        "man.rootfs",
        "Make `/run/docker/plugins` in the image, and let `entrypoint` name the program itself instead of a shell.",
    ),
    (
        "man.propagated",
        "Set `propagatedMount` to the directory below which all volumes are mounted.",
    ),
    (
        "man.state-outside",
        "Keep state below `propagatedMount` or in a mount of the host: an upgrade replaces the rootfs.",
    ),
    (
        "man.mount-sources",
        "Give each entry of `mounts` a `source`, or list `source` among its `settable` values.",
    ),
    (
        "man.least-privilege",
        "Ask for `CAP_SYS_ADMIN` where the plugin mounts, for devices one by one, and for the host's network only if the storage \
         needs it.",
    ),
    (
        "man.survives-restart",
        "Keep records and holds on disk below `propagatedMount`, and mount again at start what is held.",
    ),
];
