//! Bodies of the catalogue.

use utoipa::ToSchema;

/// A customer to be made.
#[derive(ToSchema)]
pub struct NewCustomer {
    /// The tenant's own code, unique within the tenant.
    #[schema(min_length = 1, max_length = 64, example = "C-1001")]
    code: String,
    /// Name.
    #[schema(min_length = 1, max_length = 200, example = "Ada Lovelace")]
    name: String,
    /// E-mail address.
    #[schema(max_length = 254, pattern = r"^[^\s@\u0000-\u001f\u007f-\u009f]+@[^\s@\u0000-\u001f\u007f-\u009f]+$", example = "ada@example.com")]
    email: Option<String>,
    /// Telephone number.
    #[schema(max_length = 40, example = "+44 20 7946 0001")]
    phone: Option<String>,
}

/// Changes of a customer: what is left out stays; null empties `email` and `phone`.
#[derive(ToSchema)]
pub struct CustomerPatch {
    /// The tenant's own code, unique within the tenant.
    #[schema(min_length = 1, max_length = 64, nullable = false)]
    code: Option<String>,
    /// Name.
    #[schema(min_length = 1, max_length = 200, nullable = false)]
    name: Option<String>,
    /// E-mail address.
    #[schema(max_length = 254, pattern = r"^[^\s@\u0000-\u001f\u007f-\u009f]+@[^\s@\u0000-\u001f\u007f-\u009f]+$")]
    email: Option<String>,
    /// Telephone number.
    #[schema(max_length = 40, example = "+44 20 7946 0002")]
    phone: Option<String>,
}

/// A product to be made.
#[derive(ToSchema)]
pub struct NewProduct {
    /// Stock keeping unit, unique within the tenant.
    #[schema(min_length = 1, max_length = 64, example = "SKU-0001")]
    sku: String,
    /// Name.
    #[schema(min_length = 1, max_length = 200, example = "Hex bolt M8 x 40")]
    name: String,
    /// Description.
    #[schema(max_length = 4000, pattern = r"^[^\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]*[^\s\u0000-\u001f\u007f-\u009f][^\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]*$")]
    description: Option<String>,
    /// The base unit in which it is counted.
    #[schema(min_length = 1, max_length = 20, default = "unit", nullable = false)]
    uom: Option<String>,
    /// The price of one unit, in minor units of the currency (cents).
    #[schema(minimum = 0, maximum = 10_000_000_000_i64, example = 1299)]
    price_minor: i64,
    /// ISO 4217.
    #[schema(pattern = "^[A-Z]{3}$", example = "EUR")]
    currency: String,
    /// Whether it may be ordered.
    #[schema(default = true, nullable = false)]
    active: Option<bool>,
}

/// Changes of a product: what is left out stays; null empties `description`.
#[derive(ToSchema)]
pub struct ProductPatch {
    /// Stock keeping unit, unique within the tenant.
    #[schema(min_length = 1, max_length = 64, nullable = false)]
    sku: Option<String>,
    /// Name.
    #[schema(min_length = 1, max_length = 200, nullable = false)]
    name: Option<String>,
    /// Description.
    #[schema(max_length = 4000, pattern = r"^[^\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]*[^\s\u0000-\u001f\u007f-\u009f][^\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]*$")]
    description: Option<String>,
    /// The base unit in which it is counted.
    #[schema(min_length = 1, max_length = 20, nullable = false)]
    uom: Option<String>,
    /// The price of one unit, in minor units of the currency (cents). Orders already placed keep theirs.
    #[schema(minimum = 0, maximum = 10_000_000_000_i64, nullable = false)]
    price_minor: Option<i64>,
    /// ISO 4217.
    #[schema(pattern = "^[A-Z]{3}$", nullable = false)]
    currency: Option<String>,
    /// Whether it may be ordered.
    #[schema(nullable = false)]
    active: Option<bool>,
}

/// A warehouse to be made.
#[derive(ToSchema)]
pub struct NewWarehouse {
    /// The tenant's own code, unique within the tenant.
    #[schema(min_length = 1, max_length = 64, example = "MAIN")]
    code: String,
    /// Name.
    #[schema(min_length = 1, max_length = 200, example = "Main warehouse")]
    name: String,
    /// Orders take stock from the lowest number first.
    #[schema(minimum = 0, maximum = 2_147_483_647, default = 100, nullable = false)]
    priority: Option<i32>,
    /// Whether stock may be taken from it.
    #[schema(default = true, nullable = false)]
    active: Option<bool>,
}

/// Changes of a warehouse: what is left out stays.
#[derive(ToSchema)]
pub struct WarehousePatch {
    /// The tenant's own code, unique within the tenant.
    #[schema(min_length = 1, max_length = 64, nullable = false)]
    code: Option<String>,
    /// Name.
    #[schema(min_length = 1, max_length = 200, nullable = false)]
    name: Option<String>,
    /// Orders take stock from the lowest number first.
    #[schema(minimum = 0, maximum = 2_147_483_647, nullable = false)]
    priority: Option<i32>,
    /// Whether stock may be taken from it.
    #[schema(nullable = false)]
    active: Option<bool>,
}
