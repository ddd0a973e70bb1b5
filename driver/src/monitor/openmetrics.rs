//! A report in the [OpenMetrics](https://github.com/prometheus/OpenMetrics) text format, as
//! Prometheus and its kin collect it.

use std::fmt;

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, NoLabelSet, text},
    metrics::MetricType,
    registry::Registry,
};

use super::{Report, report::PluginReport};

/// What a client is told this text is.
pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The text.
pub(super) fn encode(report: Report) -> Result<String, fmt::Error> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Scrape(report)));
    let mut text = String::new();
    text::encode(&mut text, &registry)?;
    Ok(text)
}

#[derive(Debug)]
struct Scrape(Report);

type Labels<'a> = Vec<(&'static str, String)>;

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let plugins = &self.0.plugins;
        gauge(
            &mut encoder,
            "volplug_start_time_seconds",
            "When the driver was started, in seconds since 1970",
            [(Labels::new(), self.0.started_at.as_second())],
        )?;
        gauge(
            &mut encoder,
            "volplug_backend_up",
            "Whether the storage of a plugin can be used",
            plugins.iter().map(|plugin| {
                let mut labels = of(plugin);
                labels.push(("backend", plugin.backend.clone()));
                (labels, i64::from(plugin.healthy))
            }),
        )?;
        gauge(
            &mut encoder,
            "volplug_volumes",
            "How many volumes a plugin has",
            plugins
                .iter()
                .map(|plugin| (of(plugin), count(plugin.volumes.len()))),
        )?;
        gauge(
            &mut encoder,
            "volplug_volume_holders",
            "How often a volume is mounted; volumes that are not mounted are left out",
            plugins.iter().flat_map(|plugin| {
                let mounted = plugin.volumes.iter().filter(|volume| volume.holders > 0);
                mounted.map(move |volume| {
                    let mut labels = of(plugin);
                    labels.push(("volume", escaped(&volume.name)));
                    (labels, i64::try_from(volume.holders).unwrap_or(i64::MAX))
                })
            }),
        )?;
        failures(&mut encoder, plugins)?;
        durations(&mut encoder, plugins)
    }
}

fn gauge(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    values: impl IntoIterator<Item = (Labels<'static>, i64)>,
) -> fmt::Result {
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for (labels, value) in values {
        family.encode_family(&labels)?.encode_gauge(&value)?;
    }
    Ok(())
}

fn failures(encoder: &mut DescriptorEncoder<'_>, plugins: &[PluginReport]) -> fmt::Result {
    let mut family = encoder.encode_descriptor(
        "volplug_operation_failures",
        "Calls that failed, by kind of failure; Get of an unknown volume is not-found",
        None,
        MetricType::Counter,
    )?;
    for (plugin, operation) in operations(plugins) {
        for (kind, count) in &operation.failures {
            let mut labels = of(plugin);
            labels.push(("operation", operation.operation.clone()));
            labels.push(("kind", kind.clone()));
            family
                .encode_family(&labels)?
                .encode_counter::<NoLabelSet, _, u64>(count, None)?;
        }
    }
    Ok(())
}

fn durations(encoder: &mut DescriptorEncoder<'_>, plugins: &[PluginReport]) -> fmt::Result {
    let mut family = encoder.encode_descriptor(
        "volplug_operation_duration_seconds",
        "How long calls took, those that failed included",
        None,
        MetricType::Histogram,
    )?;
    for (plugin, operation) in operations(plugins) {
        let mut labels = of(plugin);
        labels.push(("operation", operation.operation.clone()));
        let buckets: Vec<_> = operation
            .buckets
            .iter()
            .map(|bucket| (bucket.le.unwrap_or(f64::MAX), bucket.count))
            .collect();
        family
            .encode_family(&labels)?
            .encode_histogram::<NoLabelSet>(operation.seconds, operation.count, &buckets, None)?;
    }
    Ok(())
}

fn operations(
    plugins: &[PluginReport],
) -> impl Iterator<Item = (&PluginReport, &super::report::OperationReport)> {
    plugins.iter().flat_map(|plugin| {
        plugin
            .operations
            .iter()
            .map(move |operation| (plugin, operation))
    })
}

fn of(plugin: &PluginReport) -> Labels<'static> {
    vec![("plugin", escaped(&plugin.name))]
}

/// A volume may be called anything; the encoder writes label values as they are.
fn escaped(value: &str) -> String {
    value
        .replace('\\', r"\\")
        .replace('"', "\\\"")
        .replace('\n', r"\n")
}

fn count(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}
