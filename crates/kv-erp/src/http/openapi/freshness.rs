//! The header with which a reader sees what it wrote, at every read that takes it and at every write that gives it.

use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{Operation, ParameterBuilder, ParameterIn, PathItem};
use utoipa::openapi::{ObjectBuilder, OpenApi, Ref, RefOr, Required, Type};

use crate::http::answers::{BASE, PLATFORM};

/// The name of the header, and of its two descriptions.
const NAME: &str = "X-Read-Your-Writes";
const EXAMPLE: &str = "0/16B3748";

/// Describes it once, and says where it is.
pub(super) fn complete(api: &mut OpenApi) {
    let text = || ObjectBuilder::new().schema_type(Type::String).build();
    let parameter = ParameterBuilder::new()
        .name(NAME)
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(
            "What a write has answered under this name: the read sees that write, whichever server answers it. Without it a read may \
             come from a replica that is a little behind.",
        ))
        .schema(Some(text()))
        .example(Some(EXAMPLE.into()))
        .build();
    let header = HeaderBuilder::new()
        .schema(Some(text()))
        .description(Some("With read replicas: what a read sends to see this write."))
        .example(Some(EXAMPLE.into()))
        .build();
    for (path, item) in &mut api.paths.paths {
        if path.starts_with(BASE)
            && let Some(read) = &mut item.get
        {
            read.parameters
                .get_or_insert_default()
                .push(RefOr::Ref(Ref::new(format!("#/components/parameters/{NAME}"))));
        }
        if path.starts_with(BASE) || path.starts_with(PLATFORM) {
            writes_of(item).for_each(give);
        }
    }
    let components = api.components.get_or_insert_default();
    components.parameters.insert(NAME.to_owned(), RefOr::T(parameter));
    components.headers.insert(NAME.to_owned(), RefOr::T(header));
}

fn writes_of(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.post, &mut item.put, &mut item.patch, &mut item.delete].into_iter().flatten()
}

/// Every answer to a write that was done has it.
fn give(operation: &mut Operation) {
    for (status, response) in &mut operation.responses.responses {
        if status.starts_with('2')
            && let RefOr::T(response) = response
        {
            let reference = RefOr::Ref(Ref::new(format!("#/components/headers/{NAME}")));
            response.headers.insert(NAME.to_owned(), reference);
        }
    }
}
