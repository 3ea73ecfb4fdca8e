//! The body of a request: JSON, one object, each key once.
//!
//! Invariants: what is no JSON is 400 with its line and column, what does not say that it is JSON is 415, and an object that was
//! read has no unread field left: [`super::fields::Fields`] reports every fault of a body at once.
//! Absent on purpose: serde's own structs. They stop at the first fault and know no pointer to it.

use std::fmt;

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse as _;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::fields::{Faults, Fields};
use super::problem::Problem;

/// The body of a request, parsed but not yet read.
#[derive(Debug)]
pub struct JsonBody {
    value: Value,
    bytes: Bytes,
}

impl JsonBody {
    /// Parses a body.
    ///
    /// # Errors
    /// 400 `invalid_json` when it is no JSON or names a key twice.
    pub fn parse(body: Bytes) -> Result<Self, Problem> {
        if body.is_empty() {
            return Err(invalid_json("The body is empty; send a JSON object.".to_owned()));
        }
        let Strict(value) =
            serde_json::from_slice(&body).map_err(|error| invalid_json(format!("The body is no JSON: {error}.")))?;
        Ok(Self { value, bytes: body })
    }

    /// The body as it came.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The same, to be kept beyond the reading.
    pub fn bytes_shared(&self) -> Bytes {
        self.bytes.clone()
    }

    /// Reads the object. `read` takes the fields it knows out of [`Fields`]; whatever is left then is an unknown field.
    ///
    /// # Errors
    /// 422 `validation_failed` with every fault of the body.
    pub fn read<T>(self, read: impl FnOnce(&mut Fields<'_>) -> Option<T>) -> Result<T, Problem> {
        let mut faults = Faults::default();
        let parsed = faults.object(String::new(), self.value, read);
        faults.finish(parsed)
    }
}

impl<S: Send + Sync> FromRequest<S> for JsonBody {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        Self::parse(receive(request, state).await?)
    }
}

/// A body that may be left out, or be null, which mean the same.
#[derive(Debug)]
pub struct OptionalBody(pub Option<JsonBody>);

impl<S: Send + Sync> FromRequest<S> for OptionalBody {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let bytes = receive(request, state).await?;
        let body = if bytes.is_empty() { None } else { Some(JsonBody::parse(bytes)?) };
        Ok(Self(body.filter(|body| !body.value.is_null())))
    }
}

impl OptionalBody {
    /// The body as it came; empty without one.
    pub fn bytes(&self) -> &[u8] {
        self.0.as_ref().map_or(&[], JsonBody::bytes)
    }

    /// Reads the object, if there is one; see [`JsonBody::read`].
    ///
    /// # Errors
    /// 422 `validation_failed` with every fault of the body.
    pub fn read<T>(self, read: impl FnOnce(&mut Fields<'_>) -> Option<T>) -> Result<Option<T>, Problem> {
        self.0.map(|body| body.read(read)).transpose()
    }
}

/// The whole body, which must say that it is JSON unless it is empty.
async fn receive<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Problem> {
    let is_json = says_json(request.headers());
    let body = Bytes::from_request(request, state).await.map_err(|rejection| {
        if rejection.into_response().status() == StatusCode::PAYLOAD_TOO_LARGE {
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large", "The body is larger than 1 MiB.")
        } else {
            Problem::new(StatusCode::BAD_REQUEST, "body_incomplete", "The body could not be read to its end.")
        }
    })?;
    if !is_json && !body.is_empty() {
        return Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            "Send the body with the header Content-Type: application/json.",
        ));
    }
    Ok(body)
}

/// Whether the content type is `application/json` or a `+json` one.
fn says_json(headers: &HeaderMap) -> bool {
    let Some(given) = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()) else {
        return false;
    };
    let essence = given.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

fn invalid_json(detail: String) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "invalid_json", detail)
}

/// A JSON value in which no object names a key twice: serde's own would keep the last and forget that there was a choice.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor).map(Self)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(Strict(value)) = seq.next_element()? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            let Strict(value) = map.next_value()?;
            if object.contains_key(&key) {
                let shown: String = key.chars().take(64).collect();
                return Err(A::Error::custom(format_args!("the key {shown:?} stands twice in one object")));
            }
            object.insert(key, value);
        }
        Ok(Value::Object(object))
    }
}
