//! Reports of runs that never were, for tests of the formats.

use volplug_conformance::catalogue;
use volplug_conformance::expected::{Expectation, Outcome};
use volplug_conformance::linear::{Bar, Counterexample};
use volplug_conformance::report::{CaseReport, Report, Reproduce, TargetInfo, Verdict};
use volplug_conformance::suite::{Exchange, RecordedRequest, RecordedResponse};

/// A report with a finding of each level, one that another explains, a pass and two skips.
pub(crate) fn report() -> Report {
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
        isolation: "none".into(),
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

/// What a plugin could send to do harm wherever it is shown.
pub(crate) const HOSTILE: &str = "<script>document.title='owned'</script><img src=x onerror=alert(1)> ``` `a` \
    </pre></details>\n::error title=owned::owned\n# heading\nnot ok 1 - owned\n@octocat | [link](javascript:alert(1)) \
    %0A::warning::owned \u{1b}[31m \u{202e}]]> & \"'";

/// The same report from a plugin that sends [`HOSTILE`] wherever it can.
pub(crate) fn hostile() -> Report {
    let mut report = report();
    let text = || HOSTILE.to_owned();
    report.target.plugin = text();
    report.target.command = Some(text());
    report.notices = vec![text()];
    for case in &mut report.cases {
        case.reason = case.reason.as_ref().map(|_| text());
        case.expected = case.expected.as_ref().map(|_| text());
        case.actual = case.actual.as_ref().map(|_| text());
        case.notes = vec![text()];
        case.reproduce.curl.push(text());
        for exchange in &mut case.transcript {
            exchange.request.body = text();
            exchange.request.headers.push((text(), text()));
            if let Some(response) = &mut exchange.response {
                response.body = text();
                response.headers.push((text(), text()));
            }
        }
    }
    report
}

/// The same report, in which a failure was expected, another expectation did not come true, and
/// calls of two clients contradict each other.
pub(crate) fn known() -> Report {
    let mut report = report();
    let expectation = |outcome| Expectation {
        reason: "see <#12> of @team".to_owned(),
        until: Some("2030-12-31".to_owned()),
        file: "known.toml".to_owned(),
        line: 3,
        outcome,
    };
    for case in &mut report.cases {
        match case.id.as_str() {
            "create.works" => case.expectation = Some(expectation(Outcome::PassesUnexpectedly)),
            "ref.same-id-twice" => case.expectation = Some(expectation(Outcome::FailsAsExpected)),
            "ref.after-daemon-crash" => case.history = Some(history()),
            _ => {}
        }
    }
    Report::new(report.target, report.seed, report.cases)
}

/// Two Mounts at the same time, and an Unmount that says there was none.
fn history() -> Counterexample {
    let bar = |number, client, call: &str, begun_ns, ended_ns, answer: &str| Bar {
        number,
        client,
        call: call.to_owned(),
        id: Some('a'),
        begun_ns,
        ended_ns,
        answer: Some(answer.to_owned()),
    };
    Counterexample {
        volume: "v".to_owned(),
        calls: vec![
            bar(1, 1, "Mount", 0, Some(300), "/mnt/v"),
            bar(2, 2, "Mount", 100, Some(200), "/mnt/v"),
            bar(
                3,
                2,
                "Unmount",
                400,
                Some(500),
                "refused: <b>not mounted</b>",
            ),
        ],
        order: vec![1, 2],
        stuck: 3,
        calls_before: 7,
        seed: 1,
        round: 4,
        seen: 2,
        rounds: 50,
    }
}
