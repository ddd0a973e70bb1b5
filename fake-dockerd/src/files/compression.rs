//! Archives that come compressed.

use std::io::{self, Chain, Cursor, Read};

use flate2::read::MultiGzDecoder;

/// How compressed data begins.
const GZIP: &[u8] = &[0x1f, 0x8b];
const OTHERS: [(&str, &[u8]); 3] = [
    ("bzip2", b"BZh"),
    ("xz", &[0xfd, b'7', b'z', b'X', b'Z', 0]),
    ("zstd", &[0x28, 0xb5, 0x2f, 0xfd]),
];
const LONGEST: usize = 6;

/// A stream of what was compressed, or as it is.
pub(crate) enum Plain<R> {
    Gzip(Box<MultiGzDecoder<Chain<Cursor<Vec<u8>>, R>>>),
    AsItIs(Chain<Cursor<Vec<u8>>, R>),
}

impl<R: Read> Plain<R> {
    /// Tells the compression by how the stream begins, as dockerd does.
    ///
    /// # Errors
    /// The stream's own, or a compression other than gzip.
    pub(crate) fn new(mut from: R) -> io::Result<Self> {
        let mut start = Vec::with_capacity(LONGEST);
        from.by_ref().take(LONGEST as u64).read_to_end(&mut start)?;
        if let Some((name, _)) = OTHERS.iter().find(|(_, magic)| start.starts_with(magic)) {
            return Err(io::Error::other(format!(
                "the archive is compressed with {name}, which fake-dockerd cannot unpack; use gzip \
                 or no compression"
            )));
        }
        let is_gzip = start.starts_with(GZIP);
        let whole = Cursor::new(start).chain(from);
        Ok(if is_gzip {
            Self::Gzip(Box::new(MultiGzDecoder::new(whole)))
        } else {
            Self::AsItIs(whole)
        })
    }
}

impl<R: Read> Read for Plain<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Gzip(from) => from.read(to),
            Self::AsItIs(from) => from.read(to),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use super::Plain;

    fn plain(data: &[u8]) -> std::io::Result<String> {
        let mut text = String::new();
        Plain::new(data)?.read_to_string(&mut text)?;
        Ok(text)
    }

    #[test]
    fn gzip_is_unpacked_and_others_are_named() {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(b"content").unwrap();
        assert_eq!(plain(&gzip.finish().unwrap()).unwrap(), "content");
        assert_eq!(plain(b"x").unwrap(), "x");
        let refused = plain(b"BZh91AY").unwrap_err().to_string();
        assert!(refused.contains("bzip2"), "{refused}");
    }
}
