//! The AWS account: who asks, where, how many environments it may have at once, and how the stack stands.

use clap::ValueEnum;

use super::wanted::{Tier, Users};
use crate::{
    aws::{Aws, CLOUDFORMATION, LAMBDA, STS, element, paired},
    table::{Finding, Table, Trouble, fault},
};

/// AWS wants so many left that no function reserves.
const LEFT_OVER: u64 = 100;

/// How the stack stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nobody could be asked.
    Unknown,
    /// There is none.
    None,
    /// Its creation failed: what is left of it has to go before another can be made.
    Failed,
    /// It is there, and can be deployed again.
    There,
}

pub(super) async fn check(
    table: &mut Table,
    settings: &mut Vec<(&'static str, String)>,
    aws: &Aws,
    stack: &str,
    tier: Tier,
    described: &Result<Option<String>, Trouble>,
) -> Standing {
    let login = login(aws).await;
    let is_known = login.is_ok();
    table.add("AWS login", login);
    if !is_known {
        return Standing::Unknown;
    }
    let description = described.as_ref().map(Option::as_deref).map_err(Trouble::clone);
    let deployed = description.clone().ok().flatten().map(Deployed::read).unwrap_or_default();
    let (standing, finding) = match description.and_then(|description| standing(stack, description)) {
        Ok((standing, text)) => (standing, Ok(text)),
        Err(trouble) => (Standing::Unknown, Err(trouble)),
    };
    table.add("stack", finding);
    match quota(aws).await {
        Ok((limit, free)) => {
            // What this stack has reserved already is its own.
            let free = (free + deployed.reserved).min(limit);
            let caps = free >= tier.reserved() + LEFT_OVER;
            settings.push(("ReserveConcurrency", caps.to_string()));
            table.add("concurrency quota", Ok(quota_told(limit, free, tier, caps)));
        }
        Err(trouble) => table.add("concurrency quota", Err(trouble)),
    }
    standing
}

async fn login(aws: &Aws) -> Finding {
    let answer = aws.query(STS, "2011-06-15", &[("Action", "GetCallerIdentity")]).await.map_err(|refusal| {
        fault(refusal.to_string(), "sign in (`aws sso login`), and set AWS_PROFILE and AWS_REGION")
    })?;
    let account = element(&answer, "Account").unwrap_or("unknown").to_owned();
    let root = element(&answer, "Arn").is_some_and(|arn| arn.ends_with(":root"));
    let note = if root && !aws.is_emulator() { "; as the root user: make a user of its own for deploys" } else { "" };
    Ok(format!("account {account}, region {}{note}", aws.region))
}

/// The description of a stack; `None` where there is none.
pub(super) async fn described(aws: &Aws, stack: &str) -> Result<Option<String>, Trouble> {
    let call = [("Action", "DescribeStacks"), ("StackName", stack)];
    match aws.query(CLOUDFORMATION, "2010-05-15", &call).await {
        Ok(description) => Ok(Some(description)),
        Err(refusal) if refusal.is("ValidationError") => Ok(None),
        Err(refusal) => Err(refusal.into()),
    }
}

/// What a stack was told when it was deployed.
#[derive(Default)]
pub(super) struct Deployed {
    pub(super) database: Option<String>,
    pub(super) tier: Option<Tier>,
    pub(super) users: Option<Users>,
    /// Environments that its caps reserve.
    reserved: u64,
}

impl Deployed {
    pub(super) fn read(description: &str) -> Self {
        let told = |name: &str| paired(description, ("ParameterKey", name), "ParameterValue");
        let tier = told("MongoTier").and_then(|name| Tier::from_str(name, false).ok());
        let users = told("DatabaseUsers").and_then(|name| Users::from_str(name, false).ok());
        let has_caps = told("ReserveConcurrency") == Some("true");
        let reserved = tier.filter(|_| has_caps).map(Tier::reserved).unwrap_or_default();
        Self { database: told("DatabaseName").map(str::to_owned), tier, users, reserved }
    }
}

fn standing(stack: &str, description: Option<&str>) -> Result<(Standing, String), Trouble> {
    match description {
        None => Ok((Standing::None, format!("{stack} is new"))),
        Some(description) => stands(stack, element(description, "StackStatus").unwrap_or("unknown")),
    }
}

fn stands(stack: &str, status: &str) -> Result<(Standing, String), Trouble> {
    let remedy = match status {
        "REVIEW_IN_PROGRESS" | "DELETE_COMPLETE" => return Ok((Standing::None, format!("{stack} is new"))),
        "ROLLBACK_COMPLETE" | "ROLLBACK_FAILED" | "CREATE_FAILED" => {
            let text =
                format!("{stack}: its first deploy failed; `cargo deploy` removes what is left, and nothing else");
            return Ok((Standing::Failed, text));
        }
        status if status.ends_with("_IN_PROGRESS") => "wait until it has ended, then ask again",
        "UPDATE_ROLLBACK_FAILED" => "aws cloudformation continue-update-rollback --stack-name <name>",
        "DELETE_FAILED" => "aws cloudformation delete-stack --stack-name <name>: the events say what is in its way",
        _ => return Ok((Standing::There, format!("{stack} is there ({status}), and will be updated"))),
    };
    Err(fault(format!("{stack} is {status}"), remedy))
}

/// How many there may be at once, and how many nobody reserves.
async fn quota(aws: &Aws) -> Result<(u64, u64), Trouble> {
    let answer = aws.get(LAMBDA, "/2016-08-19/account-settings").await?;
    let limit = |name: &str| answer["AccountLimit"][name].as_u64();
    let all = limit("ConcurrentExecutions").unwrap_or(0);
    Ok((all, limit("UnreservedConcurrentExecutions").unwrap_or(all)))
}

fn quota_told(limit: u64, free: u64, tier: Tier, caps: bool) -> String {
    let (reserved, name) = (tier.reserved(), tier.name());
    if caps {
        return format!("{limit}, {free} of them free: the caps of {name} reserve {reserved}, and {LEFT_OVER} stay");
    }
    // Each environment holds two sockets at the primary (tests/connection_budget.rs).
    let bound = if 2 * limit <= 450 {
        format!("the quota itself keeps connections below {}, but any function can use all of it up", 2 * limit)
    } else {
        "nothing keeps the stack under the connection limit".to_owned()
    };
    format!(
        "{limit}, {free} of them free: too few for the caps of {name} ({reserved}, and {LEFT_OVER} that AWS wants left), \
         so it is deployed without caps: {bound}. Have it raised to {} (Service Quotas, Lambda, concurrent executions), \
         then run `cargo deploy` again",
        (limit - free.min(limit)) + reserved + LEFT_OVER
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_stack_was_told_is_read() {
        let parameter = |name: &str, value: &str| {
            format!("<member><ParameterKey>{name}</ParameterKey><ParameterValue>{value}</ParameterValue></member>")
        };
        let told = [
            ("MongoTier", "M10"),
            ("DatabaseName", "library"),
            ("ReserveConcurrency", "true"),
            ("DatabaseUsers", "three"),
        ];
        let told: String = told.map(|(name, value)| parameter(name, value)).concat();
        let Deployed { database, tier, users, reserved } = Deployed::read(&told);
        assert_eq!(users, Some(Users::Three));
        assert_eq!((database.as_deref(), tier, reserved), (Some("library"), Some(Tier::M10), Tier::M10.reserved()));
        let without_caps = Deployed::read(&parameter("MongoTier", "M0"));
        assert_eq!((without_caps.database, without_caps.reserved), (None, 0));
    }

    #[test]
    fn a_new_account_is_told_what_is_not_guaranteed() {
        let text = quota_told(10, 10, Tier::M0, false);
        assert!(text.contains("without caps") && text.contains("below 20") && text.contains("raised to"), "{text}");
        assert!(quota_told(400, 400, Tier::M10, false).contains("nothing keeps"));
        assert!(quota_told(1000, 1000, Tier::M0, true).contains("100 stay"));
    }

    #[test]
    fn every_state_of_a_stack_has_its_word() {
        let standing = |status| stands("s", status).map(|(standing, _)| standing);
        for status in ["ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED"] {
            assert_eq!(standing(status), Ok(Standing::Failed));
        }
        assert_eq!(standing("REVIEW_IN_PROGRESS"), Ok(Standing::None));
        assert_eq!(standing("UPDATE_ROLLBACK_COMPLETE"), Ok(Standing::There));
        for status in ["UPDATE_IN_PROGRESS", "ROLLBACK_IN_PROGRESS", "UPDATE_ROLLBACK_FAILED", "DELETE_FAILED"] {
            assert!(standing(status).is_err(), "{status}");
        }
    }
}
