//! Draws the chart: which part of its limit the server reaches, as an SVG that is legible on light
//! and dark backgrounds.

use std::fmt::Write as _;

use serde_json::Value;

use super::report::{Comparison, Line, Report, rate, thousands};

const WIDTH: f64 = 800.0;
const LEFT: f64 = 24.0;
/// The length of the longest bar.
const BAR: f64 = 330.0;
const BAR_HEIGHT: f64 = 18.0;
/// The distance from one comparison to the next.
const GROUP: f64 = 92.0;
const TOP: f64 = 78.0;

const STYLE: &str = "\
text { font: 13px system-ui, -apple-system, 'Segoe UI', sans-serif; fill: #1f2328 }
.title { font-size: 17px; font-weight: 600 }
.name { font-weight: 600 }
.note { font-size: 12px; fill: #59636e }
.ratio { font-size: 18px; font-weight: 600; text-anchor: end }
.paper { fill: #ffffff }
.limit { fill: #c8ced6 }
.ours { fill: #0b6bcb }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 }
.note { fill: #9198a1 }
.paper { fill: #0d1117 }
.limit { fill: #48515c }
.ours { fill: #58a6ff }
}";

/// Draws the comparisons of a report. `all` says where and when they were measured.
pub fn draw(report: &Report, all: &Value) -> String {
    let groups = report.comparisons.len();
    let height = TOP + GROUP * groups as f64 + 34.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" role=\"img\">\n\
         <title>Countersign beside what its parts allow</title>\n\
         <style>{STYLE}</style>\n\
         <rect class=\"paper\" width=\"{WIDTH}\" height=\"{height}\" rx=\"8\"/>\n"
    );
    text(
        &mut svg,
        (LEFT, 34.0),
        "title",
        "Countersign beside what its parts allow",
    );
    let note = "Grey is the limit, blue is Countersign; on the right, what part of the limit it reaches. p99 at half of the rate.";
    text(&mut svg, (LEFT, 55.0), "note", note);
    for (at, comparison) in report.comparisons.iter().enumerate() {
        group(&mut svg, TOP + GROUP * at as f64, comparison);
    }
    text(&mut svg, (LEFT, height - 16.0), "note", &origin(all));
    svg.push_str("</svg>\n");
    svg
}

fn group(svg: &mut String, top: f64, comparison: &Comparison) {
    let Comparison { limit, ours, .. } = comparison;
    text(svg, (LEFT, top + 14.0), "name", &comparison.title);
    let most = limit.per_second.max(ours.per_second);
    bar(svg, top + 24.0, ("limit", limit), most);
    bar(svg, top + 24.0 + BAR_HEIGHT + 4.0, ("ours", ours), most);
    let ratio = format!("{:.2}", comparison.ratio());
    text(svg, (WIDTH - LEFT, top + 15.0), "ratio", &ratio);
}

fn bar(svg: &mut String, top: f64, (class, line): (&str, &Line), most: f64) {
    let long = (BAR * line.per_second / most).max(1.0);
    let _ = writeln!(
        svg,
        "<rect class=\"{class}\" x=\"{LEFT}\" y=\"{top:.1}\" width=\"{long:.1}\" height=\"{BAR_HEIGHT}\" rx=\"2\"/>"
    );
    let p99 = line.p99_ms.filter(|_| class == "ours");
    let p99 = p99.map_or_else(String::new, |p99| format!(", p99 {p99:.1} ms"));
    let label = format!("{} a second: {}{p99}", rate(line.per_second), line.what);
    text(svg, (LEFT + long + 8.0, top + 14.0), "note", &label);
}

fn origin(all: &Value) -> String {
    let said = |path: &str| match all.pointer(path) {
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
        None => String::new(),
    };
    let users = all.pointer("/sizes/users").and_then(Value::as_u64);
    let users = users.map_or_else(String::new, thousands);
    format!(
        "{}, commit {}; {} cores of {}; {users} users, {} connections",
        said("/date"),
        said("/commit"),
        said("/machine/cores"),
        said("/machine/processor"),
        said("/sizes/connections"),
    )
}

fn text(svg: &mut String, (x, y): (f64, f64), class: &str, words: &str) {
    let words = words
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    let _ = writeln!(
        svg,
        "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\">{words}</text>"
    );
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::draw;
    use crate::bench::report::{Comparison, Line, Report};

    #[test]
    fn bars_are_as_long_as_their_rates_and_words_are_escaped() {
        let mut report = Report::default();
        report.compare(Comparison {
            name: "steps",
            title: "Steps & more".to_owned(),
            limit: Line::limit("the limit".to_owned(), 200.0),
            ours: Line::limit("Countersign".to_owned(), 50.0),
        });
        let svg = draw(&report, &json!({"date": "2026-11-29"}));
        assert!(
            svg.contains("class=\"limit\" x=\"24\" y=\"102.0\" width=\"330.0\""),
            "{svg}"
        );
        assert!(
            svg.contains("width=\"82.5\"") && svg.contains("Steps &amp; more"),
            "{svg}"
        );
        assert!(
            svg.contains(">0.25</text>") && svg.contains("2026-11-29"),
            "{svg}"
        );
    }
}
