//! How often one caller may use a family of routes: a fixed window, counted in the cache.
//!
//! Every policy works without the cache too: the count then goes on in this environment alone, so that
//! an outage of the cache neither locks everybody out nor lets everything in.
//!
//! Of several policies of a request, its answer tells of the one that refused it, else of the first.

use super::{
    ClientInfo, Policy, Problem,
    quota::{Left, seconds},
};
use crate::cache::{Cache, Count};

impl Policy {
    /// Counts this request of `principal` (an id; or the caller's network, see [`ClientInfo::network`]); 429 when the window is used up. The answer carries what is left.
    pub async fn check(&self, cache: &Cache, client: &ClientInfo, principal: &str) -> Result<(), Problem> {
        let count = cache.increment(&self.key(principal), self.window).await;
        self.judge(client, count)
    }

    /// As [`Policy::check`], by the caller's address.
    pub async fn check_address(&self, cache: &Cache, client: &ClientInfo) -> Result<(), Problem> {
        self.check(cache, client, &client.network()).await
    }

    /// As [`Policy::check_address`], for a limit before the route's own: the answer tells of it only when it refuses.
    pub async fn admit_address(&self, cache: &Cache, client: &ClientInfo) -> Result<(), Problem> {
        self.count(cache, client, &client.network()).await.map(drop)
    }

    /// The request was not one of those that the policy is about after all.
    pub async fn give_back_address(&self, cache: &Cache, client: &ClientInfo) {
        cache.subtract(&self.key(&client.network()), 1).await;
    }

    async fn count(&self, cache: &Cache, client: &ClientInfo, principal: &str) -> Result<Left, Problem> {
        let count = cache.increment(&self.key(principal), self.window).await;
        self.left(client, count)
    }

    /// As [`Policy::check`], of a count that was made elsewhere.
    pub(crate) fn judge(&self, client: &ClientInfo, count: Count) -> Result<(), Problem> {
        let left = self.left(client, count)?;
        client.quota.get_or_init(|| left.into());
        Ok(())
    }

    fn left(&self, client: &ClientInfo, count: Count) -> Result<Left, Problem> {
        let left = Left { policy: *self, count };
        if count.used > self.requests {
            *client.quota.get_or_init(|| left.into()).left() = left;
            return Err(Problem::too_many_requests(seconds(count.resets_in)));
        }
        Ok(left)
    }

    pub(crate) fn key(&self, principal: &str) -> String {
        format!("rate:{}:{principal}", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Quota;
    use std::time::Duration;

    #[tokio::test]
    async fn the_window_is_counted_per_principal_and_told() {
        let (cache, policy) = (Cache::in_process(), Policy { name: "p", requests: 2, window: Duration::from_mins(1) });
        let call = async |principal: &str| {
            let client = ClientInfo::default();
            let outcome = policy.check(&cache, &client, principal).await;
            (outcome.is_ok(), client.quota.get().map(Quota::fields))
        };
        let (admitted, fields) = call("a").await;
        let fields = fields.expect("told");
        assert_eq!((admitted, fields[0].1.as_str(), fields[1].1.as_str()), (true, "\"p\";q=2;w=60", "\"p\";r=1;t=60"));
        assert!(call("a").await.0 && !call("a").await.0 && call("b").await.0);
    }

    #[tokio::test]
    async fn of_several_policies_the_one_that_refuses_is_told_else_the_first() {
        let cache = Cache::in_process();
        let policy = |name, requests| Policy { name, requests, window: Duration::from_mins(1) };
        let (before, first, second) = (policy("before", 3), policy("first", 9), policy("second", 1));
        let call = async || {
            let client = ClientInfo { source_ip: "192.0.2.1".into(), ..ClientInfo::default() };
            let outcome = async {
                before.admit_address(&cache, &client).await?;
                first.check(&cache, &client, "a").await?;
                second.check(&cache, &client, "a").await
            };
            (outcome.await.is_ok(), client.quota.get().expect("told").fields()[1].1.clone())
        };
        assert_eq!(call().await, (true, "\"first\";r=8;t=60".into()));
        assert_eq!(call().await, (false, "\"second\";r=0;t=60".into()));
        let client = ClientInfo { source_ip: "192.0.2.1".into(), ..ClientInfo::default() };
        before.give_back_address(&cache, &client).await;
        assert_eq!(call().await, (false, "\"second\";r=0;t=60".into()));
        assert_eq!(call().await, (false, "\"second\";r=0;t=60".into()));
        assert_eq!(call().await, (false, "\"before\";r=0;t=60".into()));
    }
}
