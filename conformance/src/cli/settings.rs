//! The flags of `run`, and what they mean together.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};
use fake_dockerd::Engine;

use super::output::FormatArg;
use crate::play::regressions::{Entry, Regressions};
use crate::play::{self, PlayOptions};
use crate::runner::Partition;
use crate::suite::Level;
use crate::target::{Storage, UserCommand};
use crate::wire::TlsFiles;

/// The flags of `run`.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "The plugin")]
pub struct RunArgs {
    /// Where it listens: a path, unix://PATH, tcp://HOST:PORT, http://… or https://…
    #[arg(long, value_name = "ADDRESS", conflicts_with_all = ["plugin", "reference"])]
    pub(super) socket: Option<String>,
    /// Its name, found the way Docker finds it. With --exec, it is started and then looked for.
    #[arg(long, value_name = "NAME", conflicts_with = "reference")]
    pub(super) plugin: Option<String>,
    /// The embedded reference driver, on a temporary socket.
    #[arg(long, conflicts_with = "exec")]
    pub(super) reference: bool,
    /// Start the plugin with this command, and stop, kill and restart it where a case needs that.
    ///
    /// {socket} becomes the socket to listen on, {work} a directory of its own. The words are
    /// split as a shell splits them, and no shell is used.
    #[arg(long, value_name = "CMD ARG …")]
    pub(super) exec: Option<String>,
    /// Where a second host's plugin listens, on the same storage.
    #[arg(long, value_name = "ADDRESS")]
    pub(super) peer: Option<String>,
    /// Start a second plugin with this command, as another host would, on the same storage.
    ///
    /// {socket} and {work} become its own; {shared}, here and in --exec, a directory of both.
    #[arg(
        long,
        value_name = "CMD ARG …",
        conflicts_with = "peer",
        requires = "exec"
    )]
    pub(super) peer_exec: Option<String>,
    /// What the plugin is made from, if it is a managed one: the directory with config.json and rootfs/
    /// that `docker plugin create` is given.
    #[arg(long, value_name = "DIR")]
    pub(super) managed: Option<PathBuf>,
    /// Where Docker looks for sockets; repeatable [default: /run/docker/plugins].
    #[arg(long, value_name = "DIR")]
    pub(super) sockets_dir: Vec<PathBuf>,
    /// Where Docker looks for .spec and .json files; repeatable
    /// [default: /etc/docker/plugins, /usr/lib/docker/plugins].
    #[arg(long, value_name = "DIR")]
    pub(super) specs_dir: Vec<PathBuf>,
    /// The certificate authority of an https plugin.
    #[arg(long, value_name = "FILE")]
    pub(super) ca: Option<PathBuf>,
    /// The client certificate for an https plugin.
    #[arg(long, value_name = "FILE", requires = "key")]
    pub(super) cert: Option<PathBuf>,
    /// The key of --cert.
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub(super) key: Option<PathBuf>,

    /// An option of every Create; repeatable. {volume} in VALUE becomes the volume's name.
    #[arg(long = "opt", value_name = "KEY=VALUE", value_parser = pair, help_heading = "Its volumes")]
    pub(super) opts: Vec<(String, String)>,
    /// An option whose value is a secret: cases give it random values and look for them.
    #[arg(long, value_name = "KEY", help_heading = "Its volumes")]
    pub(super) secret_opt: Vec<String>,
    /// Run before the Create of each volume; {volume} becomes its name.
    #[arg(long, value_name = "CMD …", help_heading = "Its volumes")]
    pub(super) prepare: Option<String>,
    /// Run after the Remove of each volume; {volume} becomes its name.
    #[arg(long, value_name = "CMD …", help_heading = "Its volumes")]
    pub(super) cleanup: Option<String>,
    /// Cut the plugin off from its storage; {volume} becomes the name of one volume, if only its
    /// storage is cut, {work} the plugin's directory.
    ///
    /// A storage that hangs says more than one that refuses: `kill -STOP` of its server, or a
    /// firewall that drops.
    #[arg(
        long,
        value_name = "CMD …",
        requires = "storage_restore",
        help_heading = "Its storage"
    )]
    pub(super) storage_cut: Option<String>,
    /// Make the storage so slow that a Mount takes a second or so; {volume} and {work} as above.
    #[arg(
        long,
        value_name = "CMD …",
        requires = "storage_restore",
        help_heading = "Its storage"
    )]
    pub(super) storage_slow: Option<String>,
    /// Undo --storage-cut and --storage-slow; run whatever happens, and also where there is nothing
    /// to undo.
    #[arg(long, value_name = "CMD …", help_heading = "Its storage")]
    pub(super) storage_restore: Option<String>,
    /// What ordinary volume names are made of [default: a-z 0-9 _ -].
    #[arg(long, value_name = "CHARS", help_heading = "Its volumes")]
    pub(super) name_chars: Option<String>,

    /// Run only these ids, sections or globs; repeatable.
    #[arg(long, value_name = "GLOB", help_heading = "The cases")]
    pub(crate) only: Vec<String>,
    /// Leave out these ids, sections or globs; repeatable.
    #[arg(long, value_name = "GLOB", help_heading = "The cases")]
    pub(super) skip: Vec<String>,
    /// Judge one of several parts of the run, such as 2/4; `report merge` joins them.
    #[arg(long, value_name = "PART/PARTS", help_heading = "The cases")]
    pub(super) partition: Option<Partition>,
    /// The least binding level to judge.
    #[arg(long, value_enum, default_value_t = Level::May, help_heading = "The cases")]
    pub(super) level: Level,
    /// SHOULD counts as MUST.
    #[arg(long, help_heading = "The cases")]
    pub(crate) strict: bool,
    /// Also run the cases that take half a minute.
    #[arg(long, help_heading = "The cases")]
    pub(super) soak: bool,
    /// Send hostile names and values [default: on where the plugin is isolated by --exec].
    #[arg(long, value_enum, value_name = "on|off", help_heading = "The cases")]
    pub(super) hostile: Option<Switch>,
    /// Do not look into mountpoints or the mount table.
    #[arg(long, help_heading = "The cases")]
    pub(super) no_filesystem: bool,
    /// Start the plugin in this mount namespace, where what it writes and mounts stays.
    #[arg(long, help_heading = "The cases")]
    pub(super) no_isolation: bool,

    /// The Docker engine whose commands are played in the section `sequence`: 20.10, 26.1 or 28.5.
    #[arg(long, value_name = "VERSION", default_value_t, value_parser = str::parse::<Engine>, help_heading = "The run")]
    pub(super) engine: Engine,
    /// The seed of all that is random; printed with the report.
    #[arg(long, value_name = "N", help_heading = "The run")]
    pub(super) seed: Option<u64>,
    /// How many sequences random play makes [default: 300, for 10 s at the most].
    #[arg(long, value_name = "N", help_heading = "The run")]
    pub(super) sequences: Option<u64>,
    /// How long random play may take [default: 10, and as long as it takes with --sequences].
    #[arg(long, value_name = "SECONDS", value_parser = seconds, help_heading = "The run")]
    pub(super) play_time: Option<Duration>,
    /// What broke something before: played first, and what is found is added.
    #[arg(long, value_name = "FILE", help_heading = "The run")]
    pub(super) regressions: Option<PathBuf>,
    /// Whether nothing but the regressions is played, and the file stays as it is.
    #[arg(skip)]
    pub(super) only_regressions: bool,
    /// Options of the run, kept in a file; flags win over it [default: volplug.toml, where that is
    /// in the working directory].
    #[arg(long, value_name = "FILE", help_heading = "The run")]
    pub(super) settings: Option<PathBuf>,
    /// Cases that fail today, each with a reason: the run does not fail for them, but for those
    /// of them that pass.
    #[arg(long, value_name = "FILE", help_heading = "The run")]
    pub(super) expected_failures: Option<PathBuf>,
    /// Make a first --expected-failures file of what fails now, and end with status 0.
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with = "expected_failures",
        help_heading = "The run"
    )]
    pub(super) write_expected_failures: Option<PathBuf>,
    /// How many cases may run at once.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=64), help_heading = "The run")]
    pub(super) jobs: u16,
    /// How long one call may take.
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds, help_heading = "The run")]
    pub(super) timeout: Duration,
    /// How long the plugin may take to start under --exec.
    #[arg(long, value_name = "SECONDS", default_value = "15", value_parser = seconds, help_heading = "The run")]
    pub(super) start_timeout: Duration,
    /// Keep what each case sends and gets in snapshots in this directory, and fail where one differs.
    #[arg(long, value_name = "DIR", help_heading = "The run")]
    pub(super) snapshots: Option<PathBuf>,
    /// Keep the snapshots of this run, whatever they were.
    #[arg(long, requires = "snapshots", help_heading = "The run")]
    pub(super) accept: bool,
    /// human, json, junit, tap, markdown, github, badge or html; repeatable as FORMAT=FILE
    /// [default: human].
    #[arg(long, value_name = "FORMAT[=FILE]", help_heading = "The run")]
    pub(super) format: Vec<FormatArg>,
}

/// The name under which Docker would know the embedded driver.
const REFERENCE: &str = "volplug";

/// On or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Switch {
    /// On.
    On,
    /// Off.
    Off,
}

impl RunArgs {
    /// The options of every Create.
    pub(super) fn options(&self) -> BTreeMap<String, String> {
        self.opts.iter().cloned().collect()
    }

    /// The certificate files.
    pub(super) fn tls(&self) -> TlsFiles {
        TlsFiles {
            ca: self.ca.clone(),
            cert: self.cert.clone(),
            key: self.key.clone(),
        }
    }

    /// The same, where the embedded driver is found by its name in plugin directories below `work`, so
    /// that these are judged, too.
    pub(super) fn with_directories_of(&self, work: &Path) -> Result<Self, String> {
        let mut args = self.clone();
        if args.reference && args.sockets_dir.is_empty() && args.specs_dir.is_empty() {
            let (sockets, specs) = (work.join("plugins"), work.join("specs"));
            for directory in [&sockets, &specs] {
                std::fs::create_dir_all(directory)
                    .map_err(|error| format!("{}: {error}", directory.display()))?;
            }
            args.plugin = Some(REFERENCE.to_owned());
            args.sockets_dir = vec![sockets];
            args.specs_dir = vec![specs];
        }
        Ok(args)
    }

    /// The command that starts the plugin, if one does.
    pub(super) fn command(&self) -> Result<Option<UserCommand>, String> {
        if self.reference {
            return reference_command().map(Some);
        }
        let Some(line) = &self.exec else {
            return Ok(None);
        };
        let command = UserCommand::parse("--exec", line)?;
        if self.socket.is_none() && self.plugin.is_none() && !command.mentions("socket") {
            return Err(format!(
                "--exec '{line}' does not say where to listen: put {{socket}} where the plugin takes its \
                 socket's path, or give the path with --socket, or the plugin's name with --plugin"
            ));
        }
        Ok(Some(command))
    }

    /// The command that starts a second host's plugin, if one does.
    pub(super) fn peer_command(&self) -> Result<Option<UserCommand>, String> {
        let Some(line) = &self.peer_exec else {
            return Ok(None);
        };
        let command = UserCommand::parse("--peer-exec", line)?;
        if !command.mentions("socket") {
            return Err(format!(
                "--peer-exec '{line}' does not say where to listen: put {{socket}} where the plugin \
                 takes its socket's path"
            ));
        }
        Ok(Some(command))
    }

    /// The same run, in which nothing is done but playing what `file` holds.
    pub(super) fn replaying(mut self, file: PathBuf) -> Result<Self, String> {
        if !file.exists() {
            return Err(format!("{} does not exist", file.display()));
        }
        let read = Regressions::read(&file)?;
        if read.entries().is_empty() {
            return Err(format!("{} holds nothing to play", file.display()));
        }
        let mut players: Vec<_> = read.entries().iter().map(Entry::player).collect();
        players.sort_unstable();
        players.dedup();
        self.only = players.into_iter().map(str::to_owned).collect();
        self.skip.clear();
        self.sequences = Some(0);
        self.regressions = Some(file);
        self.only_regressions = true;
        Ok(self)
    }

    /// How much is played at random.
    pub(super) fn play(&self, seed: u64) -> Result<PlayOptions, String> {
        let file = self.regressions.as_deref();
        let mut regressions = file.map(Regressions::read).transpose()?;
        if self.only_regressions {
            regressions = regressions.map(Regressions::fixed);
        }
        let unlimited = self.sequences.map(|_| Duration::MAX);
        Ok(PlayOptions {
            seed,
            sequences: self.sequences.unwrap_or(play::SEQUENCES),
            hurry: self.sequences.is_none() && self.play_time.is_none(),
            limit: self.play_time.or(unlimited).unwrap_or(play::LIMIT),
            regressions: regressions.unwrap_or_default(),
        })
    }

    /// `--prepare` or `--cleanup`.
    pub(super) fn hook(flag: &str, line: Option<&String>) -> Result<Option<UserCommand>, String> {
        line.map(|line| UserCommand::parse(flag, line)).transpose()
    }

    /// The storage that can be cut or slowed, where `work` is the plugin's own directory.
    pub(super) fn storage(&self, work: &Path) -> Result<Option<Storage>, String> {
        let Some(restore) = Self::hook("--storage-restore", self.storage_restore.as_ref())? else {
            return Ok(None);
        };
        let cut = Self::hook("--storage-cut", self.storage_cut.as_ref())?;
        let slow = Self::hook("--storage-slow", self.storage_slow.as_ref())?;
        if cut.is_none() && slow.is_none() {
            return Err(
                "--storage-restore has nothing to restore: give --storage-cut or --storage-slow, too"
                    .to_owned(),
            );
        }
        let work = work.display().to_string();
        Ok(Some(Storage::new(cut, slow, restore, work, self.timeout)))
    }
}

/// This very program, as the reference driver.
fn reference_command() -> Result<UserCommand, String> {
    let this =
        std::env::current_exe().map_err(|error| format!("cannot find this program: {error}"))?;
    let line = format!(
        "{} reference-driver local --socket {{socket}} --data-root {{work}}/data",
        shell_words::quote(&this.display().to_string())
    );
    UserCommand::parse("--reference", &line)
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("it should be KEY=VALUE".to_owned()),
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let number: f64 = text
        .parse()
        .map_err(|_| "it should be a number of seconds".to_owned())?;
    if (0.05..=3600.0).contains(&number) {
        Ok(Duration::from_secs_f64(number))
    } else {
        Err("it should be between 0.05 and 3600 seconds".to_owned())
    }
}
