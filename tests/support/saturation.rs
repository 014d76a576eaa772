//! Every function with a cap driven above it at once on the deployed stack, and the server's connections meanwhile.
//!
//! The server counts everybody's connections. This process's own are known to the system, and are taken off; all the
//! rest count as the bundle's, those of environments that were warm before included.

use std::{
    collections::HashSet,
    fs,
    time::{Duration, Instant},
};

use futures_util::future::{join, join_all};
use tokio::time::{interval, sleep};

use crate::{
    callers::{Callers, Counts, Fate},
    stack::{Stack, connections, connections_created},
    template::{Function, functions},
};

/// Calls of a volley beyond the function's cap.
const BEYOND: u64 = 2;
/// From the last answer of a volley to the next one.
const PAUSE: Duration = Duration::from_secs(1);
const SAMPLE: Duration = Duration::from_millis(100);
/// A client's sockets at one node: its monitor and its one pooled connection.
const PER_ENVIRONMENT: u64 = 2;
/// Without published content each of their environments has to ask MongoDB.
const CONTENT_ROUTES: [&str; 4] = ["prompts", "prompt", "patterns", "learning"];

/// Seconds since the beginning, and connections.
pub type Curve = Vec<(f64, i64)>;

/// The functions with a cap.
pub fn capped() -> Vec<Function> {
    functions().into_iter().filter(|function| function.cap["M0"].is_some()).collect()
}

/// Calls at once that are more than the function's cap.
pub fn size(function: &Function) -> usize {
    usize::try_from(function.cap["M0"].unwrap_or_default() + BEYOND).unwrap()
}

/// Works while every rate limit begins anew twice a second: limits are not to answer instead of functions.
pub async fn without_limits<T>(stack: &Stack, work: impl Future<Output = T>) -> T {
    let forget = async {
        let mut often = interval(Duration::from_millis(500));
        loop {
            often.tick().await;
            stack.forget_rates().await;
        }
    };
    tokio::select! {
        done = work => done,
        () = forget => unreachable!("it goes on"),
    }
}

/// So many calls at once, again and again.
pub async fn volleys(size: usize, wait: Duration, deadline: Instant, call: impl AsyncFn(usize) -> Fate) -> Counts {
    sleep(wait).await;
    let (mut counts, mut n) = (Counts::default(), 0);
    while Instant::now() < deadline {
        join_all((n..n + size).map(|n| call(n))).await.into_iter().for_each(|fate| counts.add(fate));
        n += size;
        sleep(PAUSE).await;
    }
    counts
}

/// When the first volley at each of so many functions comes: one after another in the first third of the time, since
/// each of their environments is a process to start.
pub fn ramp(time: Duration, index: usize, number: usize) -> Duration {
    time.mul_f64(f64::from(u32::try_from(index).unwrap()) / f64::from(u32::try_from(3 * number).unwrap()))
}

/// Connections of this process to MongoDB: sockets among its files whose other end is the server's port.
fn own_connections(stack: &Stack) -> i64 {
    let port = stack.mongodb_address().rsplit(':').next().unwrap().parse::<u16>().unwrap();
    let files = fs::read_dir("/proc/self/fd").unwrap().filter_map(|file| fs::read_link(file.ok()?.path()).ok());
    let sockets: HashSet<String> = files.map(|file| file.display().to_string()).collect();
    let table = fs::read_to_string("/proc/self/net/tcp").unwrap();
    let is_own = |line: &&str| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        columns[2].ends_with(&format!(":{port:04X}")) && sockets.contains(&format!("socket:[{}]", columns[9]))
    };
    i64::try_from(table.lines().skip(1).filter(is_own).count()).unwrap()
}

/// What `count` says, until the deadline.
pub async fn watch(deadline: Instant, count: impl AsyncFn() -> i64) -> Curve {
    let (started, mut curve) = (Instant::now(), Vec::new());
    while Instant::now() < deadline {
        curve.push((started.elapsed().as_secs_f64(), count().await));
        sleep(SAMPLE).await;
    }
    curve
}

pub fn peak(curve: &Curve) -> i64 {
    curve.iter().map(|(_, connections)| *connections).max().unwrap_or_default()
}

/// What a load came to.
pub struct Saturation {
    rows: Vec<(Function, Counts)>,
    pub curve: Curve,
    /// Connections that the caps allow.
    pub budget: i64,
    /// Connections that were opened meanwhile, one after another or at once.
    opened: i64,
}

/// Volleys at every function, for this time.
pub async fn saturate(callers: &Callers<'_>, time: Duration) -> Saturation {
    let (stack, functions) = (callers.stack, capped());
    let mut published = Vec::new();
    for route in CONTENT_ROUTES {
        published.push(stack.set_variable(route, "CONTENT_URL", "file:///nowhere").await);
    }
    let (database, deadline) = (stack.database().await, Instant::now() + time);
    let others = async || connections(&database).await - own_connections(stack);
    let load = functions.iter().enumerate().map(|(index, function)| {
        let call = async |n| callers.call(&function.binary, n).await;
        volleys(size(function), ramp(time, index, functions.len()), deadline, call)
    });
    let before = connections_created(&database).await;
    let (counts, curve) = join(join_all(load), watch(deadline, others)).await;
    let opened = connections_created(&database).await - before;
    for (route, url) in CONTENT_ROUTES.iter().zip(published) {
        stack.set_variable(route, "CONTENT_URL", &url).await;
    }
    let reserved: u64 = functions.iter().filter_map(|function| function.cap["M0"]).sum();
    let budget = i64::try_from(PER_ENVIRONMENT * reserved).unwrap();
    Saturation { rows: functions.into_iter().zip(counts).collect(), curve, budget, opened }
}

impl Saturation {
    pub fn print(&self) {
        println!(
            "\nvolleys of {BEYOND} calls more than the cap, each as soon as the one before is answered and {PAUSE:?} are \
             over: what is refused shows that the cap holds, not what users meet"
        );
        println!("\n| function | cap | answered | refused | refused, % | by a rate limit | 503 | failed |");
        println!("|---|---|---|---|---|---|---|---|");
        for (function, counts) in &self.rows {
            let (cap, percent) = (function.cap["M0"].unwrap_or_default(), counts.refused_percent());
            let (limited, late, failed) = (counts.limited, counts.late, counts.failed.len());
            let (name, answered, refused) = (&function.binary, counts.answered, counts.refused);
            println!("| `{name}` | {cap} | {answered} | {refused} | {percent:.0} | {limited} | {late} | {failed} |");
        }
        let (peak, budget, opened, unmet) = (peak(&self.curve), self.budget, self.opened, self.unmet());
        println!("\nat most {peak} connections, {budget} allowed; {opened} opened; caps that no call met: {unmet:?}");
    }

    /// Functions whose calls were over before the next came.
    fn unmet(&self) -> Vec<&str> {
        self.rows.iter().filter(|(_, counts)| counts.refused == 0).map(|(of, _)| of.binary.as_str()).collect()
    }

    /// The caps held, and were put to the test.
    pub fn check(&self) {
        for (function, counts) in &self.rows {
            let name = &function.binary;
            assert!(counts.failed.is_empty(), "{name}: {:#?}", counts.failed);
            assert!(counts.answered > 0, "{name} answered nothing");
            assert!(counts.limited <= counts.answered / 10, "{name} answered with its rate limit: {counts:?}");
        }
        let sum = |of: fn(&Counts) -> u32| self.rows.iter().map(|(_, counts)| of(counts)).sum::<u32>();
        let (answered, late) = (sum(|counts| counts.answered), sum(|counts| counts.late));
        // Servers, emulator and two hundred environments that start share two cores: some calls take too long for a route.
        assert!(late <= answered / 20, "{late} times 503, {answered} answered");
        let unmet = self.unmet();
        assert!(unmet.len() <= self.rows.len() / 10, "not driven above their caps: {unmet:?}");
        let peak = peak(&self.curve);
        assert!(peak <= self.budget, "the caps did not hold: {peak} connections, {} allowed", self.budget);
        let (opened, least) = (self.opened, PER_ENVIRONMENT * self.rows.len() as u64);
        assert!(opened >= i64::try_from(least).unwrap(), "{opened} opened: the functions did not ask MongoDB");
    }
}
