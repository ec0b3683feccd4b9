//! What the program says of its settings.

use std::process::Command;

use crate::world::program;

#[test]
fn passwords_in_addresses_are_hidden() {
    let output = Command::new(program())
        .arg("config")
        .env("LYCEUM_OUTGOING__PROXY", "http://user:hunter2@proxy.example.org:3128")
        .env("LYCEUM_OUTGOING__NO_PROXY", "[\"example.org\"]")
        .env("LYCEUM_REDIS__URL", "redis://:hunter2@redis.example.org")
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && said.contains("proxy = \"***\""), "{said}");
    assert!(said.contains("no_proxy = [\"example.org\"]"), "{said}");
    assert!(!said.contains("hunter2"), "{said}");
}
