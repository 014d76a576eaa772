//! `cargo preflight` says of each thing that a deploy needs whether it is there, and what to do if it is not. The account
//! is one of the emulator's, of which a test takes away one thing after the other.

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::Request,
    response::{IntoResponse, Response},
};
use mongodb::bson::{Document, doc};
use operate::{
    aws::{Aws, CLOUDFORMATION},
    preflight::{ConnectionStrings, Found, Preflight, Standing, Tier, Users, preflight},
    table::{Finding, Trouble},
};
use serde_json::{Value, json};
use tests::{
    stack::{Stack, stack},
    with_users::{PASSWORD_OF_USERS, WithUsers},
};

/// What the emulator does not know, or knows only of an account that lacks nothing: path or action, and an answer.
type Instead = &'static [(&'static str, u16, &'static str)];

/// The emulator as an account of a test's own.
struct Account<'a> {
    stack: &'a Stack,
    number: String,
}

impl<'a> Account<'a> {
    /// One that has nothing yet.
    fn new(stack: &'a Stack) -> Self {
        let number = uuid::Uuid::new_v4().as_u128() % 1_000_000_000_000;
        Self { stack, number: format!("{number:012}") }
    }

    fn aws(&self) -> Aws {
        Aws::emulated(&self.stack.aws_endpoint_url, &self.number).unwrap()
    }

    /// With some answers of a stand-in for AWS, and the rest from the emulator.
    async fn aws_with(&self, instead: Instead) -> Aws {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let (upstream, client) = (self.stack.aws_endpoint_url.clone(), reqwest::Client::new());
        let router =
            Router::new().fallback(move |request: Request| answer(upstream.clone(), client.clone(), request, instead));
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Aws::emulated(&address, &self.number).unwrap()
    }

    async fn put_parameter(&self, name: &str, kind: &str) {
        let body = json!({"Name": name, "Value": "hunter2", "Type": kind});
        self.aws().json(operate::aws::SSM, "AmazonSSM.PutParameter", &body).await.unwrap();
    }
}

async fn answer(upstream: String, client: reqwest::Client, request: Request, instead: Instead) -> Response {
    let (mut parts, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
    let asked = format!("{path} {}", String::from_utf8_lossy(&body));
    if let Some((_, status, text)) = instead.iter().find(|(what, ..)| asked.contains(what)) {
        return (axum::http::StatusCode::from_u16(*status).unwrap(), *text).into_response();
    }
    // Signed for this port; the emulator does not check that.
    parts.headers.remove("host");
    let sent = client.request(parts.method, format!("{upstream}{path}")).headers(parts.headers).body(body).send().await;
    let sent = sent.unwrap();
    let (status, mut headers) = (sent.status(), sent.headers().clone());
    headers.remove("transfer-encoding");
    (status, headers, Body::from(sent.bytes().await.unwrap())).into_response()
}

fn wanted() -> Preflight {
    Preflight {
        stack: "promptlib".into(),
        database: None,
        tier: None,
        database_users: None,
        sender: Some("sender@example.com".into()),
        alarm_email: None,
        sms_countries: Some("41".into()),
    }
}

/// The connection string of the only user.
fn one(uri: &str) -> ConnectionStrings {
    ConnectionStrings { main: Some(uri.to_owned()), ..ConnectionStrings::default() }
}

/// Its fault must have this word, and its remedy that one.
fn assert_fault(found: &Found, row: &str, word: &str, to_do: &str) {
    match found.table.row(row) {
        Some(Err(Trouble::Fault { found, remedy })) => {
            assert!(found.contains(word) && remedy.contains(to_do), "{row}: {found} → {remedy}");
        }
        other => panic!("{row} is {other:?}\n{}", found.table),
    }
}

fn text(finding: Option<&Finding>) -> String {
    match finding {
        Some(Ok(text) | Err(Trouble::Skipped(text))) => text.clone(),
        other => panic!("{other:?}"),
    }
}

fn setting<'a>(found: &'a Found, name: &str) -> &'a str {
    found.settings.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| value)
}

/// As AWS answers for an account that lacks nothing, where the emulator cannot.
const SMS: Instead = &[
    ("GetSMSSandboxAccountStatus", 200, "<R><IsInSandbox>false</IsInSandbox></R>"),
    ("GetSMSAttributes", 200, "<R><entry><key>MonthlySpendLimit</key><value>25</value></entry></R>"),
];

#[tokio::test]
async fn an_account_that_has_everything_is_told_what_to_pass() {
    let stack = stack();
    let account = Account::new(&stack);
    let aws = account.aws_with(SMS).await;
    identity(&account, "sender@example.com").await;
    for name in ["mongodb-uri", "signing-seed", "auth-pepper", "mfa-seed", "vault-seed", "audit-seed"] {
        account.put_parameter(&format!("/promptlib/{name}"), "SecureString").await;
    }
    let found = preflight(&wanted(), Some(&aws), &one(&stack.mongodb_uri)).await;
    let text_of_all = found.table.to_string();
    for row in
        ["AWS login", "stack", "concurrency quota", "secrets", "e-mail: sender", "SMS: spend limit", "MongoDB: cluster"]
    {
        assert!(matches!(found.table.row(row), Some(Ok(_))), "{row}: {text_of_all}");
    }
    assert_eq!(found.standing, Standing::None);
    assert_eq!(text(found.table.row("SMS: spend limit")), "$25 a month");
    assert_eq!((setting(&found, "MongoTier"), setting(&found, "SenderEmail")), ("M0", "sender@example.com"));
    assert!(!text_of_all.contains("hunter2") && text_of_all.contains(&account.number), "{text_of_all}");
}

#[tokio::test]
async fn each_thing_that_is_missing_is_named() {
    let stack = stack();
    let account = Account::new(&stack);
    let found = preflight(&wanted(), Some(&account.aws()), &ConnectionStrings::default()).await;
    assert_fault(&found, "secrets", "/promptlib/mongodb-uri is missing", "set MONGODB_URI");
    assert_fault(
        &found,
        "e-mail: sender",
        "unknown to SES",
        "create-email-identity --email-identity sender@example.com",
    );
    assert!(text(found.table.row("SMS: spend limit")).starts_with("could not be asked: "), "{}", found.table);

    // Those of another stack that is there are its own.
    let template = r#"{"Resources": {"Queue": {"Type": "AWS::SQS::Queue"}}}"#;
    let create = [("Action", "CreateStack"), ("StackName", "production"), ("TemplateBody", template)];
    account.aws().query(CLOUDFORMATION, "2010-05-15", &create).await.unwrap();
    account.put_parameter("/production/auth-pepper", "SecureString").await;
    account.put_parameter("/promptlib/vault-seed", "String").await;
    account.put_parameter("/former/mfa-seed", "SecureString").await;
    let found = preflight(&wanted(), Some(&account.aws()), &one(&stack.mongodb_uri)).await;
    assert_fault(&found, "secrets", "/promptlib/vault-seed is readable", "SecureString");
    let adopt = "cargo db secrets --stack promptlib --adopt mfa-seed=/former/mfa-seed (if nothing";
    assert_fault(&found, "secrets of a former stack", "could not be read", adopt);
    assert!(!found.table.to_string().contains("hunter2"), "{}", found.table);
}

const REFUSED: &str = r#"{"__type":"AccessDeniedException","message":"not you"}"#;
const EXPIRED: &str = "<Error><Code>ExpiredToken</Code><Message>The security token is expired</Message></Error>";

/// What only an account of AWS can lack.
#[tokio::test]
async fn what_the_emulator_cannot_lack_is_named_too() {
    let stack = stack();
    let account = Account::new(&stack);
    let aws = account
        .aws_with(&[
            (
                "account-settings",
                200,
                r#"{"AccountLimit":{"ConcurrentExecutions":10,"UnreservedConcurrentExecutions":10}}"#,
            ),
            (
                "/v2/email/account",
                200,
                r#"{"ProductionAccessEnabled":false,"SendingEnabled":true,"SendQuota":{"Max24HourSend":200}}"#,
            ),
            ("/v2/email/identities/sender%40example.com", 200, r#"{"VerifiedForSendingStatus":false}"#),
            ("GetSMSSandboxAccountStatus", 200, "<R><IsInSandbox>true</IsInSandbox></R>"),
            ("GetSMSAttributes", 200, "<R></R>"),
            ("DescribeStacks", 200, "<R><StackStatus>ROLLBACK_COMPLETE</StackStatus></R>"),
        ])
        .await;
    let found = preflight(&wanted(), Some(&aws), &ConnectionStrings::default()).await;
    let quota = text(found.table.row("concurrency quota"));
    assert!(
        quota.contains("without caps") && quota.contains("have it raised") || quota.contains("Have it raised"),
        "{quota}"
    );
    assert_eq!(setting(&found, "ReserveConcurrency"), "false");
    assert_fault(&found, "e-mail: sender", "not verified yet", "follow the link");
    assert!(text(found.table.row("e-mail: sandbox")).contains("verified addresses only, 200 a day"));
    assert!(text(found.table.row("SMS: sandbox")).contains("verified numbers only"));
    assert!(text(found.table.row("SMS: spend limit")).starts_with("$1 a month"));
    assert_eq!(found.standing, Standing::Failed);

    let aws = account
        .aws_with(&[("account-settings", 403, REFUSED), ("GetCallerIdentity", 200, "<Account>1</Account>")])
        .await;
    let found = preflight(&wanted(), Some(&aws), &ConnectionStrings::default()).await;
    assert_eq!(text(found.table.row("concurrency quota")), "could not be asked: AccessDeniedException: not you");
    let aws = account.aws_with(&[("GetCallerIdentity", 403, EXPIRED)]).await;
    let found = preflight(&wanted(), Some(&aws), &ConnectionStrings::default()).await;
    assert_fault(&found, "AWS login", "ExpiredToken", "aws sso login");
    let found = preflight(&wanted(), None, &ConnectionStrings::default()).await;
    assert_fault(&found, "AWS login", "no credentials", "aws configure sso");
}

#[tokio::test]
async fn a_connection_string_that_does_not_do_is_named_and_its_password_is_not() {
    let stack = stack();
    let address = stack.mongodb_address();
    for (uri, row, word, to_do) in [
        (
            "postgres://user:hunter2@host".to_owned(),
            "MongoDB: connection string",
            "cannot be read",
            "as Atlas shows it",
        ),
        ("mongodb://user:hunter2@@host/".to_owned(), "MongoDB: connection string", "cannot be read", "%40"),
        (format!("mongodb://{address}/?socketTimeoutMS=5"), "MongoDB: connection string", "socketTimeoutMS", "leave"),
        ("mongodb://user:hunter2@192.0.2.1:27017/".to_owned(), "MongoDB: connection string", "no TLS", "mongodb+srv"),
        ("mongodb://127.0.0.1:1/".to_owned(), "MongoDB: cluster", "no node answered", "0.0.0.0/0"),
        (format!("mongodb://user:hunter2@{address}/"), "MongoDB: cluster", "", ""),
    ] {
        // A server without users refuses none.
        let may_pass = word.is_empty();
        let found = preflight(&Preflight { sms_countries: None, ..wanted() }, None, &one(&uri)).await;
        assert!(!found.table.to_string().contains("hunter2"), "{}", found.table);
        if !may_pass {
            assert_fault(&found, row, word, to_do);
        }
    }
    let given = preflight(&Preflight { tier: Some(Tier::Flex), ..wanted() }, None, &ConnectionStrings::default()).await;
    assert_eq!(setting(&given, "MongoTier"), "Flex");
}

#[tokio::test]
async fn of_three_users_each_is_asked_for_its_roles_and_who_reads_must_not_write() {
    let on = |role: &str, database: &str| doc! {"role": role, "db": database};
    let users: [(&str, &[Document]); 4] = [
        ("only", &[on("readWrite", "promptlib"), on("clusterMonitor", "admin")]),
        ("writer", &[on("readWrite", "promptlib")]),
        ("reader", &[on("read", "promptlib")]),
        ("monitor", &[on("clusterMonitor", "admin"), on("read", "promptlib")]),
    ];
    let Some(server) = WithUsers::start(&users).await else { return };
    server.database("only", "promptlib").await;
    let uri = |user: &str| Some(server.uri(user, PASSWORD_OF_USERS));
    let three = Preflight { database_users: Some(Users::Three), ..wanted() };
    let asked = async |wanted: &Preflight, main: &str, reader: &str, monitor: &str| {
        let strings = ConnectionStrings { main: uri(main), reader: uri(reader), monitor: uri(monitor) };
        let found = preflight(wanted, None, &strings).await;
        assert!(!found.table.to_string().contains(PASSWORD_OF_USERS), "{}", found.table);
        found
    };
    let rows = |found: &Found| {
        ["MongoDB: roles", "MongoDB: reader", "MongoDB: monitor", "MongoDB: tier"].map(|row| text(found.table.row(row)))
    };

    let fine = asked(&three, "writer", "reader", "monitor").await;
    let local = "a server on this machine has no tier";
    assert_eq!(rows(&fine), ["readWrite", "read", "clusterMonitor and read", local], "{}", fine.table);
    assert_eq!((setting(&fine, "DatabaseUsers"), fine.users), ("three", Users::Three));
    let wide = asked(&three, "only", "monitor", "monitor").await;
    let [main, reader, ..] = rows(&wide);
    assert!(main.ends_with("more than it needs: readWrite does") && reader.ends_with("read does"), "{}", wide.table);

    let wrong = asked(&three, "reader", "writer", "reader").await;
    assert_fault(&wrong, "MongoDB: roles", "lacks readWrite on promptlib", "edit the user");
    assert_fault(&wrong, "MongoDB: reader", "may write to promptlib", "a user of its own for mongodb-reader-uri");
    assert_fault(&wrong, "MongoDB: monitor", "lacks clusterMonitor", "no alarm knows");
    let unknown = asked(&three, "writer", "nobody", "only").await;
    assert_fault(&unknown, "MongoDB: reader", "refuses the user or the password", "is there this user?");
    assert_fault(&unknown, "MongoDB: monitor", "may write to promptlib", "a user of its own for mongodb-monitor-uri");
    let other = Some("mongodb://reader:x@127.0.0.1:1/?directConnection=true".to_owned());
    let strings = ConnectionStrings { main: uri("writer"), reader: other, monitor: uri("monitor") };
    let elsewhere = preflight(&three, None, &strings).await;
    assert_fault(&elsewhere, "MongoDB: reader", "another cluster than MONGODB_URI", "take that string");

    // With one nobody asks for the others, and the first has to do for the monitor.
    let one = asked(&wanted(), "only", "nobody", "nobody").await;
    assert_eq!(text(one.table.row("MongoDB: roles")), "readWrite and clusterMonitor");
    assert!(one.table.row("MongoDB: reader").is_none() && setting(&one, "DatabaseUsers") == "one", "{}", one.table);
    let blind = asked(&wanted(), "writer", "reader", "monitor").await;
    assert_fault(&blind, "MongoDB: roles", "lacks clusterMonitor", "no alarm knows");
}

#[tokio::test]
async fn the_secrets_of_three_users_are_asked_for_where_there_are_three() {
    let stack = stack();
    let account = Account::new(&stack);
    let three = Preflight { database_users: Some(Users::Three), ..wanted() };
    account.put_parameter("/promptlib/mongodb-uri", "SecureString").await;
    let found = preflight(&three, Some(&account.aws()), &ConnectionStrings::default()).await;
    let missing = "/promptlib/mongodb-reader-uri and /promptlib/mongodb-monitor-uri are missing";
    assert_fault(&found, "secrets", missing, "set MONGODB_READER_URI and MONGODB_MONITOR_URI");
    for row in ["MongoDB: reader", "MongoDB: monitor"] {
        assert!(text(found.table.row(row)).ends_with("for this command to have it tried"), "{}", found.table);
    }
    let found = preflight(&wanted(), Some(&account.aws()), &ConnectionStrings::default()).await;
    assert!(text(found.table.row("secrets")).starts_with("`cargo deploy` makes"), "{}", found.table);
    for name in ["mongodb-reader-uri", "mongodb-monitor-uri"] {
        account.put_parameter(&format!("/promptlib/{name}"), "SecureString").await;
    }
    let found = preflight(&three, Some(&account.aws()), &ConnectionStrings::default()).await;
    let made = text(found.table.row("secrets"));
    assert!(made.starts_with("`cargo deploy` makes") && !made.contains("mongodb"), "{made}");
}

async fn identity(account: &Account<'_>, address: &str) {
    let url = format!("{}/v2/email/identities", account.stack.aws_endpoint_url);
    // Whose it is, the emulator reads from the key of the signature.
    let signed = format!("AWS4-HMAC-SHA256 Credential={}/20260101/us-east-1/ses/aws4_request", account.number);
    let body: Value = json!({"EmailIdentity": address});
    let answer = reqwest::Client::new().post(url).header("authorization", signed).json(&body).send().await.unwrap();
    assert!(answer.status().is_success(), "{answer:?}");
}
