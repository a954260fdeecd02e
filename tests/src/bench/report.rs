//! The table.

use super::figures::{BAR_SYNC_RATE, Bar, Figure, Results, number};
use super::limits::Limits;
use super::settings::Settings;
use super::suite::Side;
use anyhow::Result;
use std::fmt::Write;

const TITLES: [&str; 6] = ["figure", "unit", "ours", "Go", "bar", "ours / bar"];

/// Writes the table as text, for people at a terminal.
pub(crate) fn text(limits: &Limits, settings: &Settings, results: &Results) -> Result<String> {
    let rows = rows(results);
    let width = |column: usize| {
        rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0).max(TITLES[column].len())
    };
    let widths: Vec<usize> = (0..TITLES.len()).map(width).collect();
    let mut out = head(limits, settings, "")?;
    for row in std::iter::once(&TITLES.map(str::to_owned)).chain(&rows) {
        write!(out, "{:<w0$}  {:<w1$}", row[0], row[1], w0 = widths[0], w1 = widths[1])?;
        for (cell, width) in row.iter().zip(&widths).skip(2) {
            write!(out, "  {cell:>width$}")?;
        }
        out.push('\n');
    }
    tail(&mut out, results, "")?;
    Ok(out)
}

/// Writes the table as markdown.
pub(crate) fn markdown(limits: &Limits, settings: &Settings, results: &Results) -> Result<String> {
    let mut out = head(limits, settings, "- ")?;
    writeln!(out, "\n| {} |\n|---|---|---:|---:|---:|---:|", TITLES.join(" | "))?;
    for row in rows(results) {
        writeln!(out, "| {} |", row.join(" | "))?;
    }
    out.push('\n');
    tail(&mut out, results, "- ")?;
    Ok(out)
}

/// Writes every sample, a JSON object a line.
pub(crate) fn json(results: &Results) -> String {
    let mut out = String::new();
    for (figure, side, values) in results.samples() {
        let line = serde_json::json!({
            "figure": figure.title(), "unit": figure.unit(), "suite": side.title(), "samples": values,
        });
        out.push_str(&line.to_string());
        out.push('\n');
    }
    out
}

fn head(limits: &Limits, settings: &Settings, mark: &str) -> Result<String> {
    let mut out = String::new();
    for line in limits.lines() {
        writeln!(out, "{mark}{line}")?;
    }
    writeln!(out, "{mark}settings: {}", settings.describe())?;
    Ok(out)
}

fn tail(out: &mut String, results: &Results, mark: &str) -> Result<()> {
    writeln!(
        out,
        "{mark}figures are medians of the rounds; above 1 in the last column is better than the bar; the bars of c = 1 \
         and 16 are scaled by the measured synced appends over {BAR_SYNC_RATE:.0}/s"
    )?;
    let at_one: Vec<f64> = results
        .samples()
        .filter(|(figure, _, _)| *figure == Figure::Acks1)
        .flat_map(|(_, _, values)| values.iter().copied())
        .collect();
    for line in results.probes().describe(&at_one) {
        writeln!(out, "{mark}{line}")?;
    }
    for note in results.notes() {
        writeln!(out, "{mark}{note}")?;
    }
    for failure in results.failures() {
        writeln!(out, "{mark}FAILED {failure}")?;
    }
    Ok(())
}

fn rows(results: &Results) -> Vec<[String; 6]> {
    let measured = |figure: &&Figure| {
        [Side::Ours, Side::Go].iter().any(|side| results.median(*side, **figure).is_some())
    };
    let sync_rate = results.probes().steady_rate();
    Figure::ALL
        .iter()
        .filter(measured)
        .map(|figure| {
            let cell = |side| results.median(side, *figure).map_or_else(|| "–".to_owned(), number);
            let bar = figure.bar();
            let ratio = results
                .median(Side::Ours, *figure)
                .and_then(|found| bar.ratio(found, sync_rate))
                .map_or_else(|| "–".to_owned(), ratio_text);
            [
                figure.title().to_owned(),
                figure.unit().to_owned(),
                cell(Side::Ours),
                cell(Side::Go),
                bar_text(bar, sync_rate),
                ratio,
            ]
        })
        .collect()
}

fn bar_text(bar: Bar, sync_rate: Option<f64>) -> String {
    let sign = match bar {
        Bar::AtMost(_) => "≤",
        Bar::AtLeast(_) | Bar::AtLeastBySync(_) => "≥",
        Bar::None => return "–".to_owned(),
    };
    bar.value(sync_rate)
        .map_or_else(|| "disk not steady".to_owned(), |value| format!("{sign} {}", number(value)))
}

fn ratio_text(ratio: f64) -> String {
    if ratio.is_infinite() {
        "met".to_owned()
    } else if ratio <= 0.0 {
        "missed".to_owned()
    } else {
        format!("{ratio:.2}")
    }
}
