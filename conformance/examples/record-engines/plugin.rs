//! The plugin of the recordings: volumes are directories, and it can be told to answer wrongly.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::{Value, json};

/// What the recorded plugins call themselves in their answers, each of them.
const NAME: &str = "recvol";

/// The content type of every answer that is not told otherwise.
const TYPE: &str = "application/vnd.docker.plugins.v1.1+json";

#[derive(Debug, Clone)]
pub(crate) struct Plugin {
    root: PathBuf,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    volumes: BTreeMap<String, Volume>,
    faults: Vec<Value>,
    settings: BTreeMap<String, Value>,
    /// When the last call came.
    called: Option<Instant>,
}

#[derive(Debug, Serialize)]
struct Volume {
    opts: Value,
    created: String,
    /// How often it is mounted, by the ID.
    mounts: BTreeMap<String, u64>,
}

/// What to do with a call.
pub(crate) enum Answer {
    Body {
        status: u16,
        content_type: Option<String>,
        headers: Vec<(String, String)>,
        body: String,
    },
    Close,
    Hang,
}

impl Plugin {
    pub(crate) fn new(root: PathBuf) -> Self {
        Self {
            root,
            state: Arc::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on a path is answered wrongly.
    pub(crate) fn fault(&self, fault: &str) {
        self.state()
            .faults
            .extend(serde_json::from_str::<Value>(fault).ok());
    }

    pub(crate) fn clear_faults(&self) {
        self.state().faults.clear();
    }

    pub(crate) fn set(&self, key: &str, value: &str) {
        let value = serde_json::from_str(value).unwrap_or_else(|_| value.into());
        self.state().settings.insert(key.to_owned(), value);
    }

    /// A volume appears behind the engine's back.
    pub(crate) fn create(&self, name: &str, opts: Value) {
        let created = jiff::Timestamp::now()
            .strftime("%Y-%m-%dT%H:%M:%SZ")
            .to_string();
        let volume = Volume {
            opts,
            created,
            mounts: BTreeMap::new(),
        };
        self.state()
            .volumes
            .entry(name.to_owned())
            .or_insert(volume);
        let _ = std::fs::create_dir_all(self.root.join(name));
    }

    /// A volume goes behind the engine's back.
    pub(crate) fn remove(&self, name: &str) -> bool {
        self.state().volumes.remove(name).is_some()
    }

    /// The volumes and who holds them.
    pub(crate) fn known(&self) -> Value {
        json!(self.state().volumes)
    }

    /// Knows no volume any more, and what it was told neither.
    pub(crate) fn forget(&self) {
        *self.state() = State::default();
    }

    /// How long the plugin keeps connections on which nobody calls, if not forever.
    pub(crate) fn keeps_idle(&self) -> Option<Duration> {
        let state = self.state();
        let limit = state.settings.get("idle_close")?.as_f64()?;
        Some(Duration::from_secs_f64(limit))
    }

    /// When the last call came.
    pub(crate) fn called(&self) -> Option<Instant> {
        self.state().called
    }

    /// The first fault that is meant for the call that came and not used up.
    pub(crate) fn next_fault(&self, path: &str, body: &Value) -> Value {
        let mut state = self.state();
        state.called = Some(Instant::now());
        for fault in &mut state.faults {
            let meant =
                fault["path"] == path && (fault["name"].is_null() || fault["name"] == body["Name"]);
            if !meant || fault["count"] == 0 {
                continue;
            }
            if let Some(left @ 1..) = fault["skip"].as_u64() {
                fault["skip"] = (left - 1).into();
                continue;
            }
            if let Some(left) = fault["count"].as_u64() {
                fault["count"] = (left - 1).into();
            }
            return fault.clone();
        }
        Value::Null
    }

    pub(crate) fn decide(&self, path: &str, body: &Value, fault: &Value) -> Answer {
        // A status alone is that of the usual answer.
        let replaced = ["err", "body", "json", "close", "hang"]
            .iter()
            .any(|key| !fault[key].is_null());
        let usual = if !replaced || fault["apply"] == true {
            self.act(path, body)
        } else {
            None
        };
        if fault["close"] == true {
            return Answer::Close;
        }
        if fault["hang"] == true {
            return Answer::Hang;
        }
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let told = text(&fault["body"])
            .or_else(|| text(&fault["err"]).map(|err| line(&json!({"Err": err}))))
            .or_else(|| (!fault["json"].is_null()).then(|| line(&fault["json"])));
        let setting = self.state().settings.get("content_type").cloned();
        let usual_type = setting.map_or_else(|| Some(TYPE.to_owned()), |value| text(&value));
        let headers = fault["headers"].as_array().into_iter().flatten();
        let headers = headers
            .filter_map(|header| Some((text(&header[0])?, text(&header[1])?)))
            .collect();
        match told.or(usual) {
            Some(body) => Answer::Body {
                status: fault["status"]
                    .as_u64()
                    .and_then(|status| u16::try_from(status).ok())
                    .unwrap_or(200),
                content_type: if fault.get("ctype").is_some() {
                    text(&fault["ctype"])
                } else {
                    usual_type
                },
                headers,
                body,
            },
            None => Answer::Body {
                status: 404,
                content_type: Some("text/plain; charset=utf-8".to_owned()),
                headers,
                body: "404 page not found\n".to_owned(),
            },
        }
    }

    /// Does what is asked; nothing where it is no call of a volume driver.
    fn act(&self, path: &str, body: &Value) -> Option<String> {
        let name = body["Name"].as_str().unwrap_or_default();
        let unknown = json!({"Err": format!("no such volume: {name} ({NAME})")});
        let exists = self.state().volumes.contains_key(name);
        let mountpoint = self.root.join(name).display().to_string();
        let answer = match path {
            "Plugin.Activate" => json!({"Implements": ["VolumeDriver"]}),
            "VolumeDriver.Capabilities" => json!({"Capabilities": {"Scope": "local"}}),
            "VolumeDriver.Create" => {
                self.create(name, body["Opts"].clone());
                json!({"Err": ""})
            }
            "VolumeDriver.List" => {
                let names: Vec<String> = self.state().volumes.keys().cloned().collect();
                let volumes: Vec<Value> =
                    names.iter().map(|name| self.shown(name, false)).collect();
                json!({"Volumes": volumes, "Err": ""})
            }
            "VolumeDriver.Get"
            | "VolumeDriver.Path"
            | "VolumeDriver.Mount"
            | "VolumeDriver.Unmount"
            | "VolumeDriver.Remove"
                if !exists =>
            {
                unknown
            }
            "VolumeDriver.Get" => json!({"Volume": self.shown(name, true), "Err": ""}),
            "VolumeDriver.Path" | "VolumeDriver.Mount" => {
                if path == "VolumeDriver.Mount" {
                    self.hold(name, body, |held| held + 1);
                }
                json!({"Mountpoint": mountpoint, "Err": ""})
            }
            "VolumeDriver.Unmount" => {
                self.hold(name, body, |held| held.saturating_sub(1));
                json!({"Err": ""})
            }
            "VolumeDriver.Remove" => {
                self.remove(name);
                json!({"Err": ""})
            }
            _ => return None,
        };
        let mut text = line(&answer);
        if self.state().settings.get("trailing_newline") == Some(&Value::Bool(false)) {
            text.truncate(text.trim_end().len());
        }
        Some(text)
    }

    fn hold(&self, name: &str, body: &Value, now: impl FnOnce(u64) -> u64) {
        let mut state = self.state();
        let (Some(volume), Some(id)) = (state.volumes.get_mut(name), body["ID"].as_str()) else {
            return;
        };
        let held = now(volume.mounts.remove(id).unwrap_or_default());
        if held > 0 {
            volume.mounts.insert(id.to_owned(), held);
        }
    }

    fn shown(&self, name: &str, with_time: bool) -> Value {
        let state = self.state();
        let mut volume = json!({"Name": name});
        let setting = if with_time {
            "get_mountpoint"
        } else {
            "list_mountpoint"
        };
        if state.settings.get(setting) != Some(&Value::Bool(false)) {
            volume["Mountpoint"] = self.root.join(name).display().to_string().into();
        }
        if with_time {
            volume["CreatedAt"] = json!(state.volumes.get(name).map(|volume| &volume.created));
        }
        volume
    }
}

fn line(value: &Value) -> String {
    value.to_string() + "\n"
}
