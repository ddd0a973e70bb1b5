//! Volumes on real storage: S3, MooseFS, NFS (for EFS, too) and CIFS servers, with the clients that users have.
//!
//! Servers are containers where `DOCKER_HOST` names an engine (`ci/real-engine cargo test -p
//! volplug-driver --test storage`), processes of this machine otherwise. What this kernel cannot
//! mount is mounted by one in User-Mode Linux, in which this very binary runs. What cannot be had
//! is told as the reason why a test is ignored.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod cifs;
mod efs;
mod engine;
mod faults;
mod moosefs;
mod nfs;
mod s3;
mod server;
#[path = "../support/mod.rs"]
mod support;

use std::process::ExitCode;

fn main() -> ExitCode {
    let all = [
        s3::TESTS,
        moosefs::TESTS,
        nfs::TESTS,
        cifs::TESTS,
        efs::TESTS,
        faults::TESTS,
        engine::TESTS,
    ];
    support::trials::run(&all.concat())
}
