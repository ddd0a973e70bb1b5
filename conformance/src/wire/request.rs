//! Requests as dockerd writes them, and every way to bend them.

use std::fmt::Write as _;

/// The media type that dockerd names in `Accept` (moby, `pkg/plugins/transport`).
const DOCKER_ACCEPT: &str = "application/vnd.docker.plugins.v1.2+json";

/// One request, kept as the parts a report shows and rendered to the bytes that are sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The method of the request line, `POST` for all that dockerd sends.
    pub method: String,
    /// The target of the request line: `/VolumeDriver.Get`.
    pub path: String,
    /// Header names and values in the order in which they are sent.
    pub headers: Vec<(String, String)>,
    /// The body, exactly as sent.
    pub body: Vec<u8>,
}

impl Request {
    /// A `POST` with the headers of dockerd 24 and later, in its order and spelling: `Host`,
    /// `User-Agent`, `Content-Length`, `Accept`, and no `Content-Type` (seen in every recording of
    /// 26.1.5 and 28.5.2).
    pub fn docker(path: &str, body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        let headers = vec![
            ("Host".to_owned(), "plugin.moby.localhost".to_owned()),
            ("User-Agent".to_owned(), "Go-http-client/1.1".to_owned()),
            ("Content-Length".to_owned(), body.len().to_string()),
            ("Accept".to_owned(), DOCKER_ACCEPT.to_owned()),
        ];
        Self {
            method: "POST".to_owned(),
            path: path.to_owned(),
            headers,
            body,
        }
    }

    /// The same request with another method.
    #[must_use]
    pub fn method(mut self, method: &str) -> Self {
        method.clone_into(&mut self.method);
        self
    }

    /// The same request with `name` set to `value`: in its place if it was there, else at the end.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        match self
            .headers
            .iter_mut()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
        {
            Some((_, old)) => value.clone_into(old),
            None => self.headers.push((name.to_owned(), value.to_owned())),
        }
        self
    }

    /// The same request without the header `name`.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.headers
            .retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self
    }

    /// Request line and headers up to and with the empty line.
    #[must_use]
    pub fn head(&self) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.path);
        for (name, value) in &self.headers {
            // Writing to a String cannot fail.
            let _ = write!(head, "{name}: {value}\r\n");
        }
        head.push_str("\r\n");
        head.into_bytes()
    }

    /// All bytes of the request.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.head();
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::Request;

    #[test]
    fn renders_what_dockerd_sends() {
        let request = Request::docker("/VolumeDriver.Get", "{\"Name\":\"v1\"}\n");
        assert_eq!(
            String::from_utf8(request.bytes()).unwrap(),
            "POST /VolumeDriver.Get HTTP/1.1\r\nHost: plugin.moby.localhost\r\n\
             User-Agent: Go-http-client/1.1\r\nContent-Length: 14\r\n\
             Accept: application/vnd.docker.plugins.v1.2+json\r\n\r\n{\"Name\":\"v1\"}\n"
        );
    }

    #[test]
    fn headers_are_replaced_in_place_and_removed() {
        let request = Request::docker("/x", "")
            .header("host", "")
            .without("Accept")
            .header("X", "1");
        let names: Vec<_> = request
            .headers
            .iter()
            .map(|(name, _)| name.as_str())
            .collect();
        assert_eq!(names, ["Host", "User-Agent", "Content-Length", "X"]);
        assert_eq!(request.headers[0].1, "");
    }
}
