//! A first deploy that failed leaves nothing that stops the second, and `cargo deploy` does its steps in order.

use std::{
    fs,
    io::Write,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use axum::{Router, http::StatusCode};
use local::{folder, root, step::quietly};
use operate::{
    aws::{Aws, CLOUDFORMATION, LOGS, SECRETS_MANAGER},
    deploy::remove,
    preflight::{ConnectionStrings, Preflight, Standing, preflight},
};
use serde_json::json;
use tests::stack::stack;

/// A resource that cannot be made, once the others are.
const BROKEN: &str = "
  Broken:
    Type: AWS::Lambda::Function
    DependsOn: [ContentBucket, EventsQueue, FunctionLog]
    Properties:
      FunctionName: broken
      Runtime: provided.al2023
      Handler: bootstrap
      Role: !Sub arn:aws:iam::${AWS::AccountId}:role/none
      Code: {S3Bucket: sam-local, S3Key: promptlib/none/bootstrap.zip}

Outputs:
";

/// An account of its own at the emulator, with a bucket that SAM uploads to.
struct Account {
    endpoint: String,
    number: String,
    aws: Aws,
}

impl Account {
    async fn new(endpoint: &str) -> Self {
        let number = format!("{:012}", uuid::Uuid::new_v4().as_u128() % 1_000_000_000_000);
        let aws = Aws::emulated(endpoint, &number).unwrap();
        let account = Self { endpoint: endpoint.to_owned(), number, aws };
        let bucket = reqwest::Client::new().put(format!("{endpoint}/{}", account.bucket()));
        assert!(bucket.header("authorization", account.signed()).send().await.unwrap().status().is_success());
        // The deploy resolves a reference to it.
        let secret = json!({"Name": "promptlib/mongodb", "SecretString": r#"{"uri": "mongodb://127.0.0.1:1"}"#});
        account.aws.json(SECRETS_MANAGER, "secretsmanager.CreateSecret", &secret).await.unwrap();
        account
    }

    /// Whose call it is, the emulator reads from the key of the signature.
    fn signed(&self) -> String {
        format!("AWS4-HMAC-SHA256 Credential={}/20260101/us-east-1/s3/aws4_request", self.number)
    }

    fn bucket(&self) -> String {
        format!("sam-{}", self.number)
    }

    fn sam(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let mut command = Command::new(folder("sam/bin/sam"));
        command.arg("deploy").args(arguments).args(["--stack-name", "again", "--region", "us-east-1"]);
        command.env("AWS_ENDPOINT_URL", &self.endpoint).env("AWS_ACCESS_KEY_ID", &self.number);
        command.env("AWS_SECRET_ACCESS_KEY", "test").env("SAM_CLI_TELEMETRY", "0").env("SAM_CLI_POLL_DELAY", "0.2");
        quietly(command.current_dir(folder("")))
    }

    fn deploy(&self, template: &Path) -> anyhow::Result<String> {
        let (template, bucket) = (template.display().to_string(), self.bucket());
        let files = ["--template-file", &template, "--s3-bucket", &bucket, "--s3-prefix", "again"];
        let how = ["--capabilities", "CAPABILITY_IAM", "--no-confirm-changeset"];
        let what = ["--parameter-overrides", "Target=local", "Architecture=x86_64", "ReserveConcurrency=false"];
        self.sam(&[&files[..], &how, &what].concat())
    }

    /// Buckets besides SAM's, and log groups.
    async fn left(&self) -> (usize, usize) {
        let buckets = reqwest::Client::new().get(format!("{}/", self.endpoint)).header("authorization", self.signed());
        let buckets = buckets.send().await.unwrap().text().await.unwrap().matches("<Name>").count();
        let groups = self.aws.json(LOGS, "Logs_20140328.DescribeLogGroups", &json!({})).await.unwrap();
        (buckets - 1, groups["logGroups"].as_array().unwrap().len())
    }

    async fn standing(&self) -> Standing {
        preflight(&wanted("again"), Some(&self.aws), &ConnectionStrings::default()).await.standing
    }
}

fn wanted(stack: &str) -> Preflight {
    Preflight {
        stack: stack.into(),
        database: None,
        tier: None,
        database_users: None,
        sender: None,
        alarm_email: None,
        sms_countries: None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deploy_after_a_failed_one_succeeds_and_a_stack_can_be_taken_down() {
    let (stack, templates) = (stack(), tempfile::tempdir().unwrap());
    let account = Account::new(&stack.aws_endpoint_url).await;
    let template = fs::read_to_string(folder("template.yaml")).unwrap();
    let (good, bad) = (templates.path().join("good.yaml"), templates.path().join("bad.yaml"));
    fs::write(&bad, template.replacen("\nOutputs:\n", BROKEN, 1)).unwrap();
    fs::write(&good, template).unwrap();

    assert_eq!(account.standing().await, Standing::None);
    let failed = format!("{:#}", account.deploy(&bad).unwrap_err());
    assert!(failed.contains("ROLLBACK_COMPLETE"), "{failed}");
    assert_eq!(account.standing().await, Standing::Failed);
    assert_eq!(account.left().await, (0, 0), "a failed first deploy leaves no bucket and no log group");
    remove(&account.aws, "again").await.unwrap();
    assert_eq!(account.standing().await, Standing::None);

    account.deploy(&good).unwrap();
    assert_eq!(account.standing().await, Standing::There);
    let outputs = [("Action", "DescribeStacks"), ("StackName", "again")];
    let described = account.aws.query(CLOUDFORMATION, "2010-05-15", &outputs).await.unwrap();
    assert!(described.contains("<OutputKey>ApiUrl</OutputKey>"), "{described}");
    remove(&account.aws, "again").await.unwrap();
    assert_eq!(account.left().await, (1, 0), "the content outlives its stack");
}

/// Programs that write down how they are called. What is secret must be in no argument: other processes see those.
fn recorders(folder: &Path) -> PathBuf {
    let calls = folder.join("calls");
    for program in ["cargo", "sam"] {
        let script = format!(
            "#!/bin/sh\necho {program} \"$@\" \"DB=${{MONGODB_URI}}\" \"READER=${{MONGODB_READER_URI}}\" >> {}\n",
            calls.display()
        );
        let path = folder.join(program);
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    calls
}

const DEPLOYED: &str = "<R><StackStatus>CREATE_COMPLETE</StackStatus>\
    <m><OutputKey>ContentBucketName</OutputKey><OutputValue>bucket</OutputValue></m>\
    <m><OutputKey>DashboardUrl</OutputKey><OutputValue>https://dashboard</OutputValue></m>\
    <m><OutputKey>ApiUrl</OutputKey><OutputValue>https://api</OutputValue></m></R>";

const THROTTLED: &str = "no status";

/// AWS, as far as a deploy asks it: `status` of the stack, an account with a quota of 10, and no secrets. What is
/// deleted is gone at the next question, and there again at the one after. Asked of a stack that is [`THROTTLED`] it does
/// not answer.
async fn aws(status: &'static str, calls: PathBuf) -> String {
    let deleted = Arc::new(AtomicBool::new(false));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let answer = move |uri: axum::http::Uri, body: String| {
        if body.contains("DeleteStack") {
            deleted.store(true, Ordering::Relaxed);
            fs::OpenOptions::new().append(true).open(&calls).unwrap().write_all(b"DeleteStack\n").unwrap();
            "<R></R>".to_owned()
        } else if body.contains("DescribeStacks") {
            let status = if deleted.swap(false, Ordering::Relaxed) { "DELETE_COMPLETE" } else { status };
            DEPLOYED.replace("CREATE_COMPLETE", status)
        } else if body.contains("GetCallerIdentity") {
            "<R><Account>1</Account></R>".to_owned()
        } else if uri.path().contains("account-settings") {
            r#"{"AccountLimit": {"ConcurrentExecutions": 10, "UnreservedConcurrentExecutions": 10}}"#.to_owned()
        } else {
            r#"{"Parameters": [], "ProductionAccessEnabled": true, "SendQuota": {"Max24HourSend": 5}}"#.to_owned()
        }
    };
    let router = Router::new().fallback(async move |uri: axum::http::Uri, body: String| {
        let is_refused = status == THROTTLED && body.contains("DescribeStacks");
        (if is_refused { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK }, answer(uri, body))
    });
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    address
}

async fn run(folder: &Path, status: &'static str, uri: &str, arguments: &[&str]) -> (bool, String) {
    let mut command = tokio::process::Command::new(root().join("target/debug/operate"));
    command.arg("deploy").args(arguments).env("PATH", format!("{}:/usr/bin:/bin", folder.display()));
    command
        .env("AWS_ENDPOINT_URL", aws(status, folder.join("calls")).await)
        .env("AWS_REGION", "eu-west-1")
        .envs(["MONGODB_URI", "MONGODB_READER_URI", "MONGODB_MONITOR_URI"].map(|name| (name, uri)));
    command.env("AWS_ACCESS_KEY_ID", "key").env("AWS_SECRET_ACCESS_KEY", "hunter2-of-aws");
    let output = command.output().await.unwrap();
    let text = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()).concat();
    (output.status.success(), text)
}

#[tokio::test(flavor = "multi_thread")]
async fn one_command_asks_builds_deploys_fills_and_tells_the_address() {
    let (stack, folder) = (stack(), tempfile::tempdir().unwrap());
    let calls = recorders(folder.path());
    let named = ["--parameter", "AllowedOrigins=https://a.example", "--stack", "mine"];
    let (fine, text) = run(folder.path(), "ROLLBACK_COMPLETE", &stack.mongodb_uri, &named).await;
    assert!(fine && text.contains("The API: https://api") && text.contains("cargo smoke --api https://api"), "{text}");
    assert!(text.contains("without caps") && !text.contains("hunter2"), "{text}");
    let calls = fs::read_to_string(calls).unwrap();
    let stored = "DB=ssm:/mine/mongodb-uri";
    let steps = [
        "cargo local release",
        "-- secrets --stack mine",
        "DeleteStack",
        "sam deploy --stack-name mine",
        "-- apply",
        "-- seed",
        "-- publish",
    ];
    let places: Vec<_> = steps.map(|step| calls.find(step).unwrap_or_else(|| panic!("{step} in {calls}"))).into();
    assert!(places.is_sorted(), "{calls}");
    assert!(calls.contains("ReserveConcurrency=false AllowedOrigins=https://a.example"), "{calls}");
    assert_eq!(calls.matches(stored).count(), 3, "the database's steps read the stored string: {calls}");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_three_users_their_secrets_are_made_and_the_stack_is_told() {
    let (stack, folder) = (stack(), tempfile::tempdir().unwrap());
    let calls = recorders(folder.path());
    let three = ["--database-users", "three", "--stack", "mine", "--no-seed"];
    let (fine, text) = run(folder.path(), "CREATE_COMPLETE", &stack.mongodb_uri, &three).await;
    assert!(fine, "{text}");
    let calls = fs::read_to_string(calls).unwrap();
    let lines = |what: &str| calls.lines().filter(|line| line.contains(what)).collect::<Vec<_>>();
    assert!(lines("-- secrets --stack mine --database-users three")[0].contains("READER=mongodb://"), "{calls}");
    for step in ["cargo local release", "sam deploy"] {
        assert!(lines(step)[0].ends_with("DB= READER="), "{step}: {calls}");
    }
    assert!(lines("-- apply")[0].ends_with("DB=ssm:/mine/mongodb-uri READER="), "{calls}");
    assert!(lines("sam deploy")[0].contains(" DatabaseUsers=three "), "{calls}");
    let named = ["--parameter", "DatabaseUsers=three"];
    let (fine, text) = run(folder.path(), "CREATE_COMPLETE", &stack.mongodb_uri, &named).await;
    assert!(!fine && text.contains("choose the users with --database-users"), "{text}");
}

/// Its tier, its database and its users would be what a new one has.
#[tokio::test(flavor = "multi_thread")]
async fn a_stack_of_which_nothing_is_known_is_not_deployed() {
    let (stack, folder) = (stack(), tempfile::tempdir().unwrap());
    let calls = recorders(folder.path());
    let (fine, text) = run(folder.path(), THROTTLED, &stack.mongodb_uri, &["--stack", "mine"]).await;
    assert!(!fine && text.contains("AWS did not say how the stack stands: try again"), "{text}");
    let calls = fs::read_to_string(calls).unwrap_or_default();
    assert!(!calls.contains("release") && !calls.contains("secrets"), "{calls}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_changed_when_something_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let calls = recorders(folder.path());
    let (fine, text) = run(folder.path(), "CREATE_COMPLETE", "mongodb://me:hunter2@db.example/", &[]).await;
    assert!(
        !fine && text.contains("error: nothing was changed: mend these first: MongoDB: connection string"),
        "{text}"
    );
    assert!(!text.contains("hunter2"), "{text}");
    let calls = fs::read_to_string(calls).unwrap_or_default();
    assert!(!calls.contains("release") && !calls.contains("deploy --stack"), "{calls}");
}
