//! Lambda freezes an environment between invocations; its sockets live on, end, or are forgotten on the way.
//! What the first request afterwards costs: `cargo local test -- thaw --nocapture` prints it. Six seconds and a minute
//! go by; ten minutes do so by the function's wall clock alone, as where a freeze stops the monotonic one.

use std::time::{Duration, Instant};

use bson::{Document, doc};
use serde_json::{Value, json};
use shared::{clock, roles::Role};
use tests::{
    host::{Function, Outcome},
    proxy::{NetworkFault, Proxy},
    test_env::{Person, TestEnv},
};

use crate::faults::clock::Clock;

/// What the first request may cost above a warm one, in the median of the environments: a question that is not
/// answered within 50 ms, and a connection.
const BOUND: Duration = Duration::from_millis(100);
/// What it takes in none of them: this machine's processors have other things to do.
const LONGEST: Duration = Duration::from_secs(1);
/// Environments for each case.
const ENVIRONMENTS: usize = 5;
const WARM: usize = 9;

/// What becomes of the sockets of an environment that stands still.
#[derive(Clone, Copy, Debug)]
enum Sockets {
    Live,
    /// The server ends them.
    Ended,
    /// By an RST.
    Reset,
    /// Something on the way drops what they carry, and tells nobody.
    Forgotten,
}

const FATES: [Sockets; 4] = [Sockets::Live, Sockets::Ended, Sockets::Reset, Sockets::Forgotten];

impl Sockets {
    fn meet(self, proxy: &Proxy) {
        match self {
            Self::Live => {}
            Self::Ended => proxy.set(NetworkFault::Cut),
            Self::Reset => proxy.set(NetworkFault::Reset),
            Self::Forgotten => proxy.forget(),
        }
    }
}

/// Which function, and to which server its sockets are.
#[derive(Clone, Copy, Debug)]
enum Who {
    Route,
    Consumer,
    /// With its sockets to Valkey in question.
    Cached,
}

impl Who {
    async fn start(self, env: &TestEnv, clock: &Clock) -> (Function, Proxy) {
        let upstream = match self {
            Self::Cached => env.stack.redis_address(),
            _ => env.stack.mongodb_address(),
        };
        let proxy = Proxy::to(upstream).await;
        let (uri, cache) = match self {
            Self::Cached => (env.stack.mongodb_uri.clone(), format!("redis://127.0.0.1:{}/", proxy.port)),
            _ => (proxy.uri(), String::new()),
        };
        let mut variables = env.variables();
        variables.extend([("MONGODB_URI", uri.as_str()), ("REDIS_URL", cache.as_str())]);
        variables.extend(clock.variables());
        let name = if matches!(self, Self::Consumer) { "write-events" } else { "auth-session" };
        (Function::start(name, &variables).await, proxy)
    }

    /// One request that needs the server; how long it took.
    async fn ask(self, function: &Function, person: &Person) -> Duration {
        let started = Instant::now();
        if matches!(self, Self::Consumer) {
            let answer = function.invoke(one_click(&person.id, function.pid())).await;
            assert!(matches!(answer, Outcome::Response(_)), "{answer:?}");
        } else {
            let answer = function.get_as(&person.token, "/api/auth/session").await;
            assert_eq!(answer.status, 200, "{}", answer.text);
        }
        started.elapsed()
    }
}

fn one_click(id: &str, link: u32) -> Value {
    let link = link.to_string();
    let record = json!({"kind": "affiliate_click", "id": id, "linkId": link, "occurredAt": clock::now()});
    json!({"Records": [{"messageId": "m", "body": json!({"records": [record]}).to_string()}]})
}

/// An environment that is warm, and then stands still.
struct Environment {
    who: Who,
    fate: Sockets,
    function: Function,
    proxy: Proxy,
    /// What a request took before.
    warm: Duration,
    person: Person,
}

impl Environment {
    async fn start(env: &TestEnv, clock: &Clock, who: Who, fate: Sockets) -> Self {
        let (function, proxy) = who.start(env, clock).await;
        let mut times = Vec::new();
        for _ in 0..WARM {
            // Somebody new each time: who is known already needs no server.
            times.push(who.ask(&function, &env.person(Role::User, None).await).await);
        }
        times.sort();
        let person = env.person(Role::User, None).await;
        Self { who, fate, function, proxy, warm: times[WARM / 2], person }
    }

    /// Right after a request, whatever else was started meanwhile.
    async fn freeze(&self, env: &TestEnv) {
        self.who.ask(&self.function, &env.person(Role::User, None).await).await;
        self.function.freeze();
        self.fate.meet(&self.proxy);
    }

    /// What the first request takes.
    async fn thaw(&self, env: &TestEnv) -> Duration {
        let (who, fate, before) = (self.who, self.fate, self.proxy.total());
        self.function.thaw();
        let first = who.ask(&self.function, &self.person).await;
        if !matches!(fate, Sockets::Live) {
            assert!(self.proxy.total() > before, "{who:?} {fate:?}: answered by sockets that cannot work");
        }
        if matches!(who, Who::Consumer) {
            let clicks = env.database.collection::<Document>("affiliate_clicks");
            let ours = doc! {"linkId": self.function.pid().to_string()};
            assert_eq!(clicks.count_documents(ours).await.unwrap(), WARM as u64 + 2, "each once");
        }
        first
    }
}

/// How a time goes by.
#[derive(Clone, Copy, Debug)]
enum Goes {
    By,
    /// By the functions' wall clock.
    ByTheClock,
}

/// Environments that were frozen, and when they may go on.
struct Frozen {
    env: TestEnv,
    environments: Vec<Environment>,
    /// For people.
    time: String,
    until: Instant,
}

impl Frozen {
    async fn freeze(time: Duration, goes: Goes) -> Self {
        let (env, clock, mut environments) = (TestEnv::new().await, Clock::new(), Vec::new());
        for who in [Who::Route, Who::Consumer, Who::Cached] {
            for fate in FATES {
                for _ in 0..ENVIRONMENTS {
                    environments.push(Environment::start(&env, &clock, who, fate).await);
                }
            }
        }
        for environment in &environments {
            environment.freeze(&env).await;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        for environment in &environments {
            environment.proxy.restore();
        }
        let until = match goes {
            Goes::By => Instant::now() + time,
            Goes::ByTheClock => {
                clock.set_ahead(time);
                Instant::now()
            }
        };
        Self { env, environments, time: format!("{time:?} ({goes:?})"), until }
    }

    /// When its time is over: what the first requests cost; those that cost too much.
    async fn thaw(self) -> Vec<String> {
        tokio::time::sleep_until(self.until.into()).await;
        println!("\n| frozen for {} | its sockets | a warm request, ms | the first, ms | the slowest, ms |", self.time);
        println!("|---|---|---|---|---|");
        let mut slow = Vec::new();
        for same in self.environments.chunks(ENVIRONMENTS) {
            let mut times = Vec::new();
            for environment in same {
                times.push((environment.warm, environment.thaw(&self.env).await));
            }
            times.sort_by_key(|(warm, first)| first.saturating_sub(*warm));
            let (warm, first) = times[ENVIRONMENTS / 2];
            let slowest = times.iter().map(|(_, first)| *first).max().unwrap();
            let (who, fate) = (same[0].who, same[0].fate);
            println!("| {who:?} | {fate:?} | {} | {} | {} |", warm.as_millis(), first.as_millis(), slowest.as_millis());
            if first > warm + BOUND || slowest > LONGEST {
                slow.push(format!("{}, {who:?} {fate:?}: {times:?}", self.time));
            }
        }
        slow
    }
}

#[tokio::test]
async fn a_thaw_costs_a_question_or_a_connection_at_most() {
    // So long that the client is replaced unasked. Meanwhile the others have their turns.
    let minute = Frozen::freeze(Duration::from_secs(62), Goes::By).await;
    // So long that the client asks for a ping.
    let seconds = Frozen::freeze(Duration::from_secs(6), Goes::By).await.thaw().await;
    let ten_minutes = Frozen::freeze(Duration::from_mins(10), Goes::ByTheClock).await.thaw().await;
    let slow = [seconds, ten_minutes, minute.thaw().await].concat();
    assert!(slow.is_empty(), "{slow:#?}");
}
