//! E-mail and SMS: who may send, to whom, and for how much.

use super::wanted::Preflight;
use crate::{
    aws::{Aws, SES, SNS, element, paired},
    table::{Finding, Table, fault},
};

pub(super) async fn check(table: &mut Table, aws: &Aws, wanted: &Preflight) {
    table.add("e-mail: sender", sender(aws, wanted.sender.as_deref()).await);
    table.add("e-mail: sandbox", email_sandbox(aws).await);
    if wanted.sms_countries.is_some() {
        table.add("SMS: sandbox", sms_sandbox(aws).await);
        table.add("SMS: spend limit", spend_limit(aws).await);
    } else {
        table.add("SMS", Ok("none is sent: --sms-countries names no country".into()));
    }
}

/// The address, or its domain, is verified.
async fn sender(aws: &Aws, sender: Option<&str>) -> Finding {
    let Some(sender) = sender else {
        return Ok("none: nobody can sign up until --sender names one".into());
    };
    let Some((_, domain)) = sender.split_once('@') else {
        return Err(fault(format!("{sender} is no address"), "name one with --sender"));
    };
    let mut is_known = false;
    for identity in [sender, domain] {
        let name: String = url::form_urlencoded::byte_serialize(identity.as_bytes()).collect();
        match aws.get(SES, &format!("/v2/email/identities/{name}")).await {
            Ok(answer) if answer["VerifiedForSendingStatus"] == true => return Ok(format!("{identity} is verified")),
            Ok(_) => is_known = true,
            Err(refusal) if refusal.is_not_found() => {}
            Err(refusal) => return Err(refusal.into()),
        }
    }
    let found = if is_known { "is not verified yet" } else { "is unknown to SES" };
    let remedy =
        format!("aws sesv2 create-email-identity --email-identity {sender}, then follow the link that it is mailed");
    Err(fault(format!("{sender} {found}: no e-mail could be sent, and nobody could sign up"), remedy))
}

async fn email_sandbox(aws: &Aws) -> Finding {
    let account = aws.get(SES, "/v2/email/account").await?;
    if account["SendingEnabled"] == false {
        return Err(fault(
            "SES has stopped this account from sending",
            "see SES's console: reputation, then open a case",
        ));
    }
    let day = account["SendQuota"]["Max24HourSend"].as_f64().unwrap_or_default();
    if account["ProductionAccessEnabled"] == true {
        return Ok(format!("left: {day:.0} e-mails a day"));
    }
    Ok(format!(
        "still in it: e-mails reach verified addresses only, {day:.0} a day. That does for a trial; for more, request \
         production access in SES's console (about a day)"
    ))
}

async fn sms_sandbox(aws: &Aws) -> Finding {
    let answer = aws.query(SNS, "2010-03-31", &[("Action", "GetSMSSandboxAccountStatus")]).await?;
    match element(&answer, "IsInSandbox") {
        Some("false") => Ok("left".into()),
        Some(_) => Ok("still in it: SMS reach verified numbers only; leave it in SNS's console (about a day)".into()),
        None => Err(crate::table::skipped("could not be asked: the answer does not tell")),
    }
}

async fn spend_limit(aws: &Aws) -> Finding {
    let answer = aws.query(SNS, "2010-03-31", &[("Action", "GetSMSAttributes")]).await?;
    // AWS names no limit as long as it is the default.
    let limit = paired(&answer, ("key", "MonthlySpendLimit"), "value").unwrap_or("1");
    let remedy =
        if limit == "1" { ": about 5 to 20 messages; have it raised in SNS's console if that is too few" } else { "" };
    Ok(format!("${limit} a month{remedy}"))
}
