//! Volumes on a Samba server.

use std::{fs, path::Path};

use crate::{
    nfs::{fill_up, lifecycle, two_drivers},
    server::{CIFS_IN_A_GUEST, Kind, Server, on_a_kernel},
    support::{
        ID,
        helpers::Stage,
        process::Place,
        trials::{Test, Tried, tests},
    },
};

pub(crate) const TESTS: &[Test] = tests![
    every_version_mounts_a_volume_for_its_holders,
    what_the_server_does_not_have_or_allow_is_told,
    two_drivers_see_each_others_volumes,
];

fn place() -> Place {
    let options = format!("soft,nodev,{CIFS_IN_A_GUEST}");
    Place::new().on(&["cifs", "--mount-timeout", "25", "--mount-options", &options])
}

/// Options for a share, as the user that may write to it.
fn as_root<'a>(server: &'a Server, share: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("share", share),
        ("cifs-port", server.setting("PORT")),
        ("username", "root"),
        ("password-file", server.setting("PASSWORD_FILE")),
    ]
}

fn every_version_mounts_a_volume_for_its_holders() -> Tried {
    let name = "cifs::every_version_mounts_a_volume_for_its_holders";
    on_a_kernel(Kind::Cifs, name, |server| {
        let _stage = Stage::new()?;
        let place = place();
        let driver = place.start();
        let mut client = driver.client();
        let share = format!("{}/volumes", server.setting("HOST"));
        for version in ["3.1.1", "3.0", "2.1"] {
            let mut options = as_root(&server, &share);
            options.extend([
                ("path", "made"),
                ("create", "true"),
                ("vers", version),
                ("uid", "1000"),
                ("dir_mode", "0770"),
            ]);
            lifecycle(&mut client, version, &options);
        }
        Ok(())
    })
}

fn what_the_server_does_not_have_or_allow_is_told() -> Tried {
    let name = "cifs::what_the_server_does_not_have_or_allow_is_told";
    on_a_kernel(Kind::Cifs, name, |server| {
        let _stage = Stage::new()?;
        let place = place();
        let driver = place.start();
        let mut client = driver.client();
        let port = server.setting("PORT");
        let of = |share: &str| format!("{}/{share}", server.setting("HOST"));
        let (share, missing) = (of("volumes"), of("missing"));
        let wrong = [
            ("share", share.as_str()),
            ("cifs-port", port),
            ("username", "root"),
            ("password", "wrong,pass"),
        ];
        let error = client.create_with("wrong", &wrong).failed(500);
        assert!(
            error.contains("13") && !error.contains("wrong,pass"),
            "{error}"
        );
        let error = client
            .create_with("missing", &as_root(&server, &missing))
            .failed(500);
        assert!(error.contains("mount error(2)"), "{error}");

        let (guest, served, small) = (of("guest"), of("read-only"), of("small"));
        for (name, share, more) in [
            ("read", &guest, Some(("ro", ""))),
            ("served", &served, None),
            ("small", &small, None),
        ] {
            let mut options = vec![("share", share.as_str()), ("cifs-port", port)];
            options.extend(more);
            client.create_with(name, &options).ok();
        }
        for volume in ["read", "served"] {
            let mountpoint = client.mount(volume, ID).mountpoint();
            assert!(fs::write(Path::new(&mountpoint).join("new"), "").is_err());
            client.unmount(volume, ID).ok();
        }
        fill_up(&mut client, "small");
        Ok(())
    })
}

fn two_drivers_see_each_others_volumes() -> Tried {
    let name = "cifs::two_drivers_see_each_others_volumes";
    on_a_kernel(Kind::Cifs, name, |server| {
        let _stage = Stage::new()?;
        let global = ["--scope", "global"];
        two_drivers(&server.place(&global), &server.place(&global));
        Ok(())
    })
}
