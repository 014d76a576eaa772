//! No secret is where it should not be: the template, and the scan that all tests make of answers and log lines.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    panic::catch_unwind,
};

use serde_norway::Value as Yaml;
use shared::deployment::{SECRETS, StackSecret};
use tests::{
    host::{answers_no_secret, holds_no_secret, keep_secret, told_once},
    root,
    template::{chosen, template},
};

fn fails(check: fn()) -> bool {
    catch_unwind(check).is_err()
}

#[test]
fn the_scan_finds_a_secret_wherever_it_is_told_and_no_number_that_looks_like_one() {
    keep_secret("123456");
    assert!(fails(|| answers_no_secret(r#"{"code":"123456"}"#)));
    assert!(fails(|| holds_no_secret("the code 123456 was sent")));
    answers_no_secret(r#"{"tokens":1234567,"share":0.123456}"#);
    holds_no_secret("it took 9123456 us");

    answers_no_secret(r#"{"key":"a-key-just-made"}"#);
    told_once("a-key-just-made");
    assert!(fails(|| answers_no_secret(r#"{"key":"a-key-just-made"}"#)), "a second time");
    answers_no_secret(r#"{"sent":true,"code":"654321"}"#);
    assert!(fails(|| keep_secret("654321")), "it was told before anybody knew that it is one");
    assert!(fails(|| told_once("a-key-that-no-answer-told")));

    for line in
        ["codeHmac: x", "secretHmac", "to ada@example.com", "rt_x", "eyJhbGciOi", "the pepper seed of the tests"]
    {
        assert!(catch_unwind(|| holds_no_secret(line)).is_err(), "{line}");
    }
}

/// Every text in a piece of the template.
fn texts<'a>(value: &'a Yaml, found: &mut Vec<&'a str>) {
    match value {
        Yaml::String(text) => found.push(text),
        Yaml::Sequence(list) => list.iter().for_each(|item| texts(item, found)),
        Yaml::Mapping(map) => map.iter().for_each(|(_, item)| texts(item, found)),
        Yaml::Tagged(tagged) => texts(&tagged.value, found),
        _ => {}
    }
}

/// What stands behind `mark` in the texts of a piece of the template.
fn named(value: &Yaml, mark: &str) -> BTreeSet<String> {
    let mut found = Vec::new();
    texts(value, &mut found);
    found.iter().filter_map(|text| text.strip_prefix(mark)).map(str::to_owned).collect()
}

/// The template's functions, each with the role that it runs in: its own policies, or the role that it names.
fn with_roles(template: &Yaml) -> Vec<(String, Yaml, Yaml)> {
    let resources = template["Resources"].as_mapping().unwrap().iter();
    let functions = resources.filter(|(_, resource)| resource["Type"] == "AWS::Serverless::Function");
    functions
        .map(|(name, function)| {
            let properties = &function["Properties"];
            let role = match properties.get("Role") {
                Some(role) => {
                    let mut named = Vec::new();
                    texts(role, &mut named);
                    template["Resources"][named[0].trim_end_matches(".Arn")]["Properties"]["Policies"].clone()
                }
                None => properties.get("Policies").cloned().unwrap_or(Yaml::Null),
            };
            let variables =
                properties.get("Environment").map_or(Yaml::Null, |environment| environment["Variables"].clone());
            (name.as_str().unwrap().to_owned(), variables, role)
        })
        .collect()
}

const PARAMETER: &str = "ssm:/${AWS::StackName}/";
const PARAMETER_ARN: &str = "arn:${AWS::Partition}:ssm:${AWS::Region}:${AWS::AccountId}:parameter/${AWS::StackName}/";

/// The condition by which there are three users of the database.
const THREE_USERS: &str = "ThreeUsers";

#[test]
fn a_function_may_read_the_secrets_that_its_variables_name_and_no_others() {
    let mut all = BTreeSet::new();
    for template in [false, true].map(|three| chosen(&template(), THREE_USERS, three)) {
        for (name, variables, role) in with_roles(&template) {
            let (wanted, allowed) = (named(&variables, PARAMETER), named(&role, PARAMETER_ARN));
            assert_eq!(wanted, allowed, "{name}: what its variables name, and what its role may read");
            assert!(!name.is_empty() && wanted.len() <= 10, "{name}: more than one call reads");
            let mut texts_of_role = Vec::new();
            texts(&role, &mut texts_of_role);
            for text in texts_of_role {
                let is_wide = text.starts_with("ssm:") && text != "ssm:GetParameters" || text.contains("parameter/*");
                assert!(!is_wide && !text.starts_with("kms:"), "{name} may {text}");
            }
            all.extend(wanted);
        }
    }
    let made: BTreeSet<String> = SECRETS.iter().map(StackSecret::purpose).collect();
    assert_eq!(all, made, "what functions read, and what `cargo db secrets` makes");
}

/// What the `MONGODB_URI` of each function names, with one user of the database or with three.
pub(crate) fn signing_in(three: bool) -> BTreeMap<String, String> {
    let functions = with_roles(&chosen(&template(), THREE_USERS, three)).into_iter();
    let uri = |variables: &Yaml| named(&variables["MONGODB_URI"], PARAMETER).into_iter().next();
    functions
        .filter_map(|(name, variables, _)| Some((name, variables.get("MONGODB_URI").and(uri(&variables))?)))
        .collect()
}

#[test]
fn one_user_of_the_database_is_the_default_and_of_three_the_monitors_is_its_own() {
    let template = template();
    assert_eq!(template["Parameters"]["DatabaseUsers"]["Default"], "one");
    let Yaml::Tagged(condition) = &template["Conditions"][THREE_USERS] else { panic!("no condition") };
    assert_eq!(condition.value[1], "three");
    let (one, three) = (signing_in(false), signing_in(true));
    assert!(one.values().all(|secret| secret == "mongodb-uri"), "{one:?}");
    assert!(one.keys().eq(three.keys()));
    let whose =
        |wanted: &str| three.iter().filter(|(_, secret)| *secret == wanted).map(|(name, _)| name).collect::<Vec<_>>();
    assert_eq!(whose("mongodb-monitor-uri"), ["MonitorConnections"]);
    assert!(whose("mongodb-reader-uri").len() > 1 && whose("mongodb-uri").len() > 1, "{three:?}");
}

#[test]
fn who_only_checks_tokens_has_their_public_keys_alone() {
    let may_sign: BTreeSet<String> = with_roles(&template())
        .into_iter()
        .filter(|(_, variables, _)| named(variables, PARAMETER).contains("signing-seed"))
        .map(|(name, ..)| name)
        .collect();
    assert_eq!(
        may_sign.iter().map(String::as_str).collect::<Vec<_>>(),
        ["AuthLogin", "AuthMfa", "AuthPassword", "AuthSession"]
    );
}

/// Neither what `CloudFormation` is told, nor what stands in a function's environment.
#[test]
fn nothing_in_the_template_is_a_secret() {
    let text = fs::read_to_string(root().join("infra/template.yaml")).unwrap();
    for mark in ["{{resolve:", "SecretsManager", "NoEcho", "GenerateSecretString", "AWS::SSM::Parameter"] {
        assert!(!text.contains(mark), "{mark}");
    }
    for (name, variables, _) in with_roles(&chosen(&template(), THREE_USERS, false)) {
        for (variable, value) in variables.as_mapping().into_iter().flatten() {
            let variable = variable.as_str().unwrap();
            let Some(secret) = SECRETS.iter().find(|secret| secret.variable == variable) else { continue };
            let mut found = Vec::new();
            texts(value, &mut found);
            found.retain(|text| !text.is_empty() && *text != "HasCache");
            assert_eq!(found, [format!("{PARAMETER}{}", secret.purpose())], "{name} {variable}");
        }
    }
}
