//! The problems that any route of a kind may answer with, so that a route's own description need only say what is
//! particular to it.

use http::StatusCode;
use shared::http::ProblemDocument;
use utoipa::{
    ToSchema,
    openapi::{Content, OpenApi, Ref, RefOr, Response, path::Operation},
};

/// The type of content of every problem (RFC 9457).
const MEDIA_TYPE: &str = "application/problem+json";

const STANDARD: [(StatusCode, &str); 9] = [
    (StatusCode::BAD_REQUEST, "The body is not JSON, or the path is not text."),
    (StatusCode::UNAUTHORIZED, "Sign in first, or again."),
    (StatusCode::FORBIDDEN, "This caller may not."),
    (StatusCode::NOT_FOUND, "There is no such thing, or not for this caller."),
    (StatusCode::PAYLOAD_TOO_LARGE, "The body is too large."),
    (StatusCode::UNSUPPORTED_MEDIA_TYPE, "The body is not declared as JSON."),
    (StatusCode::UNPROCESSABLE_ENTITY, "A field is not acceptable; `errors` names it."),
    (StatusCode::TOO_MANY_REQUESTS, "Wait as long as Retry-After says."),
    (StatusCode::SERVICE_UNAVAILABLE, "A server is away, and it may or may not have been done: try again shortly."),
];

/// Adds the standard problems to each operation, a body to every problem, and the descriptions that `OpenAPI` asks for.
pub(super) fn complete(document: &mut OpenApi) {
    let components = document.components.get_or_insert_default();
    for (status, description) in STANDARD {
        let mut response = Response::new(description);
        response.content.insert(MEDIA_TYPE.into(), problem());
        components.responses.insert(name(status), response.into());
    }
    for (path, item) in &mut document.paths.paths {
        let operations = [&mut item.get, &mut item.put, &mut item.post, &mut item.patch, &mut item.delete];
        operations.into_iter().flatten().for_each(|operation| complete_operation(path, operation));
    }
}

fn complete_operation(path: &str, operation: &mut Operation) {
    for (status, _) in STANDARD {
        if may_be(status, path, operation) {
            // What the route itself says of a status is more to the point.
            let standard = || Ref::from_response_name(name(status)).into();
            operation.responses.responses.entry(status.as_str().into()).or_insert_with(standard);
        }
    }
    for (status, response) in &mut operation.responses.responses {
        let RefOr::T(response) = response else { continue };
        let status = StatusCode::from_bytes(status.as_bytes()).unwrap_or_default();
        if response.description.is_empty() {
            response.description = status.canonical_reason().unwrap_or_default().into();
        }
        if status.is_client_error() || status.is_server_error() {
            response.content.insert(MEDIA_TYPE.into(), problem());
        }
    }
}

/// What a request consists of decides what can be wrong with it.
fn may_be(status: StatusCode, path: &str, operation: &Operation) -> bool {
    let (has_body, in_path) = (operation.request_body.is_some(), path.contains('{'));
    match status {
        StatusCode::BAD_REQUEST => has_body || in_path,
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => operation.security.is_some(),
        StatusCode::NOT_FOUND => in_path,
        StatusCode::PAYLOAD_TOO_LARGE | StatusCode::UNSUPPORTED_MEDIA_TYPE => has_body,
        StatusCode::UNPROCESSABLE_ENTITY => has_body || operation.parameters.is_some(),
        // API Gateway too answers these: its own throttle, and a function that is at its cap.
        _ => true,
    }
}

fn problem() -> RefOr<Content> {
    Content::new(Some(Ref::from_schema_name(ProblemDocument::name()))).into()
}

fn name(status: StatusCode) -> String {
    format!("Problem{}", status.as_u16())
}
