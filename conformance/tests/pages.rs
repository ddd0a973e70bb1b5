//! The pages in a real browser: they open, their scripts run without an error, filter, search and
//! keyboard work, nothing that a plugin sent runs. Where there is no Chromium the tests are ignored,
//! with the reason in their names, and never passed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod made_up;

use std::path::Path;
use std::process::{Command, ExitCode};

use libtest_mimic::{Arguments, Trial};
use volplug_conformance::report::{Matrix, Report, html};

fn main() -> ExitCode {
    let missing = Command::new("chromium").arg("--version").output().is_err();
    let tests: [(&str, fn()); 6] = [
        ("a_report_opens_and_shows_every_case", opens),
        ("the_filter_follows_buttons_search_and_address", filters),
        ("the_keyboard_reaches_every_case", keyboard),
        ("nothing_that_a_plugin_sent_runs", nothing_runs),
        ("a_phone_needs_not_scroll_sideways", phone),
        ("plugins_side_by_side_are_filtered", compared),
    ];
    let trials = tests.map(|(name, test)| {
        let name = if missing {
            format!("{name} (skipped: Chromium is not installed)")
        } else {
            name.to_owned()
        };
        let trial = Trial::test(name, move || {
            test();
            Ok(())
        });
        trial.with_ignored_flag(missing)
    });
    libtest_mimic::run(&Arguments::from_args(), trials.into()).exit_code()
}

/// What the page is after its scripts have run, `script` last, and what the console said.
fn opened(page: &str, address: &str, script: &str) -> (String, Vec<String>) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("page.html");
    // A script of the test's own has to be let in; it leaves its answer in an attribute.
    let page = if script.is_empty() {
        page.to_owned()
    } else {
        let script = format!(
            "<script>document.body.dataset.told = JSON.stringify((() => {{ {script} }})());</script></body>"
        );
        let policy = page.find("script-src 'sha256-").unwrap();
        let end = policy + page[policy..].find(';').unwrap();
        let open = format!(
            "{}script-src 'unsafe-inline'{}",
            &page[..policy],
            &page[end..]
        );
        open.replace("</body>", &script)
    };
    std::fs::write(&file, page).unwrap();
    let output = chromium(directory.path())
        .args(["--dump-dom", &format!("file://{}{address}", file.display())])
        .output()
        .unwrap();
    let log = String::from_utf8_lossy(&output.stderr);
    let said = log
        .lines()
        .filter(|line| line.contains("CONSOLE"))
        .map(str::to_owned);
    (String::from_utf8(output.stdout).unwrap(), said.collect())
}

/// A browser with a profile of its own.
fn chromium(profile: &Path) -> Command {
    let mut command = Command::new("chromium");
    command
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
        ])
        .args(["--enable-logging=stderr", "--v=0", "--window-size=1200,900"])
        .arg(format!(
            "--user-data-dir={}",
            profile.join("profile").display()
        ));
    command
}

/// What a script answers in a page that opens without a complaint.
fn told(page: &str, address: &str, script: &str) -> String {
    let (dom, console) = opened(page, address, script);
    assert!(console.is_empty(), "{console:?}");
    let start = dom
        .find("data-told=\"")
        .unwrap_or_else(|| panic!("no answer: {dom}"))
        + 11;
    let end = start + dom[start..].find('"').unwrap();
    dom[start..end]
        .replace("&quot;", "\"")
        .replace("&amp;", "&")
}

const SHOWN: &str = "const shown = () => [...document.querySelectorAll('.case')].filter((c) => c.checkVisibility()).map((c) => c.id);";

fn opens() {
    let report = made_up::known();
    let (dom, console) = opened(&html(&report), "", "");
    assert!(console.is_empty(), "{console:?}");
    for case in &report.cases {
        assert_eq!(
            dom.matches(&format!("id=\"{}\"", case.id)).count(),
            1,
            "{}",
            case.id
        );
    }
    assert!(dom.contains("6 of 6 cases shown"), "{dom}");
    assert!(dom.contains("class=\"history\"") && dom.contains("class=\"latency\""));
    // The console is heard.
    let (_, console) = opened(
        "<body>script-src 'sha256-x';</body>",
        "",
        "throw new Error('heard')",
    );
    assert!(
        console.iter().any(|line| line.contains("heard")),
        "{console:?}"
    );
}

fn filters() {
    let page = html(&made_up::known());
    let script = format!("{SHOWN} return shown();");
    let after = |address: &str| told(&page, address, &script);
    assert_eq!(
        after("#show=failed"),
        r#"["ref.after-daemon-crash","create.works"]"#
    );
    assert_eq!(after("#q=quoted"), r#"["create.repeat-same"]"#);
    assert_eq!(
        after("#in=restart"),
        r#"["restart.remembers","restart.faithful"]"#
    );
    assert_eq!(after("#q=nothing-like-it"), "[]");
    let used = format!(
        "{SHOWN} const steps = [];
         const search = document.getElementById('search');
         search.value = 'restart stop'; search.dispatchEvent(new Event('input')); steps.push(shown().length, location.hash);
         search.value = ''; search.dispatchEvent(new Event('input')); steps.push(shown().length);
         const button = document.querySelector('button[data-kind=skipped]');
         button.click(); steps.push(shown().length, button.getAttribute('aria-pressed'), location.hash);
         button.click(); steps.push(shown().length, location.hash);
         document.getElementById('unfold').click(); steps.push(document.querySelectorAll('.case[open]').length);
         return steps;"
    );
    assert_eq!(
        told(&page, "", &used),
        r##"[2,"#q=restart+stop",6,4,"false","#show=failed,warned,expected",6,"",6]"##
            .replace("failed,warned,expected", "failed%2Cwarned%2Cexpected")
    );
}

fn keyboard() {
    let page = html(&made_up::known());
    let script = format!(
        "{SHOWN} const press = (key) => (document.activeElement ?? document.body).dispatchEvent(
             new KeyboardEvent('keydown', {{ key, bubbles: true, cancelable: true }}));
         const at = () => document.activeElement.closest('.case')?.id ?? document.activeElement.id;
         const steps = [];
         for (const key of ['j', 'j', 'k', '/']) {{ press(key); steps.push(at()); }}
         press('j'); steps.push(at()); press('Escape'); press('k'); steps.push(at());
         return steps;"
    );
    let order = told(
        &page,
        "",
        "return [...document.querySelectorAll('.case')].map((c) => c.id);",
    );
    let order: Vec<String> = serde_json::from_str(&order).unwrap();
    let steps: Vec<String> = serde_json::from_str(&told(&page, "", &script)).unwrap();
    assert_eq!(
        steps,
        [
            &order[0],
            &order[1],
            &order[0],
            "search",
            "search",
            order.last().unwrap()
        ]
    );
    // A link to a case opens it, whatever is filtered.
    let open = "return document.querySelector('.case[id=\"restart.faithful\"]').open;";
    assert_eq!(told(&page, "#restart.faithful", open), "true");
}

fn nothing_runs() {
    let report = made_up::hostile();
    let (dom, console) = opened(&html(&report), "", "");
    assert!(console.is_empty(), "{console:?}");
    assert!(!dom.contains("<title>owned"));
    let count = "return [document.images.length, document.scripts.length - 1, document.querySelectorAll('.case').length, \
                 [...document.links].filter((a) => !/^(https:|file:)/.test(a.href)).length];";
    assert_eq!(told(&html(&report), "", count), "[0,1,6,0]");
    // What would run all the same is stopped by the page's policy.
    let page = html(&report).replace(
        "</body>",
        "<script>document.title = 'owned'</script></body>",
    );
    let (dom, console) = opened(&page, "", "");
    assert!(
        !dom.contains("<title>owned")
            && console
                .iter()
                .any(|line| line.contains("Content Security Policy"))
    );
}

fn phone() {
    let report = made_up::hostile();
    let name = |name: &str, report: Report| (name.to_owned(), report);
    let several = [
        name("one", made_up::report()),
        name("two", made_up::known()),
    ];
    for page in [html(&report), Matrix::new(&several).unwrap().html()] {
        // A frame as wide as a phone, in which everything is unfolded.
        let inner = page.replace('&', "&amp;").replace('"', "&quot;");
        let frame = format!(
            "<body>script-src 'sha256-x';<iframe style='width:360px;height:700px' srcdoc=\"{inner}\"></iframe></body>"
        );
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("frame.html");
        let script = "<script>addEventListener('load', () => { const d = document.querySelector('iframe').contentDocument; \
             for (const one of d.querySelectorAll('details')) one.open = true; \
             document.body.dataset.told = d.documentElement.scrollWidth + ' in ' + d.documentElement.clientWidth; });</script></body>";
        std::fs::write(
            &file,
            frame.replace("</iframe></body>", &format!("</iframe>{script}")),
        )
        .unwrap();
        let address = format!("file://{}", file.display());
        let output = chromium(directory.path())
            .args(["--dump-dom", &address])
            .output()
            .unwrap();
        let dom = String::from_utf8(output.stdout).unwrap();
        let widths = dom
            .split("data-told=\"")
            .nth(1)
            .unwrap()
            .split('"')
            .next()
            .unwrap();
        let (needed, given) = widths.split_once(" in ").unwrap();
        assert_eq!(needed, given, "the page is wider than the phone");
    }
}

fn compared() {
    let reports = [
        ("old".to_owned(), made_up::report()),
        ("new".to_owned(), made_up::known()),
    ];
    let page = Matrix::new(&reports).unwrap().html();
    let rows = "return [...document.querySelectorAll('.row')].filter((r) => r.checkVisibility()).map((r) => r.id);";
    assert_eq!(
        told(&page, "#q=restart", rows),
        r#"["restart.remembers","restart.faithful"]"#
    );
    assert_eq!(
        told(&page, "#broken=1", rows),
        r#"["create.repeat-same","ref.same-id-twice","ref.after-daemon-crash"]"#
    );
    assert_eq!(told(&page, "#differ=1", rows), "[]");
}
