//! HTTP requests as API Gateway hands them to a function, and its answers read back.

use serde_json::{Value, json};

use crate::host::{Function, Outcome, answers_no_secret};

#[derive(Debug)]
pub struct Answer {
    pub status: u64,
    pub headers: Value,
    pub body: Value,
    pub text: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        self.headers[name].as_str().unwrap_or_default()
    }

    /// The fields that a refusal names.
    pub fn fields(&self) -> Vec<&str> {
        self.body["errors"]
            .as_array()
            .map(|errors| errors.iter().filter_map(|error| error["field"].as_str()).collect())
            .unwrap_or_default()
    }
}

impl Function {
    pub async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], None).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, &[("content-type", "application/json")], Some(&body.to_string())).await
    }

    /// An address of this function's callers alone, so that tests do not share their limits.
    fn address(&self) -> String {
        let pid = self.pid();
        format!("198.51.{}.{}", pid / 256 % 256, pid % 256)
    }

    /// As [`Function::post`], signed in.
    pub async fn post_as(&self, token: &str, path: &str, body: &Value) -> Answer {
        let authorization = format!("Bearer {token}");
        let headers = [("content-type", "application/json"), ("authorization", authorization.as_str())];
        self.send("POST", path, &headers, Some(&body.to_string())).await
    }

    /// As [`Function::get`], signed in.
    pub async fn get_as(&self, token: &str, path: &str) -> Answer {
        self.send("GET", path, &[("authorization", &format!("Bearer {token}"))], None).await
    }

    /// As [`Function::post_as`], changing the version of a thing that has this ETag.
    pub async fn patch_as(&self, token: &str, path: &str, etag: &str, body: &Value) -> Answer {
        let authorization = format!("Bearer {token}");
        let mut headers = vec![("content-type", "application/json"), ("authorization", authorization.as_str())];
        if !etag.is_empty() {
            headers.push(("if-match", etag));
        }
        self.send("PATCH", path, &headers, Some(&body.to_string())).await
    }

    /// As [`Function::get_as`], removing.
    pub async fn delete_as(&self, token: &str, path: &str) -> Answer {
        self.send("DELETE", path, &[("authorization", &format!("Bearer {token}"))], None).await
    }

    /// One request as an HTTP API event (payload 2.0).
    pub async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&str>) -> Answer {
        match self.invoke(event(method, path, headers, body, &self.address())).await {
            Outcome::Response(response) => {
                let text = response["body"].as_str().unwrap_or_default().to_owned();
                answers_no_secret(&text);
                Answer {
                    status: response["statusCode"].as_u64().unwrap(),
                    headers: response["headers"].clone(),
                    body: serde_json::from_str(&text).unwrap_or_default(),
                    text,
                }
            }
            Outcome::Error(error) => panic!("an HTTP function must answer, not fail: {error}"),
        }
    }
}

/// The event of a request from `address`.
pub fn event(method: &str, path: &str, headers: &[(&str, &str)], body: Option<&str>, address: &str) -> Value {
    let (raw_path, query) = path.split_once('?').unwrap_or((path, ""));
    let headers: serde_json::Map<String, Value> =
        headers.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    json!({
        "version": "2.0", "routeKey": "$default", "rawPath": raw_path, "rawQueryString": query,
        "headers": headers, "body": body, "isBase64Encoded": false,
        "requestContext": {
            "accountId": "0", "apiId": "test", "domainName": "test", "domainPrefix": "test", "requestId": "req-1",
            "routeKey": "$default", "stage": "$default", "time": "01/Jan/2026:00:00:00 +0000", "timeEpoch": 1_767_225_600_000_u64,
            "http": {"method": method, "path": raw_path, "protocol": "HTTP/1.1", "sourceIp": address, "userAgent": "test"},
        },
    })
}
