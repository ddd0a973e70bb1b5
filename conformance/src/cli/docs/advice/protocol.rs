//! Discovery, handshake, transport, encoding, errors, capabilities.

pub(super) const ADVICE: &[(&str, &str)] = &[
    (
        "disc.reachable",
        "Make the socket as `/run/docker/plugins/NAME.sock`; a plugin that listens elsewhere needs a `.spec` or `.json` file in \
         `/etc/docker/plugins` or `/usr/lib/docker/plugins` that says where.",
    ),
    (
        "disc.one-definition",
        "Install one of socket, `.spec` and `.json`, and let the package's scripts remove what an older version has installed under \
         the same name.",
    ),
    (
        "disc.real-socket",
        "Bind the socket in the plugin directory itself. If it has to be elsewhere, write a `.spec` file with its address instead of \
         a link.",
    ),
    (
        "disc.path-length",
        "Keep the path below 108 bytes, as `sun_path` has no room for more: a short name in `/run/docker/plugins`.",
    ),
    (
        "disc.name",
        "Choose a short name of lower-case letters, digits and dashes, and refuse to start with another one or with `local`.",
    ),
    (
        "disc.spec-file",
        "Write one line with `unix://` or `tcp://` into a `.spec` file, and `Name` and `Addr` into a `.json` file, with the file's own \
         name as `Name`.",
    ),
    (
        "disc.tls",
        "Write a `.json` file with `TLSConfig` and its `CAFile`; a plugin on the same host is better off with a unix socket.",
    ),
    (
        "disc.socket-mode",
        "Set the umask to 0117 before `bind`, or the mode to 0660 right after it: whoever can connect is root on the host's volumes.",
    ),
    (
        "disc.cleanup",
        "Remove the socket's file in the handler of SIGTERM and SIGINT, after the last call has been answered.",
    ),
    (
        "disc.rebind",
        "When `bind` says that the address is in use, connect to it: if that is refused, remove the file and bind again; if somebody \
         answers, end with an error.",
    ),
    (
        "disc.socket-activation",
        "Where `LISTEN_PID` is the plugin's own process, take descriptor 3 as the listening socket (`sd_listen_fds`), and do not \
         remove its file at the end.",
    ),
    (
        "disc.early",
        "Bind and serve first. Restore volumes meanwhile, and let only the calls wait that need the one which is not restored yet.",
    ),
    (
        "act.handshake",
        "Answer `{\"Implements\":[\"VolumeDriver\"]}` with status 200, and do not read the request's body.",
    ),
    (
        "act.only-implemented",
        "Take out of `Implements` what the plugin does not serve: Docker sends it the calls of all that it names.",
    ),
    (
        "act.repeat",
        "Do in Activate nothing but answer: set state up where the process starts, not where it is greeted.",
    ),
    (
        "act.prompt",
        "Answer from a constant, without a lock and without a look at the storage.",
    ),
    (
        "act.prompt-without-storage",
        "Connect to the storage on the first call that needs it, or in the background: never in Activate.",
    ),
    (
        "act.optional",
        "Set state up where the process starts: dockerd goes on with its calls after a restart of the plugin, without a new handshake.",
    ),
    (
        "http.post",
        "Route the nine paths for POST, and leave everything else to the router's 404 and 405.",
    ),
    (
        "http.empty-body",
        "Take an empty body for a request without a name, and answer an error; only Activate, Capabilities and List need none.",
    ),
    (
        "http.no-content-type",
        "Decode the body whatever its type is: many frameworks refuse JSON without `Content-Type` unless they are handed the raw \
         bytes.",
    ),
    (
        "http.any-content-type",
        "Decode the body whatever its type is; a framework's JSON extractor that checks it has to be replaced by one of raw bytes.",
    ),
    (
        "http.accept",
        "Switch content negotiation off, and always answer JSON.",
    ),
    (
        "http.host",
        "Switch the check of `Host` off: over a unix socket it is whatever the client likes, and Docker's has changed between versions.",
    ),
    (
        "http.no-redirect",
        "Switch off redirects for slashes and for https, and the compression middleware.",
    ),
    (
        "http.keep-alive",
        "Read each body to its end, also where the call fails before it is needed, so that the next request begins where it should.",
    ),
    (
        "http.idle",
        "Raise the server's idle timeout above 30 s, or switch it off for a unix socket.",
    ),
    (
        "http.parallel-connections",
        "Serve each connection in a task or thread of its own, without a small pool in front.",
    ),
    (
        "http.idle-connections",
        "Give idle connections a task and not a thread of a bounded pool, and raise the limit of open files at start.",
    ),
    (
        "http.disconnect",
        "Let the work of a call go on when its client has gone, or undo it, but never drop it half-way: in async servers, spawn it as a \
         task that the connection does not own.",
    ),
    (
        "http.malformed",
        "Check the decoder's result before anything is touched, answer 400 or 500 with `Err`, and catch panics around handlers.",
    ),
    (
        "http.limits",
        "Limit the size of a body (a megabyte is plenty) and read it with a time limit, outside of any lock.",
    ),
    (
        "http.stalled-head",
        "Set the server's limit for reading a request's head (`ReadHeaderTimeout` in Go, `header_read_timeout` in hyper).",
    ),
    (
        "http.large-list",
        "Keep records in a map in memory, and answer List from there; read neither a file nor the storage for each volume.",
    ),
    (
        "enc.object",
        "Answer `{\"Err\":\"\"}` where there is nothing else to say: dockerd decodes the body of every answer with status 200.",
    ),
    (
        "enc.exactly-200",
        "Send 200 with a body, and not 201 or 204: dockerd takes every other status for a failure.",
    ),
    (
        "enc.err-type",
        "Make `Err` a string of the answer's type: an object or a number in it is an answer that dockerd cannot decode.",
    ),
    (
        "enc.field-names",
        "Name each field as it is documented (`rename_all = \"PascalCase\"`, struct tags): Go's decoder forgives another case, tools in \
         other languages do not.",
    ),
    (
        "enc.clean-json",
        "Encode once and write once: no byte order mark, no second value, nothing that a middleware or a print adds.",
    ),
    (
        "enc.content-type",
        "Set `Content-Type: application/vnd.docker.plugins.v1.1+json` (or `application/json`) on every answer, errors included.",
    ),
    (
        "enc.created-at",
        "Format times as RFC 3339 with a zone (`2026-01-02T03:04:05Z`), or leave `CreatedAt` out.",
    ),
    (
        "enc.status",
        "Make `Status` an object, of a map type, and leave it out where there is none.",
    ),
    (
        "enc.no-null-volume",
        "Leave out what cannot be shown, or fail: a list of pointers to volumes may hold no null, at which dockerd dies.",
    ),
    (
        "enc.opts-null",
        "Decode `Opts` as an optional map, and take null and absence for an empty one: `docker volume create` without `-o` sends null.",
    ),
    (
        "enc.opts-strings",
        "Decode `Opts` as a map of strings, and answer a failed decode with `Err` rather than with a closed connection.",
    ),
    (
        "enc.unknown-fields",
        "Switch `deny_unknown_fields` (or `DisallowUnknownFields`) off: newer engines send more.",
    ),
    (
        "enc.escapes",
        "Use a JSON library, not a pattern, to take names out of bodies: Go writes `<` as `\\u003c`.",
    ),
    (
        "err.told",
        "Fill `Err` on every way out that fails, and let one function turn errors into answers.",
    ),
    (
        "err.both-channels",
        "Send status 500 together with `Err` in a JSON object: dockerd understands either, Podman looks at the status alone.",
    ),
    (
        "err.readable",
        "Write one line with the volume's name, the cause and what to do, and keep stack traces and tools' whole output in the log.",
    ),
    (
        "err.in-time",
        "Give whatever waits for storage a limit below the engine's (120 s for Create and Mount, 60 s for other calls, 30 s for a \
         managed plugin), and answer with an error that says what did not come.",
    ),
    (
        "err.survive",
        "Catch panics and exceptions around each handler, and never call `exit`, `log.Fatal` or `unwrap` on what a request or the \
         storage has brought.",
    ),
    (
        "err.answers",
        "Look for two locks that are taken in different orders, a lock that an early return or a panic leaves locked, and a lock that is \
         taken again by whoever has it.",
    ),
    (
        "cap.shape",
        "Answer `{\"Capabilities\":{\"Scope\":\"local\"}}` from a constant; `global` only where every host sees the same volumes.",
    ),
    (
        "cap.served",
        "Serve the call, from a constant: where it is missing, dockerd takes the scope for local and asks again before nearly every \
         operation.",
    ),
    (
        "cap.constant",
        "Decide the scope once, at start, from the settings; never from what the storage says at the moment.",
    ),
    (
        "cap.cheap",
        "Answer from a constant, without a lock: dockerd asks a managed plugin before each operation.",
    ),
];
