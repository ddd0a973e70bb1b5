//! What a plugin's author keeps beside the sources to have each change judged: settings and known
//! failures, and runs that are split over several machines.
//!
//! The plugin is this very executable, started again with `faulty-plugin` as its first argument.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, ExitCode, Output};

use libtest_mimic::{Arguments, Trial};
use serde_json::Value;

const RUNNER: &str = env!("CARGO_BIN_EXE_volplug-conformance");

fn main() -> ExitCode {
    let mut words = std::env::args_os();
    let program = words.next();
    if words.next().is_some_and(|word| word == "faulty-plugin") {
        return volplug_fixtures::faulty::main(program.into_iter().chain(words));
    }
    let tests: [(&str, fn()); 12] = [
        (
            "an_expected_failure_does_not_fail_the_run",
            expected_failure,
        ),
        (
            "an_unexpected_pass_fails_the_run_and_names_the_line",
            unexpected_pass,
        ),
        ("an_expectation_that_has_run_out_excuses_nothing", ran_out),
        ("a_skipped_case_is_neither", skipped_is_neither),
        (
            "the_first_file_of_expected_failures_is_made_once",
            first_file,
        ),
        ("settings_are_found_and_flags_win", settings_and_flags),
        (
            "settings_place_relative_paths_beside_the_file",
            settings_paths,
        ),
        (
            "mistakes_in_settings_are_told_with_their_line",
            settings_mistakes,
        ),
        ("partitions_run_every_case_once_and_merge", partitions),
        ("reports_are_rendered_and_compared", rendered),
        ("the_book_has_a_page_for_every_case", book),
        ("completions_and_manual_pages_are_made", shell),
    ];
    let trials = tests.map(|(name, test)| {
        Trial::test(name, move || {
            test();
            Ok(())
        })
    });
    libtest_mimic::run(&Arguments::from_args(), trials.into()).exit_code()
}

/// The command of the fixture plugin, with or without a fault.
fn plugin(fault: &str) -> String {
    let this = std::env::current_exe().unwrap();
    let this = shell_words::quote(this.to_str().unwrap()).into_owned();
    format!("{this} faulty-plugin --socket {{socket}} --root {{work}}/root{fault}")
}

const FAULT: &str = " --fault ref.same-id-twice:set";

fn run(directory: &Path, arguments: &[&str]) -> Output {
    Command::new(RUNNER)
        .current_dir(directory)
        .args(arguments)
        .output()
        .unwrap()
}

/// Runs one case, and says the exit status and what was printed.
fn judge(directory: &Path, fault: &str, arguments: &[&str]) -> (i32, String) {
    let plugin = plugin(fault);
    let first = ["--exec", &plugin, "--only", "ref.same-id-twice"];
    ended(&run(directory, &[&first, arguments].concat()))
}

fn ended(output: &Output) -> (i32, String) {
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    (
        output.status.code().unwrap(),
        String::from_utf8(text).unwrap(),
    )
}

fn directory(files: &[(&str, &str)]) -> tempfile::TempDir {
    let directory = tempfile::tempdir_in("/tmp").unwrap();
    for (name, text) in files {
        std::fs::write(directory.path().join(name), text).unwrap();
    }
    directory
}

fn expected_failure() {
    let place = directory(&[("known.toml", "\nref.same-id-twice = \"a set, see #1\"\n")]);
    let (status, told) = judge(place.path(), FAULT, &[]);
    assert_eq!(status, 1, "{told}");
    let known = ["--expected-failures", "known.toml"];
    let (status, told) = judge(place.path(), FAULT, &known);
    assert_eq!(status, 0, "{told}");
    assert!(told.contains("expected: a set, see #1"), "{told}");
    assert!(told.contains("1 failed (1 expected)"), "{told}");
    assert!(
        told.ends_with("nothing is broken that was not expected\n"),
        "{told}"
    );
}

fn unexpected_pass() {
    let place = directory(&[("known.toml", "\nref.same-id-twice = \"a set, see #1\"\n")]);
    let (status, told) = judge(place.path(), "", &["--expected-failures", "known.toml"]);
    assert_eq!(status, 1, "{told}");
    assert!(told.contains("delete line 2 of known.toml"), "{told}");
    let json = ["--expected-failures", "known.toml", "--format", "json"];
    let (_, report) = judge(place.path(), "", &json);
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["summary"]["unexpected_passes"], 1);
    assert_eq!(
        report["cases"][0]["expectation"]["outcome"],
        "passes-unexpectedly"
    );
    assert_eq!(report["cases"][0]["expectation"]["line"], 2);
}

fn ran_out() {
    let text = "ref.same-id-twice = { reason = \"a set\", until = 2001-01-01 }\n";
    let place = directory(&[("known.toml", text)]);
    let (status, told) = judge(place.path(), FAULT, &["--expected-failures", "known.toml"]);
    assert_eq!(status, 1, "{told}");
    let plain = told.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        plain.contains("expected to be broken until 2001-01-01 (a set): mend it"),
        "{told}"
    );
}

fn skipped_is_neither() {
    let text = "disc.reachable = \"not installed in CI\"\nref.same-id-twice = \"not selected\"\n";
    let place = directory(&[("known.toml", text)]);
    let plugin = plugin("");
    let known = [
        "--only",
        "disc.reachable",
        "--expected-failures",
        "known.toml",
    ];
    let (status, told) = ended(&run(
        place.path(),
        &[&["--exec", &plugin][..], &known].concat(),
    ));
    assert_eq!(status, 0, "{told}");
}

fn first_file() {
    let place = directory(&[]);
    let write = ["--write-expected-failures", "known.toml"];
    let (status, told) = judge(place.path(), FAULT, &write);
    assert_eq!(status, 0, "{told}");
    assert!(
        told.contains("known.toml holds 1 expected failures"),
        "{told}"
    );
    let (status, told) = judge(place.path(), FAULT, &["--expected-failures", "known.toml"]);
    assert_eq!(status, 0, "{told}");
    let (status, told) = judge(place.path(), FAULT, &write);
    assert_eq!(status, 2, "{told}");
    assert!(told.contains("known.toml exists"), "{told}");
}

fn settings_and_flags() {
    let text = format!(
        "exec = {}\nonly = [\"ref.same-id-twice\", \"create.works\"]\nseed = 7\njobs = 2\n\
         strict = true\nsoak = false\nhostile = false\n[opt]\nmode = \"0750\"\n[format]\njson = \"report.json\"\n",
        Value::from(plugin(FAULT))
    );
    let place = directory(&[("volplug.toml", &text)]);
    let (status, told) = ended(&run(place.path(), &[]));
    assert_eq!(status, 1, "{told}");
    let read = || -> Value {
        let report = std::fs::read(place.path().join("report.json")).unwrap();
        serde_json::from_slice(&report).unwrap()
    };
    let report = read();
    assert_eq!(report["seed"], 7);
    assert_eq!(report["summary"]["failed"], 1);
    assert_eq!(report["target"]["settings"], "volplug.toml");
    let sent = report["cases"][0]["transcript"].to_string();
    assert!(sent.contains("0750"), "{sent}");

    // Lists are replaced, not added to, and who is judged is decided in one place.
    let flags = [
        "run",
        "--only",
        "create.works",
        "--seed",
        "8",
        "--reference",
        "--opt",
        "mode=0700",
    ];
    let (status, told) = ended(&run(place.path(), &flags));
    assert_eq!(status, 0, "{told}");
    let report = read();
    assert_eq!(
        (&report["seed"], &report["target"]["plugin"]),
        (&8.into(), &"volplug".into())
    );
    assert_eq!(report["cases"].as_array().unwrap().len(), 1);

    // A file that does not apply is not read.
    let (status, told) = ended(&run(place.path(), &["list", "--only", "create"]));
    assert_eq!(status, 0, "{told}");
    let (status, told) = ended(&run(place.path(), &["--settings", "/dev/null"]));
    assert_eq!(status, 2, "{told}");
    assert!(told.contains("nothing to judge"), "{told}");
}

fn settings_paths() {
    let place = directory(&[("known.toml", "ref.same-id-twice = \"a set\"\n")]);
    let inner = place.path().join("ci");
    std::fs::create_dir(&inner).unwrap();
    std::os::unix::fs::symlink(std::env::current_exe().unwrap(), inner.join("plugin")).unwrap();
    let text = format!(
        "exec = \"./plugin faulty-plugin --socket {{socket}} --root {{work}}/root{FAULT}\"\n\
         only = \"ref.same-id-twice\"\nexpected-failures = \"../known.toml\"\n\
         format = [\"human\", \"json=report.json\"]\n"
    );
    std::fs::write(inner.join("suite.toml"), text).unwrap();
    let (status, told) = ended(&run(place.path(), &["--settings", "ci/suite.toml"]));
    assert_eq!(status, 0, "{told}");
    assert!(inner.join("report.json").exists());
    let (status, told) = ended(&run(Path::new("/"), &["--settings", "nowhere.toml"]));
    assert_eq!(status, 2);
    assert!(told.contains("nowhere.toml: No such file"), "{told}");
}

fn settings_mistakes() {
    for (text, told) in [
        (
            "\nsocet = \"x\"",
            "volplug.toml:2: there is no setting `socet`; did you mean `socket`?",
        ),
        (
            "timeout = \"soon\"",
            "volplug.toml:1: invalid value 'soon' for '--timeout <SECONDS>'",
        ),
        (
            "strict = \"yes\"",
            "volplug.toml:1: `strict` should be true or false",
        ),
        (
            "seed = [1, 2]",
            "volplug.toml:1: `seed` should be a text, a number",
        ),
        (
            "# one\nformat = [\"yaml\"]",
            "volplug.toml:2: invalid value 'yaml'",
        ),
        ("opt = [\"x\"]", "volplug.toml:1: invalid value 'x'"),
        (
            "settings = \"other.toml\"",
            "volplug.toml:1: there is no setting `settings`",
        ),
        ("only = \"create.wroks\"", "did you mean `create.works`?"),
        ("a = ", "volplug.toml:1: "),
    ] {
        let place = directory(&[("volplug.toml", text)]);
        let (status, printed) = ended(&run(place.path(), &["--reference"]));
        assert_eq!(status, 2, "{printed}");
        assert!(printed.contains(told), "{text}: {printed}");
        assert_eq!(printed.lines().count(), 1, "{printed}");
    }
}

/// How often each case was judged in the partitions of a run.
fn judged(reports: &[Value]) -> BTreeMap<String, usize> {
    let mut times = BTreeMap::new();
    for case in reports
        .iter()
        .flat_map(|report| report["cases"].as_array().unwrap())
    {
        *times
            .entry(case["id"].as_str().unwrap().to_owned())
            .or_default() += 1;
    }
    times
}

fn partitions() {
    let place = directory(&[]);
    let plugin = plugin(FAULT);
    let mut reports: Vec<Value> = Vec::new();
    let select = [
        "--only",
        "ref",
        "--only",
        "mount",
        "--only",
        "enc",
        "--hostile",
        "off",
        "--seed",
        "3",
    ];
    for part in ["1/3", "2/3", "3/3"] {
        let file = format!("json=part{}.json", &part[..1]);
        let flags = ["--exec", &plugin, "--partition", part, "--format", &file];
        let (status, told) = ended(&run(place.path(), &[&flags[..], &select].concat()));
        assert!(status == 0 || status == 1, "{told}");
        let text = std::fs::read(place.path().join(&file[5..])).unwrap();
        reports.push(serde_json::from_slice(&text).unwrap());
    }
    let times = judged(&reports);
    assert!(times.values().all(|times| *times == 1), "{times:?}");
    let merge = [
        "report",
        "merge",
        "part1.json",
        "part2.json",
        "part3.json",
        "--format",
        "json=all.json",
        "--format",
        "human",
    ];
    let (status, told) = ended(&run(place.path(), &merge));
    assert_eq!(status, 1, "{told}");

    let flags = ["--exec", &plugin, "--format", "json=whole.json"];
    run(place.path(), &[&flags[..], &select].concat());
    let read = |name: &str| -> Value {
        serde_json::from_slice(&std::fs::read(place.path().join(name)).unwrap()).unwrap()
    };
    // Merged, it says the same as a run in one piece: verdicts, and what explains what.
    let told = |report: &Value| -> Vec<(Value, Value, Value)> {
        let cases = report["cases"].as_array().unwrap().iter();
        cases
            .map(|case| {
                (
                    case["id"].clone(),
                    case["verdict"].clone(),
                    case["explained_by"].clone(),
                )
            })
            .collect()
    };
    assert_eq!(told(&read("all.json")), told(&read("whole.json")));
}

fn rendered() {
    let place = directory(&[]);
    for (fault, name) in [("", "whole"), (FAULT, "faulty")] {
        judge(
            place.path(),
            fault,
            &["--format", &format!("json={name}.json")],
        );
    }
    let render = [
        "report",
        "render",
        "faulty.json",
        "--format",
        "tap",
        "--format",
        "html=page.html",
    ];
    let (status, told) = ended(&run(place.path(), &render));
    assert_eq!(status, 0, "{told}");
    assert!(
        told.starts_with("TAP version 14\n1..1\n")
            && told.contains("\nnot ok 1 - ref.same-id-twice\n"),
        "{told}"
    );
    assert!(place.path().join("page.html").exists());
    let compare = [
        "report",
        "compare",
        "whole=whole.json",
        "faulty=faulty.json",
    ];
    let (status, told) = ended(&run(place.path(), &compare));
    assert_eq!(status, 0, "{told}");
    let row = told
        .lines()
        .find(|line| line.starts_with("| `ref.same-id-twice`"))
        .unwrap();
    assert!(row.ends_with("| ✓ | ✗ |"), "{row}");
    let (status, told) = ended(&run(
        place.path(),
        &["report", "compare", "whole.json", "whole.json"],
    ));
    assert_eq!(status, 2);
    assert!(
        told.contains("give them names, as in old=A.json new=B.json"),
        "{told}"
    );
}

fn book() {
    let place = directory(&[]);
    judge(place.path(), FAULT, &["--format", "json=faulty.json"]);
    let docs = ["docs", "book", "--report", "faulty.json"];
    let (status, told) = ended(&run(place.path(), &docs));
    assert_eq!(status, 0, "{told}");
    let source = place.path().join("book/src");
    let summary = std::fs::read_to_string(source.join("SUMMARY.md")).unwrap();
    for case in volplug_conformance::catalogue::all() {
        let page = format!("{}/{}.md", case.section(), case.id);
        assert!(summary.contains(&format!("({page})")), "{page}");
        let text = std::fs::read_to_string(source.join(&page)).unwrap();
        for heading in ["## Why", "## Source", "## How plugins usually mend it"] {
            assert!(text.contains(heading), "{page}: {heading}");
        }
        assert!(!text.contains("\\`"), "{page}: code is not shown as code");
        // Every link leads somewhere.
        for link in text.split("](../").skip(1) {
            let target = link.split(')').next().unwrap();
            assert!(source.join(target).exists(), "{page}: {target}");
        }
    }
    let page = std::fs::read_to_string(source.join("ref/ref.same-id-twice.md")).unwrap();
    assert!(
        page.contains("faulty-plugin --fault ref.same-id-twice:set") && page.contains("It should:"),
        "{page}"
    );
    // What to do about this very rule.
    assert!(
        page.contains("Replace the set of IDs by a number"),
        "{page}"
    );
}

fn shell() {
    let place = directory(&[]);
    for shell in ["bash", "zsh", "fish"] {
        let (status, told) = ended(&run(place.path(), &["completions", shell]));
        assert_eq!(status, 0);
        assert!(told.contains("expected-failures"), "{told}");
    }
    let (status, told) = ended(&run(place.path(), &["man", "pages"]));
    assert_eq!(status, 0, "{told}");
    let page = |name: &str| std::fs::read_to_string(place.path().join("pages").join(name)).unwrap();
    assert!(page("volplug-conformance.1").contains(".TH volplug"));
    assert!(page("volplug-conformance-report-merge.1").contains("partition"));
}
