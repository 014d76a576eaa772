//! The stack's secrets in Parameter Store: which are there, which are missing, which a former stack left.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{
    account::described,
    users::{MONITOR, READER, User, WRITER},
    wanted::{ConnectionStrings, Users},
};
use crate::{
    aws::{Aws, SECRETS_MANAGER, SSM},
    table::{Finding, Table, Trouble, fault},
};

/// What has to be there before a deploy besides connection strings. `cargo db secrets` makes it at random.
const SEEDS: [&str; 5] = ["signing-seed", "auth-pepper", "mfa-seed", "vault-seed", "audit-seed"];
/// Without these, what was made with them cannot be read or checked; and the secrets that an earlier release kept in
/// Secrets Manager. What sealed second factors before they had a seed of their own stands beside it.
const KEPT: [(&str, &[&str]); 4] = [
    ("auth-pepper", &["PepperSecret"]),
    ("mfa-seed", &["MfaSecret", "PepperSecret"]),
    ("vault-seed", &["VaultSecret"]),
    ("audit-seed", &["AuditSecret"]),
];
/// Under which Parameter Store shows what Secrets Manager has.
const REFERENCE: &str = "/aws/reference/secretsmanager/";

pub(super) async fn check(table: &mut Table, aws: &Aws, stack: &str, users: Users, strings: &ConnectionStrings) {
    let parameters = parameters(aws).await;
    let of =
        |look: &dyn Fn(&BTreeMap<String, String>) -> Finding| parameters.as_ref().map_err(Clone::clone).and_then(look);
    table.add("secrets", of(&|parameters| present(parameters, stack, users, strings)));
    table.add("secrets of a former stack", look_for_former(aws, stack, parameters).await);
}

async fn look_for_former(aws: &Aws, stack: &str, parameters: Result<BTreeMap<String, String>, Trouble>) -> Finding {
    let (mut parameters, earlier) = (parameters?, earlier(aws).await?);
    // Those of a stack that is there are its own.
    for owner in owners(&parameters) {
        if owner != stack && described(aws, &owner).await?.is_some() {
            parameters.retain(|name, _| !name.starts_with(&format!("/{owner}/")));
        }
    }
    former(&parameters, &earlier, stack)
}

/// The stacks that parameters with the names of ours are of, by those names.
fn owners(parameters: &BTreeMap<String, String>) -> BTreeSet<String> {
    let is_kept = |name: &str| KEPT.iter().any(|(purpose, _)| *purpose == name);
    let owner = |name: &String| {
        let (owner, purpose) = name.strip_prefix('/')?.split_once('/')?;
        is_kept(purpose).then(|| owner.to_owned())
    };
    parameters.keys().filter_map(owner).collect()
}

/// Name and type of every parameter; no value.
async fn parameters(aws: &Aws) -> Result<BTreeMap<String, String>, Trouble> {
    let (mut found, mut next) = (BTreeMap::new(), None::<Value>);
    loop {
        let mut body = json!({"MaxResults": 50});
        if let Some(next) = next.take() {
            body["NextToken"] = next;
        }
        let page = aws.json(SSM, "AmazonSSM.DescribeParameters", &body).await?;
        for parameter in page["Parameters"].as_array().into_iter().flatten() {
            let text = |field: &str| parameter[field].as_str().unwrap_or_default().to_owned();
            found.insert(text("Name"), text("Type"));
        }
        match page.get("NextToken") {
            Some(token) if token.as_str().is_some_and(|token| !token.is_empty()) => next = Some(token.clone()),
            _ => return Ok(found),
        }
    }
}

/// The names of all secrets that Secrets Manager has; no value.
async fn earlier(aws: &Aws) -> Result<Vec<String>, Trouble> {
    let page = aws.json(SECRETS_MANAGER, "secretsmanager.ListSecrets", &json!({"MaxResults": 100})).await?;
    let secrets = page["SecretList"].as_array().into_iter().flatten();
    Ok(secrets.filter_map(|secret| Some(secret["Name"].as_str()?.to_owned())).collect())
}

/// The users whose connection strings have to be there, each with whether somebody gives it now.
fn signing_in(users: Users, strings: &ConnectionStrings) -> Vec<(&'static User, bool)> {
    let main = (&WRITER, strings.main.is_some());
    match users {
        Users::One => vec![main],
        Users::Three => vec![main, (&READER, strings.reader.is_some()), (&MONITOR, strings.monitor.is_some())],
    }
}

fn present(parameters: &BTreeMap<String, String>, stack: &str, users: Users, strings: &ConnectionStrings) -> Finding {
    let signing_in = signing_in(users, strings);
    let needed: Vec<_> = signing_in.iter().map(|(user, _)| user.secret).chain(SEEDS).collect();
    let kind = |purpose: &str| parameters.get(&format!("/{stack}/{purpose}")).map(String::as_str);
    if let Some(open) = needed.iter().find(|purpose| kind(purpose).is_some_and(|kind| kind != "SecureString")) {
        let remedy =
            format!("delete /{stack}/{open} once its value is kept somewhere safe, and store it as a SecureString");
        return Err(fault(format!("/{stack}/{open} is readable by everybody who may list parameters"), remedy));
    }
    let unknown = |(user, is_given): &&(&User, bool)| !is_given && kind(user.secret).is_none();
    let unknown: Vec<_> = signing_in.iter().filter(unknown).map(|(user, _)| *user).collect();
    if !unknown.is_empty() {
        let (names, variables): (Vec<_>, Vec<_>) =
            unknown.iter().map(|user| (format!("/{stack}/{}", user.secret), user.variable)).unzip();
        let verb = if names.len() > 1 { "are" } else { "is" };
        return Err(fault(
            format!("{} {verb} missing", names.join(" and ")),
            format!(
                "set {} for this command (a space before it keeps it out of the shell's history)",
                variables.join(" and ")
            ),
        ));
    }
    let missing: Vec<_> = needed.into_iter().filter(|purpose| kind(purpose).is_none()).collect();
    if missing.is_empty() {
        return Ok("all there, and kept as they are".into());
    }
    Ok(format!("`cargo deploy` makes those that are missing: {}", missing.join(", ")))
}

/// A stack that is made anew makes new seeds, and what the former ones sealed stays closed.
fn former(parameters: &BTreeMap<String, String>, earlier: &[String], stack: &str) -> Finding {
    let mut adopted = Vec::new();
    for (purpose, resources) in KEPT {
        if parameters.contains_key(&format!("/{stack}/{purpose}")) {
            continue;
        }
        let of_others = parameters.keys().filter(|name| name.ends_with(&format!("/{purpose}")));
        let mut found: Vec<String> = of_others.cloned().collect();
        if found.is_empty() {
            let of_it =
                resources.iter().flat_map(|&resource| earlier.iter().filter(move |name| name.contains(resource)));
            let references: Vec<String> = of_it.map(|name| format!("{REFERENCE}{name}")).collect();
            if references.len() > resources.len() {
                return Err(several(purpose));
            }
            found.extend((!references.is_empty()).then(|| references.join(",")));
        }
        match &found[..] {
            [] => {}
            [name] => adopted.push(format!("--adopt {purpose}={name}")),
            _ => return Err(several(purpose)),
        }
    }
    if adopted.is_empty() {
        return Ok("none that this one lacks".into());
    }
    Err(fault(
        "there are some: with new ones, stored keys and second factors of before could not be read",
        format!(
            "cargo db secrets --stack {stack} {} (if nothing of before is kept: cargo db secrets --stack {stack}, which makes new ones)",
            adopted.join(" ")
        ),
    ))
}

fn several(purpose: &str) -> Trouble {
    fault(
        format!("several could be the {purpose}"),
        "adopt the right one with `cargo db secrets --adopt`, or make a new one with `cargo db secrets` before",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters(names: &[&str]) -> BTreeMap<String, String> {
        names.iter().map(|name| ((*name).to_owned(), "SecureString".to_owned())).collect()
    }

    fn remedy(parameters: &BTreeMap<String, String>, earlier: &[&str]) -> String {
        let earlier: Vec<String> = earlier.iter().map(|name| (*name).to_owned()).collect();
        match former(parameters, &earlier, "new") {
            Err(Trouble::Fault { remedy, .. }) => remedy,
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn secrets_of_a_former_stack_are_found_by_name() {
        assert!(
            remedy(&parameters(&["/new/vault-seed", "/other/vault-seed"]), &[]).contains("none that this one lacks"),
            "it has its own"
        );
        assert!(remedy(&parameters(&["/old/vault-seed"]), &[]).contains("--adopt vault-seed=/old/vault-seed"));
        assert!(remedy(&parameters(&["/a/mfa-seed", "/b/mfa-seed"]), &[]).contains("adopt the right one"));
        let said = remedy(&parameters(&[]), &["old-MfaSecret-1", "old-PepperSecret-2", "unrelated"]);
        let (mfa, pepper) = (format!("{REFERENCE}old-MfaSecret-1"), format!("{REFERENCE}old-PepperSecret-2"));
        assert!(said.contains(&format!("--adopt auth-pepper={pepper}")), "{said}");
        assert!(said.contains(&format!("--adopt mfa-seed={mfa},{pepper}")), "{said}");
    }

    fn given(main: bool, reader: bool) -> ConnectionStrings {
        let string = |is_given: bool| is_given.then(|| "mongodb://somewhere".to_owned());
        ConnectionStrings { main: string(main), reader: string(reader), monitor: None }
    }

    #[test]
    fn a_secret_that_is_no_secret_is_a_fault() {
        let open = BTreeMap::from([("/s/vault-seed".to_owned(), "String".to_owned())]);
        assert!(matches!(present(&open, "s", Users::One, &given(true, false)), Err(Trouble::Fault { .. })));
        let all: Vec<String> = SEEDS.iter().chain(&["mongodb-uri"]).map(|purpose| format!("/s/{purpose}")).collect();
        let all = parameters(&all.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(present(&all, "s", Users::One, &given(false, false)).is_ok());
    }

    #[test]
    fn a_connection_string_that_nobody_gives_is_a_fault() {
        let found = |parameters: &BTreeMap<_, _>, users, given: &ConnectionStrings| match present(
            parameters, "s", users, given,
        ) {
            Ok(found) => found,
            Err(Trouble::Fault { found, remedy }) => format!("{found} → {remedy}"),
            Err(Trouble::Skipped(why)) => why,
        };
        let none = parameters(&[]);
        let one = found(&none, Users::One, &given(false, true));
        assert!(one.starts_with("/s/mongodb-uri is missing → set MONGODB_URI for this"), "{one}");
        let three = found(&none, Users::Three, &given(true, false));
        let expected = "/s/mongodb-reader-uri and /s/mongodb-monitor-uri are missing → set MONGODB_READER_URI and \
            MONGODB_MONITOR_URI for this";
        assert!(three.starts_with(expected), "{three}");
        let stored = parameters(&["/s/mongodb-uri", "/s/mongodb-monitor-uri"]);
        let made = found(&stored, Users::Three, &given(false, true));
        assert!(made.contains("makes those that are missing: mongodb-reader-uri, signing-seed"), "{made}");
    }
}
