//! Where log lines go: stderr, as text or as JSON.

use std::io;

use tracing::{Span, level_filters::LevelFilter};
use tracing_subscriber::{
    Layer as _, filter::Targets, layer::SubscriberExt as _, util::SubscriberInitExt as _,
};

/// The shape of a log line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
#[non_exhaustive]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

/// How much is logged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
#[non_exhaustive]
pub enum LogLevel {
    /// What needs somebody's attention.
    Error,
    /// What may need it.
    Warn,
    /// Starting, stopping and what was repaired.
    #[default]
    Info,
    /// Refused requests as well.
    Debug,
    /// Every request and answer on the wire, secret-looking values masked.
    Trace,
}

impl From<LogLevel> for LevelFilter {
    fn from(level: LogLevel) -> Self {
        match level {
            LogLevel::Error => Self::ERROR,
            LogLevel::Warn => Self::WARN,
            LogLevel::Info => Self::INFO,
            LogLevel::Debug => Self::DEBUG,
            LogLevel::Trace => Self::TRACE,
        }
    }
}

/// What the log lines of one plugin say beside their own words, for there may be several in a
/// process. It is there at every level. Tasks and threads that a plugin starts carry it on.
pub(crate) fn plugin(name: &str) -> Span {
    tracing::error_span!("plugin", name)
}

/// The same function, with the caller's span around it, for another thread.
pub(crate) fn carried<T>(work: impl FnOnce() -> T) -> impl FnOnce() -> T {
    let span = Span::current();
    move || span.in_scope(work)
}

/// Starts logging for the whole process. A logger that is there already stays.
pub(crate) fn start(format: LogFormat, level: LogLevel) {
    // Libraries speak up only about trouble; their traces could show what ours mask.
    let filter = Targets::new()
        .with_default(LevelFilter::from(level).min(LevelFilter::WARN))
        .with_target("volplug_driver", LevelFilter::from(level));
    let layer = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    let layer = match format {
        LogFormat::Text => layer
            .with_ansi(io::IsTerminal::is_terminal(&io::stderr()))
            .boxed(),
        LogFormat::Json => layer.json().boxed(),
    };
    let _ = tracing_subscriber::registry()
        .with(layer.with_filter(filter))
        .try_init();
}
