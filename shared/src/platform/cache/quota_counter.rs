//! Counting against several limits at a time, each thing once.
//!
//! One script looks and counts. So what is refused stands in nobody's way, not even for a moment, and what comes again
//! under its key is not counted again. A cluster runs a script on the keys of one slot alone: those of a call share a
//! `{tag}`.

use std::{
    array,
    collections::HashSet,
    time::{Duration, SystemTime},
};

use redis::{AsyncCommands, Script, aio::MultiplexedConnection};

use super::{Cache, millis, shared_key};

/// KEYS: the counters, then the things. ARGV: how many counters, how long a thing is remembered, limit and window of
/// each counter, and what each thing adds to each counter. Returns 0, what each counter came to before, and for each
/// thing whether it is new; or the number of the counter that would go over its limit.
const COUNT: &str = "local counters, at, sums, seen, answer = tonumber(ARGV[1]), 2 + 2 * tonumber(ARGV[1]), {}, {}, {0}
for i = 1, counters do
  sums[i] = 0
  answer[i + 1] = tonumber(redis.call('GET', KEYS[i]) or 0)
end
for k = counters + 1, #KEYS do
  local new = not seen[KEYS[k]] and redis.call('EXISTS', KEYS[k]) == 0
  if new then
    seen[KEYS[k]] = true
    for i = 1, counters do sums[i] = sums[i] + tonumber(ARGV[at + i]) end
  end
  answer[#answer + 1] = new and 1 or 0
  at = at + counters
end
for i = 1, counters do
  if sums[i] > 0 and answer[i + 1] + sums[i] > tonumber(ARGV[1 + 2 * i]) then return {i} end
end
for i = 1, counters do
  if sums[i] > 0 then
    redis.call('INCRBY', KEYS[i], string.format('%.0f', sums[i]))
    if redis.call('PTTL', KEYS[i]) < 0 then redis.call('PEXPIRE', KEYS[i], ARGV[2 + 2 * i]) end
  end
end
for key in pairs(seen) do redis.call('SET', key, 1, 'PX', ARGV[2]) end
return answer";

/// KEYS: the counters, then the things. ARGV: how many counters, and what each thing added to each counter. A thing that
/// is not remembered gives nothing back, and no counter goes below zero or comes back without an end.
const UNCOUNT: &str = "local counters, at = tonumber(ARGV[1]), 1
for k = counters + 1, #KEYS do
  if redis.call('DEL', KEYS[k]) == 1 then
    for i = 1, counters do
      local used = tonumber(redis.call('GET', KEYS[i]) or 0)
      if used > 0 then redis.call('DECRBY', KEYS[i], math.min(used, tonumber(ARGV[at + i]))) end
    end
  end
  at = at + counters
end";

/// A counter that ends `window` after its first count, with what it may come to.
#[derive(Clone, Debug)]
pub struct QuotaCounter {
    pub key: String,
    /// What it may come to.
    pub limit: u64,
    /// How long it counts.
    pub window: Duration,
}

/// What counts once: so much on each of `N` counters.
#[derive(Clone, Debug)]
pub struct CountedOnce<const N: usize> {
    pub key: String,
    /// What it adds to each counter.
    pub amounts: [u64; N],
}

/// What counting came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted<const N: usize> {
    /// What each counter had come to before.
    pub before: [u64; N],
    /// Of each thing, whether it was counted now.
    pub new: Vec<bool>,
}

impl Cache {
    /// Counts those of `things` that were not counted in the time for which they are `remembered`: all of them, or none
    /// when a counter would go over its limit; the error is which counter it was.
    pub async fn count_once<const N: usize>(
        &self,
        counters: &[QuotaCounter; N],
        things: &[CountedOnce<N>],
        remembered: Duration,
    ) -> Result<Counted<N>, usize> {
        let script = Script::new(COUNT);
        let mut call = script.prepare_invoke();
        let limits = counters.iter().flat_map(|counter| [counter.limit, millis(counter.window)]);
        call.key(keys(counters, things)).arg(N).arg(millis(remembered)).arg(limits.collect::<Vec<_>>());
        call.arg(amounts(things));
        let counted = self.call(async |connection| call.invoke_async::<Vec<u64>>(connection).await).await;
        match counted.as_deref() {
            Some([0, rest @ ..]) if rest.len() == N + things.len() => {
                let (before, new) = rest.split_at(N);
                Ok(Counted {
                    before: array::from_fn(|index| before[index]),
                    new: new.iter().map(|new| *new == 1).collect(),
                })
            }
            Some([number, ..]) if *number > 0 => Err(usize::try_from(number - 1).unwrap_or_default()),
            _ => self.count_once_local(counters, things, remembered),
        }
    }

    /// Whether [`Cache::count_once`] remembers that this thing was counted.
    pub async fn is_counted(&self, key: &str) -> bool {
        let exists = async |connection: &mut MultiplexedConnection| connection.exists::<_, bool>(shared_key(key)).await;
        let local = || self.0.counted.get(key).is_some_and(|until| SystemTime::now() < until);
        self.call(exists).await.unwrap_or_else(local)
    }

    /// Takes back what [`Cache::count_once`] has just counted.
    pub async fn uncount<const N: usize>(&self, counters: &[QuotaCounter; N], things: &[CountedOnce<N>]) {
        let script = Script::new(UNCOUNT);
        let mut call = script.prepare_invoke();
        call.key(keys(counters, things)).arg(N).arg(amounts(things));
        if self.call(async |connection| call.invoke_async::<()>(connection).await).await.is_some() {
            return;
        }
        for thing in things.iter().filter(|thing| self.0.counted.remove(&thing.key).is_some()) {
            for (counter, amount) in counters.iter().zip(thing.amounts) {
                self.subtract_local(&counter.key, amount);
            }
        }
    }

    fn count_once_local<const N: usize>(
        &self,
        counters: &[QuotaCounter; N],
        things: &[CountedOnce<N>],
        remembered: Duration,
    ) -> Result<Counted<N>, usize> {
        let mut seen = HashSet::new();
        let now = SystemTime::now();
        let counted_before = |key: &String| self.0.counted.get(key).is_some_and(|until| now < until);
        let new: Vec<bool> =
            things.iter().map(|thing| seen.insert(&thing.key) && !counted_before(&thing.key)).collect();
        let counted = || things.iter().zip(&new).filter(|(_, new)| **new).map(|(thing, _)| thing);
        let sums: [u64; N] = array::from_fn(|index| counted().map(|thing| thing.amounts[index]).sum());
        let used =
            |counter: &QuotaCounter| self.local(&counter.key).and_then(|text| text.parse().ok()).unwrap_or(0_u64);
        let before = array::from_fn(|index| used(&counters[index]));
        let goes_over =
            |(counter, sum): (&QuotaCounter, u64)| sum > 0 && used(counter).saturating_add(sum) > counter.limit;
        if let Some(index) = counters.iter().zip(sums).position(goes_over) {
            return Err(index);
        }
        for (counter, sum) in counters.iter().zip(sums).filter(|(_, sum)| *sum > 0) {
            self.add_local(&counter.key, sum, counter.window);
        }
        counted().for_each(|thing| self.0.counted.insert(thing.key.clone(), now + remembered));
        Ok(Counted { before, new })
    }
}

fn keys<const N: usize>(counters: &[QuotaCounter; N], things: &[CountedOnce<N>]) -> Vec<String> {
    let things = things.iter().map(|thing| thing.key.as_str());
    counters.iter().map(|counter| counter.key.as_str()).chain(things).map(shared_key).collect()
}

fn amounts<const N: usize>(things: &[CountedOnce<N>]) -> Vec<u64> {
    things.iter().flat_map(|thing| thing.amounts).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    fn counters() -> [QuotaCounter; 2] {
        [("{u}:few", 3), ("{u}:many", 100)].map(|(key, limit)| QuotaCounter { key: key.into(), limit, window: MINUTE })
    }

    fn thing(key: &str, amount: u64) -> CountedOnce<2> {
        CountedOnce { key: format!("{{u}}:{key}"), amounts: [1, amount] }
    }

    async fn used(cache: &Cache) -> [Option<String>; 2] {
        [cache.peek("{u}:few").await, cache.peek("{u}:many").await]
    }

    #[tokio::test]
    async fn a_thing_counts_once_and_what_goes_over_a_limit_leaves_no_trace() {
        let cache = Cache::in_process();
        let count = async |things: &[CountedOnce<2>]| cache.count_once(&counters(), things, MINUTE).await;
        let counted = |before, new: &[bool]| Ok(Counted { before, new: new.to_vec() });
        let first = count(&[thing("a", 10), thing("b", 20), thing("a", 10)]).await;
        assert_eq!(first, counted([0, 0], &[true, true, false]));
        assert_eq!(count(&[thing("b", 20), thing("c", 71)]).await, Err(1), "101 of 100");
        assert_eq!(used(&cache).await, [Some("2".into()), Some("30".into())]);
        assert_eq!(count(&[thing("c", 1), thing("d", 1)]).await, Err(0), "4 of 3");
        assert_eq!(count(&[thing("a", 10), thing("c", 70)]).await, counted([2, 30], &[false, true]));
        let again = count(&[thing("a", 10), thing("b", 20)]).await;
        assert_eq!(again, counted([3, 100], &[false, false]), "at the limit, and nothing new");
    }

    #[tokio::test]
    async fn what_is_taken_back_counts_when_it_comes_again() {
        let cache = Cache::in_process();
        let count = async |things: &[CountedOnce<2>]| {
            cache.count_once(&counters(), things, MINUTE).await.map(|counted| counted.new)
        };
        let things = [thing("a", 10), thing("b", 20)];
        assert_eq!(count(&things).await, Ok(vec![true; 2]));
        for _ in 0..2 {
            cache.uncount(&counters(), &things[..1]).await;
            assert_eq!(used(&cache).await, [Some("1".into()), Some("20".into())], "once");
        }
        assert_eq!(count(&things).await, Ok(vec![true, false]));
    }
}
