//! The result of a run: the table that it prints, and the figures that it stores.

use serde_json::{Map, Value, json};

/// One measurement under load.
#[derive(Clone)]
pub struct Line {
    /// What was measured.
    pub what: String,
    /// Rate per second, in the closed loop.
    pub per_second: f64,
    /// Half took no longer than this, in milliseconds, in the open loop.
    pub p50_ms: Option<f64>,
    /// 99 of 100 took no longer than this, in milliseconds, in the open loop.
    pub p99_ms: Option<f64>,
    /// Processor time of one, in microseconds, of all processes together.
    pub cpu_us: Option<f64>,
    /// Instructions of one, counted by callgrind.
    pub instructions: Option<u64>,
}

impl Line {
    /// Makes the line of a limit that the server is compared with.
    pub const fn limit(what: String, per_second: f64) -> Self {
        Self {
            what,
            per_second,
            p50_ms: None,
            p99_ms: None,
            cpu_us: None,
            instructions: None,
        }
    }

    /// Adds the processor time.
    #[must_use]
    pub fn with_cpu(self, micros: f64) -> Self {
        Self {
            cpu_us: Some(micros),
            ..self
        }
    }

    /// Adds the times that half and 99 of 100 kept to, in milliseconds.
    #[must_use]
    pub fn with_times(self, p50_ms: f64, p99_ms: f64) -> Self {
        Self {
            p50_ms: Some(p50_ms),
            p99_ms: Some(p99_ms),
            ..self
        }
    }

    fn json(&self) -> Value {
        json!({
            "what": self.what,
            "per_second": self.per_second.round(),
            "p50_ms": self.p50_ms.map(|number| rounded(number, 100.0)),
            "p99_ms": self.p99_ms.map(|number| rounded(number, 100.0)),
            "cpu_us": self.cpu_us.map(|number| rounded(number, 10.0)),
            "instructions": self.instructions,
        })
    }

    fn markdown(&self, ratio: &str) -> String {
        let number = |value: Option<f64>, digits: usize| {
            value.map_or_else(String::new, |value| format!("{value:.digits$}"))
        };
        let instructions = self.instructions.map_or_else(String::new, thousands);
        format!(
            "| {} | {} | {} | {} | {} | {instructions} | {ratio} |\n",
            self.what,
            rate(self.per_second),
            number(self.p50_ms, 1),
            number(self.p99_ms, 1),
            number(self.cpu_us, 0),
        )
    }
}

/// The server compared with a limit.
pub struct Comparison {
    /// The key among the figures.
    pub name: &'static str,
    /// What both did.
    pub title: String,
    /// The limit's measurement.
    pub limit: Line,
    /// The server's measurement.
    pub ours: Line,
}

impl Comparison {
    /// Returns which part of the limit the server reaches.
    pub fn ratio(&self) -> f64 {
        self.ours.per_second / self.limit.per_second
    }
}

/// A single figure.
pub struct Fact {
    /// The key among the figures.
    pub name: &'static str,
    /// What was measured.
    pub what: String,
    /// The value.
    pub value: f64,
    /// The unit; empty for a ratio.
    pub unit: &'static str,
}

/// All results of a run.
#[derive(Default)]
pub struct Report {
    /// The server compared with its limits.
    pub comparisons: Vec<Comparison>,
    /// All other figures.
    pub facts: Vec<Fact>,
}

impl Report {
    /// Stores a comparison and prints it at once.
    pub fn compare(&mut self, comparison: Comparison) {
        eprint!("{}", table_of(&comparison));
        self.comparisons.push(comparison);
    }

    /// Stores a figure and prints it at once.
    pub fn fact(&mut self, name: &'static str, what: String, value: f64, unit: &'static str) {
        let fact = Fact {
            name,
            what,
            value,
            unit,
        };
        eprintln!("{}", said(&fact));
        self.facts.push(fact);
    }

    /// Returns the table for people.
    pub fn markdown(&self) -> String {
        let mut text = "| What | a second | p50 ms | p99 ms | CPU µs | instructions | of the limit |\n|---|---|---|---|---|---|---|\n".to_owned();
        for comparison in &self.comparisons {
            text.push_str(&table_of(comparison));
        }
        text.push_str("\n| What | |\n|---|---|\n");
        for fact in &self.facts {
            text.push_str(&format!("| {} | {} |\n", fact.what, amount(fact)));
        }
        text
    }

    /// Returns the figures for programs.
    pub fn json(&self) -> Map<String, Value> {
        let comparisons = self.comparisons.iter().map(|comparison| {
            let value = json!({
                "title": comparison.title,
                "limit": comparison.limit.json(),
                "countersign": comparison.ours.json(),
                "ratio": rounded(comparison.ratio(), 1000.0),
            });
            (comparison.name.to_owned(), value)
        });
        let facts = self.facts.iter().map(|fact| {
            let value =
                json!({"what": fact.what, "value": rounded(fact.value, 1000.0), "unit": fact.unit});
            (fact.name.to_owned(), value)
        });
        let mut all = Map::new();
        all.insert("rates".to_owned(), Value::Object(comparisons.collect()));
        all.insert("figures".to_owned(), Value::Object(facts.collect()));
        all
    }
}

fn table_of(comparison: &Comparison) -> String {
    format!(
        "| **{}** | | | | | | |\n{}{}",
        comparison.title,
        comparison.limit.markdown(""),
        comparison
            .ours
            .markdown(&format!("{:.2}", comparison.ratio()))
    )
}

fn said(fact: &Fact) -> String {
    format!("{}: {}", fact.what, amount(fact))
}

fn amount(fact: &Fact) -> String {
    match fact.unit {
        "" if fact.value >= 1000.0 => rate(fact.value),
        "" => format!("{:.2}", fact.value),
        unit => format!("{:.1} {unit}", fact.value),
    }
}

/// Returns a number with its noun, in the plural if needed.
pub fn counted(number: u32, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {thing}{plural}")
}

/// Formats a rate with its significant digits.
pub fn rate(per_second: f64) -> String {
    if per_second < 100.0 {
        return format!("{per_second:.1}");
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rate is positive and small"
    )]
    thousands(per_second.round() as u64)
}

/// Formats a number with its digits in groups.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn rounded(number: f64, by: f64) -> f64 {
    (number * by).round() / by
}

#[cfg(test)]
mod tests {
    use super::{Comparison, Line, Report, rate, thousands};

    #[test]
    fn numbers_are_readable() {
        assert_eq!(thousands(7), "7");
        assert_eq!(thousands(1_234_567), "1,234,567");
        assert_eq!(rate(61.27), "61.3");
        assert_eq!(rate(9332.6), "9,333");
    }

    #[test]
    fn a_comparison_says_what_part_of_the_limit_is_reached() {
        let mut report = Report::default();
        report.compare(Comparison {
            name: "steps",
            title: "Steps".to_owned(),
            limit: Line::limit("the limit".to_owned(), 200.0),
            ours: Line::limit("Countersign".to_owned(), 50.0).with_cpu(20.0),
        });
        report.fact("start", "Start".to_owned(), 12.0, "ms");
        assert!(
            report
                .markdown()
                .contains("| Countersign | 50.0 |  |  | 20 |  | 0.25 |")
        );
        assert!(report.markdown().contains("| Start | 12.0 ms |"));
        assert_eq!(report.json()["rates"]["steps"]["ratio"], 0.25);
        assert_eq!(report.json()["figures"]["start"]["value"], 12.0);
    }
}
