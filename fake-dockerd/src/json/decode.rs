//! A reader of the first JSON value of a body, with the error texts of Go's scanner.

/// A JSON value as it was written; an object keeps repeated keys, since the last one that fits
/// a field wins, whatever its case.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Json {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number, as written.
    Number(String),
    /// A string.
    String(String),
    /// An array.
    Array(Vec<Json>),
    /// An object.
    Object(Vec<(String, Json)>),
}

/// How deep this reader follows. Go's goes 10,000 levels deep; this one recurses, and no answer of
/// a plugin has a reason to nest at all.
const MAX_DEPTH: usize = 128;

/// The first value of `body`. What follows it is not looked at.
///
/// # Errors
/// The text of Go's `json.Decoder`: `EOF` for a body without a value, `unexpected EOF` for one that
/// breaks off, `invalid character …` otherwise.
pub(crate) fn decode(body: &[u8]) -> Result<Json, String> {
    let mut scanner = Scanner { rest: body };
    scanner.skip_blanks();
    if scanner.rest.is_empty() {
        return Err("EOF".to_owned());
    }
    scanner.value(0)
}

/// The value that `body` consists of, as `json.Unmarshal` takes it: nothing may follow.
pub(crate) fn decode_whole(body: &[u8]) -> Option<Json> {
    let mut scanner = Scanner { rest: body };
    let json = scanner.value(0).ok()?;
    scanner.skip_blanks();
    scanner.rest.is_empty().then_some(json)
}

struct Scanner<'a> {
    rest: &'a [u8],
}

impl Scanner<'_> {
    fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    fn take(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    fn skip_blanks(&mut self) {
        while let Some(b' ' | b'\t' | b'\r' | b'\n') = self.peek() {
            self.take();
        }
    }

    /// The next byte that is not blank.
    fn next(&mut self) -> Result<u8, String> {
        self.skip_blanks();
        self.take().ok_or_else(cut_off)
    }

    fn value(&mut self, depth: usize) -> Result<Json, String> {
        if depth > MAX_DEPTH {
            return Err("exceeded max depth".to_owned());
        }
        match self.next()? {
            b'{' => self.object(depth),
            b'[' => self.array(depth),
            b'"' => self.string().map(Json::String),
            b't' => self.literal("true", Json::Bool(true)),
            b'f' => self.literal("false", Json::Bool(false)),
            b'n' => self.literal("null", Json::Null),
            first @ (b'-' | b'0'..=b'9') => self.number(first),
            other => Err(invalid(other, "looking for beginning of value")),
        }
    }

    fn object(&mut self, depth: usize) -> Result<Json, String> {
        const KEY: &str = "looking for beginning of object key string";
        let mut fields = Vec::new();
        let mut next = self.next()?;
        if next == b'}' {
            return Ok(Json::Object(fields));
        }
        loop {
            if next != b'"' {
                return Err(invalid(next, KEY));
            }
            let key = self.string()?;
            match self.next()? {
                b':' => {}
                other => return Err(invalid(other, "after object key")),
            }
            fields.push((key, self.value(depth + 1)?));
            match self.next()? {
                b',' => next = self.next()?,
                b'}' => return Ok(Json::Object(fields)),
                other => return Err(invalid(other, "after object key:value pair")),
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<Json, String> {
        let mut items = Vec::new();
        self.skip_blanks();
        if self.peek() == Some(b']') {
            self.take();
            return Ok(Json::Array(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            match self.next()? {
                b',' => {}
                b']' => return Ok(Json::Array(items)),
                other => return Err(invalid(other, "after array element")),
            }
        }
    }

    fn literal(&mut self, word: &str, value: Json) -> Result<Json, String> {
        for expected in word.bytes().skip(1) {
            let byte = self.take().ok_or_else(cut_off)?;
            if byte != expected {
                let expected = char::from(expected);
                return Err(invalid(
                    byte,
                    &format!("in literal {word} (expecting '{expected}')"),
                ));
            }
        }
        Ok(value)
    }

    fn number(&mut self, first: u8) -> Result<Json, String> {
        let mut text = String::from(char::from(first));
        if first == b'-' {
            match self.take().ok_or_else(cut_off)? {
                digit @ b'0'..=b'9' => text.push(char::from(digit)),
                other => return Err(invalid(other, "in numeric literal")),
            }
        }
        // A number that starts with 0 ends there.
        if !text.ends_with('0') {
            self.digits(&mut text);
        }
        if self.peek() == Some(b'.') {
            self.take();
            text.push('.');
            match self.take().ok_or_else(cut_off)? {
                digit @ b'0'..=b'9' => text.push(char::from(digit)),
                other => return Err(invalid(other, "after decimal point in numeric literal")),
            }
            self.digits(&mut text);
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.take();
            text.push('e');
            let mut next = self.take().ok_or_else(cut_off)?;
            if let b'+' | b'-' = next {
                text.push(char::from(next));
                next = self.take().ok_or_else(cut_off)?;
            }
            if !next.is_ascii_digit() {
                return Err(invalid(next, "in exponent of numeric literal"));
            }
            text.push(char::from(next));
            self.digits(&mut text);
        }
        Ok(Json::Number(text))
    }

    fn digits(&mut self, text: &mut String) {
        while let Some(digit @ b'0'..=b'9') = self.peek() {
            self.take();
            text.push(char::from(digit));
        }
    }

    /// The rest of a string behind its opening quote. What is no UTF-8 becomes U+FFFD.
    fn string(&mut self) -> Result<String, String> {
        let mut bytes = Vec::new();
        loop {
            let special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..=0x1f);
            let plain = self.rest.iter().position(special);
            let (plain, rest) = self.rest.split_at(plain.unwrap_or(self.rest.len()));
            bytes.extend_from_slice(plain);
            self.rest = rest;
            match self.take().ok_or_else(cut_off)? {
                b'"' => {
                    return Ok(String::from_utf8(bytes).unwrap_or_else(|error| {
                        String::from_utf8_lossy(error.as_bytes()).into_owned()
                    }));
                }
                b'\\' => self.escape(&mut bytes)?,
                control => return Err(invalid(control, "in string literal")),
            }
        }
    }

    fn escape(&mut self, bytes: &mut Vec<u8>) -> Result<(), String> {
        let plain = match self.take().ok_or_else(cut_off)? {
            same @ (b'"' | b'\\' | b'/') => same,
            b'b' => 0x08,
            b'f' => 0x0c,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                let character = self.unicode()?;
                bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                return Ok(());
            }
            other => return Err(invalid(other, "in string escape code")),
        };
        bytes.push(plain);
        Ok(())
    }

    /// What `\u` stands for; half of a surrogate pair becomes U+FFFD.
    fn unicode(&mut self) -> Result<char, String> {
        let first = self.hex()?;
        if !(0xd800..0xe000).contains(&first) {
            return Ok(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        let before = self.rest;
        if first < 0xdc00
            && let Some(rest) = self.rest.strip_prefix(b"\\u")
        {
            self.rest = rest;
            let second = self.hex()?;
            if (0xdc00..0xe000).contains(&second) {
                let code = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
                return Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            // The second one stands for itself.
            self.rest = before;
        }
        Ok(char::REPLACEMENT_CHARACTER)
    }

    fn hex(&mut self) -> Result<u32, String> {
        let mut code = 0;
        for _ in 0..4 {
            let byte = self.take().ok_or_else(cut_off)?;
            let digit = char::from(byte)
                .to_digit(16)
                .ok_or_else(|| invalid(byte, "in \\u hexadecimal character escape"))?;
            code = code * 16 + digit;
        }
        Ok(code)
    }
}

fn cut_off() -> String {
    "unexpected EOF".to_owned()
}

fn invalid(byte: u8, context: &str) -> String {
    let shown = match byte {
        b'\'' => "'\\''".to_owned(),
        b'"' => "'\"'".to_owned(),
        b'\\' => "'\\\\'".to_owned(),
        b'\n' => "'\\n'".to_owned(),
        b'\r' => "'\\r'".to_owned(),
        b'\t' => "'\\t'".to_owned(),
        b' '..=b'~' => format!("'{}'", char::from(byte)),
        0xa1..=0xac | 0xae..=0xff => format!("'{}'", char::from(byte)),
        0x80..=0xa0 | 0xad => format!("'\\u{byte:04x}'"),
        _ => format!("'\\x{byte:02x}'"),
    };
    format!("invalid character {shown} {context}")
}

/// Finds the end of the first value while a body is still coming in: Go's decoder is content once
/// an object or array is closed, even if the answer promised more bytes.
#[derive(Debug, Default)]
pub(crate) struct Completeness {
    depth: usize,
    in_string: bool,
    escaped: bool,
    complete: bool,
}

impl Completeness {
    /// Looks at more bytes; whether the first value is an object or array that is now closed.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> bool {
        for &byte in bytes {
            if self.complete {
                break;
            }
            if self.in_string {
                if self.escaped {
                    self.escaped = false;
                } else if byte == b'\\' {
                    self.escaped = true;
                } else if byte == b'"' {
                    self.in_string = false;
                }
                continue;
            }
            match byte {
                b'"' => self.in_string = true,
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    self.complete = self.depth == 0;
                }
                _ => {}
            }
        }
        self.complete
    }
}

#[cfg(test)]
mod tests {
    use super::{Completeness, Json, decode};

    #[test]
    fn errors_read_like_gos() {
        for (body, error) in [
            ("", "EOF"),
            (" \n", "EOF"),
            ("{\"Err\": ", "unexpected EOF"),
            (
                "<html>",
                "invalid character '<' looking for beginning of value",
            ),
            (
                "nope",
                "invalid character 'o' in literal null (expecting 'u')",
            ),
            (
                "{x",
                "invalid character 'x' looking for beginning of object key string",
            ),
            ("{\"a\" 1}", "invalid character '1' after object key"),
            (
                "{\"a\":1 2",
                "invalid character '2' after object key:value pair",
            ),
            ("[1 2]", "invalid character '2' after array element"),
            ("\"\n\"", "invalid character '\\n' in string literal"),
            ("-x", "invalid character 'x' in numeric literal"),
            (
                "[1.]",
                "invalid character ']' after decimal point in numeric literal",
            ),
        ] {
            assert_eq!(decode(body.as_bytes()).unwrap_err(), error, "{body:?}");
        }
    }

    #[test]
    fn what_follows_the_first_value_is_ignored() {
        assert_eq!(decode(b"null garbage"), Ok(Json::Null));
        assert_eq!(
            decode(br#"{"a":"\ud83d\ude00\ud83d"}x"#),
            Ok(Json::Object(vec![(
                "a".into(),
                Json::String("\u{1f600}\u{fffd}".into())
            )]))
        );
    }

    #[test]
    fn deep_nesting_is_refused() {
        let deep = "[".repeat(100_000);
        assert_eq!(decode(deep.as_bytes()).unwrap_err(), "exceeded max depth");
    }

    #[test]
    fn the_end_of_a_value_is_seen_as_it_comes() {
        let mut seen = Completeness::default();
        assert!(!seen.feed(br#"{"a":"}"#));
        assert!(!seen.feed(br#"\"","b":[]"#));
        assert!(seen.feed(b"}"));
    }
}
