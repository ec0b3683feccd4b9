//! Repeated figures as medians with their range and as ratios with their goal.

use std::fmt::Write as _;

/// One measurement of both sides.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Figure {
    name: String,
    ours: f64,
    theirs: Option<f64>,
    unit: String,
    goal: Option<Goal>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Goal {
    AtLeast(f64),
    AtMost(f64),
}

impl Goal {
    fn parse(text: &str) -> Option<Self> {
        if let Some(number) = text.strip_prefix(">=") {
            return number.parse().ok().map(Self::AtLeast);
        }
        text.strip_prefix("<=")?.parse().ok().map(Self::AtMost)
    }

    fn reached(self, value: f64) -> bool {
        match self {
            Self::AtLeast(goal) => value >= goal,
            Self::AtMost(goal) => value <= goal,
        }
    }
}

impl Figure {
    /// Reads `name<TAB>ours<TAB>theirs<TAB>unit<TAB>goal`; `-` stands for nothing.
    pub(super) fn parse(line: &str) -> Option<Self> {
        let [name, ours, theirs, unit, goal] = line.split('\t').collect::<Vec<_>>()[..] else {
            return None;
        };
        Some(Self {
            name: name.to_owned(),
            ours: ours.parse().ok()?,
            theirs: if theirs == "-" { None } else { Some(theirs.parse().ok()?) },
            unit: unit.to_owned(),
            goal: if goal == "-" { None } else { Some(Goal::parse(goal)?) },
        })
    }
}

/// The table as text, and how many goals were missed.
pub(super) fn summary(figures: &[Figure]) -> (String, usize) {
    let mut names: Vec<&str> = Vec::new();
    for figure in figures {
        if !names.contains(&&*figure.name) {
            names.push(&figure.name);
        }
    }
    let mut text =
        String::from("| figure | ours | theirs | ratio | goal | |\n|---|---|---|---|---|---|\n");
    let mut missed = 0;
    for name in names {
        let of_name: Vec<&Figure> = figures.iter().filter(|figure| figure.name == name).collect();
        let (line, reached) = row(name, &of_name);
        text.push_str(&line);
        missed += usize::from(!reached);
    }
    (text, missed)
}

fn row(name: &str, figures: &[&Figure]) -> (String, bool) {
    let ours = Spread::of(figures.iter().map(|figure| figure.ours));
    let theirs: Vec<f64> = figures.iter().filter_map(|figure| figure.theirs).collect();
    let pairs = figures.iter().filter_map(|figure| Some(figure.ours / figure.theirs?));
    let ratio = if theirs.is_empty() { None } else { Some(Spread::of(pairs)) };
    let Some(last) = figures.last() else { return (String::new(), true) };
    let judged = ratio.as_ref().map_or(ours.median, |ratio| ratio.median);
    let reached = last.goal.is_none_or(|goal| goal.reached(judged));
    let goal = match last.goal {
        Some(Goal::AtLeast(value)) => format!("≥ {value}"),
        Some(Goal::AtMost(value)) => format!("≤ {value}"),
        None => String::new(),
    };
    let mut line = String::new();
    let _ = writeln!(
        line,
        "| {name} | {} {unit} | {} | {} | {goal} | {} |",
        ours.text(),
        if theirs.is_empty() {
            String::new()
        } else {
            format!("{} {}", Spread::of(theirs).text(), last.unit)
        },
        ratio.map(|ratio| ratio.text()).unwrap_or_default(),
        if reached { "" } else { "MISSED" },
        unit = last.unit,
    );
    (line, reached)
}

struct Spread {
    least: f64,
    median: f64,
    most: f64,
    count: usize,
}

impl Spread {
    fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let count = values.len();
        let middle = |at: usize| values.get(at).copied().unwrap_or(f64::NAN);
        let median = (middle(count.saturating_sub(1) / 2) + middle(count / 2)) / 2.0;
        Self { least: middle(0), median, most: middle(count.saturating_sub(1)), count }
    }

    fn text(&self) -> String {
        if self.count == 1 {
            return number(self.median);
        }
        format!("{} ({}–{})", number(self.median), number(self.least), number(self.most))
    }
}

fn number(value: f64) -> String {
    if value.abs() >= 100.0 { format!("{value:.0}") } else { format!("{value:.3}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_ranges_and_missed_goals() {
        let lines = [
            "speed\t9\t10\ttok/s\t>=0.9",
            "speed\t8\t10\ttok/s\t>=0.9",
            "speed\t10\t10\ttok/s\t>=0.9",
            "memory\t160\t-\tMB\t<=150",
        ];
        let figures: Vec<Figure> = lines.iter().map(|line| Figure::parse(line).unwrap()).collect();
        let (text, missed) = summary(&figures);
        assert_eq!(missed, 1);
        assert!(text.contains("| speed | 9.000 (8.000–10.000) tok/s | 10.000 (10.000–10.000) tok/s | 0.900 (0.800–1.000) | ≥ 0.9 |  |"), "{text}");
        assert!(text.contains("| memory | 160 MB |  |  | ≤ 150 | MISSED |"), "{text}");
        assert_eq!(Figure::parse("anything else"), None);
        assert_eq!(Spread::of([1.0, 2.0, 3.0, 10.0]).median, 2.5);
    }
}
