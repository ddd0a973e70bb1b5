//! What the plugin leaves open to others: its state, and ports.

use std::collections::BTreeSet;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::catalogue::plugin_files::Snapshot;
use crate::suite::{CaseResult, Cx, Finding, Halt, ensure};
use crate::wire::Address;

/// What everybody may do.
const OTHERS_READ: u32 = 0o004;
const OTHERS_ENTER: u32 = 0o001;

pub(super) async fn state_mode(cx: &mut Cx) -> CaseResult {
    let before = Snapshot::take(cx).await?;
    let name = cx.volume().await?;
    let after = Snapshot::take(cx).await?;
    // A file that names the volume is one that the plugin will read again.
    let about = |path: &Path, content: &[u8]| {
        path.display().to_string().contains(&name)
            || content
                .windows(name.len())
                .any(|part| part == name.as_bytes())
    };
    let state: Vec<_> = after
        .changed_since(&before)
        .into_iter()
        .filter(|(path, file)| about(path, &file.content))
        .filter(|(path, _)| path.extension().is_none_or(|extension| extension != "log"))
        .collect();
    if state.is_empty() {
        return Err(Halt::skip(format!(
            "where the plugin writes its state down cannot be seen: after a Create no file in {} \
             ({{work}} of --exec) names the volume",
            before.root().display()
        )));
    }
    for (path, file) in state {
        let open = file.mode & OTHERS_READ != 0 && everybody_enters(path);
        ensure(!open, || {
            Finding::new(
                "a state file can be read by its owner alone",
                format!(
                    "{} has the mode {:04o}, and its directory lets everybody in",
                    path.display(),
                    file.mode
                ),
            )
        })?;
    }
    Ok(())
}

/// Whether the directory that holds the file keeps nobody out. Those above it may be different
/// where the plugin is installed.
fn everybody_enters(path: &Path) -> bool {
    path.parent().is_some_and(|directory| {
        fs::metadata(directory).is_ok_and(|meta| meta.permissions().mode() & OTHERS_ENTER != 0)
    })
}

pub(super) async fn no_open_tcp(cx: &mut Cx) -> CaseResult {
    let Some(pid) = cx.plugin()?.pid().await else {
        return Err(Halt::skip("the plugin does not run"));
    };
    let own = match &cx.target().address {
        Address::Unix(_) => None,
        // Where it was told to listen, it may.
        Address::Tcp(host) | Address::Tls(host, ..) => host
            .rsplit_once(':')
            .and_then(|(_, port)| port.parse().ok()),
    };
    let listening = cx
        .target()
        .files
        .look(move || Ok(listening(pid)))
        .await
        .map_err(|error| Halt::skip(format!("/proc cannot be read: {error}")))?;
    let Some(listening) = listening else {
        return Err(Halt::skip(
            "the plugin's open files cannot be seen from here",
        ));
    };
    let open = listening
        .iter()
        .find(|address| !address.ip().to_canonical().is_loopback() && Some(address.port()) != own);
    ensure(open.is_none(), || {
        let shown = open.map(ToString::to_string).unwrap_or_default();
        Finding::new(
            "the plugin listens on no TCP address but the machine's own",
            format!("it listens on {shown}"),
        )
    })
}

/// The TCP addresses that the plugin's processes listen on; `None` if that cannot be seen.
fn listening(pid: u32) -> Option<Vec<SocketAddr>> {
    let sockets = sockets(pid)?;
    let mut found = Vec::new();
    for table in ["tcp", "tcp6"] {
        let text = fs::read_to_string(format!("/proc/{pid}/net/{table}")).unwrap_or_default();
        found.extend(
            text.lines()
                .skip(1)
                .filter_map(|line| listener(line, &sockets)),
        );
    }
    Some(found)
}

/// The inodes of all sockets of the plugin's process group: a command may be a shell around it.
fn sockets(group: u32) -> Option<BTreeSet<String>> {
    let mut inodes = BTreeSet::new();
    let mut seen = false;
    for process in fs::read_dir("/proc").ok()?.flatten() {
        let stat = fs::read_to_string(process.path().join("stat")).unwrap_or_default();
        // pid (name) state ppid pgrp …; the name may hold anything.
        let of_group = stat
            .rsplit_once(')')
            .and_then(|(_, rest)| rest.split_whitespace().nth(2))
            .is_some_and(|pgrp| pgrp == group.to_string());
        if !of_group {
            continue;
        }
        for file in fs::read_dir(process.path().join("fd"))
            .into_iter()
            .flatten()
            .flatten()
        {
            seen = true;
            let target = fs::read_link(file.path()).unwrap_or_default();
            let target = target.display().to_string();
            if let Some(inode) = target
                .strip_prefix("socket:[")
                .and_then(|rest| rest.strip_suffix(']'))
            {
                inodes.insert(inode.to_owned());
            }
        }
    }
    seen.then_some(inodes)
}

/// A line of `/proc/net/tcp` (proc(5)): the local address, if it is one that `sockets` listen on.
fn listener(line: &str, sockets: &BTreeSet<String>) -> Option<SocketAddr> {
    const LISTENING: &str = "0A";
    let fields: Vec<&str> = line.split_whitespace().collect();
    if fields.get(3) != Some(&LISTENING) || !sockets.contains(*fields.get(9)?) {
        return None;
    }
    let (address, port) = fields.get(1)?.split_once(':')?;
    // Each group of eight digits is a word as the machine keeps it.
    let mut bytes = Vec::new();
    for at in (0..address.len()).step_by(8) {
        let word = u32::from_str_radix(address.get(at..at + 8)?, 16).ok()?;
        bytes.extend(word.to_ne_bytes());
    }
    let ip = match <[u8; 4]>::try_from(bytes.as_slice()) {
        Ok(four) => IpAddr::V4(Ipv4Addr::from(four)),
        Err(_) => IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(bytes.as_slice()).ok()?)),
    };
    Some(SocketAddr::new(ip, u16::from_str_radix(port, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use super::listener;

    #[test]
    fn lines_of_the_tcp_table() {
        let sockets = ["77".to_owned()].into();
        let line = |local: &str, state: &str| {
            format!(
                "0: {local} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000 0 0 77 1"
            )
        };
        let any = listener(&line("00000000:1F90", "0A"), &sockets).unwrap();
        assert_eq!(any.to_string(), "0.0.0.0:8080");
        let own = listener(&line("0100007F:0050", "0A"), &sockets).unwrap();
        assert!(own.ip().is_loopback() && own.port() == 80);
        let six = listener(
            &line("00000000000000000000000001000000:0050", "0A"),
            &sockets,
        )
        .unwrap();
        assert!(six.ip().is_loopback());
        assert!(listener(&line("00000000:1F90", "01"), &sockets).is_none());
    }
}
