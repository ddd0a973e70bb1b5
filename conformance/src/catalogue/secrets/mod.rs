//! Secrets: the values of secret options stay between user, plugin and storage.
//!
//! Options that the user declares (`--secret-opt`) get random values here; without any, the usual
//! names are tried. A plugin may refuse them, without repeating the value, or take them, and then
//! the value must not come back anywhere. `trial` is one such option on its way through a
//! volume's life; `places` looks where the value came to light, `values` whether it arrives whole.

mod places;
mod trial;
mod values;

use crate::suite::{Case, Harm, Level, Mode, Need};

pub(super) const CASES: &[Case] = &[
    Case {
        id: "secret.not-in-answers",
        level: Level::Must,
        title: "secret option values appear in no answer",
        why: "dockerd prints Status in `docker volume inspect` and Err on every terminal and in its \
              log: whoever may look at volumes reads the password",
        harm: Harm::SecretShown,
        sources: &[
            "https://github.com/moby/moby/issues/43596",
            "https://github.com/docker/cli/issues/2802",
        ],
        docker: &[
            "docker volume create -d {plugin} -o password=s3cret {volume}",
            "docker volume inspect -f '{{json .Status}}' {volume}",
        ],
        needs: &[],
        mode: Mode::Shared,
        follows: &[],
        run: |cx| Box::pin(places::not_in_answers(cx)),
    },
    Case {
        id: "secret.not-in-logs",
        level: Level::Must,
        title: "secret option values appear in nothing that the plugin prints",
        why: "what plugins print ends in the journal and in log collectors, where many can read it \
              for a long time",
        harm: Harm::SecretShown,
        sources: &["https://github.com/cloudfoundry/docker_driver_integration_tests"],
        docker: &[
            "docker volume create -d {plugin} -o password=s3cret {volume}",
            "journalctl | grep s3cret",
        ],
        needs: &[Need::Exec],
        mode: Mode::Shared,
        follows: &[],
        run: |cx| Box::pin(places::not_in_logs(cx)),
    },
    Case {
        id: "secret.not-in-argv",
        level: Level::Should,
        title: "secret option values appear in no command line and not in the mount table",
        why: "every user of the host can read both, with `ps` and `mount`",
        harm: Harm::SecretShown,
        sources: &[
            "https://github.com/vieux/docker-volume-sshfs/issues/22",
            "https://man7.org/linux/man-pages/man8/mount.8.html",
        ],
        docker: &[
            "docker volume create -d {plugin} -o password=s3cret {volume}",
            "docker run -d -v {volume}:/data busybox sleep 60",
            "ps ax | grep s3cret",
        ],
        needs: &[Need::Filesystem],
        mode: Mode::Shared,
        follows: &["sec.no-shell"],
        run: |cx| Box::pin(places::not_in_argv(cx)),
    },
    Case {
        id: "secret.by-reference",
        level: Level::Should,
        title: "a secret can be given by file instead of by value",
        why: "dockerd keeps options in the clear and prints them in `docker volume inspect`, whatever \
              the plugin does: only a reference keeps the secret out of them",
        harm: Harm::SecretShown,
        sources: &[
            "https://github.com/moby/moby/issues/30796",
            "https://github.com/rexray/rexray/issues/1094",
        ],
        docker: &[
            "docker volume create -d {plugin} -o password-file=/etc/secret {volume}",
            "docker volume inspect -f '{{json .Options}}' {volume}",
        ],
        needs: &[],
        mode: Mode::Shared,
        follows: &[],
        run: |cx| Box::pin(values::by_reference(cx)),
    },
    Case {
        id: "secret.special-characters",
        level: Level::Must,
        title: "secrets with commas, quotes, `$`, `%`, backslashes and blanks work or are refused, never cut",
        why: "passwords are made by generators: one that is cut at a comma fails at the server, with \
              a message that says nothing of it",
        harm: Harm::Refused,
        sources: &[
            "https://github.com/kubernetes-csi/csi-driver-smb/issues/573",
            "https://github.com/kubernetes-csi/csi-driver-smb/issues/358",
        ],
        docker: &["docker volume create -d {plugin} -o 'password=a,b\"c$d' {volume}"],
        needs: &[],
        mode: Mode::Shared,
        follows: &["sec.no-option-injection"],
        run: |cx| Box::pin(values::special_characters(cx)),
    },
];
