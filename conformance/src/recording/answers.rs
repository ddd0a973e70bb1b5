//! What an answer means to an engine, and how two of them differ.

use std::collections::BTreeMap;

use serde_json::Value;

use super::format::SentResponse;
use super::matching::Matching;
use crate::protocol::Endpoint;

/// An answer as dockerd understands it: everything but status 200 without `Err` is a failure
/// (moby, `pkg/plugins/client.go` and `volume/drivers/proxy.go`).
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Said {
    /// There was none; why.
    Nothing(String),
    /// A failure, with its text.
    Failure(u16, String),
    /// A success, with its body.
    Success(Value),
}

impl Said {
    /// What a recorded or live answer says.
    pub(super) fn of(response: &SentResponse) -> Self {
        let Some(status) = response.status else {
            let why = if response.hang {
                "no answer in time"
            } else {
                "the connection was closed"
            };
            return Self::Nothing(why.to_owned());
        };
        let text = response.body.as_deref().unwrap_or_default().trim();
        let body: Value = serde_json::from_str(text).unwrap_or_default();
        let told = body.get("Err").and_then(Value::as_str).unwrap_or_default();
        match (status, told) {
            (200, "") => Self::Success(body),
            (_, "") => Self::Failure(status, text.to_owned()),
            (_, told) => Self::Failure(status, told.to_owned()),
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Nothing(_) => "no answer",
            Self::Failure(..) => "a failure",
            Self::Success(_) => "a success",
        }
    }
}

/// How a live answer differs from the recorded one.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Differences {
    /// What an engine, or its user, would notice.
    pub differences: Vec<String>,
    /// What nobody but a reader of messages would.
    pub remarks: Vec<String>,
}

impl Differences {
    fn differs(&mut self, what: impl Into<String>) {
        self.differences.push(what.into());
    }

    fn remark(&mut self, what: impl Into<String>) {
        self.remarks.push(what.into());
    }
}

/// Compares the live answer `got` to a call about `volume` with the recorded one, and learns from
/// it what stands for what. `volume` is the recorded name.
pub(super) fn compare(
    endpoint: Endpoint,
    volume: &str,
    (recorded, got): (&Said, &Said),
    matching: &mut Matching,
) -> Differences {
    let mut found = Differences::default();
    match (recorded, got) {
        (Said::Nothing(_), _) => {}
        (Said::Failure(before, theirs), Said::Failure(now, ours)) => {
            if before != now {
                found.remark(format!("the failure has status {now}, and had {before}"));
            }
            if matching.translated(theirs) != *ours {
                found.remark("the failure is worded in another way");
            }
        }
        (Said::Success(theirs), Said::Success(ours)) => {
            Bodies {
                volume,
                theirs,
                ours,
                matching,
                found: &mut found,
            }
            .compare(endpoint);
        }
        (theirs, ours) => found.differs(format!("recorded {}, got {}", theirs.kind(), ours.kind())),
    }
    found
}

struct Bodies<'a> {
    volume: &'a str,
    theirs: &'a Value,
    ours: &'a Value,
    matching: &'a mut Matching,
    found: &'a mut Differences,
}

impl Bodies<'_> {
    fn compare(&mut self, endpoint: Endpoint) {
        match endpoint {
            Endpoint::Activate => self.same("Implements", words(self.theirs), words(self.ours)),
            Endpoint::Capabilities => self.same("Scope", scope(self.theirs), scope(self.ours)),
            Endpoint::Get => {
                let (theirs, ours) = (&self.theirs["Volume"], &self.ours["Volume"]);
                let name = ours["Name"].as_str().unwrap_or_default();
                let recorded = self.matching.recorded_name(name);
                if theirs.is_object() && recorded != theirs["Name"].as_str() {
                    self.found.differs(format!("the volume is called `{name}`"));
                }
                self.shown(self.volume, theirs, ours);
            }
            Endpoint::List => self.list(),
            Endpoint::Mount | Endpoint::Path => {
                let (theirs, ours) = (
                    text(&self.theirs["Mountpoint"]),
                    text(&self.ours["Mountpoint"]),
                );
                if theirs.is_empty() == ours.is_empty() {
                    self.path(self.volume, theirs, ours);
                } else {
                    self.found
                        .differs(format!("the mountpoint is `{ours}`, and was `{theirs}`"));
                }
            }
            Endpoint::Create | Endpoint::Unmount | Endpoint::Remove => {}
        }
        if matches!(endpoint, Endpoint::Create | Endpoint::Remove) {
            self.matching.gone(self.volume);
        }
    }

    fn same(&mut self, what: &str, theirs: String, ours: String) {
        if theirs != ours {
            self.found
                .differs(format!("{what} is {ours}, and was {theirs}"));
        }
    }

    fn list(&mut self) {
        let volumes = |body: &Value| {
            let all = body["Volumes"].as_array().cloned().unwrap_or_default();
            let named = all
                .into_iter()
                .map(|volume| (volume.get("Name").map_or("", text).to_owned(), volume));
            named.collect::<BTreeMap<_, _>>()
        };
        let theirs = volumes(self.theirs);
        // Volumes that are not of the replay were there before.
        let ours: BTreeMap<_, _> = volumes(self.ours)
            .into_iter()
            .filter_map(|(name, volume)| {
                Some((self.matching.recorded_name(&name)?.to_owned(), volume))
            })
            .collect();
        for name in theirs.keys().filter(|name| !ours.contains_key(*name)) {
            self.found.differs(format!("`{name}` is not listed"));
        }
        for name in ours.keys().filter(|name| !theirs.contains_key(*name)) {
            self.found.differs(format!("`{name}` is listed"));
        }
        for (name, volume) in &ours {
            if let Some(recorded) = theirs.get(name) {
                self.shown(name, recorded, volume);
            }
        }
    }

    /// What Get and List show of a volume, which no engine relies on.
    fn shown(&mut self, name: &str, theirs: &Value, ours: &Value) {
        let (before, now) = (text(&theirs["Mountpoint"]), text(&ours["Mountpoint"]));
        if before.is_empty() == now.is_empty() {
            self.path(name, before, now);
        } else {
            self.found.remark(format!(
                "the mountpoint shown is `{now}`, and was `{before}`"
            ));
        }
        for member in ["CreatedAt", "Status"] {
            let is_there =
                |value: &Value| value[member].as_str() != Some("") && !value[member].is_null();
            if is_there(theirs) != is_there(ours) {
                let how = if is_there(ours) { "shown" } else { "not shown" };
                self.found.remark(format!("{member} is {how}"));
            }
        }
        let is_time = |value: &str| value.parse::<jiff::Timestamp>().is_ok();
        if let (Some(_), Some(now)) = (theirs["CreatedAt"].as_str(), ours["CreatedAt"].as_str())
            && !now.is_empty()
            && !is_time(now)
        {
            self.found
                .differs(format!("CreatedAt is `{now}`, which is no time"));
        }
    }

    fn path(&mut self, volume: &str, theirs: &str, ours: &str) {
        if !theirs.is_empty() && !self.matching.path(volume, theirs, ours) {
            self.found.differs(format!(
                "the mountpoint is `{ours}`: where one was recorded, there are several, or the other way round"
            ));
        }
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn words(body: &Value) -> String {
    let all = body["Implements"].as_array().into_iter().flatten();
    let mut all: Vec<&str> = all.map(text).collect();
    all.sort_unstable();
    all.join(", ")
}

/// dockerd takes every scope but `global` for `local`.
fn scope(body: &Value) -> String {
    let scope = body
        .pointer("/Capabilities/Scope")
        .map_or("", text)
        .to_lowercase();
    if scope == "global" {
        scope
    } else {
        "local".to_owned()
    }
}
