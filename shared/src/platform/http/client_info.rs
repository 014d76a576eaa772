//! Where a request comes from.

use std::{
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, OnceLock},
};

use http::request::Parts;

use super::Quota;

/// Where a request comes from, put into it by the entry.
#[derive(Clone, Debug, Default)]
pub struct ClientInfo {
    /// API Gateway's id of the request; returned as `x-request-id`.
    pub request_id: String,
    /// The address of the connection, as API Gateway saw it; or the one for which a [trusted proxy](super::proxy) asks.
    pub source_ip: String,
    /// What the caller's client calls itself.
    pub user_agent: String,
    /// The API's own host name, as API Gateway knows it; empty elsewhere. Never what a header says.
    pub host: String,
    /// What a rate limit left, for the answer's headers.
    pub quota: Arc<OnceLock<Quota>>,
}

impl ClientInfo {
    /// Of this request.
    pub fn of(parts: &Parts) -> Self {
        parts.extensions.get().cloned().unwrap_or_default()
    }

    /// The network that limits count: an IPv4 address; of IPv6 the /64, all of which one household or server is given.
    pub fn network(&self) -> String {
        match self.source_ip.parse::<IpAddr>().map(|address| address.to_canonical()) {
            Ok(IpAddr::V6(address)) => {
                let prefix = address.segments().map(|segment| format!("{segment:x}"))[..4].join(":");
                format!("{prefix}::/64")
            }
            Ok(IpAddr::V4(address)) => address.to_string(),
            Err(_) => self.source_ip.clone(),
        }
    }
}

/// The /48 of an IPv6 /64, which one customer may be given; `None` for an IPv4 address.
pub fn wide_network(network: &str) -> Option<String> {
    let prefix: Ipv6Addr = network.strip_suffix("/64")?.parse().ok()?;
    let [a, b, c, ..] = prefix.segments();
    Some(format!("{}/48", Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_network_counts_as_one_however_its_addresses_are_written() {
        let network = |source_ip: &str| ClientInfo { source_ip: source_ip.into(), ..ClientInfo::default() }.network();
        for address in ["2001:db8:0:7::1", "2001:0DB8:0000:0007:ffff::2", "2001:db8:0:7:1:2:3:4"] {
            assert_eq!(network(address), "2001:db8:0:7::/64");
        }
        assert_ne!(network("2001:db8:0:8::1"), network("2001:db8:0:7::1"));
        assert_eq!((network("192.0.2.1"), network("::ffff:192.0.2.1")), ("192.0.2.1".into(), "192.0.2.1".into()));
        assert_eq!(network(""), "");
    }

    #[test]
    fn a_64_is_one_of_a_48() {
        assert_eq!(wide_network("2001:db8:7::/64"), wide_network("2001:db8:7:1::/64"), "zeros that are left out");
        assert_eq!(wide_network("2001:db8::/64").as_deref(), Some("2001:db8::/48"));
        assert_eq!((wide_network("192.0.2.1"), wide_network("")), (None, None));
    }
}
