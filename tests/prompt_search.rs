//! Search: from memory, without the database, whatever is searched for.

use std::time::Duration;

use tests::{content::audit_sized_prompts, host::Function};

const REQUESTS: usize = 300;

/// What the function itself says that a request took, in its order.
fn durations(function: &Function) -> Vec<Duration> {
    let lines = function.logs().into_iter().filter_map(|line| serde_json::from_str::<serde_json::Value>(&line).ok());
    let taken = lines.filter_map(|line| {
        let text = line.to_string();
        let (_, rest) = text.split_once("\"duration_us\":")?;
        rest.chars().take_while(char::is_ascii_digit).collect::<String>().parse().ok()
    });
    taken.map(Duration::from_micros).collect()
}

#[tokio::test]
async fn a_search_over_the_whole_library_is_answered_without_the_database() {
    let file = audit_sized_prompts().to_string();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("prompts.json"), &file).unwrap();
    let url = format!("file://{}", folder.path().display());
    // Nobody listens there: whoever asked it would be told so, and answer from the backup.
    let variables = [("CONTENT_URL", url.as_str()), ("MONGODB_URI", "mongodb://127.0.0.1:1")];
    let function = Function::start("prompts", &variables).await;
    for (search, total) in
        [("vec%3Cstring%3E", 296), ("(.%2B)%2B%24", 0), ("%C3%BCn%C3%AFcode", 296), ("117:%20%26", 1)]
    {
        for _ in 0..REQUESTS / 4 {
            let answer = function.get(&format!("/api/prompts?search={search}&limit=100")).await;
            assert_eq!((answer.status, answer.body["total"].as_u64()), (200, Some(total)), "{search}");
            assert_eq!(answer.header("x-content-source"), "json");
        }
    }
    let mut taken = durations(&function);
    assert!(taken.len() >= REQUESTS - 1, "{}", taken.len());
    taken.sort();
    let (p50, p99) = (taken[taken.len() / 2], taken[taken.len() * 99 / 100]);
    println!("search over 296 prompts, {} KB, unoptimised build: p50 {p50:?}, p99 {p99:?}", file.len() / 1000);
    // The 5 ms are for the benchmark's release build to hold: this one is slower, and its machine does other work.
    assert!(p99 < Duration::from_millis(50), "{p99:?}");
}
