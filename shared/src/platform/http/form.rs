//! The body of a form that a page sends (`application/x-www-form-urlencoded`), held to the same rules as JSON.

use axum::{
    body::to_bytes,
    extract::{FromRequest, Request},
};
use garde::Validate;
use http::header;
use serde::de::DeserializeOwned;

use super::{Problem, body::field_errors, query};

const FORM: &str = "application/x-www-form-urlencoded";
/// What the fields of a form may weigh together.
const MAX_FORM_BYTES: usize = 16 * 1024;

/// The request's form as `T`, valid by `T`'s own rules.
///
/// 415 for another content type, 413 over [`MAX_FORM_BYTES`], 400 for what is not UTF-8, 422 with the field's name for
/// the rest.
pub struct Form<T>(pub T);

impl<T, S> FromRequest<S> for Form<T>
where
    T: DeserializeOwned + Validate<Context: Default>,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let essence = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
        if !essence.eq_ignore_ascii_case(FORM) {
            return Err(Problem::unsupported_media_type(FORM));
        }
        let bytes = to_bytes(request.into_body(), MAX_FORM_BYTES).await;
        let bytes = bytes.map_err(|_| Problem::too_large(MAX_FORM_BYTES))?;
        let text = std::str::from_utf8(&bytes).map_err(|_| Problem::malformed("The form is not UTF-8 text."))?;
        let form: T = query::parse(text)?;
        form.validate().map_err(|report| Problem::invalid(field_errors(&report)))?;
        Ok(Self(form))
    }
}
