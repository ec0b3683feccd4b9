//! A comparison for people and for spreadsheets.

use super::compare::{DifferenceKind, Differing, Reconciliation};
use crate::usage::defused;

const HEAD: [&str; 7] =
    ["day", "model", "figure", "ledger", "provider", "difference", "difference_percent"];

fn rows(found: &Reconciliation) -> impl Iterator<Item = (DifferenceKind, [String; 7])> + '_ {
    found.differences.iter().flat_map(|difference| {
        difference.figures.iter().map(|figure| {
            let Differing { figure, ledger, provider, difference: more, percent } = figure;
            let percent = percent.map(|percent| percent.to_string()).unwrap_or_default();
            let cells = [
                difference.day.to_string(),
                difference.model.clone(),
                (*figure).to_owned(),
                ledger.to_string(),
                provider.to_string(),
                more.to_string(),
                percent,
            ];
            (difference.kind, cells)
        })
    })
}

/// The differences as a CSV file with a head line.
pub fn csv(found: &Reconciliation) -> Result<String, csv::Error> {
    let mut writer = csv::WriterBuilder::new().from_writer(Vec::new());
    writer.write_record(HEAD.iter().copied().chain(["kind"]))?;
    for (kind, mut cells) in rows(found) {
        cells[1] = defused(&cells[1]);
        writer.write_record(cells.iter().map(String::as_str).chain([kind.as_str()]))?;
    }
    let bytes = writer.into_inner().map_err(|error| csv::Error::from(error.into_error()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The differences as a table, and a sentence about all of it.
pub fn table(found: &Reconciliation) -> String {
    let mut lines = vec![HEAD.map(str::to_owned).to_vec()];
    for (kind, cells) in rows(found) {
        let mut cells = cells.to_vec();
        cells.extend(match kind {
            DifferenceKind::Different => None,
            DifferenceKind::MissingInLedger => Some("missing in the ledger".to_owned()),
            DifferenceKind::MissingAtProvider => Some("missing at the provider".to_owned()),
        });
        lines.push(cells);
    }
    let mut text = String::new();
    if lines.len() > 1 {
        let width = |column: usize| {
            let cells = lines.iter().filter_map(|line| line.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..8).map(width).collect();
        for line in &lines {
            let cells = line.iter().zip(&widths).enumerate().map(|(column, (cell, width))| {
                // Figures stand below each other by their ends.
                let gap = " ".repeat(width - cell.chars().count());
                match (3..7).contains(&column) {
                    true => gap + cell,
                    false => cell.clone() + &gap,
                }
            });
            let line: Vec<String> = cells.collect();
            text.push_str(line.join("  ").trim_end());
            text.push('\n');
        }
        text.push('\n');
    }
    text.push_str(&sentence(found));
    text
}

fn sentence(found: &Reconciliation) -> String {
    let day = |day: Option<chrono::NaiveDate>| day.map(|d| d.to_string()).unwrap_or_default();
    let mut text = format!(
        "{} models and days compared from {} to {} ({}), {} of them different.",
        found.compared,
        day(found.from),
        day(found.to),
        found.timezone,
        found.differences.len()
    );
    let (unpriced, estimated) = (found.ledger.unpriced_calls, found.ledger.estimated_calls);
    if unpriced > 0 {
        text.push_str(&format!(" {unpriced} calls of the ledger have no price."));
    }
    if estimated > 0 {
        text.push_str(&format!(" The tokens of {estimated} calls are an estimate."));
    }
    text
}
