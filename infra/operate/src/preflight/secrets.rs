//! The stack's secrets in Parameter Store: which are there, which are missing, which a former stack left.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::{
    aws::{Aws, SSM},
    table::{Finding, Table, Trouble, fault, skipped},
};

/// What has to be there before a deploy. `cargo db secrets` makes all but the first at random.
const NEEDED: [&str; 6] = ["mongodb-uri", "signing-seed", "auth-pepper", "mfa-seed", "vault-seed", "audit-seed"];
/// Without these, what was made with them cannot be read or checked.
const KEPT: [&str; 4] = ["auth-pepper", "mfa-seed", "vault-seed", "audit-seed"];

pub(super) async fn check(table: &mut Table, aws: &Aws, stack: &str, has_uri: bool) {
    let parameters = parameters(aws).await;
    let of =
        |look: &dyn Fn(&BTreeMap<String, String>) -> Finding| parameters.as_ref().map_err(Clone::clone).and_then(look);
    table.add("secrets", of(&|parameters| present(parameters, stack, has_uri)));
    table.add("secrets of a former stack", of(&|parameters| former(parameters, stack)));
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

fn present(parameters: &BTreeMap<String, String>, stack: &str, has_uri: bool) -> Finding {
    let kind = |purpose: &str| parameters.get(&format!("/{stack}/{purpose}")).map(String::as_str);
    if let Some(open) = NEEDED.iter().find(|purpose| kind(purpose).is_some_and(|kind| kind != "SecureString")) {
        let remedy =
            format!("delete /{stack}/{open} once its value is kept somewhere safe, and store it as a SecureString");
        return Err(fault(format!("/{stack}/{open} is readable by everybody who may list parameters"), remedy));
    }
    let missing: Vec<_> = NEEDED.iter().copied().filter(|purpose| kind(purpose).is_none()).collect();
    match missing[..] {
        [] => Ok("all there, and kept as they are".into()),
        [first, ..] if first == NEEDED[0] && !has_uri => Err(fault(
            format!("/{stack}/{first} is missing"),
            "set MONGODB_URI for this command (a space before it keeps it out of the shell's history)",
        )),
        _ => Ok(format!("`cargo deploy` makes those that are missing: {}", missing.join(", "))),
    }
}

/// A stack that is made anew makes new seeds, and what the former ones sealed stays closed.
fn former(parameters: &BTreeMap<String, String>, stack: &str) -> Finding {
    let mut adopted = Vec::new();
    for purpose in KEPT {
        if parameters.contains_key(&format!("/{stack}/{purpose}")) {
            continue;
        }
        // `/other/vault-seed`, or `CFN-VaultSeed-1a2b` of a stack of an earlier release.
        let resource: String = purpose.split('-').map(|word| word[..1].to_uppercase() + &word[1..]).collect();
        let resource = if purpose == "auth-pepper" { "Pepper".to_owned() } else { resource };
        let is_former =
            |name: &&String| name.ends_with(&format!("/{purpose}")) || name.contains(&format!("-{resource}-"));
        let names: Vec<_> = parameters.keys().filter(is_former).collect();
        match names[..] {
            [] => {}
            [name] => adopted.push(format!("--adopt {purpose}={name}")),
            _ => {
                return Err(skipped(format!(
                    "several could be the {purpose}: adopt one by hand, `cargo db secrets --help`"
                )));
            }
        }
    }
    if adopted.is_empty() {
        return Ok("none that this one has not".into());
    }
    Err(fault(
        "there are some: with new ones, stored keys and second factors of before could not be read",
        format!(
            "cargo db secrets --stack {stack} {} (or delete them, if nothing of before is kept)",
            adopted.join(" ")
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters(names: &[&str]) -> BTreeMap<String, String> {
        names.iter().map(|name| ((*name).to_owned(), "SecureString".to_owned())).collect()
    }

    #[test]
    fn secrets_of_a_former_stack_are_found_by_name() {
        assert!(former(&parameters(&["/new/vault-seed", "/other/vault-seed"]), "new").is_ok(), "it has its own");
        for name in ["/other/vault-seed", "CFN-VaultSeed-1a2b", "old-VaultSeed-1a2b"] {
            let Err(Trouble::Fault { remedy, .. }) = former(&parameters(&[name]), "new") else { panic!("{name}") };
            assert!(remedy.contains(&format!("--adopt vault-seed={name}")), "{remedy}");
        }
        assert!(matches!(former(&parameters(&["/a/mfa-seed", "/b/mfa-seed"]), "new"), Err(Trouble::Skipped(_))));
    }

    #[test]
    fn a_secret_that_is_no_secret_is_a_fault() {
        let open = BTreeMap::from([("/s/vault-seed".to_owned(), "String".to_owned())]);
        assert!(matches!(present(&open, "s", true), Err(Trouble::Fault { .. })));
        let all: Vec<String> = NEEDED.iter().map(|purpose| format!("/s/{purpose}")).collect();
        assert!(present(&parameters(&all.iter().map(String::as_str).collect::<Vec<_>>()), "s", false).is_ok());
    }
}
