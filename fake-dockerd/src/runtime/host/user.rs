//! Who a process runs as.

use std::path::{Path, PathBuf};

use nix::unistd::{Group, User as Account};

/// Docker's default set of capabilities (moby's `oci/caps/defaults.go`).
pub(super) const CAPABILITIES: [&str; 14] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "FSETID",
    "FOWNER",
    "MKNOD",
    "NET_RAW",
    "SETGID",
    "SETUID",
    "SETFCAP",
    "SETPCAP",
    "NET_BIND_SERVICE",
    "SYS_CHROOT",
    "KILL",
    "AUDIT_WRITE",
];

/// A user of the host, whose `passwd` is the container's too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct User {
    pub(super) uid: u32,
    pub(super) gid: u32,
    /// Whether it has groups beside its own.
    pub(super) is_known: bool,
    pub(super) home: PathBuf,
}

impl User {
    /// `NAME`, `UID`, each with `:GROUP` or `:GID`; nothing is root.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (user, group) = match text.split_once(':') {
            Some((user, group)) => (user, Some(group)),
            None => (text, None),
        };
        let account = match user.parse::<u32>() {
            Ok(uid) => Account::from_uid(uid.into()),
            Err(_) if user.is_empty() => Account::from_uid(0.into()),
            Err(_) => Account::from_name(user),
        };
        let account = account.ok().flatten();
        let mut found = match (&account, user.parse::<u32>()) {
            (Some(account), _) => Self {
                uid: account.uid.as_raw(),
                gid: account.gid.as_raw(),
                is_known: true,
                home: account.dir.clone(),
            },
            (None, Ok(uid)) => Self {
                uid,
                gid: 0,
                is_known: false,
                home: PathBuf::from("/"),
            },
            (None, Err(_)) => {
                return Err(format!(
                    "unable to find user {user}: no matching entries in passwd file"
                ));
            }
        };
        if let Some(group) = group.filter(|group| !group.is_empty()) {
            found.gid = match group.parse() {
                Ok(gid) => gid,
                Err(_) => match Group::from_name(group) {
                    Ok(Some(group)) => group.gid.as_raw(),
                    _ => {
                        return Err(format!(
                            "unable to find group {group}: no matching entries in group file"
                        ));
                    }
                },
            };
        }
        Ok(found)
    }

    /// The words in front of a command that make root this user, with Docker's capabilities.
    pub(super) fn switch(&self, setpriv: &Path) -> Vec<String> {
        let mut bounding = String::from("-all");
        for capability in CAPABILITIES {
            bounding.push_str(",+");
            bounding.push_str(&capability.to_lowercase());
        }
        let mut words = vec![
            setpriv.display().to_string(),
            "--no-new-privs".to_owned(),
            format!("--reuid={}", self.uid),
            format!("--regid={}", self.gid),
            "--ambient-caps=-all".to_owned(),
            "--inh-caps=-all".to_owned(),
            format!("--bounding-set={bounding}"),
        ];
        words.push(
            if self.is_known && self.uid != 0 {
                "--init-groups"
            } else {
                "--clear-groups"
            }
            .to_owned(),
        );
        words
    }
}

#[cfg(test)]
mod tests {
    use super::User;

    #[test]
    fn users_have_numbers_or_names() {
        let root = User::parse("").unwrap();
        assert_eq!((root.uid, root.gid), (0, 0));
        assert_eq!(User::parse("root").unwrap(), root);
        let other = User::parse("12345:77").unwrap();
        assert_eq!((other.uid, other.gid, other.is_known), (12345, 77, false));
        assert!(User::parse("nosuchuser").unwrap_err().contains("passwd"));
    }
}
