//! Lists, page by page.

use futures_util::stream::{self, Stream, StreamExt as _, TryStreamExt as _};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::client::Client;
use crate::error::Error;
use crate::send::Call;

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Listed<T> {
    /// The rows.
    pub data: Vec<T>,
    /// What to give as `cursor` for the next page; none on the last.
    pub next_cursor: Option<String>,
    /// How many rows there are in all, when `count=exact` was asked for.
    #[serde(default)]
    pub total: Option<u64>,
}

impl Client {
    /// One page.
    pub(crate) async fn page<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<Listed<T>, Error> {
        self.read(Call::get(with_query(path, query))).await
    }

    /// Every row, a page at a time.
    pub(crate) fn rows<T: DeserializeOwned + 'static>(
        &self,
        path: &'static str,
        query: &[(&str, &str)],
    ) -> impl Stream<Item = Result<T, Error>> + use<T> {
        let query: Vec<(String, String)> =
            query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let client = self.clone();
        let pages = stream::try_unfold(Some(None::<String>), move |place| {
            let (client, query) = (client.clone(), query.clone());
            async move {
                let Some(cursor) = place else { return Ok(None) };
                let mut asked: Vec<(&str, &str)> =
                    query.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
                if let Some(cursor) = &cursor {
                    asked.retain(|(name, _)| *name != "cursor");
                    asked.push(("cursor", cursor));
                }
                let page: Listed<T> = client.page(path, &asked).await?;
                let next = page.next_cursor.map(Some);
                Ok::<_, Error>(Some((stream::iter(page.data).map(Ok), next)))
            }
        });
        pages.try_flatten()
    }
}

/// A path with its query, everything escaped that has a meaning there.
pub(crate) fn with_query(path: &str, query: &[(&str, &str)]) -> String {
    let mut whole = path.to_owned();
    for (place, (name, value)) in query.iter().enumerate() {
        whole.push(if place == 0 { '?' } else { '&' });
        whole.push_str(&escaped(name));
        whole.push('=');
        whole.push_str(&escaped(value));
    }
    whole
}

/// Text as it may stand in a path or a query.
pub(crate) fn escaped(text: &str) -> String {
    let mut whole = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            whole.push(char::from(byte));
        } else {
            whole.push('%');
            for digit in [byte >> 4, byte & 15] {
                whole.push(char::from_digit(u32::from(digit), 16).unwrap_or('0').to_ascii_uppercase());
            }
        }
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_a_meaning_in_an_address_is_escaped() {
        assert_eq!(with_query("/a", &[]), "/a");
        assert_eq!(with_query("/a", &[("q", "a b&c=ä"), ("sort", "-name")]), "/a?q=a%20b%26c%3D%C3%A4&sort=-name");
        assert_eq!(escaped("stock:product-1/x"), "stock%3Aproduct-1%2Fx");
    }
}
