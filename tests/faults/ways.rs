//! The way to MongoDB and to Valkey: late, lossy, silent, reset, cut while a request is under way.
//! (That to SQS and S3: `aws`.)

use std::time::Duration;

use futures_util::future::{join, join_all};
use shared::roles::Role;
use tests::{
    host::Function,
    proxy::{NetworkFault, Proxy, RETRANSMISSION},
    test_env::TestEnv,
};

use super::{
    COLLECTIONS, PER_COLLECTION, batch, behind_proxy, check_answer, check_next, deliver, replace_preferences, seconds,
    seen_by_queue, stored,
};

pub(super) struct Fault {
    pub(super) name: &'static str,
    pub(super) way: NetworkFault,
    /// How long the fault lasts, when it begins while a request is under way; else it is there before, and stays.
    pub(super) lasts: Option<Duration>,
}

/// How long a request is under way before a fault.
const BEFORE: Duration = Duration::from_millis(150);
/// The longest that a function waits for the cache.
const CACHE_TIMEOUT: Duration = Duration::from_millis(300);
const MS: fn(u64) -> Duration = Duration::from_millis;

pub(super) fn faults() -> Vec<Fault> {
    [
        ("nothing", NetworkFault::Open, None),
        ("20 ms later each way", NetworkFault::Late(MS(20)), None),
        ("150 ms later each way", NetworkFault::Late(MS(150)), None),
        ("500 ms later each way", NetworkFault::Late(MS(500)), None),
        ("every 4th packet lost", NetworkFault::Lossy(4), None),
        ("silent (half-open)", NetworkFault::Silent, None),
        ("reset (RST)", NetworkFault::Reset, None),
        ("cut for 0.3 s in mid-request", NetworkFault::Cut, Some(MS(300))),
        ("reset for 0.3 s in mid-request", NetworkFault::Reset, Some(MS(300))),
        ("silent for 1 s in mid-request", NetworkFault::Silent, Some(MS(1000))),
    ]
    .map(|(name, way, lasts)| Fault { name, way, lasts })
    .into()
}

impl Fault {
    /// What a request takes that meets the fault: a fault that is not met shows nothing.
    pub(super) fn costs(&self) -> Duration {
        match self.way {
            NetworkFault::Late(by) => by,
            NetworkFault::Lossy(_) => RETRANSMISSION,
            _ if self.lasts.is_some() => BEFORE,
            _ => Duration::ZERO,
        }
    }

    /// `work`, with the fault before it or in the middle.
    pub(super) async fn during<T>(&self, proxy: &Proxy, work: impl Future<Output = T>) -> T {
        let strike = async {
            let Some(lasts) = self.lasts else { return proxy.set(self.way) };
            // So slow that the request is under way when the fault comes.
            proxy.set(NetworkFault::Late(BEFORE / 2));
            tokio::time::sleep(BEFORE).await;
            proxy.set(self.way);
            tokio::time::sleep(lasts).await;
            proxy.restore();
        };
        let ((), outcome) = join(strike, work).await;
        proxy.restore();
        outcome
    }
}

async fn route_through(env: &TestEnv, fault: &Fault) -> String {
    let (route, proxy) = behind_proxy(env, "user-preferences").await;
    let person = env.person(Role::User, None).await;
    let (answer, took) = fault.during(&proxy, replace_preferences(&route, &person)).await;
    check_answer(fault.name, &answer, took);
    assert!(took >= fault.costs(), "{}: not met within {took:?}", fault.name);
    if answer.status == 200 {
        let user = env.users().find_one(bson::doc! {"_id": &person.id}).await.unwrap().unwrap();
        let kept = user.get_document("notificationPreferences").unwrap();
        assert_eq!(kept.get_bool("emailEnabled").ok(), Some(false), "{}: acknowledged and not stored", fault.name);
    }
    let (after, recovered) = replace_preferences(&route, &person).await;
    check_next(fault.name, after.status == 200, recovered);
    format!("{} | {} | {}", answer.status, seconds(took), seconds(recovered))
}

/// The consumer is warm, so that its sockets are what the fault meets.
async fn consumer_through(fault: &Fault) -> String {
    let env = TestEnv::new().await;
    let (consumer, proxy) = behind_proxy(&env, "write-events").await;
    let (first, second) = (batch(), batch());
    assert!(deliver(&consumer, &first).await.0);
    let (done, took) = fault.during(&proxy, deliver(&consumer, &second)).await;
    assert!(took >= fault.costs(), "{}: not met within {took:?}", fault.name);
    // Delivered again: after an error as SQS does, after success because SQS may.
    let (again, recovered) = deliver(&consumer, &second).await;
    check_next(fault.name, again, recovered);
    assert_eq!(stored(&env.database).await, [2 * PER_COLLECTION; COLLECTIONS.len()], "{}: each once", fault.name);
    format!("{} | {} | {}", seen_by_queue(done), seconds(took), seconds(recovered))
}

#[tokio::test]
async fn on_the_way_to_mongodb() {
    let (env, faults) = (TestEnv::new().await, faults());
    let lines = faults.iter().map(async |fault| {
        let (route, consumer) = join(route_through(&env, fault), consumer_through(fault)).await;
        format!("| {} | {route} | {consumer} | 0 |", fault.name)
    });
    let lines = join_all(lines).await;
    println!("\n| on the way to MongoDB | route | s | the next, s | consumer | s | the next, s | lost |");
    println!("|---|---|---|---|---|---|---|---|");
    for line in lines {
        println!("{line}");
    }
}

#[tokio::test]
async fn on_the_way_to_valkey() {
    let (env, faults) = (TestEnv::new().await, faults());
    let Some(redis) = env.stack.own_redis().await else { return };
    let address = env.stack.redis_address();
    let lines = faults.iter().map(async |fault| {
        let proxy = Proxy::to(address.clone()).await;
        let url = redis.replace(&address, &format!("127.0.0.1:{}", proxy.port));
        let mut variables = env.variables();
        variables.push(("REDIS_URL", url.as_str()));
        let route = Function::start("user-preferences", &variables).await;
        let before = env.person(Role::User, None).await;
        assert_eq!(replace_preferences(&route, &before).await.0.status, 200);
        let (person, next) = (env.person(Role::User, None).await, env.person(Role::User, None).await);
        let (answer, took) = fault.during(&proxy, replace_preferences(&route, &person)).await;
        check_answer(fault.name, &answer, took);
        assert!(took >= fault.costs().min(CACHE_TIMEOUT), "{}: not met within {took:?}", fault.name);
        assert_eq!(answer.status, 200, "{}: nothing needs the cache: {}", fault.name, answer.text);
        let (after, recovered) = replace_preferences(&route, &next).await;
        check_next(fault.name, after.status == 200, recovered);
        format!("| {} | {} | {} | {} | 0 |", fault.name, answer.status, seconds(took), seconds(recovered))
    });
    let lines = join_all(lines).await;
    println!("\n| on the way to Valkey | route | s | the next, s | lost |\n|---|---|---|---|---|");
    for line in lines {
        println!("{line}");
    }
}
