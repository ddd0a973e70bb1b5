//! Random sequences of commands and of what goes wrong in the plugin.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};

/// A sequence of steps, the same for the same seed.
pub(crate) struct Game {
    pub(crate) steps: Vec<Step>,
    /// Whether containers have several volumes, which dockerd mounts in the order of a Go map.
    pub(crate) unordered: bool,
}

#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// Arguments of the docker CLI.
    Docker(String),
    /// The plugin answers a path like this from now on.
    Answer(String, String),
    /// The plugin answers as it should again.
    Usual,
    /// The plugin forgets a volume.
    Lose(String),
    /// The engine is ended with a signal, and started again, with more options if there are any.
    Restart(String),
}

impl Step {
    /// A step as [`TOLD`](super::told::TOLD) writes it.
    fn read(line: &str) -> Self {
        let Some(line) = line.strip_prefix('@') else {
            return Self::Docker(line.to_owned());
        };
        let (what, rest) = line.split_once(' ').unwrap_or((line, ""));
        match what {
            "usual" => Self::Usual,
            "lose" => Self::Lose(rest.to_owned()),
            "restart" => Self::Restart(rest.to_owned()),
            endpoint => Self::Answer(format!("/VolumeDriver.{endpoint}"), rest.to_owned()),
        }
    }
}

pub(crate) const VOLUMES: &[&str] = &["v1", "v2", "v3"];
const CONTAINERS: &[&str] = &["k1", "k2"];

/// What goes wrong at any endpoint.
const FAULTS: &[&str] = &[
    r#"{"Err":"boom"}"#,
    "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 14\r\n\r\n{\"Err\":\"boom\"}",
    "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 5\r\n\r\noops\n",
    "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}",
    "HTTP/1.1 204 No Content\r\n\r\n",
    "",
    "[]",
    "\"text\"",
    r#"{"Err":"#,
    r#"{"Err":7}"#,
    r#"{"Err":"x","Mountpoint":5,"Volume":5,"Volumes":5}"#,
];

struct Dice {
    random: StdRng,
    unordered: bool,
}

impl Game {
    pub(crate) fn new(seed: u64) -> Self {
        let unordered = seed % 2 == 1;
        let mut dice = Dice {
            random: StdRng::seed_from_u64(seed),
            unordered,
        };
        let mut steps = Vec::new();
        while steps.len() < 24 {
            dice.more(&mut steps);
        }
        Self { steps, unordered }
    }

    /// A game that is written down; its containers have one volume each.
    pub(crate) fn told(lines: &[&str]) -> Self {
        Self {
            steps: lines.iter().map(|line| Step::read(line)).collect(),
            unordered: false,
        }
    }
}

impl Dice {
    fn one_of<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words.choose(&mut self.random).unwrap()
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.random.random_range(0..100) < percent
    }

    fn more(&mut self, steps: &mut Vec<Step>) {
        match self.random.random_range(0..100) {
            0..12 => {
                steps.push(self.fault());
                for _ in 0..self.random.random_range(1..4) {
                    steps.push(Step::Docker(self.command()));
                }
                steps.push(Step::Usual);
            }
            12..15 => steps.push(Step::Lose(self.one_of(VOLUMES).to_owned())),
            15..18 => {
                let how = ["TERM", "TERM", "KILL", "KILL", "TERM --live-restore"];
                steps.push(Step::Restart(self.one_of(&how).to_owned()));
            }
            _ => steps.push(Step::Docker(self.command())),
        }
    }

    fn fault(&mut self) -> Step {
        let mut endpoints = vec![
            "Create",
            "Remove",
            "Get",
            "List",
            "Unmount",
            "Path",
            "Capabilities",
        ];
        if !self.unordered {
            endpoints.extend(["Mount", "Mount", "Get", "Unmount"]);
        }
        let endpoint = self.one_of(&endpoints);
        let answer = match endpoint {
            "Get" if self.chance(40) => self.one_of(&[
                r#"{"Volume":{"Name":"other"}}"#,
                r#"{"Volume":{"Name":"v1","Mountpoint":"/some/where","CreatedAt":"2020-01-02T03:04:05Z","Status":{"a":[1,null]}}}"#,
                r#"{"Volume":{"Name":"v2","CreatedAt":"yesterday"}}"#,
                r#"{"Volume":null}"#,
                r#"{"volume":{"name":"v1","MOUNTPOINT":"/x"},"Err":""}"#,
                r#"{"Volume":{"Name":"v1"},"Err":"boom"}"#,
            ]),
            "List" if self.chance(60) => self.one_of(&[
                r#"{"Volumes":[{"Name":"v1"},{"Name":"foreign","Mountpoint":"/x"},{"Name":"v2"}]}"#,
                r#"{"Volumes":null}"#,
                r#"{"Volumes":[{"Name":""},{"Name":"v3","CreatedAt":"2020-01-02T03:04:05Z"},{"Name":"v3"}]}"#,
                r#"{"Volumes":[{"Name":"a/b"}]}"#,
            ]),
            "Mount" if self.chance(50) => self.one_of(&[
                r#"{"Mountpoint":""}"#,
                r#"{"Mountpoint":"/nosuch/place"}"#,
            ]),
            "Capabilities" => self.one_of(&[
                r#"{"Capabilities":{"Scope":"Global"}}"#,
                r#"{"Capabilities":{"Scope":"weird"}}"#,
                r#"{}"#,
                r#"{"Err":"boom"}"#,
            ]),
            _ => self.one_of(FAULTS),
        };
        Step::Answer(format!("/VolumeDriver.{endpoint}"), answer.to_owned())
    }

    fn command(&mut self) -> String {
        let volume = self.one_of(VOLUMES);
        let container = self.one_of(CONTAINERS);
        match self.random.random_range(0..100) {
            0..10 => {
                let driver = self.one_of(&["-d mine ", "-d mine ", "-d mine ", "", "-d local "]);
                let options = self.one_of(&[
                    "",
                    "",
                    "-o size=1 ",
                    "-o b=2 -o a=1 ",
                    "--label x=y ",
                    "--label x ",
                ]);
                format!("volume create {driver}{options}{volume}")
            }
            10..12 => format!("volume inspect {volume}"),
            12 => format!("volume rm {volume} {}", self.one_of(VOLUMES)),
            13 => {
                let shown = "{{.Names}}:{{.State}}:{{.Mounts}}";
                format!("ps -a --filter volume={volume} --format {shown}")
            }
            14..18 => {
                let filter = self.one_of(&[
                    "",
                    "-q",
                    "--filter name=v",
                    "--filter driver=mine",
                    "--filter dangling=true",
                    "--filter dangling=false",
                    "--filter label=x",
                    "--filter label=x=y",
                    "--filter driver=nosuch",
                    "--filter name=1 --filter driver=mine",
                    "--filter dangling=perhaps",
                    "--format {{.Name}}:{{.Driver}}:{{.Scope}}:{{.Mountpoint}}:{{.Labels}}",
                ]);
                format!("volume ls {filter}")
            }
            18..24 => {
                let force = self.one_of(&["", "", "-f "]);
                format!("volume rm {force}{volume}")
            }
            24..27 => {
                let how = self.one_of(&["", "--filter label=x", "--filter label!=x", "-a"]);
                format!("volume prune -f {how}")
            }
            27..37 => {
                let mounts = self.mounts();
                let mut command = self.one_of(&["true", "true", "false", "nosuch", "ls /data"]);
                if command == "ls /data" && !mounts.contains("/data") {
                    // Where there is no such place, `ls` of busybox says so in its own words.
                    command = "true";
                }
                format!("run --pull never --rm {mounts} busybox {command}")
            }
            37..49 => format!(
                "run --pull never -d --stop-timeout 1 --name {container} {} busybox sleep 600",
                self.mounts()
            ),
            // One that ends by itself after a start does so in its own time.
            49..54 => format!(
                "create --pull never --stop-timeout 1 --name {container} {} busybox sleep 600",
                self.mounts()
            ),
            54..60 => format!("start {container}"),
            60..64 => format!("stop -t 0 {container}"),
            64..68 => format!("kill {container}"),
            68..71 => format!("restart -t 0 {container}"),
            71..73 => format!("{} {container}", self.one_of(&["pause", "unpause"])),
            73..83 => format!(
                "rm {}{container}",
                self.one_of(&["", "-f ", "-v ", "-f -v "])
            ),
            83..88 => format!("exec {container} {}", self.one_of(&["true", "false"])),
            88..91 => format!(
                "cp /etc/hostname {container}:{}",
                self.one_of(&["/data/", "/data/file", "/tmp/", "/nosuch/x"])
            ),
            91..93 => format!(
                "cp {container}:{} copied",
                self.one_of(&["/data/file", "/data/nosuch", "/data", "/tmp"])
            ),
            93..95 => "container prune -f".to_owned(),
            95..97 => format!(
                "inspect -f {{{{json.State.Status}}}}:{{{{.State.ExitCode}}}}:{{{{.State.Error}}}} {container}"
            ),
            _ => format!("inspect -f {{{{json.Mounts}}}} {container}"),
        }
    }

    fn mounts(&mut self) -> String {
        let count = if self.unordered {
            self.random.random_range(1..4)
        } else {
            1
        };
        let mut mounts: Vec<String> = Vec::new();
        while mounts.len() < count {
            // What the image has at a place is copied into a new volume.
            let place = match (mounts.len(), self.chance(20)) {
                (0, true) => "/tmp",
                (0, false) => "/data",
                (1, _) => "/other",
                _ => "/third",
            };
            let mount = self.mount(place);
            // The CLI itself passes these on in the order of a Go map: where one of several is
            // refused, chance decides which of the others the plugin was asked about before.
            let is_bind = |mount: &String| mount.starts_with("-v ");
            if !is_bind(&mount) || !mounts.iter().any(is_bind) {
                mounts.push(mount);
            }
        }
        if self.chance(50) {
            mounts.push("--volume-driver mine".to_owned());
        }
        mounts.join(" ")
    }

    fn mount(&mut self, place: &str) -> String {
        let volume = self.one_of(VOLUMES);
        match self.random.random_range(0..100) {
            0..45 => {
                let mode =
                    self.one_of(&["", "", "", ":ro", ":nocopy", ":rw", ":z", ":ro,Z", ":bad"]);
                format!("-v {volume}:{place}{mode}")
            }
            45..60 => format!("-v {place}"),
            60..80 => {
                let more = self.one_of(&[
                    "",
                    ",readonly",
                    ",volume-driver=mine",
                    ",volume-driver=mine,volume-opt=size=1",
                    ",volume-nocopy",
                    ",volume-label=x=y,volume-driver=mine",
                    ",volume-driver=local",
                    ",volume-subpath=sub",
                ]);
                format!("--mount type=volume,src={volume},dst={place}{more}")
            }
            80..85 => format!("--mount type=volume,dst={place},volume-driver=mine"),
            85..95 => {
                let mode = self.one_of(&["", ":ro", ":rw"]);
                format!("--volumes-from {}{mode}", self.one_of(CONTAINERS))
            }
            95..98 => format!("--tmpfs {place}"),
            _ => format!("--mount type=tmpfs,dst={place}"),
        }
    }
}
