//! The reports of one made-up run, in every format, as snapshots: as a reader and a script will see them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use serde_json::Value;
use volplug_conformance::catalogue;
use volplug_conformance::report::{
    CaseReport, Report, Reproduce, TargetInfo, Verdict, human, json, junit,
};
use volplug_conformance::suite::{Exchange, RecordedRequest, RecordedResponse};

/// A report with a finding of each level, one that another explains, a pass and two skips.
fn report() -> Report {
    let case = |id: &str, verdict, reason: Option<&str>| {
        let case = catalogue::find(id).unwrap_or_else(|| panic!("{id}"));
        let mut report = CaseReport::new(
            case,
            std::time::Duration::from_millis(3),
            &Default::default(),
        );
        report.verdict = verdict;
        report.reason = reason.map(str::to_owned);
        report
    };
    let mut failed = case(
        "ref.same-id-twice",
        Verdict::Failed,
        Some("expected that it succeeds; got: 500"),
    );
    failed.expected = Some("a second Mount with an ID that is already held succeeds".to_owned());
    failed.actual = Some("Mount answered 500 {\"Err\":\"already mounted\u{1b}[31m\"}".to_owned());
    failed.notes = vec!["the first Mount took 2 ms".to_owned()];
    failed.reproduce = Reproduce {
        docker: vec!["docker run -d --name c1 -v v1:/data busybox sleep 60".to_owned(), "docker cp c1:/data/x .".to_owned()],
        curl: vec!["curl -s --unix-socket /run/docker/plugins/p.sock -d '{\"Name\":\"v1\",\"ID\":\"id1\"}' http://plugin/VolumeDriver.Mount".to_owned()],
    };
    failed.transcript = vec![Exchange {
        peer: false,
        before: vec!["wrote a file".to_owned()],
        request: RecordedRequest {
            method: "POST".to_owned(),
            path: "/VolumeDriver.Mount".to_owned(),
            headers: vec![("Host".to_owned(), "plugin.moby.localhost".to_owned())],
            body: "{\"Name\":\"v\",\"ID\":\"i\"}\n".to_owned(),
            body_bytes: 22,
        },
        response: Some(RecordedResponse {
            status: 500,
            headers: vec![],
            body: "{\"Err\":\"already mounted\u{1b}[31m\"}".to_owned(),
            body_bytes: 30,
        }),
        error: None,
        ms: 2,
        failed: true,
    }];
    let mut follows = case(
        "ref.after-daemon-crash",
        Verdict::Failed,
        Some("expected x; got: y"),
    );
    follows.explained_by = Some("ref.same-id-twice".to_owned());
    let mut warned = case(
        "create.repeat-same",
        Verdict::Warned,
        Some("expected z; got: w"),
    );
    warned.expected = Some("z".to_owned());
    warned.actual = Some("w <&> \"quoted\"".to_owned());
    let cases = vec![
        case("create.works", Verdict::Passed, None),
        warned,
        failed,
        follows,
        case(
            "restart.remembers",
            Verdict::Skipped,
            Some("needs to stop and start the plugin"),
        ),
        case(
            "restart.faithful",
            Verdict::Skipped,
            Some("needs to stop and start the plugin"),
        ),
    ];
    let target = TargetInfo {
        address: "unix:///run/docker/plugins/p.sock".to_owned(),
        plugin: "p".to_owned(),
        implements: vec!["VolumeDriver".to_owned()],
        isolation: "none",
        timeout_s: 10.0,
        ..TargetInfo::default()
    };
    let mut report = Report::new(target, 7, cases);
    report.set_duration(std::time::Duration::from_millis(1234));
    report.left_behind = vec!["volume `x` of create.works: Remove answered 500".to_owned()];
    report.notices =
        vec!["after create.works the plugin no longer answered: started anew".to_owned()];
    report
}

fn without_colour(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}

#[test]
fn human_at_80_columns() {
    let text = without_colour(&human(&report(), 80));
    let longest = text.lines().map(|line| line.chars().count()).max().unwrap();
    assert!(longest <= 80, "{longest}\n{text}");
    insta::assert_snapshot!(text);
}

#[test]
fn human_at_200_columns() {
    insta::assert_snapshot!(without_colour(&human(&report(), 200)));
}

#[test]
fn colour_adds_nothing_but_colour_and_plugins_cannot_add_their_own() {
    let coloured = human(&report(), 80);
    assert!(coloured.contains("\u{1b}[1m"));
    assert!(
        !coloured.contains("already mounted\u{1b}"),
        "the plugin's escape code came through"
    );
}

#[test]
fn json_keeps_the_contract() {
    let value: Value = serde_json::from_str(&json(&report()).unwrap()).unwrap();
    assert_eq!(value["schema"], "volplug-conformance/report@1");
    assert_eq!(value["seed"], 7);
    assert_eq!(value["duration_ms"], 1234);
    assert_eq!(
        value["summary"],
        serde_json::json!({"passed": 1, "failed": 2, "warned": 1, "skipped": 2})
    );
    for case in value["cases"].as_array().unwrap() {
        for key in [
            "id",
            "section",
            "title",
            "level",
            "verdict",
            "reason",
            "source",
            "duration_ms",
            "reproduce",
            "transcript",
        ] {
            assert!(case.get(key).is_some(), "{key} of {}", case["id"]);
        }
        assert!(case["reproduce"]["docker"].is_array() && case["reproduce"]["curl"].is_array());
    }
    let failed = &value["cases"][2];
    assert_eq!(
        (failed["level"].as_str(), failed["verdict"].as_str()),
        (Some("must"), Some("failed"))
    );
    let exchange = &failed["transcript"][0];
    assert_eq!(exchange["request"]["path"], "/VolumeDriver.Mount");
    assert_eq!(exchange["response"]["status"], 500);
    assert_eq!(exchange["ms"], 2);
}

#[test]
fn junit_is_what_ci_servers_read() {
    let xml = junit(&report()).unwrap();
    insta::assert_snapshot!(xml);
}
