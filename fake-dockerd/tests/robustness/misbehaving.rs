//! Plugins that do what no plugin should.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

const HEAD: &str = "HTTP/1.1 200 OK\r\n";

/// Starts one plugin of each kind; their names.
pub(crate) fn start(directory: &Path) -> [&'static str; 6] {
    let kinds: [(&str, fn(UnixStream)); 6] = [
        ("hangs", |mut stream| {
            let _ = stream.read_to_end(&mut Vec::new());
        }),
        ("dies", |stream| drop(stream)),
        ("garbage", |mut stream| {
            let _ = stream.write_all(&[0xff, 0, b'\r', b'\n', b'{', b'\n', b'\r', b'\n']);
        }),
        ("endless-body", |mut stream| {
            let _ = stream.write_all(format!("{HEAD}\r\n{{\"Implements\":[").as_bytes());
            flood(stream, b"\"VolumeDriver\",");
        }),
        ("endless-headers", |mut stream| {
            let _ = stream.write_all(HEAD.as_bytes());
            flood(stream, b"X-Flood: x\r\n");
        }),
        ("endless-line", |mut stream| {
            let _ = stream.write_all(HEAD.as_bytes());
            flood(stream, b"xxxxxxxxxxxxxxxx");
        }),
    ];
    kinds.map(|(name, act)| {
        let listener = UnixListener::bind(directory.join(format!("{name}.sock"))).unwrap();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().map(Result::unwrap) {
                std::thread::spawn(move || {
                    // The request, or as much as came.
                    let _ = stream.read(&mut [0; 4096]);
                    act(stream);
                });
            }
        });
        name
    })
}

/// Until the engine hangs up.
fn flood(mut stream: UnixStream, part: &[u8]) {
    let many = part.repeat(4096);
    while stream.write_all(&many).is_ok() {}
}
