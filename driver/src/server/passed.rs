//! Sockets that systemd opened for us (sd_listen_fds(3)).
//!
//! With socket activation systemd listens, starts the driver at the first connection, and keeps
//! the socket while the driver is restarted: no call of dockerd's is refused meanwhile.

use std::{env, io, net::TcpListener, os::unix::net::UnixListener};

use listenfd::ListenFd;

use super::{Listener, TcpAccess};
use crate::StartError;

/// The sockets passed to this process that no plugin has claimed yet.
#[derive(Debug, Default)]
pub struct PassedSockets {
    sockets: Vec<(String, Socket)>,
}

#[derive(Debug)]
enum Socket {
    Unix(UnixListener),
    Tcp(TcpListener),
}

impl PassedSockets {
    /// Takes over what `LISTEN_FDS`, `LISTEN_PID` and `LISTEN_FDNAMES` tell of, once per process,
    /// and before it starts threads. Nothing, when they are meant for another process.
    ///
    /// # Errors
    /// When one of them is no stream socket.
    pub fn from_env() -> Result<Self, StartError> {
        let for_us = env::var("LISTEN_PID").is_ok_and(|pid| pid.parse() == Ok(std::process::id()));
        if !for_us {
            return Ok(Self::default());
        }
        let names = env::var("LISTEN_FDNAMES").unwrap_or_default();
        let mut names = names.split(':').filter(|name| !name.is_empty());
        // Takes the variables out of the environment as well, so that no helper inherits them.
        let mut passed = ListenFd::from_env();
        let sockets = (0..passed.len())
            .map(|index| {
                let name = names.next().unwrap_or("unknown").to_owned();
                let socket = take(&mut passed, index)
                    .map_err(|error| StartError::Systemd(format!("the socket {name}: {error}")))?;
                Ok((name, socket))
            })
            .collect::<Result<_, StartError>>()?;
        Ok(Self { sockets })
    }

    /// Takes the sockets meant for a plugin: those that `FileDescriptorName=` or the name of the
    /// socket unit says so, or all of them for the `only` plugin that asks.
    ///
    /// # Errors
    /// When there is none, or `access` does not allow the address of one.
    pub fn claim(
        &mut self,
        plugin: &str,
        only: bool,
        access: &TcpAccess,
    ) -> Result<Vec<Listener>, StartError> {
        let unit = format!("{plugin}.socket");
        let meant = |name: &str| name == plugin || name == unit;
        let named = self.sockets.iter().any(|(name, _)| meant(name));
        let (claimed, left) = std::mem::take(&mut self.sockets)
            .into_iter()
            .partition(|(name, _)| meant(name) || (only && !named));
        self.sockets = left;
        if claimed.is_empty() {
            return Err(StartError::Systemd(self.nothing_for(plugin)));
        }
        claimed
            .into_iter()
            .map(|(_, socket)| match socket {
                Socket::Unix(listener) => Ok(Listener::passed_unix(listener)),
                Socket::Tcp(listener) => Listener::passed_tcp(listener, access.clone()),
            })
            .collect()
    }

    fn nothing_for(&self, plugin: &str) -> String {
        if self.sockets.is_empty() {
            return format!(
                "no socket was passed for {plugin:?}: --systemd only works when a socket unit \
                 starts the driver (or systemd-socket-activate, for a try)"
            );
        }
        let names: Vec<_> = self.sockets.iter().map(|(name, _)| name.as_str()).collect();
        format!(
            "no socket was passed for {plugin:?}, but {}: set FileDescriptorName={plugin} in its \
             socket unit",
            names.join(", ")
        )
    }
}

fn take(passed: &mut ListenFd, index: usize) -> io::Result<Socket> {
    let missing = || io::Error::other("it is not there");
    match passed.take_unix_listener(index) {
        Ok(listener) => listener.map(Socket::Unix).ok_or_else(missing),
        // Not a unix socket, so the other kind; what is neither is told by this error.
        Err(_) => passed
            .take_tcp_listener(index)?
            .map(Socket::Tcp)
            .ok_or_else(missing),
    }
}
