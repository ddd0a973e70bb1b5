//! The docker CLI's options, as far as recordings use them.

use fake_dockerd::{
    ContainerCreate, DriverConfig, MountKind, MountSpec, Pairs, RestartPolicy, VolumeCreate,
    VolumeOptions,
};

/// Options of `volume create`.
pub(crate) fn volume_create(argv: &[&str]) -> VolumeCreate {
    let mut asked = VolumeCreate {
        // The CLI's default, which never lets the daemon look for a driver that has the volume.
        driver: "local".to_owned(),
        ..VolumeCreate::default()
    };
    let mut words = argv.iter();
    while let Some(word) = words.next() {
        match *word {
            "-d" | "--driver" => asked.driver = (*words.next().unwrap()).to_owned(),
            "-o" => pair(asked.options.get_or_insert_default(), words.next().unwrap()),
            "--label" => pair(asked.labels.get_or_insert_default(), words.next().unwrap()),
            name => asked.name = name.to_owned(),
        }
    }
    asked
}

fn pair(pairs: &mut Pairs, text: &str) {
    let (key, value) = text.split_once('=').unwrap_or((text, ""));
    pairs.insert(key.to_owned(), value.to_owned());
}

/// Options of `run` and `create`.
pub(crate) fn container_create(argv: &[&str]) -> ContainerCreate {
    let mut asked = ContainerCreate::default();
    let mut words = argv.iter();
    while let Some(word) = words.next() {
        let mut value = || (*words.next().unwrap()).to_owned();
        match *word {
            "-d" => asked.detached = true,
            "--rm" => asked.auto_remove = true,
            "--read-only" => asked.read_only = true,
            "--name" => asked.name = value(),
            "--network" => asked.network = value(),
            "-w" => asked.working_dir = value(),
            "--volume-driver" => asked.volume_driver = value(),
            "--volumes-from" => asked.volumes_from.push(value()),
            "--tmpfs" => {
                asked.tmpfs.insert(value(), String::new());
            }
            "--mount" => asked.mounts.push(mount(&value())),
            "--restart" => {
                asked.restart = match value().split(':').collect::<Vec<_>>().as_slice() {
                    ["always"] => RestartPolicy::Always,
                    ["unless-stopped"] => RestartPolicy::UnlessStopped,
                    ["on-failure"] => RestartPolicy::OnFailure(0),
                    ["on-failure", count] => RestartPolicy::OnFailure(count.parse().unwrap()),
                    _ => RestartPolicy::No,
                };
            }
            "-v" => {
                let bind = value();
                if bind.contains(':') {
                    asked.binds.push(bind);
                } else {
                    asked.volumes.insert(bind);
                }
            }
            option if option.starts_with('-') => panic!("unknown option {option}"),
            image => {
                asked.image = image.to_owned();
                asked.command = words.map(|&word| word.to_owned()).collect();
                break;
            }
        }
    }
    if asked.command.is_empty() {
        asked.command = vec!["sh".to_owned()];
    }
    asked
}

fn mount(text: &str) -> MountSpec {
    let mut spec = MountSpec::default();
    let mut options = VolumeOptions::default();
    let mut driver: Option<DriverConfig> = None;
    for field in text.split(',') {
        let (key, value) = field.split_once('=').unwrap_or((field, ""));
        let value = value.to_owned();
        match key {
            "type" if value == "bind" => spec.kind = MountKind::Bind,
            "type" => {}
            "src" | "source" => spec.source = value,
            "dst" | "target" | "destination" => spec.target = value,
            "readonly" => spec.read_only = true,
            "volume-nocopy" => options.no_copy = true,
            "volume-subpath" => options.subpath = value,
            "volume-driver" => driver.get_or_insert_default().name = value,
            "volume-label" => pair(options.labels.get_or_insert_default(), &value),
            "volume-opt" => pair(
                driver
                    .get_or_insert_default()
                    .options
                    .get_or_insert_default(),
                &value,
            ),
            "bind-propagation" => {
                spec.bind_options.get_or_insert_default().propagation = value;
            }
            other => panic!("unknown mount option {other}"),
        }
    }
    options.driver_config = driver;
    if options != VolumeOptions::default() {
        spec.volume_options = Some(options);
    }
    spec
}
