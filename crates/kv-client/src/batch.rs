//! Many with one request: all or none, or each for itself.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::client::Client;
use crate::error::Error;
use crate::problem::Problem;
use crate::send::Call;

/// What came of one of many, each for itself.
pub type Each<T> = Result<T, Problem>;

#[derive(Serialize)]
struct Batch<'a, N> {
    mode: &'static str,
    items: &'a [N],
}

#[derive(Deserialize)]
struct Made<T> {
    results: Vec<T>,
}

#[derive(Deserialize)]
struct Item {
    status: u16,
    body: Box<RawValue>,
}

impl Client {
    /// Makes all or none; what is refused has pointers such as `/items/3/code`.
    pub(crate) async fn make_all<N: Serialize, T: DeserializeOwned>(
        &self,
        path: &str,
        items: &[N],
    ) -> Result<Vec<T>, Error> {
        let call = Call::post(format!("{path}/batch")).json(&Batch { mode: "atomic", items })?;
        Ok(self.write::<Made<T>>(call).await?.results)
    }

    /// Makes each for itself.
    pub(crate) async fn make_each<N: Serialize, T: DeserializeOwned>(
        &self,
        path: &str,
        items: &[N],
    ) -> Result<Vec<Each<T>>, Error> {
        let call = Call::post(format!("{path}/batch")).json(&Batch { mode: "independent", items })?;
        let made: Made<Item> = self.write(call).await?;
        made.results.iter().map(read).collect()
    }
}

fn read<T: DeserializeOwned>(item: &Item) -> Result<Each<T>, Error> {
    let unreadable = |error: serde_json::Error| Error::Unreadable(error.to_string());
    if (200..300).contains(&item.status) {
        return serde_json::from_str(item.body.get()).map(Ok).map_err(unreadable);
    }
    let body: Value = serde_json::from_str(item.body.get()).map_err(unreadable)?;
    serde_json::from_value(body).map(Err).map_err(unreadable)
}
