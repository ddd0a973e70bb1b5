//! `/images`.
//!
//! A container can be created from any reference. Whether a reference can be *inspected* is another
//! matter, since `docker inspect NAME` asks for an image before it asks for a volume: it can if it
//! was pulled or imported, if a container is made from it, or if it has a tag or a slash.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use hyper::StatusCode;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::Api;
use super::answer::{self, Response};
use super::ask::{Ask, Filters};
use super::bodies;
use super::errors::{Answer, Failure};
use super::timestamps;
use crate::containers::ContainerInfo;
use crate::error::{Error, Result};
use crate::images::{Image, ImageConfig, Import, reference};
use crate::labels;

/// Go's zero time: nothing was ever built.
const NEVER: &str = "0001-01-01T00:00:00Z";

/// An image with its names.
struct Listed {
    image: Image,
    names: BTreeSet<String>,
    containers: usize,
}

/// The images that were pulled or imported, or that containers are made from.
fn known(api: &Api) -> Vec<Listed> {
    let images = &api.daemon.core.images;
    let mut known: BTreeMap<String, Listed> = BTreeMap::new();
    let listed = |image: Image| Listed {
        names: images.names(&image.id).into_iter().collect(),
        image,
        containers: 0,
    };
    for image in images.all() {
        known.insert(image.id.clone(), listed(image));
    }
    for container in api.daemon.container_list() {
        let asked = &container.asked;
        let of_name = || Image::of_name(&reference::full(&asked.image));
        let image = images.find(&asked.image_id).unwrap_or_else(of_name);
        let names_it = !image.has_content();
        let entry = known
            .entry(image.id.clone())
            .or_insert_with(|| listed(image));
        entry.containers += 1;
        if names_it {
            entry.names.insert(reference::full(&asked.image));
        }
    }
    let mut known: Vec<Listed> = known.into_values().collect();
    known.sort_by_key(|listed| std::cmp::Reverse(listed.image.created));
    known
}

/// How many there are.
pub(super) fn count(api: &Api) -> usize {
    known(api).len()
}

/// All of them, for `docker system df`.
pub(super) fn all(api: &Api) -> Vec<Value> {
    known(api).iter().map(summary).collect()
}

fn summary(listed: &Listed) -> Value {
    let image = &listed.image;
    let created = image.created.map_or(0, Timestamp::as_second);
    json!({
        "Id": image.id,
        "ParentId": "",
        "RepoTags": listed.names,
        "RepoDigests": [],
        "Created": created,
        "Size": image.size,
        "VirtualSize": image.size,
        "SharedSize": -1,
        "Labels": image.config.labels,
        "Containers": listed.containers,
    })
}

/// `GET /images/json`.
pub(super) fn list(api: &Api, ask: &Ask) -> Answer {
    let filters = ask.filters(&["dangling", "label", "before", "since", "until", "reference"])?;
    let dangling = ask.switch(&filters, "dangling")?;
    let created = |key: &str| -> Result<Option<Timestamp>> {
        let Some(name) = filters.get(key).first() else {
            return Ok(None);
        };
        Ok(find(api, name)?.image.created)
    };
    let (before, since) = (created("before")?, created("since")?);
    let until = timestamps::until(&filters)?;
    let mut shown = known(api);
    shown.retain(|Listed { image, names, .. }| {
        let created = image.created.unwrap_or_default();
        dangling.is_none_or(|dangling| names.is_empty() == dangling)
            && labels::match_all(filters.get("label"), image.config.labels.as_ref())
            && before.is_none_or(|before| created < before)
            && since.is_none_or(|since| created > since)
            && until.is_none_or(|until| created < until)
            && matches_reference(&filters, names)
    });
    Ok(answer::ok(&shown.iter().map(summary).collect::<Vec<_>>()))
}

/// Patterns of the reference filter, as Go's `path.Match` as far as stars go.
fn matches_reference(filters: &Filters, names: &BTreeSet<String>) -> bool {
    let wanted = filters.get("reference");
    let one = |pattern: &String| {
        let pattern = regex_lite::escape(pattern).replace("\\*", "[^/]*");
        let pattern = regex_lite::Regex::new(&format!("^{pattern}(:[^/:]*)?$"));
        pattern.is_ok_and(|pattern| names.iter().any(|name| pattern.is_match(name)))
    };
    wanted.is_empty() || wanted.iter().any(one)
}

/// What can be looked at.
fn find(api: &Api, name: &str) -> Result<Listed> {
    let full = reference::full(name);
    let mut known = known(api).into_iter();
    let found = known
        .find(|listed| listed.names.contains(&full) || reference::is_id(&listed.image.id, name));
    match found {
        Some(found) => Ok(found),
        None if name.contains([':', '/']) && !name.starts_with("sha256:") => Ok(Listed {
            image: Image::of_name(&full),
            names: BTreeSet::from([full]),
            containers: 0,
        }),
        None => Err(no_such(name)),
    }
}

fn no_such(name: &str) -> Error {
    Error::not_found(format!("No such image: {}", reference::full(name)))
}

/// `GET /images/{name}/json`.
pub(super) fn inspect(api: &Api, name: &str) -> Answer {
    let Listed { image, names, .. } = find(api, name)?;
    let created = image.created.map_or(NEVER.to_owned(), |at| at.to_string());
    let layers: Vec<&String> = image.layer.iter().collect();
    Ok(answer::ok(&json!({
        "Id": image.id,
        "RepoTags": names,
        "RepoDigests": [],
        "Parent": "",
        "Comment": image.comment,
        "Created": created,
        "DockerVersion": "",
        "Author": "",
        "Config": image.config,
        "Architecture": super::system::go_architecture(),
        "Os": "linux",
        "Size": image.size,
        "VirtualSize": image.size,
        "GraphDriver": { "Name": super::system::STORAGE, "Data": null },
        "RootFS": { "Type": "layers", "Layers": layers },
        "Metadata": { "LastTagTime": NEVER },
    })))
}

/// `GET /images/{name}/history`.
pub(super) fn history(api: &Api, name: &str) -> Answer {
    let Listed { image, names, .. } = find(api, name)?;
    Ok(answer::ok(&json!([{
        "Id": image.id,
        "Created": image.created.map_or(0, Timestamp::as_second),
        "CreatedBy": "",
        "Tags": names,
        "Size": image.size,
        "Comment": image.comment,
    }])))
}

/// `POST /images/create`: a pull, which says that it is none, or an import.
pub(super) async fn create(api: &Arc<Api>, ask: Ask) -> Answer {
    match (ask.value("fromImage"), ask.value("fromSrc")) {
        ("", "-") => import(api, ask).await,
        ("", "") => Err(Error::invalid("one of fromImage and fromSrc is needed").into()),
        ("", _) => Err(Failure::not_served(
            "POST /images/create with fromSrc=URL: import a file, or from standard input",
        )),
        (from, _) => pull(api, from, ask.value("tag")),
    }
}

fn pull(api: &Api, from: &str, tag: &str) -> Answer {
    let full = reference::join(from, tag)?;
    let images = &api.daemon.core.images;
    let image = images.get(&full);
    let text = if image.has_content() {
        format!("fake-dockerd: {full} was imported; nothing is pulled")
    } else {
        format!("fake-dockerd: images are names; nothing is pulled for {full}")
    };
    images.tag(&image, &full)?;
    api.image_event("pull", &full, &full);
    Ok(progress(&text))
}

async fn import(api: &Arc<Api>, ask: Ask) -> Answer {
    let reference = match ask.value("repo") {
        "" => None,
        repository => Some(reference::join(repository, ask.value("tag"))?),
    };
    let config = ImageConfig::of_changes(ask.values("changes"));
    let message = ask.value("message").to_owned();
    let (body, unread) = bodies::incoming(ask.request);
    let config = match config {
        Ok(config) => config,
        Err(error) => {
            drop(body);
            unread.await;
            return Err(error.into());
        }
    };
    let asked = Import {
        reference,
        message,
        config,
    };
    let importing = Arc::clone(api);
    let import = move || importing.daemon.core.images.import(body, asked);
    let image = tokio::task::spawn_blocking(import).await;
    unread.await;
    let image = image.map_err(|_| Error::system("the import did not end"))??;
    api.image_event("import", &image.id, &image.id);
    Ok(progress(&image.id))
}

/// One line of progress, which is all there is to say.
fn progress(text: &str) -> Response {
    let line = json!({ "status": text });
    let (sender, body) = mpsc::channel(1);
    // There is room for the one line.
    let _ = sender.try_send(Bytes::from(format!("{line}\r\n")));
    answer::stream(body, "application/json")
}

/// `POST /images/{name}/tag`.
pub(super) fn tag(api: &Api, ask: &Ask, name: &str) -> Answer {
    let image = find(api, name)?.image;
    let full = reference::join(ask.value("repo"), ask.value("tag"))?;
    api.daemon.core.images.tag(&image, &full)?;
    api.image_event("tag", &image.id, &full);
    Ok(answer::empty(StatusCode::CREATED))
}

/// `DELETE /images/{name}`: forgets a name, and with the last one the image.
pub(super) fn remove(api: &Api, ask: &Ask, name: &str) -> Answer {
    let images = &api.daemon.core.images;
    let image = images.find(name).ok_or_else(|| no_such(name))?;
    let force = ask.flag("force");
    let full = reference::full(name);
    let names = images.names(&image.id);
    let by_id = !names.contains(&full);
    if by_id && names.len() > 1 && !force {
        return Err(Error::conflict(format!(
            "conflict: unable to delete {} (must be forced) - image is referenced in multiple \
             repositories",
            short(&image.id)
        ))
        .into());
    }
    let users = api.daemon.container_list();
    let user = users.iter().find(|one| one.asked.image_id == image.id);
    if let Some(user) = user.filter(|_| !force && (by_id || names.len() == 1)) {
        return Err(in_use(user, &image, name, by_id).into());
    }
    let mut deleted = Vec::new();
    for gone in names.iter().filter(|one| by_id || **one == full) {
        images.untag(gone)?;
        api.image_event("untag", &image.id, &image.id);
        deleted.push(json!({ "Untagged": gone }));
    }
    if images.names(&image.id).is_empty() {
        images.remove(&image.id)?;
        if image.has_content() {
            api.image_event("delete", &image.id, &image.id);
            deleted.push(json!({ "Deleted": image.id }));
        }
    }
    Ok(answer::ok(&deleted))
}

fn in_use(user: &ContainerInfo, image: &Image, name: &str, by_id: bool) -> Error {
    let container = short(&user.id);
    Error::conflict(if by_id {
        format!(
            "conflict: unable to delete {} (must be forced) - image is being used by stopped \
             container {container}",
            short(&image.id)
        )
    } else {
        format!(
            "conflict: unable to remove repository reference {name:?} (must force) - container \
             {container} is using its referenced image {}",
            short(&image.id)
        )
    })
}

/// `POST /images/prune`: imported images without a name, or without containers if `dangling` is
/// off. Names are left alone: there is nothing behind them to reclaim.
pub(super) fn prune(api: &Api, ask: &Ask) -> Answer {
    let filters = ask.filters(&["dangling", "label", "label!", "until"])?;
    let dangling = ask.switch(&filters, "dangling")?.unwrap_or(true);
    let until = timestamps::until(&filters)?;
    let images = &api.daemon.core.images;
    let (mut deleted, mut reclaimed) = (Vec::new(), 0);
    for Listed {
        image,
        names,
        containers,
    } in known(api)
    {
        let created = image.created.unwrap_or_default();
        let wanted = image.has_content()
            && containers == 0
            && (names.is_empty() || !dangling)
            && until.is_none_or(|until| created < until)
            && labels::match_all(filters.get("label"), image.config.labels.as_ref())
            && !labels::spared(filters.get("label!"), image.config.labels.as_ref());
        if !wanted {
            continue;
        }
        for name in names {
            images.untag(&name)?;
            deleted.push(json!({ "Untagged": name }));
        }
        images.remove(&image.id)?;
        reclaimed += image.size;
        deleted.push(json!({ "Deleted": image.id }));
    }
    Ok(answer::ok(&json!({
        "ImagesDeleted": deleted,
        "SpaceReclaimed": reclaimed,
    })))
}

fn short(id: &str) -> &str {
    let digits = id.split_once(':').map_or(id, |(_, digits)| digits);
    digits.get(..12).unwrap_or(digits)
}
