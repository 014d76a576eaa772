//! Every function with a cap driven above it at once on the deployed stack, and the server's connections meanwhile.
//!
//! The server counts everybody's connections. This process's own are known to the system, and are taken off; all the
//! rest count as the bundle's, those of environments that were warm before included.

use std::{
    collections::HashSet,
    fs,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
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

/// The functions that use MongoDB: each has a cap.
pub fn capped() -> Vec<Function> {
    functions().into_iter().filter(Function::uses_mongodb).collect()
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

/// A volley at each load in turn, and then at all of them again and again for this time.
///
/// First in turn, since each environment is a process to start, and here they share what in Lambda each has of its own.
pub async fn volleys(loads: &[(usize, impl AsyncFn(usize) -> Fate)], time: Duration) -> Vec<Counts> {
    let mut counts = Vec::new();
    for (size, call) in loads {
        counts.push(volley(*size, 0, call).await);
    }
    let deadline = Instant::now() + time;
    let again = (0u32..).zip(loads).zip(counts).map(async |((index, (size, call)), mut counts)| {
        // Not all in the same moment.
        sleep(PAUSE * index / u32::try_from(loads.len()).unwrap()).await;
        let mut n = *size;
        while Instant::now() < deadline {
            counts.add_all(volley(*size, n, call).await);
            n += size;
            sleep(PAUSE).await;
        }
        counts
    });
    join_all(again).await
}

/// So many calls at once, the first of which has this number.
async fn volley(size: usize, first: usize, call: &impl AsyncFn(usize) -> Fate) -> Counts {
    let mut counts = Counts::default();
    join_all((first..first + size).map(|n| call(n))).await.into_iter().for_each(|fate| counts.add(fate));
    counts
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

/// Works, and what `count` says meanwhile.
pub async fn watched<T>(work: impl Future<Output = T>, count: impl AsyncFn() -> i64) -> (T, Curve) {
    let (started, mut curve) = (Instant::now(), Vec::new());
    let watch = async {
        loop {
            curve.push((started.elapsed().as_secs_f64(), count().await));
            sleep(SAMPLE).await;
        }
    };
    let done = tokio::select! {
        done = work => done,
        () = watch => unreachable!("it goes on"),
    };
    (done, curve)
}

pub fn peak(curve: &Curve) -> i64 {
    curve.iter().map(|(_, connections)| *connections).max().unwrap_or_default()
}

pub struct Saturation {
    rows: Vec<(Function, Counts)>,
    pub curve: Curve,
    /// Connections that the caps allow.
    pub budget: i64,
    /// Connections that were opened meanwhile, one after another or at once.
    opened: i64,
}

/// Volleys at every function, for this time once all environments have started.
pub async fn saturate(callers: &Callers<'_>, time: Duration) -> Saturation {
    let (stack, functions) = (callers.stack, capped());
    let mut published = Vec::new();
    for route in CONTENT_ROUTES {
        published.push(stack.set_variable(route, "CONTENT_URL", "file:///nowhere").await);
    }
    let database = stack.database().await;
    let others = async || connections(&database).await - own_connections(stack);
    let mut loads = Vec::new();
    for function in &functions {
        loads.push((size(function), async move |n| callers.call(&function.binary, n).await));
    }
    let before = connections_created(&database).await;
    let (counts, curve) = watched(volleys(&loads, time), others).await;
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
             over: what is refused shows that the cap holds, not what users meet."
        );
        println!("\n| function | cap | answered | refused | refused, % | by a rate limit | 503 | failed |");
        println!("|---|---|---|---|---|---|---|---|");
        for (function, counts) in &self.rows {
            let (cap, percent) = (function.cap["M0"].unwrap_or_default(), counts.refused_percent());
            let (limited, late, failed) = (counts.limited, counts.late.len(), counts.failed.len());
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
        let answered: u32 = self.rows.iter().map(|(_, counts)| counts.answered).sum();
        let late: Vec<_> =
            self.rows.iter().flat_map(|(of, counts)| counts.late.iter().map(|what| (&of.binary, what))).collect();
        // Servers, emulator and a hundred environments share two cores: some calls take too long for a function.
        assert!(late.len() * 20 <= answered as usize, "{} late, {answered} answered: {late:#?}", late.len());
        let unmet = self.unmet();
        assert!(unmet.len() <= self.rows.len() / 10, "not driven above their caps: {unmet:?}");
        let peak = peak(&self.curve);
        assert!(peak <= self.budget, "the caps did not hold: {peak} connections, {} allowed", self.budget);
        let (opened, least) = (self.opened, PER_ENVIRONMENT * self.rows.len() as u64);
        assert!(opened >= i64::try_from(least).unwrap(), "{opened} opened: the functions did not ask MongoDB");
    }
}
