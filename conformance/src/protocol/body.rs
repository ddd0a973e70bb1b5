//! Request bodies, byte for byte as dockerd writes them.

use std::collections::BTreeMap;

use serde_json::Value;

/// Options of a Create: `None` is sent as `null`, as dockerd does for every create without `-o`.
///
/// Keys are sorted, as Go sorts them.
pub type Opts = Option<BTreeMap<String, String>>;

/// The body of Get, Path and Remove: `{"Name":"v1"}` and a newline.
#[must_use]
pub fn name_body(name: &str) -> Vec<u8> {
    format!("{{\"Name\":{}}}\n", go_string(name)).into_bytes()
}

/// The body of Mount and Unmount: `{"Name":"v1","ID":"…"}` and a newline.
#[must_use]
pub fn hold_body(name: &str, id: &str) -> Vec<u8> {
    format!(
        "{{\"Name\":{},\"ID\":{}}}\n",
        go_string(name),
        go_string(id)
    )
    .into_bytes()
}

/// The body of Create: `{"Name":"v1","Opts":null}` and a newline.
#[must_use]
pub fn create_body(name: &str, opts: &Opts) -> Vec<u8> {
    let opts = opts.as_ref().map_or_else(
        || "null".to_owned(),
        |map| {
            let pairs: Vec<String> = map
                .iter()
                .map(|(key, value)| format!("{}:{}", go_string(key), go_string(value)))
                .collect();
            format!("{{{}}}", pairs.join(","))
        },
    );
    format!("{{\"Name\":{},\"Opts\":{opts}}}\n", go_string(name)).into_bytes()
}

/// A JSON string as Go's encoder writes it: `<`, `>`, `&`, U+2028 and U+2029 are escaped
/// (encoding/json, `HTMLEscape`), all other text beyond ASCII is sent raw.
fn go_string(text: &str) -> String {
    let mut out = Value::from(text).to_string();
    for (raw, escaped) in [
        ("<", "\\u003c"),
        (">", "\\u003e"),
        ("&", "\\u0026"),
        ("\u{2028}", "\\u2028"),
        ("\u{2029}", "\\u2029"),
    ] {
        if out.contains(raw) {
            out = out.replace(raw, escaped);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{create_body, hold_body, name_body};

    fn text(bytes: Vec<u8>) -> String {
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn bodies_are_those_of_the_recordings() {
        assert_eq!(text(name_body("v1")), "{\"Name\":\"v1\"}\n");
        assert_eq!(
            text(hold_body("v1", "ab")),
            "{\"Name\":\"v1\",\"ID\":\"ab\"}\n"
        );
        assert_eq!(
            text(create_body("v1", &None)),
            "{\"Name\":\"v1\",\"Opts\":null}\n"
        );
        assert_eq!(
            text(create_body("v1", &Some([].into()))),
            "{\"Name\":\"v1\",\"Opts\":{}}\n"
        );
        let opts = Some([("foo".into(), "bar".into()), ("aaa".into(), String::new())].into());
        assert_eq!(
            text(create_body("v1", &opts)),
            "{\"Name\":\"v1\",\"Opts\":{\"aaa\":\"\",\"foo\":\"bar\"}}\n"
        );
    }

    #[test]
    fn go_escapes_html_characters_and_line_separators() {
        assert_eq!(
            text(name_body("<a&b>\u{2028}é\n\"")),
            "{\"Name\":\"\\u003ca\\u0026b\\u003e\\u2028é\\n\\\"\"}\n"
        );
    }
}
