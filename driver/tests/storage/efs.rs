//! Volumes of EFS, which is a server of NFS 4.1: another one stands for Amazon's.

use crate::nfs::lifecycle;
use crate::server::{Kind, on_a_kernel};
use crate::support::{
    helpers::Stage,
    process::Place,
    trials::{Test, Tried, tests},
};

pub(crate) const TESTS: &[Test] = tests![a_file_system_is_mounted_from_its_mount_target];

fn a_file_system_is_mounted_from_its_mount_target() -> Tried {
    let name = "efs::a_file_system_is_mounted_from_its_mount_target";
    on_a_kernel(Kind::Nfs, name, |server| {
        let _stage = Stage::new()?;
        let port = server.setting("PORT");
        // Without Amazon's mount helper, as `--tls off` has it, that is what mount.nfs does.
        let options = format!("nfsvers=4.1,soft,timeo=100,nodev,port={port}");
        let target = ["--tls", "off", "--mount-target", server.setting("HOST")];
        let limits = ["--mount-options", &options, "--mount-timeout", "25"];
        let place = Place::new().on(&[&["efs"], &target[..], &limits].concat());
        let driver = place.start();
        let mut client = driver.client();
        let volume = [
            ("fs-id", "fs-0123abcd"),
            ("path", "export/made"),
            ("create", "true"),
        ];
        lifecycle(&mut client, "4.1", &volume);
        // The name alone says which directory of which file system.
        client.create_with("fs-0123abcd/export", &[]).ok();
        let mountpoint = client.mount("fs-0123abcd/export", "a").mountpoint();
        assert!(std::path::Path::new(&mountpoint).join("made").is_dir());
        client.unmount("fs-0123abcd/export", "a").ok();
        Ok(())
    })
}
