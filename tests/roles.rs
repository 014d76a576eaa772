//! What the template lets functions do, and whom it lets in: logs of one group, TLS alone, no wildcard that is wider than it
//! has to be.

use serde_norway::Value as Yaml;
use tests::template::template;

fn resources(kind: &str) -> Vec<(String, Yaml)> {
    let template = template();
    let resources = template["Resources"].as_mapping().unwrap().iter();
    let of_kind = resources.filter(|(_, resource)| resource["Type"] == kind);
    of_kind.map(|(name, resource)| (name.as_str().unwrap().to_owned(), resource["Properties"].clone())).collect()
}

fn names(kind: &str) -> Vec<String> {
    resources(kind).into_iter().map(|(name, _)| name).collect()
}

/// The statements of a policy document that deny whatever comes without TLS.
fn denies_without_tls(policy: &Yaml) -> bool {
    let statements = policy["PolicyDocument"]["Statement"].as_sequence().unwrap();
    statements.iter().any(|statement| {
        statement["Effect"] == "Deny"
            && statement["Principal"] == "*"
            && statement["Condition"]["Bool"]["aws:SecureTransport"] == "false"
    })
}

/// What `!Ref`s of a list name.
fn referred(list: &Yaml) -> Vec<String> {
    let list = list.as_sequence().cloned().unwrap_or_else(|| vec![list.clone()]);
    list.iter()
        .map(
            |item| {
                if let Yaml::Tagged(tagged) = item { tagged.value.as_str().unwrap().to_owned() } else { String::new() }
            },
        )
        .collect()
}

#[test]
fn bucket_queues_and_topic_are_reached_by_tls_alone() {
    for (resource, policy, of) in [
        ("AWS::S3::Bucket", "AWS::S3::BucketPolicy", "Bucket"),
        ("AWS::SQS::Queue", "AWS::SQS::QueuePolicy", "Queues"),
        ("AWS::SNS::Topic", "AWS::SNS::TopicPolicy", "Topics"),
    ] {
        let policies = resources(policy);
        let mut held: Vec<String> = policies
            .iter()
            .filter(|(_, policy)| denies_without_tls(policy))
            .flat_map(|(_, policy)| referred(&policy[of]))
            .collect();
        let mut all = names(resource);
        held.sort();
        all.sort();
        assert_eq!(held, all, "{resource}");
    }
}

/// What the statements of a policy allow, by service and action.
fn actions(policy: &Yaml) -> Vec<String> {
    let text = |action: &Yaml| action.as_str().unwrap_or_default().to_owned();
    let of_statement = |statement: &Yaml| match &statement["Action"] {
        Yaml::Sequence(actions) => actions.iter().map(text).collect::<Vec<_>>(),
        action => vec![text(action)],
    };
    match &policy["Statement"] {
        Yaml::Sequence(statements) => statements.iter().flat_map(of_statement).collect(),
        statement => of_statement(statement),
    }
}

/// A boundary takes away what it does not name: a function would be refused what its role allows.
#[test]
fn the_boundary_lets_every_function_do_what_its_role_says() {
    let template = template();
    let boundary = actions(&template["Resources"]["FunctionBoundary"]["Properties"]["PolicyDocument"]);
    let mut used = 0;
    for (name, function) in resources("AWS::Serverless::Function") {
        for policy in function["Policies"].as_sequence().into_iter().flatten() {
            for action in actions(policy).into_iter().filter(|action| !action.is_empty()) {
                assert!(boundary.contains(&action), "{name} may not {action}");
                used += 1;
            }
        }
    }
    for (name, policy) in resources("AWS::IAM::ManagedPolicy") {
        for action in actions(&policy["PolicyDocument"]) {
            assert!(boundary.contains(&action), "{name}: {action}");
        }
    }
    assert!(used > 50, "{used}");
}

#[test]
fn every_role_may_write_to_one_log_group_and_make_none() {
    let template = template();
    let boundary = &template["Globals"]["Function"]["PermissionsBoundary"];
    assert_eq!(referred(boundary), ["FunctionBoundary"]);
    let boundary = &template["Resources"]["FunctionBoundary"]["Properties"]["PolicyDocument"];
    let text = serde_norway::to_string(boundary).unwrap();
    assert!(!text.contains("CreateLogGroup") && !text.contains("logs:*"), "{text}");
    for statement in boundary["Statement"].as_sequence().unwrap() {
        assert_eq!(statement["Effect"], "Allow");
        let action = serde_norway::to_string(&statement["Action"]).unwrap();
        let everywhere = statement["Resource"] == "*";
        assert!(!everywhere || action.contains("xray:") || action.contains("elasticache:Connect"), "{action} on all");
    }
    // Those with a role of their own say it themselves.
    for (name, role) in resources("AWS::IAM::Role") {
        let text = serde_norway::to_string(&role).unwrap();
        assert!(!text.contains("CreateLogGroup") && !text.contains("logs:*"), "{name}");
        assert!(role.get("ManagedPolicyArns").is_none(), "{name} has what AWS decides");
    }
}

/// A text that may hold a quote would end the JSON of the access log, and the filters that alarms watch see nothing.
#[test]
fn the_access_log_is_json_whatever_happens() {
    let template = template();
    let format = template["Resources"]["Api"]["Properties"]["AccessLogSettings"]["Format"].as_str().unwrap();
    let fields: serde_json::Value = serde_json::from_str(format).unwrap();
    let safe = ["requestId", "requestTime", "routeKey", "status", "responseLatency", "integrationStatus"];
    for (field, value) in fields.as_object().unwrap() {
        let variable = value.as_str().unwrap().strip_prefix("$context.").unwrap();
        assert!(safe.contains(&variable), "{field}: {variable}");
    }
}

#[test]
fn tracing_and_the_budget_are_parameters() {
    let template = template();
    assert_eq!(template["Parameters"]["Tracing"]["Default"], "false");
    let Yaml::Tagged(tracing) = &template["Globals"]["Function"]["Tracing"] else { panic!("no choice") };
    assert_eq!((&tracing.value[0], &tracing.value[1]), (&Yaml::from("Traces"), &Yaml::from("Active")));
    assert_eq!(template["Resources"]["Budget"]["Condition"], "HasBudget");
    let subscribers = serde_norway::to_string(&template["Resources"]["Budget"]["Properties"]).unwrap();
    assert_eq!(subscribers.matches("AlarmEmail").count(), 2, "{subscribers}");
    assert_eq!(template["Resources"]["Api"]["Properties"]["FailOnWarnings"], false);
    assert_eq!(template["Parameters"]["AllowedOrigins"]["Type"], "CommaDelimitedList");
}
