//! What the plugin of the scripts answers: volumes are directories.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use serde_json::{Value, json};

pub(crate) struct Volumes {
    root: PathBuf,
    names: Mutex<BTreeSet<String>>,
}

impl Volumes {
    pub(crate) fn below(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            names: Mutex::default(),
        }
    }

    /// A volume goes behind the engine's back.
    pub(crate) fn lose(&self, name: &str) {
        self.names.lock().unwrap().remove(name);
    }

    /// The answer to a call; none where the plugin's usual one will do.
    pub(crate) fn answer(&self, path: &str, body: &str) -> Option<String> {
        let body: Value = serde_json::from_str(body).unwrap_or_default();
        let name = body["Name"].as_str().unwrap_or_default();
        let mut names = self.names.lock().unwrap();
        let known = names.contains(name);
        let directory = self.root.join(name);
        let unknown = || json!({"Err": format!("no volume {name} here")});
        let answer = match path {
            "/VolumeDriver.Create" if body["Opts"]["fail"].is_string() => {
                json!({"Err": body["Opts"]["fail"]})
            }
            "/VolumeDriver.Create" => {
                std::fs::create_dir_all(&directory).unwrap();
                names.insert(name.to_owned());
                json!({"Err": ""})
            }
            "/VolumeDriver.Get" if known => {
                json!({"Volume": {"Name": name, "Mountpoint": "", "Status": {"k": "v"}}, "Err": ""})
            }
            "/VolumeDriver.Mount" if name == "unmountable" => json!({"Err": "the disk is gone"}),
            "/VolumeDriver.Mount" | "/VolumeDriver.Path" if known => {
                json!({"Mountpoint": directory, "Err": ""})
            }
            "/VolumeDriver.Unmount" if known => json!({"Err": ""}),
            "/VolumeDriver.Remove" if known => {
                names.remove(name);
                let _ = std::fs::remove_dir_all(&directory);
                json!({"Err": ""})
            }
            "/VolumeDriver.List" => {
                let all: Vec<_> = names.iter().map(|name| json!({"Name": name})).collect();
                json!({"Volumes": all, "Err": ""})
            }
            "/VolumeDriver.Get"
            | "/VolumeDriver.Mount"
            | "/VolumeDriver.Path"
            | "/VolumeDriver.Unmount"
            | "/VolumeDriver.Remove" => unknown(),
            _ => return None,
        };
        Some(answer.to_string())
    }
}
