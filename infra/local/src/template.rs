//! `infra/template.yaml`, as far as the local stack and the tests need it: functions, their caps, variables and routes.

#![allow(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a template of another form is a defect here")]

use std::{collections::BTreeMap, fs};

use serde::Serialize;
use serde_norway::{Mapping, Value, value::TaggedValue};

use crate::root;

/// A function of the template.
#[derive(Debug, Serialize)]
pub struct Function {
    /// Of its resource.
    pub name: String,
    /// As `codeUri` names it; with the stack's name before it, it is the function's at AWS.
    pub binary: String,
    /// The names of its environment variables.
    pub variables: Vec<String>,
    /// The cap by tier; `None` when there is none.
    pub cap: BTreeMap<&'static str, Option<u64>>,
    /// Calls a second at the stated peak, and milliseconds a call.
    pub budget: Option<(f64, f64)>,
    /// What it is given at AWS.
    pub memory_mb: u64,
    /// The largest zip of the release build.
    pub zip_kb: u64,
    /// The largest answer to a stranger, if it is large.
    pub answer_kb: Option<u64>,
    /// `GET /api/prompts`: as documented.
    pub routes: Vec<String>,
    /// `ANY /api/prompts`: as deployed, since what is read takes every method, for HEAD's sake.
    pub route_keys: Vec<String>,
    /// `rate(1 minute)`, `cron(10 * * * ? *)`: when a job runs.
    pub schedule: Option<String>,
}

/// The tiers, each with its connection limit.
pub const TIERS: [(&str, u64); 3] = [("M0", 500), ("M10", 1500), ("Flex", 500)];

/// The whole template.
pub fn template() -> Value {
    serde_norway::from_str(&fs::read_to_string(root().join("infra/template.yaml")).unwrap()).unwrap()
}

/// Every function in the repository's template.
pub fn functions() -> Vec<Function> {
    functions_of(&template())
}

impl Function {
    /// Whether it gets this environment variable.
    pub fn has(&self, variable: &str) -> bool {
        self.variables.iter().any(|name| name == variable)
    }

    /// The one that runs this binary.
    pub fn named(binary: &str) -> Self {
        let found = functions().into_iter().find(|function| function.binary == binary);
        found.unwrap_or_else(|| panic!("no function runs {binary}"))
    }

    /// Whether it may hold sockets to MongoDB.
    pub fn uses_mongodb(&self) -> bool {
        self.variables.iter().any(|name| name == "MONGODB_URI")
    }
}

/// A piece of a template in which nothing depends on this condition any more: it holds, or it does not.
pub fn chosen(piece: &Value, condition: &str, holds: bool) -> Value {
    let chosen = |piece: &Value| chosen(piece, condition, holds);
    match piece {
        Value::Tagged(tagged) if tagged.tag == "If" && tagged.value[0] == condition => {
            chosen(&tagged.value[if holds { 1 } else { 2 }])
        }
        Value::Tagged(tagged) => {
            let (tag, value) = (tagged.tag.clone(), chosen(&tagged.value));
            Value::Tagged(Box::new(TaggedValue { tag, value }))
        }
        Value::Sequence(list) => Value::Sequence(list.iter().map(chosen).collect()),
        Value::Mapping(map) => Value::Mapping(map.iter().map(|(name, value)| (name.clone(), chosen(value))).collect()),
        other => other.clone(),
    }
}

/// The settings of the API, from any origin.
pub fn api() -> Value {
    let mut properties = template()["Resources"]["Api"]["Properties"].clone();
    properties["CorsConfiguration"]["AllowOrigins"] = Value::Sequence(vec!["*".into()]);
    properties
}

/// Every function in a template.
pub fn functions_of(template: &Value) -> Vec<Function> {
    let resources = template["Resources"].as_mapping().unwrap();
    let functions = resources.iter().filter(|(_, resource)| resource["Type"] == "AWS::Serverless::Function");
    functions.map(|(name, resource)| function(name.as_str().unwrap(), resource, template)).collect()
}

fn function(name: &str, resource: &Value, template: &Value) -> Function {
    let properties = &resource["Properties"];
    let code = properties["CodeUri"].as_str().unwrap();
    let names = |mapping: Option<&Mapping>| {
        mapping.into_iter().flatten().map(|(key, _)| key.as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let cap = properties.get("ReservedConcurrentExecutions");
    let budget = |field: &str| resource.get("Metadata")?.get("Budget")?.get(field);
    let number = |field: &str| budget(field)?.as_f64();
    let memory = |settings: &Value| settings.get("MemorySize").and_then(Value::as_u64);
    let events = || properties.get("Events").and_then(Value::as_mapping).into_iter().flatten().map(|(_, event)| event);
    let route_keys: Vec<String> = events().filter_map(route_key).collect();
    let schedule = |event: &Value| Some(event["Properties"].get("ScheduleExpression")?.as_str()?.to_owned());
    Function {
        name: name.to_owned(),
        binary: code.split('/').nth_back(1).unwrap().to_owned(),
        variables: names(properties.get("Environment").and_then(|environment| environment["Variables"].as_mapping())),
        cap: TIERS.iter().map(|(tier, _)| (*tier, cap.map(|cap| resolve(cap, tier, &template["Mappings"])))).collect(),
        memory_mb: memory(properties).or_else(|| memory(&template["Globals"]["Function"])).unwrap_or(128),
        zip_kb: budget("ZipKb").and_then(Value::as_u64).unwrap_or(0),
        answer_kb: budget("AnswerKb").and_then(Value::as_u64),
        budget: number("PeakPerSecond").zip(number("ServiceMs")),
        routes: route_keys.iter().map(|key| key.replacen("ANY ", "GET ", 1)).collect(),
        route_keys,
        schedule: events().find_map(schedule),
    }
}

fn route_key(event: &Value) -> Option<String> {
    (event["Type"] == "HttpApi").then(|| {
        let properties = &event["Properties"];
        format!("{} {}", properties["Method"].as_str().unwrap().to_uppercase(), properties["Path"].as_str().unwrap())
    })
}

/// `!If [CapsOn, !FindInMap [Tier, !Ref MongoTier, Class], …]`, with the caps on.
fn resolve(value: &Value, tier: &str, mappings: &Value) -> u64 {
    match value {
        Value::Number(number) => number.as_u64().unwrap(),
        Value::Tagged(tagged) => resolve_tagged(tagged, tier, mappings),
        other => panic!("a cap of an unforeseen form: {other:?}"),
    }
}

fn resolve_tagged(tagged: &TaggedValue, tier: &str, mappings: &Value) -> u64 {
    let tag = tagged.tag.to_string();
    if tag == "!If" {
        resolve(&tagged.value[1], tier, mappings)
    } else if tag == "!FindInMap" {
        let (map, class) = (tagged.value[0].as_str().unwrap(), tagged.value[2].as_str().unwrap());
        mappings[map][tier][class].as_u64().unwrap()
    } else {
        panic!("a cap of an unforeseen form: {tag}")
    }
}
