//! Real storage for tests: the servers of `ci/storage/`, each in a container of its own where
//! `DOCKER_HOST` names an engine and there is an image of it, as processes of this machine
//! otherwise; MinIO in its makers' own image, where it can be pulled.

mod container;
mod guest;
mod minio;
mod process;

use std::{
    collections::BTreeMap,
    env, fs,
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    time::Instant,
};

use tempfile::TempDir;

use crate::support::{
    process::Place,
    trials::{Skip, need},
    wait_until,
};
pub(crate) use guest::on_a_kernel;

/// A kind of storage server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One that takes any key.
    S3,
    /// One that checks signatures.
    SeaweedFs,
    /// Another, in the image that its makers publish.
    Minio,
    MooseFs,
    Nfs,
    Cifs,
}

impl Kind {
    /// The script in `ci/storage/`, where it has one.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::S3 => "s3",
            Self::SeaweedFs => "seaweedfs",
            Self::Minio => "minio",
            Self::MooseFs => "moosefs",
            Self::Nfs => "nfs",
            Self::Cifs => "cifs",
        }
    }

    /// The word of the driver's command line.
    fn backend(self) -> &'static str {
        match self {
            Self::S3 | Self::SeaweedFs | Self::Minio => "s3",
            Self::MooseFs | Self::Nfs | Self::Cifs => self.name(),
        }
    }

    /// Whether `ci/storage/images` makes an image of it.
    fn has_image(self) -> bool {
        !matches!(self, Self::SeaweedFs | Self::Minio)
    }

    /// The program that mounts it, and its Debian package.
    pub(crate) fn client(self) -> (&'static str, &'static str) {
        match self {
            Self::S3 | Self::SeaweedFs | Self::Minio => ("s3fs", "s3fs"),
            Self::MooseFs => ("mfsmount", "moosefs-client"),
            Self::Nfs => ("mount.nfs", "nfs-common"),
            Self::Cifs => ("mount.cifs", "cifs-utils"),
        }
    }

    /// What the script or, where there is none, the test itself runs.
    fn programs(self) -> &'static [&'static str] {
        match self {
            Self::S3 => &["moto_server", "curl"],
            Self::SeaweedFs => &["weed", "curl"],
            Self::Minio => &["docker", "curl"],
            Self::MooseFs => &["mfsmaster", "mfschunkserver", "ss"],
            Self::Nfs => &["ganesha.nfsd", "rpcbind", "ss"],
            Self::Cifs => &["smbd", "ss"],
        }
    }

    /// How many ports it listens on.
    fn ports(self) -> usize {
        match self {
            Self::S3 | Self::Minio | Self::Cifs => 1,
            Self::Nfs => 2,
            Self::MooseFs => 5,
            Self::SeaweedFs => 8,
        }
    }

    /// What the script prints last, when clients can use the server.
    fn last_setting(self) -> &'static str {
        match self {
            Self::S3 | Self::SeaweedFs | Self::Minio => "KEY_FILE",
            Self::MooseFs => "PORT",
            Self::Nfs => "MOUNT_PORT",
            Self::Cifs => "PASSWORD_FILE",
        }
    }

    /// The directory of its data that is a share with little room, and its size in bytes.
    fn little_room(self) -> Option<(&'static str, u32)> {
        match self {
            Self::S3 | Self::SeaweedFs | Self::Minio | Self::MooseFs => None,
            Self::Nfs | Self::Cifs => Some(("small", 8 << 20)),
        }
    }

    /// What belongs after the directory on the script's command line: the buckets of an S3 server.
    fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::S3 | Self::SeaweedFs | Self::Minio => &["data"],
            Self::MooseFs | Self::Nfs | Self::Cifs => &[],
        }
    }
}

/// Starts, stops and freezes a server.
trait Control: std::fmt::Debug {
    /// Freezes all its processes.
    fn pause(&mut self);
    fn resume(&mut self);
    /// Ends it, and starts it again on the same ports with the same data.
    fn restart(&mut self);
}

/// A server that runs until this is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    kind: Kind,
    control: Box<dyn Control + Send>,
    settings: BTreeMap<String, String>,
    /// Where its data are, for as long as it runs.
    directory: Option<TempDir>,
}

impl Server {
    /// Starts one; skips, with the reason, where it cannot be had.
    pub(crate) fn start(kind: Kind) -> Result<Self, Skip> {
        if let Some(guest) = guest::server(kind) {
            return Ok(guest);
        }
        need(&[kind.client().0])?;
        let began = Instant::now();
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path();
        let (control, mut settings, how): (Box<dyn Control + Send>, _, _) = if kind == Kind::Minio {
            let (container, settings) = minio::start(place)?;
            (Box::new(container), settings, "a container")
        } else if env::var("DOCKER_HOST").is_ok() && kind.has_image() {
            let (container, settings) = container::Container::start(kind, place)?;
            (Box::new(container), settings, "a container")
        } else {
            need(kind.programs())?;
            let (process, settings) = process::Process::start(kind, place);
            (Box::new(process), settings, "processes")
        };
        println!(
            "started {} as {how} in {:.1} s",
            kind.name(),
            began.elapsed().as_secs_f32()
        );
        settings
            .entry("HOST".to_owned())
            .or_insert_with(|| "127.0.0.1".to_owned());
        Ok(Self {
            kind,
            control,
            settings,
            directory: Some(directory),
        })
    }

    /// A place for a driver whose volumes are all on this server: directories of its share, prefixes of
    /// its bucket.
    pub(crate) fn place(&self, more: &[&str]) -> Place {
        let host = self.setting("HOST");
        let words: Vec<String> = match self.kind {
            Kind::S3 | Kind::SeaweedFs | Kind::Minio => vec![
                "--url".into(),
                self.setting("URL").into(),
                "--key-file".into(),
                self.setting("KEY_FILE").into(),
                "--bucket".into(),
                "data".into(),
            ],
            Kind::MooseFs => vec![
                "--host".into(),
                host.into(),
                "--port".into(),
                self.setting("PORT").into(),
            ],
            Kind::Nfs => vec![
                "--share".into(),
                format!("{host}:/export"),
                "--mount-options".into(),
                format!("soft,timeo=100,nfsvers=4.2,port={}", self.setting("PORT")),
            ],
            Kind::Cifs => vec![
                "--share".into(),
                format!("{host}/guest"),
                "--mount-options".into(),
                format!("soft,{CIFS_IN_A_GUEST},port={}", self.setting("PORT")),
            ],
        };
        let mut all = vec![self.kind.backend()];
        all.extend(words.iter().map(String::as_str));
        all.extend(more);
        Place::new().on(&all)
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// What the script printed, such as `HOST`.
    pub(crate) fn setting(&self, key: &str) -> &str {
        &self.settings[key]
    }

    /// Where the server has its settings and data, as the script has made them.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.as_ref().expect("not in a guest").path()
    }

    /// Freezes it until the result is dropped.
    pub(crate) fn freeze(&mut self) -> Frozen<'_> {
        self.control.pause();
        Frozen(self)
    }

    pub(crate) fn restart(&mut self) {
        self.control.restart();
        if let Some(directory) = &self.directory {
            println!("restarted the server in {}", directory.path().display());
        }
    }
}

/// A server that answers nothing, and does again when this is dropped: whoever waits for it, as
/// the end of a process may, would wait for ever.
#[derive(Debug)]
pub(crate) struct Frozen<'a>(&'a mut Server);

impl Drop for Frozen<'_> {
    fn drop(&mut self) {
        self.0.control.resume();
    }
}

/// Linux 6.1 panics when a mount with files that it closes later is unmounted.
pub(crate) const CIFS_IN_A_GUEST: &str = "nobrl,mfsymlinks,closetimeo=0";

/// `KEY=VALUE` lines among what a script prints.
fn read_settings(text: &str) -> BTreeMap<String, String> {
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    pairs
        .map(|(key, value)| (key.to_owned(), value.trim_end().to_owned()))
        .collect()
}

/// Ports that nobody uses, as `PORTS` takes them. All are asked for before any is given back.
fn free_ports(number: usize) -> Vec<u16> {
    let listeners: Vec<_> = (0..number)
        .map(|_| TcpListener::bind("0.0.0.0:0").unwrap())
        .collect();
    let port = |listener: &TcpListener| listener.local_addr().unwrap().port();
    listeners.iter().map(port).collect()
}

fn shown(ports: &[u16]) -> String {
    let ports: Vec<_> = ports.iter().map(u16::to_string).collect();
    ports.join(" ")
}

/// Waits until all these ports are listened on.
fn wait_for_ports(address: &str, ports: &[u16]) {
    for port in ports {
        wait_until(&format!("port {port} is listened on"), || {
            TcpStream::connect((address, *port)).is_ok()
        });
    }
}

fn script(kind: Kind) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../ci/storage")
        .join(kind.name())
}

/// The processes whose command line holds a text, such as the daemon of one mountpoint.
pub(crate) fn processes_with(text: &str) -> Vec<i32> {
    let holds = |path: PathBuf| {
        let words = fs::read(path.join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&words).contains(text)
    };
    fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| {
            let entry = entry.unwrap();
            let pid = entry.file_name().to_str()?.parse().ok()?;
            holds(entry.path()).then_some(pid)
        })
        .collect()
}
