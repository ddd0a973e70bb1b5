//! Which request is accepted, and what it changes.
//!
//! Each function looks at a volume's present [`Record`] (`None`: there is no such volume) and
//! answers with a [`Change`], or refuses. Nothing happens here: the caller carries out the effect
//! on the storage and then stores the record, and drops both when the effect fails. So a failed
//! call changes nothing.

use jiff::Timestamp;

use super::Record;
use crate::{
    error::{Error, ErrorKind, Quoted},
    secret,
    types::{CreateRequest, MountRequest, Options, VolumeName},
};

/// An accepted request: what to do to the storage, and what to remember afterwards.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// Everything is as asked already.
    Nothing,
    /// Make the storage, then remember the new volume.
    Provision(Record),
    /// Let the storage check the options of a volume that it holds already, then remember it.
    Adopt(Record),
    /// See to it that the storage is attached, then remember one holder more.
    Attach(Record),
    /// Remember one holder less; others remain.
    Release(Record),
    /// Detach the storage, then remember that nobody holds the volume.
    Detach(Record),
    /// Take the storage away, then forget the volume.
    Retire,
}

/// Create: the same again is fine, also while the volume is mounted; something else is refused
/// and leaves the volume as it is, for swapping the storage under a name would lose data. The
/// options of a volume that another host made are not known: those of the first Create here count.
///
/// # Errors
/// [`ErrorKind::Conflict`] naming the first option that differs.
pub fn create(
    current: Option<&Record>,
    request: &CreateRequest,
    now: Timestamp,
) -> Result<Change, Error> {
    match current {
        None => Ok(Change::Provision(Record::new(request.options.clone(), now))),
        Some(found) if found.found && !request.options.is_empty() => {
            let mut next = Record::new(request.options.clone(), now);
            next.holds = found.holds.clone();
            Ok(Change::Adopt(next))
        }
        Some(record) => match difference(&record.options, &request.options) {
            None => Ok(Change::Nothing),
            Some(difference) => Err(Error::new(
                ErrorKind::Conflict,
                format!(
                    "volume {} exists with other options: {difference}",
                    request.name
                ),
            )),
        },
    }
}

/// Mount: one holder more, whether or not the ID is known (see [`Holds`](super::Holds)).
///
/// # Errors
/// [`ErrorKind::NotFound`] when there is no such volume.
pub fn mount(current: Option<&Record>, request: &MountRequest) -> Result<Change, Error> {
    let mut next = known(current, &request.name)?.clone();
    next.holds.add(&request.id);
    Ok(Change::Attach(next))
}

/// Unmount: one holder less; the last one detaches the storage.
///
/// # Errors
/// [`ErrorKind::NotFound`] when there is no such volume, [`ErrorKind::Refused`] for an ID that
/// does not hold it.
pub fn unmount(current: Option<&Record>, request: &MountRequest) -> Result<Change, Error> {
    let mut next = known(current, &request.name)?.clone();
    next.holds
        .release(&request.id)
        .map_err(|error| error.about(&request.name))?;
    Ok(if next.is_mounted() {
        Change::Release(next)
    } else {
        Change::Detach(next)
    })
}

/// Remove: refused while mounted. dockerd guards its own references, but after a start with
/// live-restore and the plugin away it does send Remove for a volume in use.
///
/// # Errors
/// [`ErrorKind::NotFound`] when there is no such volume, [`ErrorKind::InUse`] naming the holders.
pub fn remove(current: Option<&Record>, name: &VolumeName) -> Result<Change, Error> {
    let record = known(current, name)?;
    if record.is_mounted() {
        let holders = &record.holds;
        return Err(Error::new(
            ErrorKind::InUse,
            format!(
                "volume {name} is mounted by {holders}: stop the containers that use it first; if the \
                 engine crashed and none runs, start the plugin once with --forget-holds"
            ),
        ));
    }
    Ok(Change::Retire)
}

fn known<'a>(current: Option<&'a Record>, name: &VolumeName) -> Result<&'a Record, Error> {
    current.ok_or_else(|| Error::not_found(name))
}

/// The first difference between what a volume has and what is asked for, in words.
fn difference(has: &Options, asked: &Options) -> Option<String> {
    let shown = |key: &str, value: Option<&String>| match value {
        None => "not set".to_owned(),
        Some(_) if secret::looks_secret(key) => "another value".to_owned(),
        Some(value) => Quoted(value).to_string(),
    };
    has.keys()
        .chain(asked.keys())
        .find(|key| has.get(*key) != asked.get(*key))
        .map(|key| {
            let (has, asked) = (shown(key, has.get(key)), shown(key, asked.get(key)));
            format!("option {} is {has}, the request says {asked}", Quoted(key))
        })
}

#[cfg(test)]
#[path = "rules_tests.rs"]
mod tests;
