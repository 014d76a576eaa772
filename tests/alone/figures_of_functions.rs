//! The quick form of `cargo local bench functions`: three functions of the local build, within bounds that a busy
//! machine keeps.

use std::time::Duration;

use tests::{
    content::starter_prompt,
    figures::{Effort, Figures, measure},
    host::binary,
    requests::Scene,
    template::Function,
    test_env::TestEnv,
};

/// A route without MongoDB, one with, and a consumer. Alone: what the cache knows is forgotten.
#[tokio::test]
async fn a_start_a_request_its_memory_and_its_sockets_are_within_bounds() {
    let env = TestEnv::new().await;
    let scene = Scene::of_env(&env, 1, &starter_prompt()).await;
    for (name, sockets) in [("health", 0), ("auth-session", 2), ("write-events", 2)] {
        let function = Function::named(name);
        let has_database = sockets > 0;
        let effort = Effort { starts: 3, requests: 20 };
        let start = async |more: &[(&str, &str)]| env.function_with(name, more).await;
        let zip = binary(name).with_file_name("bootstrap.zip");
        let request = |n| scene.work(name, n).event();
        let figures = measure(&env, &zip, effort, start, has_database, request).await;
        println!("{name}: {figures:?}");
        let Figures { ready, first, away, p50, memory_mb, opened, kept, .. } = figures;
        assert!(ready < Duration::from_secs(2), "{name}: {ready:?} to be ready");
        assert!(first < Duration::from_secs(3) && p50 < Duration::from_millis(500), "{name}: {first:?}, {p50:?}");
        assert!(away.unwrap_or_default() < Duration::from_secs(10), "{name}: {away:?} without MongoDB");
        assert!(memory_mb < function.memory_mb, "{name}: {memory_mb} MB");
        assert_eq!((opened, kept), (sockets, sockets), "{name}: sockets opened, and kept");
    }
}
