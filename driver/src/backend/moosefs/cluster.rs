//! Mounting paths of one MooseFS.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{
    backend::{directories::Mounter, local::unique, mounted::visit},
    error::{Error, ErrorKind},
    mount::{
        Patience,
        helper::Helper,
        options::{MountOptions, check_value},
        secrets::{self, PrivateFile},
    },
};

/// The Debian package of mfsmount and its tools.
pub(super) const CLIENT: &str = "moosefs-client";

/// One MooseFS, and the path on it.
#[derive(Debug)]
pub(super) struct Cluster {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) path: String,
    pub(super) options: MountOptions,
    pub(super) password_file: Option<PathBuf>,
    pub(super) private: PathBuf,
    pub(super) visits: PathBuf,
    pub(super) patience: Patience,
}

impl Cluster {
    pub(super) async fn mount_path(
        &self,
        path: &str,
        point: &Path,
        fresh: bool,
        limit: Duration,
    ) -> Result<(), Error> {
        let password = match &self.password_file {
            None => None,
            Some(path) => Some(
                secrets::read_line(path)
                    .and_then(|password| check_value(password.expose()).map(|()| password))
                    .map_err(|problem| Error::internal("use the password file", problem))?,
            ),
        };
        let file = match &password {
            None => None,
            Some(password) => {
                let line = format!("mfspassword={}\n", password.expose());
                let file = PrivateFile::write(&self.private, &unique(), &line)
                    .map_err(|cause| Error::internal("write the password for mfsmount", cause))?;
                Some(file)
            }
        };
        let mut helper = self.helper(path, point, fresh, file.as_ref().map(PrivateFile::path));
        if let Some(password) = &password {
            helper = helper.hiding(password.expose());
        }
        helper.run(limit).await.map(drop).map_err(explained)
    }

    /// `mfsmount POINT -H HOST -P PORT -S PATH -o OPTIONS`, see mfsmount(8). `fresh`: what other
    /// hosts do must be seen at once.
    pub(super) fn helper(
        &self,
        path: &str,
        point: &Path,
        fresh: bool,
        config: Option<&Path>,
    ) -> Helper {
        let mut options = self.options.clone();
        if fresh {
            options.put("mfsattrcacheto", 0);
            options.put("mfsdirentrycacheto", 0);
        }
        let mut helper = Helper::new("mfsmount", CLIENT).arg(point).args([
            "-H",
            &self.host,
            "-P",
            &self.port.to_string(),
            "-S",
            path,
        ]);
        if let Some(config) = config {
            helper = helper.arg("-c").arg(config);
        }
        helper.arg("-o").arg(options.to_string())
    }

    /// Makes the path that holds the volumes, which mfsmount refuses to mount before.
    async fn make_path(&self, limit: Duration) -> Result<(), Error> {
        let point = self.visits.join(unique());
        let path = self.path.trim_start_matches('/').to_owned();
        let mount = self.mount_path("/", &point, true, limit);
        visit(&point, &self.patience, mount, move |root| {
            std::fs::create_dir_all(root.join(path)).map_err(|cause| {
                Error::new(
                    ErrorKind::Unavailable,
                    format!("the storage refused: {cause}"),
                )
            })
        })
        .await
    }
}

/// A master that asks for a password does not say where one is to be put.
fn explained(error: Error) -> Error {
    let said = error.to_string();
    let about_password = ["Password is needed", "Incorrect password"];
    if about_password.iter().any(|reason| said.contains(reason)) {
        let message = format!("{said}; the driver takes it from its --password-file");
        return Error::new(error.kind(), message);
    }
    error
}

impl Mounter for Cluster {
    fn storage(&self) -> String {
        format!("the MooseFS master {}:{}", self.host, self.port)
    }

    async fn mount(&self, point: &Path, limit: Duration) -> Result<(), Error> {
        match self.mount_path(&self.path, point, true, limit).await {
            Err(error) if error.to_string().contains("No such file or directory") => {
                self.make_path(limit).await?;
                self.mount_path(&self.path, point, true, limit).await
            }
            mounted => mounted,
        }
    }
}
