//! The flags of `run`, and what they mean together.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::output::FormatArg;
use crate::play::regressions::Regressions;
use crate::play::{self, PlayOptions};
use crate::suite::Level;
use crate::target::UserCommand;
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
    /// What ordinary volume names are made of [default: a-z 0-9 _ -].
    #[arg(long, value_name = "CHARS", help_heading = "Its volumes")]
    pub(super) name_chars: Option<String>,

    /// Run only these ids, sections or globs; repeatable.
    #[arg(long, value_name = "GLOB", help_heading = "The cases")]
    pub(crate) only: Vec<String>,
    /// Leave out these ids, sections or globs; repeatable.
    #[arg(long, value_name = "GLOB", help_heading = "The cases")]
    pub(super) skip: Vec<String>,
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

    /// The seed of all that is random; printed with the report.
    #[arg(long, value_name = "N", help_heading = "The run")]
    pub(super) seed: Option<u64>,
    /// How many sequences random play makes [default: 300, for 10 s at the most].
    #[arg(long, value_name = "N", help_heading = "The run")]
    pub(super) sequences: Option<u64>,
    /// How long random play may take [default: 10, and as long as it takes with --sequences].
    #[arg(long, value_name = "SECONDS", value_parser = seconds, help_heading = "The run")]
    pub(super) play_time: Option<Duration>,
    /// Sequences that broke something before: played first, and what is found is added.
    #[arg(long, value_name = "FILE", help_heading = "The run")]
    pub(super) regressions: Option<PathBuf>,
    /// Whether nothing but the regressions is played, and the file stays as it is.
    #[arg(skip)]
    pub(super) only_regressions: bool,
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
    /// human, json or junit; repeatable as FORMAT=FILE [default: human].
    #[arg(long, value_name = "FORMAT[=FILE]", help_heading = "The run")]
    pub(super) format: Vec<FormatArg>,
}

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

    /// The same run, in which nothing is done but playing the sequences of `file`.
    pub(super) fn replaying(mut self, file: PathBuf) -> Result<Self, String> {
        if !file.exists() {
            return Err(format!("{} does not exist", file.display()));
        }
        self.only = vec!["prop".to_owned()];
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
        if let (true, Some(file), Some(read)) = (self.only_regressions, file, &regressions) {
            if read.entries().is_empty() {
                return Err(format!("{} holds no sequence", file.display()));
            }
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
