//! stub
use super::Report;
/// stub
pub fn human(report: &Report, _width: usize) -> String {
    let mut out = String::new();
    for c in &report.cases {
        if c.verdict != super::Verdict::Passed {
            out += &format!("{:?} {} {:?}\n", c.verdict, c.id, c.reason);
        }
    }
    out += &format!("{:?}\n", report.summary);
    out
}
