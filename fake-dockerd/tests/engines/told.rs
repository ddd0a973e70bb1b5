//! Games that are written down: as [`scripts`](super::scripts), but the plugin is told what to
//! answer in between, and what it is asked is compared step by step.
//!
//! A step is a line of arguments of the docker CLI, or begins with `@`: `@Mount ANSWER` is what the
//! plugin answers from now on, `@usual` as it should again, `@lose VOLUME` forgets one, `@restart
//! SIGNAL OPTIONS…` ends the engine and starts it again.

pub(crate) struct Told {
    pub(crate) name: &'static str,
    pub(crate) steps: &'static [&'static str],
}

const fn told(name: &'static str, steps: &'static [&'static str]) -> Told {
    Told { name, steps }
}

pub(crate) const TOLD: &[Told] = &[
    told(
        "copy_up_and_faults",
        &[
            "@Mount {\"Err\":\"boom\"}",
            "create --name k1 -v v1:/tmp --volume-driver mine busybox true",
            "@Mount {\"Mountpoint\":\"/nosuch/place\"}",
            "create --name k1 -v v1:/tmp --volume-driver mine busybox true",
            "@Unmount {\"Err\":\"boom\"}",
            "create --name k1 -v v1:/tmp --volume-driver mine busybox true",
            "@usual",
            "start -a k1",
            "@Get {\"Err\":\"boom\"}",
            "create --pull never --name k2 -v v2:/tmp --volume-driver mine busybox true",
        ],
    ),
    told(
        "copies_of_what_cannot_be_mounted",
        &[
            "run -d --name k1 -v v1:/data --volume-driver mine busybox sleep 600",
            "@lose v1",
            "cp k1:/data copied",
            "volume create -d mine v1",
            "@Mount {\"Err\":\"boom\"}",
            "cp /etc/hostname k1:/data/",
            "@usual",
            "rm -f k1",
        ],
    ),
    told(
        "labels_for_selinux",
        &[
            "volume create -d mine v1",
            "@Get {\"Volume\":{\"Name\":\"v1\",\"Mountpoint\":\"/some/where\"}}",
            "create --name k1 -v v1:/data:z busybox true",
            "@usual",
            "start -a k1",
            "@Mount {\"Mountpoint\":\"/nosuch/place\"}",
            "run --rm -v v1:/data:Z busybox true",
        ],
    ),
];
