//! What comes after `--` on the command line.

use std::str::FromStr;

/// The arguments that nobody has read yet: whoever reads one takes it out, and what is left at the
/// end is refused.
pub struct Options(Vec<String>);

impl Options {
    /// Those of this program.
    pub fn of_program() -> Self {
        // Cargo adds a word of its own.
        Self(std::env::args().skip(1).filter(|argument| argument != "--bench").collect())
    }

    /// Whether the switch is there.
    pub fn has(&mut self, name: &str) -> bool {
        let count = self.0.len();
        self.0.retain(|argument| argument != name);
        self.0.len() < count
    }

    /// The number after an option, where it is there.
    pub fn number<T: FromStr>(&mut self, name: &str) -> anyhow::Result<Option<T>> {
        let Some(place) = self.0.iter().position(|argument| argument == name) else {
            return Ok(None);
        };
        let text = self.0.drain(place..self.0.len().min(place + 2)).nth(1);
        let text = text.ok_or_else(|| anyhow::anyhow!("{name} wants a number behind it"))?;
        let number = text.parse();
        number.map(Some).map_err(|_| anyhow::anyhow!("{name} wants a number, not '{text}'"))
    }

    /// The numbers that stand alone, of which at most `most` are wanted; refuses what else is left.
    pub fn rest(self, most: usize) -> anyhow::Result<Vec<usize>> {
        let mut numbers = Vec::new();
        for text in self.0 {
            match text.parse() {
                Ok(number) if numbers.len() < most => numbers.push(number),
                _ => anyhow::bail!(
                    "'{text}' means nothing here; the first lines of the benchmark's source name \
                     what does"
                ),
            }
        }
        Ok(numbers)
    }
}
