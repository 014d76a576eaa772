//! The pages that mailed links lead to: in a browser, without scripts, and as scanners of mail servers see them.

use std::process::Command;

use reqwest::{Client, Response};
use serde_json::json;
use tests::{
    eventually, root,
    stack::{Stack, stack},
    test_env::{PASSWORD, newcomer},
};

const PAGES: [&str; 5] = ["complete-sign-up", "verify-email", "reset-password", "reset-factor", "keep-factor"];

/// What Chromium says and shows of a page: its log, and its document after loading.
fn open(url: &str) -> (String, String) {
    let profile = tempfile::tempdir().unwrap();
    let shown = Command::new("chromium")
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--dump-dom"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(url)
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (text(shown.stderr), text(shown.stdout))
}

/// The link in the mail with this subject.
async fn link(stack: &Stack, to: &str, subject: &str) -> String {
    eventually("the link", 60, async || {
        let mails = stack.sent_to(to).await;
        let mail = mails.iter().find(|mail| mail["Subject"] == subject)?;
        mail["BodyText"].as_str()?.split_whitespace().find(|word| word.contains("token=")).map(str::to_owned)
    })
    .await
}

/// Fills the form of a page in and presses its button, as a browser without scripts does.
async fn press(client: &Client, url: &str, password: Option<&str>) -> (u16, String) {
    let page = client.get(url).send().await.unwrap().text().await.unwrap();
    let value = |name: &str| {
        let (_, rest) = page.split_once(&format!("name=\"{name}\" value=\"")).expect(name);
        rest.split('"').next().unwrap().to_owned()
    };
    let (_, action) = page.split_once("action=\"").expect("a form");
    let action = reqwest::Url::parse(url).unwrap().join(action.split('"').next().unwrap()).unwrap();
    let mut fields = vec![("token", value("token"))];
    fields.extend(password.map(|password| ("password", password.to_owned())));
    let body: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let form = client.post(action).header("content-type", "application/x-www-form-urlencoded").body(body.join("&"));
    let answer = form.send().await.unwrap();
    is_page(&answer);
    (answer.status().as_u16(), answer.text().await.unwrap())
}

fn is_page(answer: &Response) {
    let header = |name: &str| answer.headers()[name].to_str().unwrap();
    assert_eq!(header("content-type"), "text/html; charset=utf-8");
    assert_eq!((header("cache-control"), header("referrer-policy")), ("no-store", "no-referrer"));
    let policy = header("content-security-policy");
    for rule in ["default-src 'none'", "form-action 'self'", "frame-ancestors 'none'", "base-uri 'none'"] {
        assert!(policy.contains(rule), "{policy}");
    }
    assert!(header("strict-transport-security").contains("max-age="));
}

#[tokio::test]
async fn a_sign_up_and_a_new_password_need_no_front_end_and_no_script() {
    let (stack, client) = (stack(), Client::new());
    stack.forget_rates().await;
    let ada = newcomer();
    let post = async |path: &str, body| {
        client.post(format!("{}{path}", stack.api_url)).json(&body).send().await.unwrap().status().as_u16()
    };
    let sign_in =
        async |password: &str| post("/api/auth/login", json!({"email": ada["email"], "password": password})).await;
    assert_eq!(post("/api/auth/signup", ada.clone()).await, 202);
    let url = link(&stack, ada["email"].as_str().unwrap(), "Complete your sign-up").await;
    assert!(url.starts_with(&format!("{}/account/complete-sign-up?token=", stack.api_url)), "{url}");
    let mail = Command::new(root().join("target/debug/local")).arg("mail").current_dir(root()).output().unwrap();
    assert!(String::from_utf8_lossy(&mail.stdout).contains(&url), "`cargo local mail` shows the link");
    // Scanners follow a link, and ask for its head.
    for _ in 0..2 {
        is_page(&client.get(&url).send().await.unwrap());
        assert_eq!(client.head(&url).send().await.unwrap().status(), 200);
    }
    assert_eq!(sign_in(PASSWORD).await, 401, "nobody pressed the button");
    let (log, document) = open(&url);
    assert!(!log.contains("CONSOLE"), "{log}");
    assert!(document.contains("Complete your sign-up") && !document.contains("<script"), "{document}");

    let (status, page) = press(&client, &url, Some("short")).await;
    assert!(status == 422 && page.contains("The password must have"), "{status} {page}");
    let (status, page) = press(&client, &url, Some(PASSWORD)).await;
    assert!(status == 200 && page.contains("you can sign in"), "{status} {page}");
    assert_eq!(sign_in(PASSWORD).await, 200);
    let (status, page) = press(&client, &url, Some(PASSWORD)).await;
    assert!(status == 422 && page.contains("used up or expired"), "{status} {page}");

    assert_eq!(post("/api/auth/forgot-password", json!({"email": ada["email"]})).await, 202);
    let url = link(&stack, ada["email"].as_str().unwrap(), "Choose a new password").await;
    let (status, page) = press(&client, &url, Some("Another123-green-kettle")).await;
    assert!(status == 200 && page.contains("Your new password is set"), "{status} {page}");
    assert_eq!((sign_in(PASSWORD).await, sign_in("Another123-green-kettle").await), (401, 200));
}

#[tokio::test]
async fn every_page_opens_in_a_browser_without_a_complaint_and_refuses_as_a_page() {
    let (stack, client) = (stack(), Client::new());
    stack.forget_rates().await;
    for page in PAGES {
        let url = format!("{}/account/{page}?token=%22%3E%3Cscript%3Ealert(1)%3C/script%3E", stack.api_url);
        let (log, document) = open(&url);
        assert!(!log.contains("CONSOLE"), "{page}: {log}");
        assert!(document.contains("<form") && !document.contains("<script>"), "{page}: {document}");
        let without_token = client.get(format!("{}/account/{page}", stack.api_url)).send().await.unwrap();
        assert_eq!(without_token.status(), 200, "{page}");
        let form = |body: &str| {
            let post = client.post(format!("{}/account/{page}", stack.api_url)).body(body.to_owned());
            post.header("content-type", "application/x-www-form-urlencoded").send()
        };
        let passwords = if page.ends_with("factor") { "" } else { "&password=Another123-green-kettle" };
        for (body, status) in [
            (format!("token=made-up{passwords}"), 422),
            (format!("token=made-up{passwords}&role=super_admin"), 422),
            (String::new(), 422),
            ("x".repeat(20_000), 413),
        ] {
            let answer = form(&body).await.unwrap();
            is_page(&answer);
            assert_eq!(answer.status(), status, "{page}: {body:.80}");
        }
        let json = client.post(format!("{}/account/{page}", stack.api_url)).json(&json!({"token": "t"}));
        assert_eq!(json.send().await.unwrap().status(), 415, "{page}");
    }
}
