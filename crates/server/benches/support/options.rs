//! What comes after `--` on the command line.

use std::str::FromStr;

/// Whether the switch is there.
pub fn has(name: &str) -> bool {
    std::env::args().any(|argument| argument == name)
}

/// The number after an option; `usual` without it.
pub fn number<T: FromStr>(name: &str, usual: T) -> anyhow::Result<T> {
    let mut arguments = std::env::args().skip_while(|argument| argument != name).skip(1);
    let Some(text) = arguments.next() else { return Ok(usual) };
    text.parse().map_err(|_| anyhow::anyhow!("{name} wants a number, not '{text}'"))
}
