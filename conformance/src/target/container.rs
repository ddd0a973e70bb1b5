//! Whether this process is in a container, with the plugin outside of it.

use std::path::Path;

use tokio::net::UnixStream;

use super::mounts::receives_mounts;

/// Whether what the plugin at `socket` mounts is not seen here: it runs outside of this container,
/// and nothing that it mounts there is passed on to here, as it is below a volume of the container
/// with `:rslave` or `:rshared`.
///
/// unix(7), `SO_PEERCRED`: a process that this one's process namespace does not know has no number
/// here. Where that cannot be asked the plugin is taken for a neighbour.
pub async fn hides_mounts_of(socket: &Path) -> bool {
    let Ok(stream) = UnixStream::connect(socket).await else {
        return false;
    };
    let is_outside = stream
        .peer_cred()
        .is_ok_and(|credentials| credentials.pid() == Some(0));
    is_outside && !receives_mounts().unwrap_or(true)
}
