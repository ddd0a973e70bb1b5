//! Volumes: Create, Get, List, Path, Mount, Unmount, Remove.

pub(super) const ADVICE: &[(&str, &str)] = &[
    (
        "create.works",
        "Enter the volume into the record that Get and List answer from before Create is answered, under the name as it came.",
    ),
    (
        "create.repeat-same",
        "Look the name up first: where it exists with the same options, answer success and touch nothing.",
    ),
    (
        "create.repeat-different",
        "Keep the options in the record and compare them: with others, fail and name the option that differs.",
    ),
    (
        "create.keeps-mounts",
        "Do not put a fresh record in the place of the old one: a repeated Create returns before anything is written.",
    ),
    (
        "create.durable",
        "Write the record to a new file, `fsync` it, rename it over the old one and `fsync` the directory, all before the answer.",
    ),
    (
        "create.atomic",
        "Check all options first. Where a later step fails, take the earlier ones back, the record last, so that the name is free again.",
    ),
    (
        "create.atomic-without-storage",
        "Where the storage did not answer, forget the volume, and let the next Create of that name take what it may have left there.",
    ),
    (
        "create.bad-options",
        "Match the options against the list of known ones, and refuse what is left with its name and the nearest known one.",
    ),
    (
        "create.empty-name",
        "Refuse an empty name before a path is made from it: joined to the root, it is the root itself.",
    ),
    (
        "get.unknown",
        "Answer from the record and make nothing on the way: a look-up that inserts a default makes every misspelt name a volume.",
    ),
    (
        "get.unknown-is-error",
        "Send status 500 and `Err` with the name, instead of a success with an empty or missing `Volume`.",
    ),
    (
        "get.same-name",
        "Keep the name as it came in the record, and encode it only where a path is made of it.",
    ),
    (
        "get.read-only",
        "Let Get read the record only: what has to be mended is for Mount, which has the right to change something.",
    ),
    (
        "get.always-when-known",
        "Answer from the record, and put what only the storage knows into `Status` if it comes in time; an error means that the \
         volume is gone.",
    ),
    (
        "get.mountpoint",
        "Make the path in one function that Mount, Path, Get and List use, and leave `Mountpoint` empty while nothing is mounted.",
    ),
    (
        "get.fast",
        "Answer from memory. Where `Status` takes a look at the storage, keep what was last seen, and renew it in the background.",
    ),
    (
        "get.during-mount",
        "Release the lock that Get needs while the mount command runs: mark the volume as being mounted instead.",
    ),
    (
        "list.complete",
        "List the same records as Get, and not the directories or mounts that happen to be there.",
    ),
    (
        "list.agrees",
        "Build the entries of List with the function that builds Get's answer.",
    ),
    (
        "list.bodies",
        "Do not decode List's body at all: dockerd sends `{}`, and Podman sends none.",
    ),
    (
        "list.fails-loudly",
        "Pass the error of what reads the records on as `Err`; an ignored one looks like an empty list.",
    ),
    (
        "list.prompt",
        "Leave the storage alone in List: one `stat` in a dead mount hangs it for all volumes.",
    ),
    (
        "path.served",
        "Serve Path with the function that finds the mountpoint for Get, and fail for a name that is unknown.",
    ),
    (
        "path.value",
        "Answer what Mount answered from the same function, and count nothing: Path takes no hold.",
    ),
    (
        "mount.usable",
        "Answer the absolute path of the directory in which the data are, after it has been mounted and looked at.",
    ),
    (
        "mount.visible",
        "Mount in the host's mount namespace: without `PrivateMounts` or `PrivateTmp` in the unit; in a container of its own, with \
         `rshared` propagation.",
    ),
    (
        "mount.writable",
        "Mount with options that let root write and change owners: without `root_squash` on the server, with `allow_other` and \
         `default_permissions` for FUSE.",
    ),
    (
        "mount.outside-docker-root",
        "Mount below a directory of the plugin's own, such as `/var/lib/NAME/mounts`.",
    ),
    (
        "mount.own-path",
        "Make the path from the whole name, encoded so that no two names meet, and not from a part or from an option alone.",
    ),
    (
        "mount.unknown",
        "Look the name up, and fail where there is none: `mkdir -p` on the way to a mount makes volumes that nobody created.",
    ),
    (
        "mount.id-opaque",
        "Keep IDs as they come, as keys of a map in the record, the empty one too; put them into no path.",
    ),
    (
        "mount.fail-clean",
        "Count the hold after the mount has worked, release locks on every way out, and remove the directory that was made for it.",
    ),
    (
        "mount.fail-clean-without-storage",
        "Give the mount command a time limit, kill it with its children, unmount what it may have left, and only then answer.",
    ),
    (
        "mount.sibling-failure",
        "Nothing is special here for the plugin: Docker sends plain Unmounts for the volumes that were mounted, which have to let go.",
    ),
    (
        "mount.late-client",
        "When the answer cannot be written, or the client is gone when the mount is ready, let the hold go again: no Unmount will come.",
    ),
    (
        "mount.data-persists",
        "Keep data where neither Unmount nor Create touches them: not in the mount directory, and not in a temporary file system.",
    ),
    (
        "mount.heals",
        "Look into `/proc/self/mountinfo` at each Mount, also where the record says that the volume is mounted, and mount it again if it \
         is not there.",
    ),
    (
        "unmount.works",
        "Take the hold of that ID out of the record and answer success; the name is known also while other volumes are in trouble.",
    ),
    (
        "unmount.not-last",
        "Unmount only when the last hold has gone.",
    ),
    (
        "unmount.last",
        "Call `umount` when the last hold has gone, and believe the mount table rather than the command's status.",
    ),
    (
        "unmount.stray",
        "Take holds by their ID: where it holds nothing, answer success and change nothing. A plain counter cannot tell.",
    ),
    (
        "unmount.busy",
        "When the kernel says `EBUSY`, put the hold back and fail: Docker sends the Unmount again.",
    ),
    (
        "unmount.never-deletes",
        "Remove the mount directory with `rmdir` after a look into the mount table, and never with `rm -r`.",
    ),
    (
        "unmount.already-gone",
        "Take `EINVAL` and `not mounted` for success: the hold goes, whatever has become of the mount.",
    ),
    (
        "unmount.prompt",
        "Give `umount` a time limit, and fall back to a lazy one (`MNT_DETACH`) when the storage does not answer.",
    ),
    (
        "remove.works",
        "Take the volume out of every place: record, index, mount directory, and what a repeated Create would stumble over.",
    ),
    (
        "remove.unknown",
        "Look the name up first, and fail with it where there is none: deleting what is not there must not look like a success.",
    ),
    (
        "remove.stays-removed",
        "Write the record without the volume before the answer, and do not take volumes up from directories that were left on disk.",
    ),
    (
        "remove.in-use",
        "Refuse while a hold is in the record or the mount in the mount table, under the lock that Mount takes.",
    ),
    (
        "remove.failed-keeps",
        "Move the data away with one rename before they are deleted, so that what fails has either done nothing or all that counts.",
    ),
    (
        "remove.failed-keeps-without-storage",
        "Take the volume out of the record only after the storage has confirmed.",
    ),
    (
        "remove.data-policy",
        "Delete the data, or make keeping them a setting and say so in `Status` of each volume.",
    ),
];
