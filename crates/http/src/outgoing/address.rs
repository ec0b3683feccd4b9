//! Which addresses and names belong to private networks.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::Host;

/// Ends of names that no public name server knows, or that nobody may have: they are names of private
/// networks.
const INTERNAL: [&str; 10] = [
    "corp",
    "home",
    "home.arpa",
    "internal",
    "intranet",
    "lan",
    "local",
    "localdomain",
    "private",
    "svc",
];

/// Whether a host is this machine or in a private network, as far as it says so by itself.
pub(super) fn is_private(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => is_below(name, "localhost"),
        Host::Ipv4(address) => !is_public(IpAddr::V4(*address)),
        Host::Ipv6(address) => !is_public(IpAddr::V6(*address)),
    }
}

/// Whether a name is one of a private network by its form, for where others look it up.
pub(super) fn is_internal(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => {
            !name.trim_end_matches('.').contains('.')
                || INTERNAL.iter().any(|end| is_below(name, end))
        }
        Host::Ipv4(_) | Host::Ipv6(_) => false,
    }
}

/// Whether a name is `parent` or below it; both in small letters, as in a [`url::Url`].
pub(super) fn is_below(name: &str, parent: &str) -> bool {
    let rest = name.trim_end_matches('.').strip_suffix(parent);
    rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// Whether an address belongs to the public Internet (RFC 6890 and what was added since).
pub(super) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            let special = matches!(
                (a, b, c),
                (0, ..)
                    | (10, ..)
                    | (100, 64..=127, _)
                    | (127, ..)
                    | (169, 254, _)
                    | (172, 16..=31, _)
                    | (192, 0, 0)
                    | (192, 0, 2)
                    | (192, 88, 99)
                    | (192, 168, _)
                    | (198, 18..=19, _)
                    | (198, 51, 100)
                    | (203, 0, 113)
                    | (224..=255, ..)
            );
            !special
        }
        IpAddr::V6(v6) => {
            if let Some(v4) = embedded_v4(v6) {
                return is_public(IpAddr::V4(v4));
            }
            let s = v6.segments();
            let global_unicast = (s[0] & 0xe000) == 0x2000;
            let documentation = (s[0] == 0x2001 && s[1] == 0x0db8) || s[0] == 0x3fff;
            let protocol = s[0] == 0x2001 && s[1] < 0x0200;
            global_unicast && !documentation && !protocol
        }
    }
}

/// The IPv4 address inside a mapped, compatible, NAT64 or 6to4 IPv6 address.
fn embedded_v4(v6: Ipv6Addr) -> Option<Ipv4Addr> {
    let s = v6.segments();
    let v4 = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match s {
        [0, 0, 0, 0, 0, 0xffff | 0, high, low] => Some(v4(high, low)),
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Some(v4(high, low)),
        [0x2002, high, low, ..] => Some(v4(high, low)),
        _ => None,
    }
}
