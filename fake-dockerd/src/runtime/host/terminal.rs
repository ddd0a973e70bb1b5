//! A pseudo terminal, for `docker run -t`.

use std::io;
use std::os::fd::OwnedFd;

use rustix::fs::{Mode, OFlags};
use rustix::pty::OpenptFlags;
use rustix::termios::Winsize;
use tokio::net::unix::pipe::{Receiver, Sender};

/// The engine's end of a terminal, which is read and written like two pipes.
#[derive(Debug)]
pub(super) struct Terminal {
    pub(super) reader: Receiver,
    pub(super) writer: Sender,
    pub(super) control: Control,
}

/// What a terminal's size is set with.
#[derive(Debug)]
pub(super) struct Control(OwnedFd);

impl Terminal {
    /// A new terminal, and the end of it that is the process's.
    pub(super) fn open() -> io::Result<(Self, OwnedFd)> {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let ours = rustix::pty::openpt(flags)?;
        rustix::pty::grantpt(&ours)?;
        rustix::pty::unlockpt(&ours)?;
        let name = rustix::pty::ptsname(&ours, Vec::new())?;
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let theirs = rustix::fs::open(name, flags, Mode::empty())?;
        rustix::io::ioctl_fionbio(&ours, true)?;
        let terminal = Self {
            reader: Receiver::from_owned_fd_unchecked(ours.try_clone()?)?,
            writer: Sender::from_owned_fd_unchecked(ours.try_clone()?)?,
            control: Control(ours),
        };
        Ok((terminal, theirs))
    }
}

impl Control {
    /// Sets the size that programs see.
    pub(super) fn resize(&self, rows: u16, columns: u16) -> io::Result<()> {
        let size = Winsize {
            ws_row: rows,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        Ok(rustix::termios::tcsetwinsize(&self.0, size)?)
    }
}
