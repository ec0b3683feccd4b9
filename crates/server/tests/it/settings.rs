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

#[test]
fn an_address_that_is_none_is_told_how_one_looks() {
    for listen in ["9090", "localhost:9090"] {
        let output = Command::new(program())
            .arg("config")
            .env("LYCEUM_SERVER__LISTEN", listen)
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && said.contains(listen), "{said}");
        assert!(
            said.contains("expected an IP address and a port such as 127.0.0.1:8080"),
            "{said}"
        );
    }
    let output = Command::new(program())
        .arg("config")
        .env("LYCEUM_SERVER__LISTEN", "0.0.0.0:9090")
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("listen = \"0.0.0.0:9090\""), "{said}");
}
