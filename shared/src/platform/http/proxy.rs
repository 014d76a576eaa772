//! A proxy that may say for whom it asks: a rewrite of the front end's server, or a content delivery network.
//!
//! Environment: `PROXY_SECRET` ([secret](crate::secrets)), which the proxy sends in the header `x-proxy-secret`; while it
//! is replaced, the new and the old one with a comma between. Without it nobody is believed.
//!
//! The proxy adds to `X-Forwarded-For` the address that opened the connection to it. What is left of that address came
//! with the request: whoever sent it may have made it up.

use std::net::{IpAddr, SocketAddr};

use aws_lc_rs::{constant_time::verify_slices_are_equal, digest::Digest};
use http::{HeaderMap, HeaderName};

use crate::{config::ConfigError, keys::sha256_bytes, secrets::Secret};

/// The header that carries the secret.
pub(crate) const SECRET_HEADER: HeaderName = HeaderName::from_static("x-proxy-secret");
const FORWARDED_FOR: &str = "x-forwarded-for";
const MIN_CHARS: usize = 32;

/// Which proxies are believed.
#[derive(Default)]
pub(crate) struct TrustedProxies(Option<Secret<Known>>);

/// Their secrets, of which only hashes are kept.
struct Known(Vec<Digest>);

impl Known {
    fn parse(secrets: &str) -> Result<Self, String> {
        let secrets: Vec<&str> = secrets.split(',').map(str::trim).filter(|secret| !secret.is_empty()).collect();
        if secrets.iter().any(|secret| secret.len() < MIN_CHARS || !secret.bytes().all(|byte| byte.is_ascii_graphic()))
        {
            return Err(format!("random texts of {MIN_CHARS} or more ASCII letters, digits and signs, or nothing"));
        }
        Ok(Self(secrets.into_iter().map(|secret| sha256_bytes(secret.as_bytes())).collect()))
    }

    /// Compares with each, in the same time whether it is one or not.
    fn believe(&self, secret: &[u8]) -> bool {
        let secret = sha256_bytes(secret);
        let same = |known: &Digest| verify_slices_are_equal(known.as_ref(), secret.as_ref()).is_ok();
        self.0.iter().fold(false, |any, known| same(known) | any)
    }
}

impl TrustedProxies {
    pub(crate) fn from_env() -> Result<Self, ConfigError> {
        Ok(Self(Secret::optional("PROXY_SECRET", Known::parse)?))
    }

    /// Whom a request is from: the address that the proxy saw, if a proxy that is believed has sent it; else `peer`, who
    /// opened the connection. Takes the secret out of the headers.
    pub(crate) async fn client_address(&self, headers: &mut HeaderMap, peer: &str) -> String {
        let Some(secret) = headers.remove(SECRET_HEADER) else { return peer.to_owned() };
        if !self.believe(secret.as_bytes()).await {
            return peer.to_owned();
        }
        let lists = headers.get_all(FORWARDED_FOR).iter().map(|list| String::from_utf8_lossy(list.as_bytes()));
        let hops: Vec<_> = lists.collect();
        first_untrusted(&hops.join(","), address(peer)).map_or_else(|| peer.to_owned(), |client| client.to_string())
    }

    /// Nobody while it cannot be told: their callers then share the limits of one.
    async fn believe(&self, secret: &[u8]) -> bool {
        let Some(known) = &self.0 else { return false };
        known.find().await.ok().flatten().is_some_and(|known| known.believe(secret))
    }
}

/// Whether a proxy may have this secret; an error says what it must be.
pub(crate) fn check_secret(secret: &str) -> Result<(), String> {
    Known::parse(secret).map(drop)
}

/// The last address of the list that is not one of ours: neither `peer`, the proxy itself, which API Gateway adds, nor a
/// hop inside of the proxy's own network. What is behind an entry that is no address is not looked at.
fn first_untrusted(list: &str, peer: Option<IpAddr>) -> Option<IpAddr> {
    let hops = list.rsplit(',').map(str::trim).filter(|hop| !hop.is_empty());
    let seen: Vec<IpAddr> = hops.map_while(address).skip_while(|hop| Some(*hop) == peer).collect();
    // Where all are private, the proxy serves a private network.
    seen.iter().find(|hop| !is_private(**hop)).or(seen.first()).copied()
}

/// An address with or without a port, an IPv6 one with or without brackets.
fn address(hop: &str) -> Option<IpAddr> {
    let hop = hop.trim_matches('"');
    let bare = hop.strip_prefix('[').and_then(|hop| hop.strip_suffix(']')).unwrap_or(hop);
    let with_port = || hop.parse::<SocketAddr>().ok().map(|hop| hop.ip());
    bare.parse().ok().or_else(with_port).map(|address: IpAddr| address.to_canonical())
}

fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_private() || address.is_loopback() || address.is_link_local(),
        IpAddr::V6(address) => address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    const SECRET: &str = "a-secret-of-thirty-two-characters";
    const PROXY: &str = "203.0.113.9";

    fn client_of(secrets: &str, secret: Option<&str>, lists: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        if let Some(secret) = secret {
            headers.insert(SECRET_HEADER, secret.parse().expect("a value"));
        }
        for list in lists {
            headers.append(FORWARDED_FOR, list.parse().expect("a value"));
        }
        let proxies = TrustedProxies(Some(Secret::given(Known::parse(secrets).expect("good"))));
        let address = proxies.client_address(&mut headers, PROXY).now_or_never().expect("at hand");
        assert!(!headers.contains_key(SECRET_HEADER), "nobody else reads it");
        address
    }

    fn client(list: &str) -> String {
        client_of(SECRET, Some(SECRET), &[list])
    }

    #[test]
    fn the_client_is_the_first_hop_that_is_not_the_proxys() {
        for (list, is) in [
            ("198.51.100.7", "198.51.100.7"),
            ("198.51.100.7, 203.0.113.9", "198.51.100.7"),
            ("198.51.100.7, 10.1.2.3, 127.0.0.1, 203.0.113.9", "198.51.100.7"),
            ("192.0.2.66, 198.51.100.7", "198.51.100.7"),
            ("192.0.2.66, garbage, 198.51.100.7,, ", "198.51.100.7"),
            ("198.51.100.7:49152", "198.51.100.7"),
            ("2001:DB8:0:7::1", "2001:db8:0:7::1"),
            ("[2001:db8:0:7::1]", "2001:db8:0:7::1"),
            ("\"[2001:db8:0:7::1]:443\", 203.0.113.9:80", "2001:db8:0:7::1"),
            ("::ffff:198.51.100.7, ::ffff:203.0.113.9", "198.51.100.7"),
            ("192.168.1.5, 10.0.0.2", "10.0.0.2"),
        ] {
            assert_eq!(client(list), is, "{list}");
        }
        assert_eq!(
            client_of(SECRET, Some(SECRET), &["192.0.2.66", "198.51.100.7"]),
            "198.51.100.7",
            "two lists are one"
        );
    }

    #[test]
    fn where_the_list_says_nothing_the_client_is_who_connected() {
        for list in [
            "",
            ",",
            "unknown",
            "198.51.100.7, unknown",
            "198.51.100.7, _hidden, 203.0.113.9",
            "203.0.113.9",
            "1.2.3",
            "é",
        ] {
            assert_eq!(client(list), PROXY, "{list}");
        }
        assert_eq!(client_of(SECRET, Some(SECRET), &[]), PROXY);
    }

    #[test]
    fn without_the_secret_nobody_is_believed() {
        let list = ["198.51.100.7"];
        for secret in [None, Some(""), Some("another-secret-of-thirty-two-letters"), Some(&SECRET[1..])] {
            assert_eq!(client_of(SECRET, secret, &list), PROXY, "{secret:?}");
        }
        assert_eq!(client_of("", Some(""), &list), PROXY, "none is set");
        assert_eq!(client_of("", Some(SECRET), &list), PROXY);
    }

    #[test]
    fn while_a_secret_is_replaced_both_count() {
        let new = "the-new-secret-of-thirty-two-letters";
        for secret in [new, SECRET] {
            assert_eq!(client_of(&format!("{new}, {SECRET}"), Some(secret), &["198.51.100.7"]), "198.51.100.7");
        }
        for bad in ["too short", &format!("{SECRET},short"), "a secret of thirty-two characters, with spaces"] {
            let error = Known::parse(bad).err().expect("refused");
            assert!(error.starts_with("random texts of") && !error.contains(bad), "{error}");
        }
    }
}
