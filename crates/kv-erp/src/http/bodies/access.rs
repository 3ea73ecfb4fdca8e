//! Bodies of accounts, tokens and tenants.

use jiff::Timestamp;
use kv_types::access::{Role, Scope};
use utoipa::ToSchema;

/// An account to be made.
#[derive(ToSchema)]
pub struct NewUser {
    /// The address to log in with, unique in any case of letters.
    #[schema(
        max_length = 254,
        pattern = r"^[^\s@\u0000-\u001f\u007f-\u009f]+@[^\s@\u0000-\u001f\u007f-\u009f]+$",
        example = "ada@example.com"
    )]
    email: String,
    /// The person's name.
    #[schema(min_length = 1, max_length = 200, example = "Ada Lovelace")]
    name: Option<String>,
    /// What it may do.
    role: Role,
    /// Its first password.
    #[schema(format = Password, min_length = 10, max_length = 128, example = "correct horse battery")]
    password: String,
    /// Requests per minute, instead of the service's default.
    #[schema(minimum = 1, maximum = 1_000_000_000)]
    rate_limit_per_minute: Option<u32>,
}

/// An account as it is to be: what is left out is emptied.
#[derive(ToSchema)]
pub struct UserChange {
    /// The address to log in with, unique in any case of letters.
    #[schema(
        max_length = 254,
        pattern = r"^[^\s@\u0000-\u001f\u007f-\u009f]+@[^\s@\u0000-\u001f\u007f-\u009f]+$",
        example = "ada@example.com"
    )]
    email: String,
    /// The person's name.
    #[schema(min_length = 1, max_length = 200, example = "Ada King")]
    name: Option<String>,
    /// What it may do.
    role: Role,
    /// Whether it may come in. One that may not loses its sessions and API tokens for good.
    active: bool,
    /// Requests per minute, instead of the service's default.
    #[schema(minimum = 1, maximum = 1_000_000_000)]
    rate_limit_per_minute: Option<u32>,
}

/// Another password for an account.
#[derive(ToSchema)]
pub struct PasswordReset {
    /// The account's password from now on.
    #[schema(format = Password, min_length = 10, max_length = 128, example = "correct horse battery")]
    password: String,
}

/// An API token to be made.
#[derive(ToSchema)]
pub struct NewApiToken {
    /// What it is for.
    #[schema(min_length = 1, max_length = 200, example = "Shop front")]
    name: String,
    /// What it may do, as far as its account may at the time: one scope at least, and none beyond its maker.
    #[schema(min_items = 1, max_items = 64, value_type = Vec<Scope>, example = json!(["orders:write", "stock:read"]))]
    scopes: Vec<Scope>,
    /// When it is to end: within a year. Without it, in 90 days.
    #[schema(value_type = Option<String>, format = DateTime, nullable = false)]
    expires_at: Option<Timestamp>,
    /// Requests per minute of its own, besides its account's.
    #[schema(minimum = 1, maximum = 1_000_000_000)]
    rate_limit_per_minute: Option<u32>,
}

/// A tenant to be made, with its first owner.
#[derive(ToSchema)]
pub struct NewTenant {
    /// A short name, unique: small letters, digits and hyphens.
    #[schema(min_length = 1, max_length = 63, pattern = "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$", example = "acme")]
    slug: String,
    /// The company's name.
    #[schema(min_length = 1, max_length = 200, example = "Acme Trading")]
    name: String,
    /// The address that the first owner logs in with.
    #[schema(
        max_length = 254,
        pattern = r"^[^\s@\u0000-\u001f\u007f-\u009f]+@[^\s@\u0000-\u001f\u007f-\u009f]+$",
        example = "owner@acme.example"
    )]
    owner_email: String,
    /// The first owner's name.
    #[schema(min_length = 1, max_length = 200, example = "Ada Lovelace")]
    owner_name: Option<String>,
    /// The first owner's password.
    #[schema(format = Password, min_length = 10, max_length = 128, example = "correct horse battery")]
    owner_password: String,
}
