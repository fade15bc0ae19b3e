//! The amount of a Kubernetes quantity. The API server rewrites quantities (0.5 becomes 500m, 1024Mi becomes 1Gi), so texts of
//! the same amount are no drift. Pure. Source: the canonical form of `resource.Quantity` in Kubernetes' API conventions.

/// The amount of `quantity`; `None`: it is not a quantity.
pub(crate) fn amount(quantity: &str) -> Option<f64> {
    let digits = quantity
        .find(|c: char| c.is_ascii_alphabetic() && !matches!(c, 'e' | 'E'))
        .unwrap_or(quantity.len());
    let (number, suffix) = quantity.split_at(digits);
    // a trailing E is a suffix
    let (number, suffix) = match number.strip_suffix('E') {
        Some(number) => (number, &quantity[number.len()..]),
        None => (number, suffix),
    };
    let number: f64 = number.parse().ok()?;
    let power = |suffixes: [&str; 7]| {
        i32::try_from(suffixes.iter().position(|known| *known == suffix)?).ok()
    };
    match suffix {
        "m" => Some(number / 1e3),
        _ => power(["", "k", "M", "G", "T", "P", "E"])
            .map(|power| number * 1e3_f64.powi(power))
            .or_else(|| {
                power(["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"])
                    .map(|power| number * 1024_f64.powi(power))
            }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_amount_in_two_texts() {
        for (one, other) in [
            ("0.5", "500m"),
            ("1024Mi", "1Gi"),
            ("1000M", "1G"),
            ("1.5Gi", "1536Mi"),
            ("1e9", "1G"),
            ("2000m", "2"),
            ("1E", "1000P"),
            ("1024Pi", "1Ei"),
        ] {
            assert!(
                amount(one).is_some() && amount(one) == amount(other),
                "{one} {other}"
            );
        }
        assert_ne!(amount("1G"), amount("1Gi"));
        for none in ["plenty", "", "1X"] {
            assert_eq!(amount(none), None);
        }
    }
}
