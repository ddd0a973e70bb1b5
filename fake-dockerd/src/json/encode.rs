//! Go's escaping of strings.

use std::fmt::Write as _;

/// `text` as Go's `json.Encoder` writes it: HTML's special characters and the two line separators
/// that JavaScript minds are escaped, everything else stays as it is.
pub(crate) fn string(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            // Go 1.22 began to write these two short; no engine sends them in practice.
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\0'..='\u{1f}' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                // Writing to a string cannot fail.
                let _ = write!(out, "\\u{:04x}", u32::from(character));
            }
            _ => out.push(character),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    #[test]
    fn escapes_like_go() {
        let mut out = String::new();
        super::string(&mut out, "a\"b<c>&é \u{2028}\u{1}\n");
        assert_eq!(out, "\"a\\\"b\\u003cc\\u003e\\u0026é \\u2028\\u0001\\n\"");
    }
}
