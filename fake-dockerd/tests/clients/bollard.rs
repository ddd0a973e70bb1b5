//! `bollard`, Rust's client.

use bollard::Docker;
use bollard::errors::Error;
use bollard::models::{
    ContainerCreateBody, HostConfig, Mount, MountType, MountVolumeOptions,
    MountVolumeOptionsDriverConfig, VolumeCreateRequest,
};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, DownloadFromContainerOptionsBuilder, EventsOptionsBuilder,
    ListVolumesOptions, RemoveContainerOptions, RemoveVolumeOptions, StartContainerOptions,
    WaitContainerOptions,
};
use futures_util::StreamExt as _;

use crate::engine::Engine;

/// Seconds that bollard waits for an answer.
const PATIENCE: u64 = 30;

pub(crate) fn drives() {
    let engine = Engine::start();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(drive(&engine));
    let calls = engine.plugin.take();
    let of = |call: &str| calls.iter().filter(|name| name.starts_with(call)).count();
    // A start, and a copy out.
    assert_eq!((of("Mount v"), of("Unmount v")), (2, 2), "{calls:?}");
    assert_eq!(calls.last().unwrap(), "Remove v");
}

async fn drive(engine: &Engine) {
    let docker =
        Docker::connect_with_unix(&engine.address(), PATIENCE, bollard::API_DEFAULT_VERSION);
    let docker = docker.unwrap().negotiate_version().await.unwrap();
    let created = docker
        .create_volume(VolumeCreateRequest {
            name: Some("v".to_owned()),
            driver: Some("mine".to_owned()),
            ..VolumeCreateRequest::default()
        })
        .await
        .unwrap();
    assert_eq!(
        (created.name.as_str(), created.driver.as_str()),
        ("v", "mine")
    );

    let driver = MountVolumeOptionsDriverConfig {
        name: Some("mine".to_owned()),
        options: None,
    };
    let mount = Mount {
        target: Some("/data".to_owned()),
        source: Some("v".to_owned()),
        typ: Some(MountType::VOLUME),
        volume_options: Some(MountVolumeOptions {
            driver_config: Some(driver),
            ..MountVolumeOptions::default()
        }),
        ..Mount::default()
    };
    let config = ContainerCreateBody {
        image: Some("busybox".to_owned()),
        cmd: Some(vec!["false".to_owned()]),
        host_config: Some(HostConfig {
            mounts: Some(vec![mount]),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    };
    let named = CreateContainerOptionsBuilder::default().name("c1").build();
    docker.create_container(Some(named), config).await.unwrap();
    let start = None::<StartContainerOptions>;
    docker.start_container("c1", start).await.unwrap();
    let mut end = std::pin::pin!(docker.wait_container("c1", None::<WaitContainerOptions>));
    match end.next().await.unwrap() {
        Err(Error::DockerContainerWaitError { code, .. }) => assert_eq!(code, 1),
        other => panic!("{other:?}"),
    }

    std::fs::write(engine.volume("v").join("file"), "content").unwrap();
    let path = DownloadFromContainerOptionsBuilder::default();
    let path = path.path("/data/file").build();
    let chunks: Vec<_> = docker
        .download_from_container("c1", Some(path))
        .collect()
        .await;
    let tar: Vec<u8> = chunks.into_iter().flat_map(Result::unwrap).collect();
    assert!(tar.starts_with(b"file\0"));

    let refused = docker.remove_volume("v", None::<RemoveVolumeOptions>).await;
    match refused {
        Err(Error::DockerResponseServerError {
            status_code,
            message,
        }) => {
            assert_eq!(status_code, 409);
            assert!(message.contains("volume is in use"), "{message}");
        }
        other => panic!("{other:?}"),
    }
    let remove = None::<RemoveContainerOptions>;
    docker.remove_container("c1", remove).await.unwrap();
    let listed = docker.list_volumes(None::<ListVolumesOptions>).await;
    assert!(listed.unwrap().warnings.unwrap_or_default().is_empty());
    docker
        .remove_volume("v", None::<RemoveVolumeOptions>)
        .await
        .unwrap();

    let past = EventsOptionsBuilder::default()
        .since("0")
        .until("1")
        .build();
    let none: Vec<_> = docker.events(Some(past)).collect().await;
    assert!(none.is_empty(), "{none:?}");
}
