//! Who holds a volume: reference counting, calls at the same time, restarts, sequences.

/// Where `docker cp` meets a container that runs.
const COPY: &str = "Count Mounts for each ID: `docker cp` mounts and unmounts with the container's own ID, and the first Unmount must \
                    leave the container its hold.";

/// Where a daemon crashed and comes back.
const CRASH: &str = "Let a Mount with an ID that is held succeed, as one hold more: a daemon that crashed sent no Unmount, and starts the \
                     container with the same ID.";

/// Where the daemon goes and the containers stay.
const LIVE_RESTORE: &str = "Keep holds until their Unmount comes: neither a new Activate nor a pause in the calls says that the containers \
                            have ended.";

/// Where a mount or unmount failed before.
const FAILED: &str = "Keep the hold of an Unmount that failed, and let a later Mount with the same ID succeed: Docker sends just that.";

/// Where the process of the plugin is another one than before.
const RESTART: &str = "Keep records with options and holds on disk, read them at start, and compare them with the mount table.";

pub(super) const ADVICE: &[(&str, &str)] = &[
    (
        "ref.balanced",
        "Keep a map from IDs to numbers, on disk, and mount while it is not empty.",
    ),
    (
        "ref.same-id-twice",
        "Replace the set of IDs by a number for each: add one at a Mount, also where the ID is known, and take one at an Unmount.",
    ),
    (
        "ref.same-volume-twice",
        "Keep the holders in a map by ID, not in one field that the next Mount writes over.",
    ),
    (
        "ref.failed-not-counted",
        "Add the hold after the mount has worked, or take it back in every branch that fails.",
    ),
    (
        "ref.floor",
        "Take nothing from a number that is zero, best by finding the hold by its ID first.",
    ),
    ("ref.after-daemon-crash", CRASH),
    (
        "ref.leak-not-yank",
        "When in doubt, add a hold: a mount too many is seen in the mount table and costs little.",
    ),
    ("ref.live-restore", LIVE_RESTORE),
    (
        "ref.reboot",
        "Keep the boot's ID (`/proc/sys/kernel/random/boot_id`) beside the holds, or look into the mount table: after a reboot nothing \
         is mounted and nobody holds anything.",
    ),
    (
        "ref.sequence-run-populated",
        "Nothing is special here: the volume is mounted, unmounted and mounted again with another ID, and has to keep its data.",
    ),
    (
        "ref.sequence-stop-start",
        "Do not tie a volume to the first ID that held it: each start of a container brings another one.",
    ),
    (
        "ref.sequence-second-container",
        "Count holders by ID, and unmount when the last one goes.",
    ),
    (
        "ref.sequence-two-targets",
        "Count by ID: for two places of one volume Docker mounts once or twice, depending on its version, and unmounts as often.",
    ),
    (
        "ref.sequence-bad-command",
        "Let go at the Unmount that follows a start that failed: it has the ID of the Mount before.",
    ),
    ("ref.sequence-cp-out-of", COPY),
    ("ref.sequence-cp-into", COPY),
    ("ref.sequence-cp-two-targets", COPY),
    ("ref.sequence-unmount-fails-then-start", FAILED),
    ("ref.sequence-daemon-crash", CRASH),
    ("ref.sequence-daemon-crash-restart-policy", CRASH),
    ("ref.sequence-live-restore-cp", COPY),
    (
        "conc.other-volumes",
        "Replace the one lock around everything by one per volume, and hold the map's own lock for look-ups only.",
    ),
    (
        "conc.same-volume-mounts",
        "Let later Mounts wait for the first one under the volume's lock, and then add their hold to the mount that is there.",
    ),
    (
        "conc.create-race",
        "Look the name up and enter it under one lock, so that the second Create finds the first.",
    ),
    (
        "conc.mount-unmount",
        "Take the volume's lock for the whole of Mount and Unmount, the mount command included: between look and act the other one \
         comes.",
    ),
    (
        "conc.remove-mount",
        "Take the volume's lock in Remove, too, and look for the volume again once it is yours.",
    ),
    (
        "conc.linearizable",
        "Take the volume's lock around look, change and record together, and make List and Get read one consistent state.",
    ),
    (
        "conc.no-callback",
        "Keep what the plugin needs in its own records instead of asking Docker, whose daemon may be waiting for this very answer.",
    ),
    ("restart.remembers", RESTART),
    (
        "restart.faithful",
        "Find the data by what the record says, and never initialise what exists already: no `mkfs`, no fresh directory at start.",
    ),
    (
        "restart.any-moment",
        "Write each change to a new file, `fsync` it and rename it; order the steps so that each state in between can be finished or \
         taken back at start.",
    ),
    (
        "restart.any-moment-soak",
        "Write each change to a new file, `fsync` it and rename it; order the steps so that each state in between can be finished or \
         taken back at start.",
    ),
    (
        "restart.bad-state",
        "Rename a file that cannot be read to `NAME.damaged`, say so in the log, and start with what can be found on disk otherwise.",
    ),
    (
        "restart.partial",
        "Restore volume by volume: note the error of one, keep it in the list, and go on with the next.",
    ),
    (
        "restart.remount",
        "At start compare the holds with the mount table, and mount what is held and not there.",
    ),
    (
        "restart.old-ids",
        "Save the IDs with their numbers, and not only that a volume is mounted.",
    ),
    (
        "restart.graceful",
        "At SIGTERM stop listening, let the calls under way end with a limit of some seconds, and leave mounts that are held alone.",
    ),
    (
        "restart.no-shadow",
        "Answer Get and List from the saved records as soon as the socket is there: a `not found` in that moment makes Docker take a \
         local volume.",
    ),
    ("sequence.cp-out-of-running", COPY),
    ("sequence.cp-into-running", COPY),
    ("sequence.cp-two-paths", COPY),
    ("sequence.live-restore-cp", COPY),
    ("sequence.daemon-crash-cp", COPY),
    ("sequence.daemon-crash", CRASH),
    ("sequence.daemon-crash-restart-always", CRASH),
    ("sequence.live-restore", LIVE_RESTORE),
    ("sequence.daemon-restart", LIVE_RESTORE),
    ("sequence.unmount-fails-then-start", FAILED),
    ("sequence.plugin-restart", RESTART),
    ("sequence.plugin-restart-in-use", RESTART),
    ("sequence.plugin-and-daemon-restart", RESTART),
    (
        "sequence.podman",
        "Keep the holds of each volume in a record of its own: the same ID holds several volumes, and an Unmount of one is not for the \
         others.",
    ),
    (
        "sequence.in-use",
        "Refuse Remove while a hold is in the record: not every engine asks its own containers first.",
    ),
    (
        "sequence.populate",
        "Give a new volume an empty directory: a `lost+found` or a marker file in it keeps Docker from filling it from the image.",
    ),
    (
        "sequence.deleted-behind",
        "Answer Get with an error for a name that is gone: that is how Docker learns of it.",
    ),
    (
        "sequence.first-use",
        "Keep no memory of names that were denied: a Get that failed says nothing about the Create that follows.",
    ),
];
