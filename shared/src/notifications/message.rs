//! The words: subject, text and HTML of an e-mail, and the text of an SMS.
//!
//! Text and HTML are made of the same parts, so that they cannot say different things.

use super::Template;

/// How we call ourselves.
const NAME: &str = "Prompt library";

/// A piece of a message's body.
enum Part<'a> {
    Line(String),
    Code(&'a str),
    Link(&'a str),
    /// Prepared in both forms.
    Ready {
        html: &'a str,
        text: &'a str,
    },
}

impl Part<'_> {
    fn text(&self) -> String {
        match self {
            Self::Line(text) => text.clone(),
            Self::Code(text) | Self::Link(text) | Self::Ready { text, .. } => (*text).to_owned(),
        }
    }

    fn html(&self) -> String {
        match self {
            Self::Line(text) => format!("<p>{}</p>", escape(text)),
            Self::Code(code) => {
                format!(r#"<p style="font-size:1.75em;letter-spacing:0.15em"><strong>{}</strong></p>"#, escape(code))
            }
            Self::Link(link) => format!(r#"<p><a href="{0}">{0}</a></p>"#, escape(link)),
            Self::Ready { html, .. } => (*html).to_owned(),
        }
    }
}

impl Template {
    /// The subject of the e-mail: one line, and no secret, since screens show it while locked.
    pub fn subject(&self) -> String {
        match self {
            Self::MfaCode { .. } | Self::FactorCode { .. } => "Your sign-in code".into(),
            Self::NumberCode { .. } => "Your code for alerts by SMS".into(),
            Self::PasswordReset { .. } => "Choose a new password".into(),
            Self::SignUp { .. } => "Complete your sign-up".into(),
            Self::AddressTaken { .. } => "You have an account already".into(),
            Self::VerifyEmail { .. } => "Confirm your address".into(),
            Self::FactorReset { .. } => "Your lost second factor".into(),
            Self::FactorResetBegun { .. } => "Two-step sign-in will be off in 24 hours".into(),
            Self::FactorStopped => "Somebody guesses your sign-in codes".into(),
            Self::PasswordChanged => "Your password was changed".into(),
            Self::MfaEnabled => "Two-step sign-in is on".into(),
            Self::MfaDisabled => "Two-step sign-in is off".into(),
            Self::ExportAsked => "An export of your account was asked for".into(),
            Self::AccountDeleted => "Your account is deleted".into(),
            Self::RefreshTokenReused => "We ended a sign-in of yours".into(),
            Self::UsageAlert { metric, level_percent, .. } => {
                one_line(&format!("Your {} reached {level_percent} % of the limit", measured(metric)))
            }
            Self::Report { title, .. } => one_line(title),
        }
    }

    /// The plain text of the e-mail.
    pub fn text(&self) -> String {
        let parts: Vec<String> = self.parts().iter().map(Part::text).collect();
        format!("{}\n\n{NAME}\n", parts.join("\n\n"))
    }

    /// The HTML of the e-mail: a whole document that fetches nothing.
    pub fn html(&self) -> String {
        let subject = escape(&self.subject());
        let parts: Vec<String> = self.parts().iter().map(Part::html).collect();
        format!(
            r#"<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>{subject}</title></head>
<body style="font-family:sans-serif;line-height:1.5;color:#222;max-width:36em;margin:0 auto;padding:1em">
<h1 style="font-size:1.25em">{subject}</h1>
{}
<p style="color:#666;font-size:0.875em">{NAME}</p>
</body>
</html>
"#,
            parts.join("\n")
        )
    }

    /// The text of the SMS, if there is one. It holds nothing that a user wrote.
    pub fn sms(&self) -> Option<String> {
        match self {
            Self::MfaCode { code, minutes } | Self::FactorCode { code, minutes } => Some(format!(
                "{NAME}: your sign-in code is {code}, valid for {}. Give it to nobody.",
                duration(*minutes)
            )),
            Self::NumberCode { code, minutes } => {
                let valid = duration(*minutes);
                Some(format!("{NAME}: your code for alerts by SMS is {code}, valid for {valid}. Give it to nobody."))
            }
            Self::UsageAlert { metric, level_percent, used, limit, .. } => {
                let figures =
                    if is_figure(used) && is_figure(limit) { format!(" ({used} of {limit})") } else { String::new() };
                let what = metric_of(metric);
                Some(format!("{NAME}: your {what} reached {level_percent} % of the limit{figures}."))
            }
            _ => None,
        }
    }

    fn parts(&self) -> Vec<Part<'_>> {
        let line = |text: &str| Part::Line(text.to_owned());
        match self {
            Self::MfaCode { code, minutes } => vec![
                line("Enter this code to finish signing in:"),
                Part::Code(code),
                Part::Line(format!("It is valid for {}. Give it to nobody.", duration(*minutes))),
                line("If you are not signing in, somebody knows your password: change it."),
            ],
            Self::FactorCode { code, minutes } => vec![
                line("Enter this code to turn two-step sign-in on:"),
                Part::Code(code),
                Part::Line(format!("It is valid for {}. Give it to nobody.", duration(*minutes))),
                line("If it was not you, somebody knows your password: change it."),
            ],
            Self::NumberCode { code, minutes } => vec![
                line("Enter this code to get alerts by SMS:"),
                Part::Code(code),
                Part::Line(format!("It is valid for {}. Give it to nobody.", duration(*minutes))),
            ],
            Self::PasswordReset { link, minutes } => vec![
                line("Open this link to choose a new password:"),
                Part::Link(link),
                Part::Line(format!("It works once, within {}.", duration(*minutes))),
                line("If you did not ask for it, do nothing: your password stays as it is."),
            ],
            Self::SignUp { link, hours } => vec![
                line("Open this link to choose a password and complete your sign-up:"),
                Part::Link(link),
                Part::Line(format!("It works once, within {hours} hours.")),
                line("If you did not sign up, do nothing: there is no account until the link is used."),
            ],
            Self::AddressTaken { link, minutes } => vec![
                line(
                    "Somebody signed up with your address, which has an account already. Sign in, or open this link to choose a new password:",
                ),
                Part::Link(link),
                Part::Line(format!("It works once, within {}.", duration(*minutes))),
                line("If it was not you, do nothing: your account stays as it is."),
            ],
            Self::VerifyEmail { link } => vec![
                line("Open this link and enter your password to confirm your address:"),
                Part::Link(link),
                line("If you did not ask for it, do nothing."),
            ],
            Self::FactorReset { link } => vec![
                line(
                    "Somebody who knows your password says that your second factor is lost. If it was you, open this link:",
                ),
                Part::Link(link),
                line("The factor is then removed after 24 hours. If it was not you, change your password."),
            ],
            Self::FactorResetBegun { link } => vec![
                line(
                    "Somebody with access to your mail asked to turn your two-step sign-in off. That is done in 24 hours.",
                ),
                line("If it was not you, open this link to stop it, and choose a new password:"),
                Part::Link(link),
            ],
            Self::FactorStopped => vec![
                line("Somebody who knows your password tried 50 wrong codes in a row. No more codes are accepted."),
                line(
                    "Choose a new password by the link that \"forgot password\" sends you: your codes work again then.",
                ),
            ],
            Self::PasswordChanged => {
                vec![line("The password of your account was changed."), line("If it was not you, reset it at once.")]
            }
            Self::MfaEnabled => vec![
                line("From now on, signing in to your account takes a second step."),
                line("If it was not you, reset your password at once."),
            ],
            Self::MfaDisabled => vec![
                line("Signing in to your account takes no second step any more."),
                line("If it was not you, reset your password at once, and turn the second step on again."),
            ],
            Self::ExportAsked => vec![
                line("Somebody who is signed in to your account asked for everything that is kept about it."),
                line(
                    "If it was not you, change your password at once: that ends all sign-ins, and nobody can read the export.",
                ),
            ],
            Self::AccountDeleted => vec![
                line("You asked for the deletion of your account. Nobody can sign in to it any more."),
                line("What was kept about it is being erased. If it was not you, tell the operator of this service."),
            ],
            Self::RefreshTokenReused => vec![
                line(
                    "A sign-in of yours was used from two places, as if somebody had copied it. To be safe, we ended it.",
                ),
                line("Please sign in again. If you see anything that you did not do, change your password."),
            ],
            Self::UsageAlert { metric, period, level_percent, used, limit } => {
                let metric = measured(metric);
                vec![Part::Line(format!(
                    "Your {metric} for {period} reached {level_percent} % of the limit: {used} of {limit}."
                ))]
            }
            Self::Report { html, text, .. } => vec![Part::Ready { html, text }],
        }
    }
}

fn duration(minutes: u64) -> String {
    if minutes == 1 { "1 minute".into() } else { format!("{minutes} minutes") }
}

/// What is counted, as a mail says it: `tokens at openai`. The name of a provider or key came from a user: what a mail
/// program may make a link of, or what is no plain name, is left out.
fn measured(metric: &str) -> &str {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, ' ' | '-' | '_');
    if metric.chars().all(is_plain) { metric } else { metric_of(metric) }
}

/// The same without any name.
fn metric_of(metric: &str) -> &'static str {
    ["tokens", "cost", "requests", "error rate"].into_iter().find(|known| metric.starts_with(known)).unwrap_or("usage")
}

/// `$1.250000`, `4.65 %`
fn is_figure(text: &str) -> bool {
    text.len() <= 24 && text.chars().all(|letter| letter.is_ascii_digit() || matches!(letter, '$' | '.' | ' ' | '%'))
}

/// A line break in a subject would begin another header.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// One of each, with values that a page must escape.
#[cfg(test)]
pub(super) fn samples() -> Vec<Template> {
    vec![
        Template::MfaCode { code: "<123>".into(), minutes: 10 },
        Template::FactorCode { code: "<123>".into(), minutes: 10 },
        Template::NumberCode { code: "<123>".into(), minutes: 10 },
        Template::PasswordReset { link: "https://example.com/reset?token=a\"b&c='d'".into(), minutes: 1 },
        Template::SignUp { link: "https://example.com/a?token=b".into(), hours: 24 },
        Template::AddressTaken { link: "https://example.com/a?token=b".into(), minutes: 60 },
        Template::VerifyEmail { link: "https://example.com/a?token=b".into() },
        Template::FactorReset { link: "https://example.com/a?token=b".into() },
        Template::FactorResetBegun { link: "https://example.com/a?token=b".into() },
        Template::FactorStopped,
        Template::PasswordChanged,
        Template::MfaEnabled,
        Template::MfaDisabled,
        Template::RefreshTokenReused,
        Template::UsageAlert {
            metric: "<b>tokens".into(),
            period: "today & tomorrow".into(),
            level_percent: 80,
            used: "80".into(),
            limit: "\"100\"".into(),
        },
        Template::Report { title: "Week\r\n<1>".into(), html: "<p>7 &lt; 8</p>".into(), text: "7 < 8".into() },
        Template::ExportAsked,
        Template::AccountDeleted,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_reads_well_in_every_form() {
        let template = Template::MfaCode { code: "314159".into(), minutes: 10 };
        assert_eq!(template.subject(), "Your sign-in code");
        assert_eq!(
            template.text(),
            "Enter this code to finish signing in:\n\n314159\n\nIt is valid for 10 minutes. Give it to nobody.\n\n\
             If you are not signing in, somebody knows your password: change it.\n\nPrompt library\n"
        );
        assert_eq!(
            template.sms().as_deref(),
            Some("Prompt library: your sign-in code is 314159, valid for 10 minutes. Give it to nobody.")
        );
        assert!(template.html().contains("<strong>314159</strong>"));
    }

    #[test]
    fn values_are_escaped_in_html_and_plain_in_text() {
        let samples = samples();
        for (index, escaped, plain) in [
            (0, "&lt;123&gt;", "<123>"),
            (3, "href=\"https://example.com/reset?token=a&quot;b&amp;c=&#39;d&#39;\"", "token=a\"b&c='d'"),
            (14, "Your usage for today &amp; tomorrow", "Your usage for today & tomorrow"),
            (15, "<title>Week &lt;1&gt;</title>", "7 < 8"),
        ] {
            let (html, text) = (samples[index].html(), samples[index].text());
            assert!(html.contains(escaped) && !html.contains(plain), "{html}");
            assert!(text.contains(plain), "{text}");
        }
    }

    #[test]
    fn a_report_is_shown_as_it_was_prepared() {
        let report = samples().remove(15);
        assert_eq!(report.subject(), "Week <1>", "one line");
        assert!(report.html().contains("\n<p>7 &lt; 8</p>\n"));
        assert_eq!(report.text(), "7 < 8\n\nPrompt library\n");
    }

    #[test]
    fn a_subject_holds_no_secret_and_an_sms_fits_into_one() {
        for template in samples() {
            let subject = template.subject();
            assert!(!subject.contains("123") && !subject.contains("https"), "{subject}");
            assert!(template.sms().unwrap_or_default().len() <= 160, "{template:?}");
        }
    }

    #[test]
    fn nothing_that_a_user_wrote_is_in_an_sms_and_no_link_is_in_a_mail() {
        let alert = |metric: &str, used: &str| Template::UsageAlert {
            metric: metric.into(),
            period: "the day 2026-11-28".into(),
            level_percent: 80,
            used: used.into(),
            limit: "$1.000000".into(),
        };
        let known = alert("cost at openai by the key k-1", "$0.800000");
        assert_eq!(known.subject(), "Your cost at openai by the key k-1 reached 80 % of the limit");
        let sms = known.sms().expect("an SMS");
        assert_eq!(sms, "Prompt library: your cost reached 80 % of the limit ($0.800000 of $1.000000).");
        for written in
            ["evil.example/x", "https://evil.example", "evil\u{ff0e}example", "a\r\nBcc: b@c.d", "a\u{202e}b"]
        {
            let alert = alert(&format!("tokens at {written}"), written);
            assert_eq!(alert.subject(), "Your tokens reached 80 % of the limit");
            assert_eq!(alert.sms().expect("an SMS"), "Prompt library: your tokens reached 80 % of the limit.");
            assert!(alert.text().starts_with("Your tokens for the day 2026-11-28 reached 80 % of the limit"));
        }
        assert_eq!(alert("evil.example", "1").subject(), "Your usage reached 80 % of the limit");
    }
}
