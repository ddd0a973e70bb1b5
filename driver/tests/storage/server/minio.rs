//! MinIO in the image that its makers publish: for where an engine is there and can pull it.

use std::{
    collections::BTreeMap,
    env,
    path::Path,
    process::{Command, Stdio},
};

use testcontainers::{GenericImage, ImageExt as _};

use super::{Kind, container::Container, free_ports, wait_for_ports};
use crate::{
    s3::write_keys,
    support::{
        trials::{Skip, need},
        wait_until,
    },
};

/// The last one that was published on Docker Hub.
const IMAGE: (&str, &str) = ("minio/minio", "RELEASE.2025-09-07T16-13-09Z");

const USER: &str = "volplug-tests";
/// With signs that have a meaning in URLs and shells.
const PASSWORD: &str = "kE9/+x$3vQ=tests";

/// Starts it with the buckets that tests expect, and says where it is and where its key is.
pub(super) fn start(directory: &Path) -> Result<(Container, BTreeMap<String, String>), Skip> {
    if env::var("DOCKER_HOST").is_err() {
        let why = "MinIO runs in a container, and DOCKER_HOST names no engine";
        return Err(Skip(why.to_owned()));
    }
    need(Kind::Minio.programs())?;
    pull()?;
    let ports = free_ports(Kind::Minio.ports());
    let address = format!("127.0.0.1:{}", ports[0]);
    let request = GenericImage::new(IMAGE.0, IMAGE.1)
        .with_network("host")
        .with_env_var("MINIO_ROOT_USER", USER)
        .with_env_var("MINIO_ROOT_PASSWORD", PASSWORD)
        .with_cmd(["server", "/data", "--address", &address]);
    let container = Container::run(Kind::Minio, request, ports.clone(), None);
    wait_for_ports("127.0.0.1", &ports);

    let key_file = directory.join("keys");
    write_keys(&key_file, USER, PASSWORD);
    let url = format!("http://{address}");
    for bucket in Kind::Minio.arguments() {
        wait_until("MinIO makes a bucket", || {
            put(&format!("{url}/{bucket}"), directory)
        });
    }
    let settings = [
        ("URL", url),
        ("KEY_FILE", key_file.to_str().unwrap().to_owned()),
    ];
    let settings = settings.map(|(key, value)| (key.to_owned(), value));
    Ok((container, settings.into()))
}

/// Has the engine pull the image, unless it has it.
fn pull() -> Result<(), Skip> {
    let image = format!("{}:{}", IMAGE.0, IMAGE.1);
    let docker = |words: &[&str]| {
        let mut command = Command::new("docker");
        command.args(words).arg(&image).output().unwrap()
    };
    if docker(&["image", "inspect"]).status.success() {
        return Ok(());
    }
    let pulled = docker(&["pull", "--quiet"]);
    if pulled.status.success() {
        return Ok(());
    }
    let told = String::from_utf8_lossy(&pulled.stderr);
    let why = told.lines().last().unwrap_or_default();
    Err(Skip(format!("{image} cannot be pulled: {why}")))
}

/// A signed PUT by curl, which is nobody whose signatures are tested here. Its key is in a file.
fn put(url: &str, directory: &Path) -> bool {
    let settings = directory.join("curl");
    std::fs::write(&settings, format!("user = \"{USER}:{PASSWORD}\"\n")).unwrap();
    let status = Command::new("curl")
        .args(["--fail", "--silent", "--request", "PUT"])
        .args(["--aws-sigv4", "aws:amz:us-east-1:s3", "--config"])
        .arg(&settings)
        .arg(url)
        .stdout(Stdio::null())
        .status();
    status.unwrap().success()
}
