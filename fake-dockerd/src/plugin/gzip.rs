//! Answers that come compressed.
//!
//! Where Go's transport asked for gzip by itself, it unpacks the answer without a word; that is so
//! over TCP, while go-connections switches it off for unix sockets.

use std::io::{self, Read as _};

use flate2::read::MultiGzDecoder;

use super::http::{Body, Head, MAX_BODY};

/// Whether an answer is compressed.
pub(super) fn is_compressed(head: &Head) -> bool {
    let encoding = head.header("Content-Encoding");
    encoding.is_some_and(|encoding| encoding.eq_ignore_ascii_case("gzip"))
}

/// Puts what was compressed in the place of a body, as far as it can be unpacked.
pub(super) fn unpack(body: &mut Body) {
    // Go sees that there is no body before it looks for what it is coded in.
    if body.bytes.is_empty() {
        return;
    }
    let mut plain = Vec::new();
    let limit = MAX_BODY as u64 + 1;
    let unpacked = MultiGzDecoder::new(body.bytes.as_ref())
        .take(limit)
        .read_to_end(&mut plain);
    let text = match unpacked {
        Ok(_) if plain.len() > MAX_BODY => Some(format!("answer of more than {MAX_BODY} bytes")),
        Ok(_) => None,
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            Some("unexpected EOF".to_owned())
        }
        Err(_) => Some("gzip: invalid header".to_owned()),
    };
    body.bytes = plain.as_slice().into();
    if let Some(text) = text {
        body.broken.get_or_insert(text);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::{Body, unpack};

    #[test]
    fn bodies_are_unpacked() {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(b"{\"Err\":\"\"}").unwrap();
        let packed = gzip.finish().unwrap();
        let unpacked = |bytes: &[u8]| {
            let mut body = Body {
                bytes: bytes.into(),
                ..Body::default()
            };
            unpack(&mut body);
            (body.bytes.to_vec(), body.broken)
        };
        assert_eq!(unpacked(&packed), (b"{\"Err\":\"\"}".to_vec(), None));
        assert_eq!(unpacked(b""), (Vec::new(), None));
        let invalid = unpacked(b"{\"Err\":\"\"}").1;
        assert_eq!(invalid.as_deref(), Some("gzip: invalid header"));
        let cut = unpacked(&packed[..packed.len() - 4]).1;
        assert_eq!(cut.as_deref(), Some("unexpected EOF"));
    }
}
