//! Rules about single answers, judged on every answer of the run.

use super::super::tour;
use crate::protocol::Endpoint;
use crate::suite::{Case, CaseResult, Cx, Harm, Level, Lint, Mode};

pub(super) const OBJECT: Case = Case {
    id: "enc.object",
    level: Level::Must,
    title: "every answer with status 200 is a JSON object",
    why: "dockerd reports an empty body as `EOF` and an array as `cannot unmarshal`: the call has \
          failed for the user although the plugin has carried it out",
    harm: Harm::Refused,
    sources: &[
        "https://docs.docker.com/engine/extend/plugins_volume/#volume-plugin-protocol",
        "moby: pkg/plugins/client.go",
        "recorded: dockerd 20.10.24, 26.1.5 and 28.5.2: `create v1: EOF`",
    ],
    docker: &["docker volume create -d {plugin} {volume}"],
    needs: &[],
    mode: Mode::Closing,
    follows: &["http.no-redirect"],
    run: |cx| Box::pin(object(cx)),
};

pub(super) const EXACTLY_200: Case = Case {
    id: "enc.exactly-200",
    level: Level::Must,
    title: "success is status 200, and no other",
    why: "dockerd takes 201, 202 and 204 for failures: the call has failed for the user although \
          the plugin has carried it out",
    harm: Harm::Refused,
    sources: &[
        "moby: pkg/plugins/client.go",
        "recorded: dockerd 20.10.24, 26.1.5 and 28.5.2: 201 ends in `create v1: \
         VolumeDriver.Create: {\"Err\":\"\"}`",
    ],
    docker: &["docker volume create -d {plugin} {volume}"],
    needs: &[],
    mode: Mode::Closing,
    follows: &[],
    run: |cx| Box::pin(judge(cx, Lint::OtherSuccess, "success has status 200")),
};

pub(super) const ERR_TYPE: Case = Case {
    id: "enc.err-type",
    level: Level::Must,
    title: "Err is a string, null or absent",
    why: "anything else fails to decode: the user sees `cannot unmarshal object into Go struct \
          field` in place of the cause, and also after success",
    harm: Harm::Misled,
    sources: &[
        "https://docs.docker.com/engine/extend/plugins_volume/#volume-plugin-protocol",
        "moby: pkg/plugins/client.go",
    ],
    docker: &["docker volume create -d {plugin} {volume}"],
    needs: &[],
    mode: Mode::Closing,
    follows: &[],
    run: |cx| Box::pin(judge(cx, Lint::ErrType, "Err is a string, null or absent")),
};

pub(super) const FIELD_NAMES: Case = Case {
    id: "enc.field-names",
    level: Level::Should,
    title: "fields are spelt as documented, capitals included",
    why: "dockerd and Podman decode without regard to case, as Go does; tools in other languages \
          find no volume and no error in such an answer",
    harm: Harm::Misled,
    sources: &[
        "https://docs.docker.com/engine/extend/plugins_volume/#volume-plugin-protocol",
        "recorded: dockerd 20.10.24, 26.1.5 and 28.5.2: `err` is taken for `Err`",
    ],
    docker: &[],
    needs: &[],
    mode: Mode::Closing,
    follows: &[],
    run: |cx| {
        Box::pin(judge(
            cx,
            Lint::FieldNames,
            "fields are spelt as documented",
        ))
    },
};

pub(super) const CLEAN_JSON: Case = Case {
    id: "enc.clean-json",
    level: Level::Must,
    title: "an answer is one JSON value, with no byte order mark before it and nothing behind it",
    why: "dockerd fails on a byte order mark, and Podman on anything behind the value",
    harm: Harm::Refused,
    sources: &[
        "https://datatracker.ietf.org/doc/html/rfc8259#section-8.1",
        "https://github.com/containers/podman/blob/main/libpod/plugin/volume_api.go",
        "recorded: dockerd 20.10.24, 26.1.5 and 28.5.2: bytes behind the value are ignored",
    ],
    docker: &["docker volume create -d {plugin} {volume}"],
    needs: &[],
    mode: Mode::Closing,
    follows: &["http.no-redirect"],
    run: |cx| Box::pin(judge(cx, Lint::UncleanJson, "an answer is one JSON value")),
};

pub(super) const CONTENT_TYPE: Case = Case {
    id: "enc.content-type",
    level: Level::Should,
    title: "answers carry a JSON content type",
    why: "dockerd and Podman do not look at it; proxies, loggers and tools that do take the answer \
          for text",
    harm: Harm::Misled,
    sources: &["https://github.com/docker/go-plugins-helpers/blob/main/sdk/encoder.go"],
    docker: &[],
    needs: &[],
    mode: Mode::Closing,
    follows: &[],
    run: |cx| {
        Box::pin(judge(
            cx,
            Lint::ContentType,
            "answers carry a JSON content type",
        ))
    },
};

pub(super) const CREATED_AT: Case = Case {
    id: "enc.created-at",
    level: Level::Must,
    title: "CreatedAt, where there is one, is an RFC 3339 time",
    why: "anything else, an empty string included, fails the whole answer: dockerd then says that \
          there is no such volume, and `docker run -v` makes a local one in its place",
    harm: Harm::VolumeLost,
    sources: &[
        "https://docs.docker.com/engine/extend/plugins_volume/#volumedriverget",
        "https://github.com/docker/go-plugins-helpers/issues/108",
        "recorded: dockerd 20.10.24, 26.1.5 and 28.5.2: `get v1: no such volume`",
    ],
    docker: &[
        "docker volume create -d {plugin} {volume}",
        "docker volume inspect {volume}",
    ],
    needs: &[],
    mode: Mode::Closing,
    follows: &[],
    run: |cx| {
        Box::pin(judge(
            cx,
            Lint::CreatedAt,
            "CreatedAt is an RFC 3339 time, or absent",
        ))
    },
};

pub(super) const STATUS: Case = Case {
    id: "enc.status",
    level: Level::Must,
    title: "Status, where there is one, is a JSON object or null",
    why: "anything else fails the whole answer: dockerd then says that there is no such volume, and \
          `docker run -v` makes a local one in its place",
    harm: Harm::VolumeLost,
    sources: &[
        "https://docs.docker.com/engine/extend/plugins_volume/#volumedriverget",
        "moby: daemon/volume/drivers/adapter.go",
        "recorded: dockerd 20.10.24, 26.1.5 and 28.5.2: `get v1: no such volume`",
    ],
    docker: &[
        "docker volume create -d {plugin} {volume}",
        "docker volume inspect {volume}",
    ],
    needs: &[],
    mode: Mode::Closing,
    follows: &[],
    run: |cx| {
        Box::pin(judge(
            cx,
            Lint::StatusType,
            "Status is an object, null or absent",
        ))
    },
};

pub(super) const NO_NULL_VOLUME: Case = Case {
    id: "enc.no-null-volume",
    level: Level::Must,
    title: "Volumes never contains null",
    why: "one null among the volumes makes dockerd follow a nil pointer: the daemon exits, and does \
          so again at the next `docker volume ls`",
    harm: Harm::DaemonDies,
    sources: &[
        "moby: daemon/volume/drivers/adapter.go (List)",
        "recorded: dockerd 20.10.24, 26.1.5 and 28.5.2: all three died",
    ],
    docker: &["docker volume ls"],
    needs: &[],
    mode: Mode::Closing,
    follows: &[],
    run: |cx| {
        Box::pin(judge(
            cx,
            Lint::NullVolume,
            "every entry of Volumes is an object",
        ))
    },
};

async fn judge(cx: &mut Cx, lint: Lint, expected: &'static str) -> CaseResult {
    match tour::lint(cx, lint).await? {
        None => Ok(()),
        Some(hit) => Err(tour::finding(cx, &hit, expected).into()),
    }
}

async fn object(cx: &mut Cx) -> CaseResult {
    let Some(hit) = tour::lint(cx, Lint::NotAnObject).await? else {
        return Ok(());
    };
    let finding = tour::finding(cx, &hit, "every answer with status 200 is a JSON object");
    let null = hit
        .exchange
        .response
        .is_some_and(|response| response.body.trim() == "null");
    let says_nothing = matches!(
        hit.endpoint,
        Endpoint::Create | Endpoint::Unmount | Endpoint::Remove
    );
    Err(if null && says_nothing {
        finding
            .at(Level::Should)
            .then("dockerd takes null for success here; readers in other languages need not")
            .into()
    } else {
        finding.into()
    })
}
