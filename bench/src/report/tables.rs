//! A run as tables: what its JSON holds, whatever the bench.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use crate::record::Run;

/// Settings and raw samples: in the JSON for whoever wants them.
const LEFT_OUT: [&str; 2] = ["bench", "systems"];

/// Appends a section.
///
/// # Errors
/// None in practice: text grows in memory.
pub fn write(page: &mut String, run: &Run) -> std::fmt::Result {
    let Run { date, commit, build, machine, postgres, command, seconds, .. } = run;
    writeln!(page, "\n## {}\n\n`bench {}`", run.bench(), command.join(" "))?;
    let memory = machine.memory_gib.map_or_else(String::new, |gib| format!(", {gib} GiB"));
    let processor = machine.processor.as_deref().map_or_else(String::new, |name| format!(" ({name})"));
    let verdict = if run.good { "" } else { " It ended with exit code 1." };
    writeln!(
        page,
        "{date}, commit {commit}, {build} build, {} cores{processor}{memory}, PostgreSQL {postgres}; {} s.{verdict}",
        machine.cores,
        number(*seconds)
    )?;
    let Some(object) = run.result.as_object() else { return Ok(()) };
    let plain: Vec<_> =
        object.iter().filter(|(key, value)| is_plain(value) && !LEFT_OUT.contains(&key.as_str())).collect();
    if !plain.is_empty() {
        writeln!(page, "\n| | |\n|---|---|")?;
    }
    for (key, value) in plain {
        writeln!(page, "| {} | {} |", words(key), cell(Some(value)))?;
    }
    for (key, value) in object.iter().filter(|(key, value)| !is_plain(value) && !LEFT_OUT.contains(&key.as_str())) {
        match value {
            Value::Array(rows) => list(page, key, rows)?,
            Value::Object(rows) => table(page, key, rows)?,
            _ => {}
        }
    }
    Ok(())
}

fn is_plain(value: &Value) -> bool {
    !value.is_object() && !value.is_array()
}

/// Objects under names: a row for each; plain values under names: a row for each with one column.
fn table(page: &mut String, key: &str, rows: &Map<String, Value>) -> std::fmt::Result {
    let columns = columns(rows.values());
    if columns.is_empty() {
        writeln!(page, "\n| {} | |\n|---|---|", words(key))?;
        for (name, value) in rows {
            writeln!(page, "| {} | {} |", words(name), cell(Some(value)))?;
        }
        return Ok(());
    }
    head(page, key, &columns)?;
    for (name, value) in rows {
        let cells: Vec<String> = columns.iter().map(|column| cell(value.get(column))).collect();
        writeln!(page, "| {} | {} |", words(name), cells.join(" | "))?;
    }
    Ok(())
}

fn list(page: &mut String, key: &str, rows: &[Value]) -> std::fmt::Result {
    let columns = columns(rows.iter());
    if columns.is_empty() {
        let cells: Vec<String> = rows.iter().map(|value| cell(Some(value))).collect();
        return writeln!(page, "\n{}: {}", words(key), cells.join(", "));
    }
    let (first, others) = (columns[0].clone(), columns[1..].to_vec());
    head(page, &first, &others)?;
    for row in rows {
        let cells: Vec<String> = others.iter().map(|column| cell(row.get(column))).collect();
        writeln!(page, "| {} | {} |", cell(row.get(&first)), cells.join(" | "))?;
    }
    Ok(())
}

fn head(page: &mut String, first: &str, columns: &[String]) -> std::fmt::Result {
    let named: Vec<String> = columns.iter().map(|column| words(column)).collect();
    writeln!(page, "\n| {} | {} |\n|---|{}", words(first), named.join(" | "), "---|".repeat(columns.len()))
}

/// Keys of the objects whose values are plain, in the order of their first sight.
fn columns<'a>(rows: impl Iterator<Item = &'a Value>) -> Vec<String> {
    let mut columns: Vec<String> = Vec::new();
    for object in rows.filter_map(Value::as_object) {
        for key in object.iter().filter(|(_, value)| is_plain(value)).map(|(key, _)| key) {
            if !columns.contains(key) {
                columns.push(key.clone());
            }
        }
    }
    columns
}

/// A key in words: the unit stays in it.
fn words(key: &str) -> String {
    key.replace('_', " ")
}

fn cell(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => "–".to_owned(),
        Some(Value::Number(figure)) => match (figure.as_i64(), figure.as_f64()) {
            (Some(whole), _) => grouped(&whole.to_string()),
            (None, Some(figure)) => number(figure),
            (None, None) => figure.to_string(),
        },
        Some(Value::String(text)) => text.replace('|', "\\|"),
        Some(other) => other.to_string(),
    }
}

/// Three digits that say something, thousands apart.
pub fn number(figure: f64) -> String {
    if figure.fract() == 0.0 || figure.abs() >= 100.0 {
        return grouped(&format!("{figure:.0}"));
    }
    let text = if figure.abs() >= 10.0 { format!("{figure:.1}") } else { format!("{figure:.2}") };
    if figure.abs() < 0.1 { format!("{figure:.4}") } else { text }
}

fn grouped(digits: &str) -> String {
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits), |rest| ("-", rest));
    let mut out = String::from(sign);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_readable() {
        assert_eq!(number(61_940.4), "61,940");
        assert_eq!(number(3.414), "3.41");
        assert_eq!(number(0.022), "0.0220");
        assert_eq!(number(11.49), "11.5");
        assert_eq!(grouped("-1234567"), "-1,234,567");
    }
}
