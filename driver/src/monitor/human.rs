//! A report for people.

use std::fmt::{self, Write as _};

use super::{
    Report,
    report::{OperationReport, PluginReport},
};
use crate::error::Quoted;

/// More volumes than these are counted, not listed, unless they are mounted.
const SHOWN: usize = 20;

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let since = self.started_at.strftime("%Y-%m-%d %H:%M:%S UTC");
        writeln!(f, "volplug-driver {}, up since {since}", self.version)?;
        if self.plugins.is_empty() {
            writeln!(f, "\nno plugin is running")?;
        }
        self.plugins.iter().try_for_each(|plugin| {
            f.write_char('\n')?;
            write_plugin(f, plugin)
        })
    }
}

fn write_plugin(f: &mut fmt::Formatter<'_>, plugin: &PluginReport) -> fmt::Result {
    let PluginReport {
        name,
        backend,
        scope,
        ..
    } = plugin;
    write!(f, "{name}  ({backend}, scope {scope})  ")?;
    match &plugin.problem {
        None => writeln!(f, "healthy")?,
        Some(problem) => writeln!(f, "NOT HEALTHY: {problem}")?,
    }
    for address in &plugin.addresses {
        writeln!(f, "  listens on  {address}")?;
    }
    writeln!(f, "  data root   {}", plugin.data_root.display())?;
    write_volumes(f, plugin)?;
    let used: Vec<_> = plugin
        .operations
        .iter()
        .filter(|operation| operation.count > 0)
        .collect();
    if used.is_empty() {
        return Ok(());
    }
    writeln!(f, "  calls         number  failed    average")?;
    used.into_iter()
        .try_for_each(|operation| write_operation(f, operation))
}

fn write_volumes(f: &mut fmt::Formatter<'_>, plugin: &PluginReport) -> fmt::Result {
    let total = plugin.volumes.len();
    let mounted = plugin
        .volumes
        .iter()
        .filter(|volume| volume.holders > 0)
        .count();
    writeln!(f, "  volumes     {total}, {mounted} mounted")?;
    let shown = plugin
        .volumes
        .iter()
        .filter(|volume| total <= SHOWN || volume.holders > 0);
    for volume in shown.take(SHOWN) {
        let name = Quoted(&volume.name);
        match volume.holders {
            0 => writeln!(f, "    {name}")?,
            1 => writeln!(f, "    {name}  1 holder")?,
            holders => writeln!(f, "    {name}  {holders} holders")?,
        }
    }
    Ok(())
}

fn write_operation(f: &mut fmt::Formatter<'_>, operation: &OperationReport) -> fmt::Result {
    #[expect(clippy::cast_precision_loss, reason = "an average for people")]
    let average = operation.seconds / operation.count as f64 * 1000.0;
    let failed = operation.failed();
    write!(
        f,
        "    {:<8}  {:>8}  {failed:>6}  {average:>6.1} ms",
        operation.operation, operation.count
    )?;
    let mut separator = "  ";
    for (kind, count) in &operation.failures {
        write!(f, "{separator}{kind} {count}")?;
        separator = ", ";
    }
    f.write_char('\n')
}
