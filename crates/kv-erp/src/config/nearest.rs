//! The known name that was probably meant.

/// The nearest of `known`, if it is near enough to be a slip of the hand.
pub(super) fn nearest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = (given.chars().count() / 4).clamp(1, 3);
    known
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(given, name), name))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, name)| name)
}

/// Variables that Kubernetes gives to every pod for a service whose name begins with `kv`.
pub(super) fn is_of_kubernetes(variable: &str) -> bool {
    variable.ends_with("_SERVICE_HOST")
        || variable.contains("_SERVICE_PORT")
        || variable.ends_with("_PORT")
        || (variable.contains("_PORT_") && (variable.contains("_TCP") || variable.contains("_UDP")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_found_and_strangers_are_not() {
        let known = ["pool_size", "listen", "replicas"];
        assert_eq!(nearest("pool_siez", known), Some("pool_size"));
        assert_eq!(nearest("poolsize", known), Some("pool_size"));
        assert_eq!(nearest("lisen", known), Some("listen"));
        assert_eq!(nearest("colour", known), None);
    }

    #[test]
    fn a_pod_s_own_variables_are_left_alone() {
        for name in ["KV_ERP_SERVICE_HOST", "KV_ERP_SERVICE_PORT_HTTP", "KV_ERP_PORT", "KV_ERP_PORT_80_TCP_ADDR"] {
            assert!(is_of_kubernetes(name), "{name}");
        }
        assert!(!is_of_kubernetes("KV_POOL_SIZE"));
    }
}
