//! What it adds to a start that the secrets come from the Parameter Store: the emulator's, which is as near as AWS's. Each
//! function starts with the secrets in its variables and with their parameters' names there, by turns, on as much of a
//! processor as Lambda gives.

use std::{collections::HashMap, path::Path, time::Duration};

use operate::aws::{Aws, SSM};
use serde_json::json;
use shared::deployment::SECRETS;
use tests::{
    cpu_share::CpuShare,
    figures::{answered, percentile},
    host::{self, Function},
    requests::Scene,
    test_env::TestEnv,
};

use super::{Bench, millis};

/// One with a database alone, one that signs in, one that has the most secrets.
const FUNCTIONS: [&str; 3] = ["roll-up-analytics", "auth-session", "auth-mfa"];
const MEMORY_MB: u64 = 256;
const ROUNDS: usize = 15;
const STACK: &str = "bench-of-secrets";

pub(crate) async fn print(bench: &Bench, folder: &Path) {
    let references = store(&bench.env, STACK).await;
    let scene = Scene::of_env(&bench.env, 1, "prompt-7").await;
    let references: Vec<(&str, &str)> = references.iter().map(|(name, value)| (*name, value.as_str())).collect();
    println!("\nat {MEMORY_MB} MB, medians of {ROUNDS} starts, milliseconds: start to ready + first request");
    println!("\n| function | secrets in variables | in the Parameter Store | what that adds |\n|---|---|---|---|");
    for name in FUNCTIONS {
        let mut times: [Vec<(Duration, Duration)>; 2] = Default::default();
        for round in 0..ROUNDS {
            for (more, times) in [&[][..], &references].iter().zip(&mut times) {
                let share = CpuShare::of_memory(MEMORY_MB).expect("control groups: this needs root");
                let function = bench.start_with_share(&folder.join(name).join("bootstrap"), name, &share, more).await;
                let first = answered(&function, scene.work(name, round).event()).await;
                times.push((function.init, first));
                Function::retire(function).await;
            }
        }
        let median = |times: &[(Duration, Duration)], part: fn(&(Duration, Duration)) -> Duration| {
            millis(percentile(&mut times.iter().map(part).collect::<Vec<_>>(), 50))
        };
        let [given, stored] = times.map(|times| (median(&times, |time| time.0), median(&times, |time| time.1)));
        let added = stored.0 + stored.1 - given.0 - given.1;
        println!("| `{name}` | {:.0} + {:.0} | {:.0} + {:.0} | {added:.0} |", given.0, given.1, stored.0, stored.1);
    }
}

/// Puts the secrets that an env's functions have into the Parameter Store, as a stack's; the variables that name them.
pub(crate) async fn store(env: &TestEnv, stack: &str) -> Vec<(&'static str, String)> {
    let aws = Aws::emulated(&env.stack.aws_endpoint_url, "test").unwrap();
    let values: HashMap<_, _> =
        env.variables().into_iter().chain(host::SECRETS).chain([("TOKEN_KEYS", host::token_keys())]).collect();
    for secret in &SECRETS {
        if let Some(value) = values.get(secret.variable).filter(|value| !value.is_empty()) {
            let name = secret.parameter(stack);
            let body = json!({"Name": name, "Value": value, "Type": "SecureString", "Overwrite": true});
            aws.json(SSM, "AmazonSSM.PutParameter", &body).await.unwrap();
        }
    }
    SECRETS.iter().map(|secret| (secret.variable, format!("ssm:{}", secret.parameter(stack)))).collect()
}
