//! What was asked, and what came of it.

use std::fmt::{Display, Formatter, Result as Written};

/// What a check found out, in one line.
pub type Finding = Result<String, Trouble>;

/// Why a check is not fine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// It is wrong.
    Fault {
        /// What was seen.
        found: String,
        /// What to do about it.
        remedy: String,
    },
    /// It could not be asked, and why.
    Skipped(String),
}

/// A fault, and what to do about it.
pub fn fault(found: impl Into<String>, remedy: impl Into<String>) -> Trouble {
    Trouble::Fault { found: found.into(), remedy: remedy.into() }
}

/// What could not be asked, and why.
pub fn skipped(why: impl Into<String>) -> Trouble {
    Trouble::Skipped(why.into())
}

/// Rows in the order in which they were asked.
#[derive(Clone, Debug, Default)]
pub struct Table(Vec<(String, Finding)>);

impl Table {
    /// Adds a row.
    pub fn add(&mut self, what: &str, finding: Finding) {
        self.0.push((what.to_owned(), finding));
    }

    /// Adds the rows of another.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// The row of this name.
    pub fn row(&self, what: &str) -> Option<&Finding> {
        self.0.iter().find(|(name, _)| name == what).map(|(_, finding)| finding)
    }

    /// The names of the rows that are at fault.
    pub fn faults(&self) -> Vec<&str> {
        let faults = self.0.iter().filter(|(_, finding)| matches!(finding, Err(Trouble::Fault { .. })));
        faults.map(|(what, _)| what.as_str()).collect()
    }
}

impl Display for Table {
    fn fmt(&self, to: &mut Formatter<'_>) -> Written {
        let width = self.0.iter().map(|(what, _)| what.chars().count()).max().unwrap_or(0);
        let mut counts = [0; 3];
        for (what, finding) in &self.0 {
            let (kind, word, text) = match finding {
                Ok(text) => (0, "ok", text),
                Err(Trouble::Fault { found, .. }) => (1, "FAULT", found),
                Err(Trouble::Skipped(why)) => (2, "skipped", why),
            };
            counts[kind] += 1;
            writeln!(to, "{word:<8} {what:<width$}  {text}")?;
            if let Err(Trouble::Fault { remedy, .. }) = finding {
                writeln!(to, "{:8} {:width$}  → {remedy}", "", "")?;
            }
        }
        let [fine, faults, skipped] = counts;
        write!(to, "{fine} ok, {faults} at fault, {skipped} skipped")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_has_a_second_line_and_is_counted() {
        let mut table = Table::default();
        table.add("health", Ok("200".into()));
        table.add("CORS", Err(fault("no method", "deploy again")));
        table.add("throttle", Err(skipped("not here")));
        assert_eq!(
            table.to_string(),
            "ok       health    200\nFAULT    CORS      no method\n                   → deploy again\n\
             skipped  throttle  not here\n1 ok, 1 at fault, 1 skipped"
        );
        assert_eq!(table.faults(), ["CORS"]);
    }
}
