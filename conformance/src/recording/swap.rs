//! Takes the place of a plugin that an engine finds by name, and gives it back.
//!
//! The plugin's socket or spec file changes places with the recorder's in one step
//! (`RENAME_EXCHANGE`), into a directory `.volplug-record` beside it, where no engine looks: dockerd
//! looks for sockets and spec files by name, and in a directory only for a file of the directory's
//! own name (moby, `pkg/plugins/discovery.go`). What lies there is put back when the recorder ends,
//! and by the next one if it was killed.

use std::fs::{self, File};
use std::io;
use std::mem::MaybeUninit;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::{CWD, FlockOperation, RenameFlags, flock, inotify, renameat_with};
use tokio::net::UnixListener;

use super::proxy::bind;
use crate::target::address::Found;
use crate::wire::Address;

/// The directory beside the plugin's file.
const ASIDE: &str = ".volplug-record";

/// A plugin's place, taken.
#[derive(Debug)]
pub struct Swap {
    place: Place,
    upstream: Address,
    /// Whether the place is taken still.
    held: Arc<Mutex<bool>>,
    /// Held while the place is taken; a file that nobody holds belongs to a recorder that is gone.
    _lock: File,
}

/// Where things lie.
#[derive(Debug, Clone)]
struct Place {
    /// Where the engine looks.
    public: PathBuf,
    /// Where the plugin's own file is meanwhile.
    aside: PathBuf,
    /// Where the recorder listens, where that is not the public place.
    listening: PathBuf,
    lock: PathBuf,
}

impl Place {
    fn of(public: &Path) -> Result<Self, String> {
        let (Some(directory), Some(file)) = (public.parent(), public.file_name()) else {
            return Err(format!("{} is no file of a plugin", public.display()));
        };
        let aside = directory.join(ASIDE);
        let file = file.to_string_lossy();
        Ok(Self {
            public: public.to_owned(),
            listening: aside.join(format!("{file}.r")),
            lock: aside.join(format!("{file}.lock")),
            aside: aside.join(&*file),
        })
    }

    fn remove_directory(&self) {
        if let Some(directory) = self.aside.parent() {
            // Another recorder may still be at work.
            let _ = fs::remove_dir(directory);
        }
    }

    /// Whether the recorder's own file is at the public place: its socket, or a file that leads
    /// there.
    fn is_taken(&self) -> bool {
        let socket = identity(&self.listening);
        let leads_there = || {
            let text = fs::read_to_string(&self.public).unwrap_or_default();
            text.contains(&*self.listening.to_string_lossy())
        };
        identity(&self.public).is_some_and(|found| Some(found) == socket || leads_there())
    }

    /// Puts the plugin's file back where the recorder's is; one that the plugin has made since
    /// stays.
    fn give_back(&self) -> io::Result<()> {
        let own = self.aside.symlink_metadata().is_ok();
        match (own, self.is_taken()) {
            (true, true) => fs::rename(&self.aside, &self.public)?,
            (false, true) => fs::remove_file(&self.public)?,
            // Somebody removed what was at the public place, and the plugin still listens.
            (true, false) if self.is_orphaned() => fs::rename(&self.aside, &self.public)?,
            (true, false) => fs::remove_file(&self.aside)?,
            (false, false) => {}
        }
        for file in [&self.listening, &self.lock] {
            let _ = fs::remove_file(file);
        }
        self.remove_directory();
        Ok(())
    }

    /// Puts the recorder's socket where the plugin has made a new one, which takes the place of its
    /// dead one.
    fn take_again(&self) -> io::Result<()> {
        if identity(&self.public).is_none() || self.is_taken() {
            return Ok(());
        }
        let _ = fs::remove_file(&self.aside);
        fs::hard_link(&self.listening, &self.aside)?;
        match renameat_with(CWD, &self.aside, CWD, &self.public, RenameFlags::EXCHANGE) {
            // It has thought better of it.
            Err(rustix::io::Errno::NOENT) => fs::remove_file(&self.aside),
            done => Ok(done?),
        }
    }

    fn is_orphaned(&self) -> bool {
        let listens = || std::os::unix::net::UnixStream::connect(&self.aside).is_ok();
        identity(&self.public).is_none()
            && identity(&self.aside) != identity(&self.listening)
            && listens()
    }
}

/// What tells a file from every other one that is there.
fn identity(path: &Path) -> Option<(u64, u64)> {
    let found = path.symlink_metadata().ok()?;
    Some((found.dev(), found.ino()))
}

/// Gives the place back of every recorder that was killed in these directories, and says which.
pub fn repair<'a>(directories: impl IntoIterator<Item = &'a PathBuf>) -> Vec<String> {
    let mut repaired = Vec::new();
    for directory in directories {
        let asides = fs::read_dir(directory.join(ASIDE)).into_iter().flatten();
        let locks = asides.flatten().filter_map(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            name.strip_suffix(".lock").map(str::to_owned)
        });
        for name in locks.collect::<Vec<_>>() {
            let public = directory.join(&name);
            let Ok(place) = Place::of(&public) else {
                continue;
            };
            if lock(&place.lock).is_ok() && place.give_back().is_ok() {
                repaired.push(format!("{} was put back", public.display()));
            }
        }
    }
    repaired
}

fn lock(path: &Path) -> Result<File, String> {
    let told = |why: &dyn std::fmt::Display| format!("{}: {why}", path.display());
    let file = File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .open(path);
    let file = file.map_err(|error| told(&error))?;
    flock(&file, FlockOperation::NonBlockingLockExclusive)
        .map_err(|_| told(&"another recorder is at work here"))?;
    Ok(file)
}

impl Swap {
    /// Takes the place of the plugin that was `found` at `address`, and listens there.
    ///
    /// # Errors
    /// A sentence; everything is as it was before.
    pub fn take(found: &Found, address: &Address) -> Result<(Self, UnixListener), String> {
        let place = Place::of(&found.path)?;
        let directory = place.aside.parent().unwrap_or(&place.public);
        fs::create_dir_all(directory).map_err(|error| {
            format!(
                "cannot take the place of {}: {}: {error}",
                found.path.display(),
                directory.display()
            )
        })?;
        let lock = lock(&place.lock)?;
        let taken = Self::exchange(&place, found, address);
        if taken.is_err() {
            for file in [&place.aside, &place.listening, &place.lock] {
                let _ = fs::remove_file(file);
            }
            place.remove_directory();
        }
        let (upstream, listener) = taken?;
        let swap = Self {
            place,
            upstream,
            held: Arc::new(Mutex::new(true)),
            _lock: lock,
        };
        Ok((swap, listener))
    }

    fn exchange(
        place: &Place,
        found: &Found,
        address: &Address,
    ) -> Result<(Address, UnixListener), String> {
        let told = |what: &Path, error: io::Error| format!("{}: {error}", what.display());
        let listener = bind(&place.listening, address.socket())?;
        let kind =
            fs::symlink_metadata(&place.public).map_err(|error| told(&place.public, error))?;
        let is_socket =
            fs::metadata(&place.public).is_ok_and(|found| found.file_type().is_socket());
        let upstream = if !is_socket {
            // A file that names an address: one that names ours takes its place.
            let text = spec(&place.public, &found.name, &place.listening);
            fs::write(&place.aside, text).map_err(|error| told(&place.aside, error))?;
            address.clone()
        } else {
            // Linked, not moved: the recorder's own name is what it is known by.
            fs::hard_link(&place.listening, &place.aside)
                .map_err(|error| told(&place.aside, error))?;
            if kind.file_type().is_symlink() {
                let target =
                    fs::canonicalize(&place.public).map_err(|error| told(&place.public, error))?;
                crate::target::address::unix(&target)?
            } else {
                crate::target::address::unix(&place.aside)?
            }
        };
        renameat_with(CWD, &place.aside, CWD, &place.public, RenameFlags::EXCHANGE)
            .map_err(|error| told(&place.public, error.into()))?;
        Ok((upstream, listener))
    }

    /// Where the plugin itself is reached meanwhile.
    #[must_use]
    pub const fn upstream(&self) -> &Address {
        &self.upstream
    }

    /// From now on, takes the place again whenever the plugin does: one that starts anew makes a
    /// new socket.
    ///
    /// # Errors
    /// What the system says.
    pub fn keep(&self) -> io::Result<()> {
        // A file that is written anew may lead elsewhere, and is the plugin's from then on.
        if self.upstream.socket() != Some(self.place.aside.as_path()) {
            return Ok(());
        }
        let directory = self.place.public.parent().unwrap_or(Path::new("/"));
        let watch = inotify::init(inotify::CreateFlags::CLOEXEC)?;
        let what = inotify::WatchFlags::CREATE | inotify::WatchFlags::MOVED_TO;
        inotify::add_watch(&watch, directory, what)?;
        let (place, held) = (self.place.clone(), Arc::clone(&self.held));
        // Ends with the event of giving back.
        std::thread::spawn(move || {
            let mut space = [const { MaybeUninit::uninit() }; 4096];
            let mut events = inotify::Reader::new(&watch, &mut space);
            loop {
                let held = held.lock().unwrap_or_else(PoisonError::into_inner);
                if !*held {
                    return;
                }
                if let Err(error) = place.take_again() {
                    anstream::eprintln!("note: {}: {error}", place.public.display());
                }
                drop(held);
                if events.next().is_err() {
                    return;
                }
            }
        });
        Ok(())
    }
}

impl Drop for Swap {
    fn drop(&mut self) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        *held = false;
        if let Err(error) = self.place.give_back() {
            let Place { public, aside, .. } = &self.place;
            anstream::eprintln!(
                "{} could not be put back ({error}): move {} there",
                public.display(),
                aside.display()
            );
        }
    }
}

/// A file that leads to the recorder, in the form of the one that it stands for.
fn spec(public: &Path, name: &str, socket: &Path) -> String {
    let address = format!("unix://{}", socket.display());
    if public
        .extension()
        .is_some_and(|extension| extension == "json")
    {
        serde_json::json!({"Name": name, "Addr": address}).to_string()
    } else {
        address
    }
}
