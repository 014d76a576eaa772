//! `POST /api/ai/usage`, `GET /api/ai/usage/limits`: uses of a model come in, through the queue.

use axum::{
    Router,
    extract::State,
    routing::{get, post},
};
use shared::{
    api_keys::{ApiKeys, Scope, SignedOrKey},
    auth::{App, Signed},
    clock,
    http::{JsonBody, Problem, Query, Reply},
    lambda,
    mongo::Lifetime,
    rate_limits,
    usage::{AcceptedUsage, LimitsView, PlannedCall, UsageIntake, UsageRequest},
};

pub struct Own {
    keys: ApiKeys,
    usage: UsageIntake,
}

impl AsRef<ApiKeys> for Own {
    fn as_ref(&self) -> &ApiKeys {
        &self.keys
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    lambda::start();
    let app = App::with(Lifetime::FromStart, |clients| {
        Ok(Own {
            keys: ApiKeys::from_env(&clients.mongo, &clients.cache)?,
            usage: UsageIntake::from_env(&clients.ledger, &clients.cache)?,
        })
    })?;
    let routes = Router::new().route("/api/ai/usage", post(report)).route("/api/ai/usage/limits", get(left));
    app.serve(routes).await
}

/// Takes 1 to 100 records. Answered when they are safe; sent again under the same ids they count once.
///
/// What happened is recorded. A record beyond the plan, or of a model without a price, is named in `flagged`. One for
/// which the account has no bytes left (`storedBytesToday`) is added to a sum of its day and model. A service key
/// (`service:usage`) reports for the account that it names.
#[utoipa::path(post, path = "/api/ai/usage", operation_id = "reportUsage", tag = "usage", request_body = UsageRequest, security(("bearer" = []), ("apiKey" = ["usage:write", "service:usage"])),
    responses((status = 202, body = AcceptedUsage)))]
pub async fn report(
    State(app): State<App<Own>>,
    user: SignedOrKey<rate_limits::Usage>,
    JsonBody(request): JsonBody<UsageRequest>,
) -> Result<Reply, Problem> {
    let acting = match &request.user_id {
        Some(id) => Some(user.acting_for(&app.users, id, Scope::ServiceUsage).await?),
        None if request.provider_key_id.is_some() => return Err(Problem::invalid_field("userId", "is required")),
        None => None,
    };
    if acting.is_none() {
        user.require(Scope::UsageWrite)?;
    }
    Ok(Reply::accepted(&app.own.usage.accept(acting.as_ref().unwrap_or(&user), request, clock::now()).await?))
}

/// What is left of the caller's plan, and whether a call fits it, with the reasons: asked before the call.
#[utoipa::path(get, path = "/api/ai/usage/limits", operation_id = "getUsageLimits", tag = "usage", params(PlannedCall), security(("bearer" = [])),
    responses((status = 200, body = LimitsView)))]
pub async fn left(
    State(app): State<App<Own>>,
    user: Signed<rate_limits::Account>,
    Query(call): Query<PlannedCall>,
) -> Result<Reply, Problem> {
    Ok(Reply::ok(&app.own.usage.limits(&user.account, &call, clock::now()).await?))
}
