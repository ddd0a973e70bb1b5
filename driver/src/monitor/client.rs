//! Asking a running driver for its report.

use std::{
    io::{self, Read, Write},
    net::TcpStream,
    os::unix::net::UnixStream,
    time::Duration,
};

use super::{Report, StatusAddress};

/// A report takes at most the time of the slowest health check, which is bounded.
const PATIENCE: Duration = Duration::from_secs(10);

/// The report as the driver sent it, and read.
///
/// # Errors
/// In a sentence, when nobody answers there, or not as expected.
pub(crate) fn fetch(address: &StatusAddress) -> Result<(String, Report), String> {
    let answer = match address {
        StatusAddress::Unix(path) => UnixStream::connect(path).and_then(|stream| {
            stream.set_read_timeout(Some(PATIENCE))?;
            ask(stream)
        }),
        StatusAddress::Tcp(address) => {
            TcpStream::connect_timeout(address, PATIENCE).and_then(|stream| {
                stream.set_read_timeout(Some(PATIENCE))?;
                ask(stream)
            })
        }
    };
    let answer = answer.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => format!(
            "nobody answers at {address}: start the driver with --status-listen, and give the same \
             address here"
        ),
        _ => format!("{address}: {error}"),
    })?;
    let odd = || format!("{address}: the answer is not a driver's status");
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(odd)?;
    if head.split(' ').nth(1) != Some("200") {
        return Err(odd());
    }
    let report = serde_json::from_str(body).map_err(|_| odd())?;
    Ok((body.to_owned(), report))
}

/// HTTP/1.0, for then the end of the connection is the end of the answer.
fn ask(mut stream: impl Read + Write) -> io::Result<String> {
    stream.write_all(b"GET /status HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}
