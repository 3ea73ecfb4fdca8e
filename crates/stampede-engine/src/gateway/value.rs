//! JSON values as parameters, and columns as JSON.

use std::error::Error;

use bytes::BytesMut;
use serde_json::Value;
use tokio_postgres::Row;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

/// A JSON value as a parameter of whatever type the statement asks for.
#[derive(Debug)]
pub(super) struct Param<'v>(pub(super) &'v Value);

/// A value that does not fit.
#[derive(Debug, thiserror::Error)]
#[error("{value} is no {wanted}; give the parameter a cast, as $1::bigint or $1::text")]
struct Unfit {
    value: Value,
    wanted: String,
}

impl ToSql for Param<'_> {
    fn to_sql(&self, wanted: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        let unfit = || Unfit { value: self.0.clone(), wanted: wanted.name().to_owned() };
        let value = self.0;
        if value.is_null() {
            return Ok(IsNull::Yes);
        }
        match *wanted {
            Type::INT8 => whole(value).ok_or_else(unfit)?.to_sql(wanted, out),
            Type::INT4 => i32::try_from(whole(value).ok_or_else(unfit)?)?.to_sql(wanted, out),
            Type::INT2 => i16::try_from(whole(value).ok_or_else(unfit)?)?.to_sql(wanted, out),
            Type::FLOAT8 => value.as_f64().ok_or_else(unfit)?.to_sql(wanted, out),
            Type::BOOL => value.as_bool().ok_or_else(unfit)?.to_sql(wanted, out),
            Type::JSON | Type::JSONB => value.to_sql(wanted, out),
            Type::TEXT | Type::VARCHAR | Type::NAME | Type::BPCHAR | Type::UNKNOWN => match value {
                Value::String(text) => text.as_str().to_sql(wanted, out),
                other => other.to_string().as_str().to_sql(wanted, out),
            },
            _ => Err(Box::new(unfit())),
        }
    }

    fn accepts(_: &Type) -> bool {
        // Told in words when it is asked for.
        true
    }

    to_sql_checked!();
}

/// A whole number, or a text that is one.
fn whole(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}

/// A column's value as JSON.
pub(super) fn shown(row: &Row, index: usize, of: &Type) -> Result<Value, tokio_postgres::Error> {
    Ok(match *of {
        Type::INT8 => row.try_get::<_, Option<i64>>(index)?.into(),
        Type::INT4 => row.try_get::<_, Option<i32>>(index)?.into(),
        Type::INT2 => row.try_get::<_, Option<i16>>(index)?.into(),
        Type::FLOAT8 => row.try_get::<_, Option<f64>>(index)?.into(),
        Type::BOOL => row.try_get::<_, Option<bool>>(index)?.into(),
        Type::JSON | Type::JSONB => row.try_get::<_, Option<Value>>(index)?.unwrap_or_default(),
        // Anything else has to be cast to text by the statement, which the error says.
        _ => row.try_get::<_, Option<String>>(index)?.into(),
    })
}
