//! Names, codes and prices of the demonstration's catalogue, each a function of its number.

use kv_types::catalogue::{NewCustomer, NewProduct, NewWarehouse};
use kv_types::{Currency, MinorUnits};

const FIRST_NAMES: [&str; 40] = [
    "Ada", "Alan", "Amira", "Anton", "Barbara", "Bela", "Carla", "Chidi", "Clara", "Dario", "Edith", "Elif", "Emil",
    "Farah", "Felix", "Grace", "Hanna", "Hugo", "Ida", "Ines", "Ivan", "Jana", "Jonas", "Katja", "Kofi", "Lena",
    "Luca", "Maja", "Malik", "Mira", "Nadia", "Niels", "Olga", "Pablo", "Rosa", "Samir", "Sofia", "Tomas", "Vera",
    "Yuki",
];
const LAST_NAMES: [&str; 25] = [
    "Adler", "Baumann", "Costa", "Dvorak", "Eriksen", "Ferrari", "Garcia", "Haddad", "Ivanov", "Jansen", "Kowalski",
    "Lindberg", "Moreau", "Novak", "Okafor", "Petrov", "Quist", "Rossi", "Sato", "Tanaka", "Ueda", "Vogel", "Weber",
    "Yilmaz", "Zhang",
];
const GOODS: [(&str, &str, &str); 20] = [
    ("BLT", "Hex bolt", "piece"),
    ("NUT", "Lock nut", "piece"),
    ("WSH", "Flat washer", "piece"),
    ("SCR", "Wood screw", "box"),
    ("ANC", "Wall anchor", "box"),
    ("HNG", "Door hinge", "piece"),
    ("BRG", "Ball bearing", "piece"),
    ("VBT", "V-belt", "piece"),
    ("HOS", "Hydraulic hose", "metre"),
    ("VLV", "Ball valve", "piece"),
    ("FLT", "Oil filter", "piece"),
    ("SEA", "Shaft seal", "piece"),
    ("CBL", "Control cable", "metre"),
    ("SWT", "Limit switch", "piece"),
    ("RLY", "Relay", "piece"),
    ("FUS", "Fuse", "box"),
    ("LMP", "Panel lamp", "piece"),
    ("GLV", "Work glove", "pair"),
    ("TAP", "Sealing tape", "roll"),
    ("GRS", "Bearing grease", "tin"),
];
const MAKES: [&str; 5] = ["steel", "stainless", "brass", "zinc plated", "nylon"];
const SIZES: [u32; 10] = [4, 5, 6, 8, 10, 12, 16, 20, 24, 30];

/// Customer number `index`.
pub(super) fn customer(index: usize) -> NewCustomer {
    let first = FIRST_NAMES[index % FIRST_NAMES.len()];
    let last = LAST_NAMES[index / FIRST_NAMES.len() % LAST_NAMES.len()];
    NewCustomer {
        code: format!("C-{:04}", index + 1),
        name: format!("{first} {last}"),
        email: Some(format!("{}.{}@customers.example", first.to_lowercase(), last.to_lowercase())),
        phone: Some(format!("+49 30 5550 {:04}", index + 1)),
    }
}

/// Product number `index`.
pub(super) fn product(index: usize) -> NewProduct {
    let (letters, name, uom) = GOODS[index % GOODS.len()];
    let make = MAKES[index / GOODS.len() % MAKES.len()];
    let size = SIZES[index / (GOODS.len() * MAKES.len()) % SIZES.len()];
    NewProduct {
        sku: format!("{letters}-{:04}", index + 1),
        name: format!("{name} M{size}, {make}"),
        description: Some(format!("{name}, size {size}, {make}. Sold by the {uom}.")),
        uom: uom.to_owned(),
        price: price(index),
        currency: euro(),
        active: true,
    }
}

/// From 0.95 to 199.95, spread by a multiplier that shares no factor with the range.
fn price(index: usize) -> MinorUnits {
    let minor = 95 + 100 * (index as i64 * 37 % 200);
    MinorUnits::parse_price(minor).expect("95 to 19,995 is a price")
}

fn euro() -> Currency {
    "EUR".parse().expect("three capital letters")
}

/// The two warehouses; orders take from the first one first.
pub(super) fn warehouses() -> [NewWarehouse; 2] {
    [("HAM", "Hamburg", 10), ("VIE", "Vienna", 20)].map(|(code, name, priority)| NewWarehouse {
        code: code.to_owned(),
        name: name.to_owned(),
        priority,
        active: true,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn codes_and_names_do_not_repeat() {
        let codes: HashSet<_> = (0..1_000).map(|index| customer(index).code).collect();
        let names: HashSet<_> = (0..1_000).map(|index| customer(index).name).collect();
        let skus: HashSet<_> = (0..1_000).map(|index| product(index).sku).collect();
        let goods: HashSet<_> = (0..1_000).map(|index| product(index).name).collect();
        assert_eq!([codes.len(), names.len(), skus.len(), goods.len()], [1_000; 4]);
    }
}
