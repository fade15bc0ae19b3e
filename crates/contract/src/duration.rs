//! Durations as people write them: `500ms`, `5s`, `2m`, `1m30s`. The one parser and printer for manifest and environment.

use std::time::Duration;

use jiff::SignedDuration;

/// Parses `500ms`, `5s`, `2m`, `1h30m` (no sign, no unit-less number).
/// The error is a sentence that ends what "X is `value`:" began.
pub fn parse(text: &str) -> Result<Duration, String> {
    let legal = "write a duration such as 500ms, 5s or 2m";
    if !text.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(legal.to_owned());
    }
    let signed: SignedDuration = text.parse().map_err(|_| legal.to_owned())?;
    Duration::try_from(signed).map_err(|_| legal.to_owned())
}

/// Like [`parse`], and a plain number counts as seconds (`0.5`, `5`), as in `SLEEP_TIME` of the original.
pub fn parse_or_seconds(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(seconds) => Duration::try_from_secs_f64(seconds).map_err(|_| {
            "write seconds such as 0.5, or a duration such as 500ms, 5s or 2m".to_owned()
        }),
        Err(_) => parse(text).map_err(|_| {
            "write seconds such as 0.5, or a duration such as 500ms, 5s or 2m".to_owned()
        }),
    }
}

/// The shortest exact form in whole milliseconds: `0s`, `500ms`, `5s`, `2m`, `90s`. Parses back to the same value.
pub fn print(duration: Duration) -> String {
    let millis = duration.as_millis();
    if !millis.is_multiple_of(1000) {
        return format!("{millis}ms");
    }
    match millis / 1000 {
        0 => "0s".to_owned(),
        seconds if seconds.is_multiple_of(60) => format!("{}m", seconds / 60),
        seconds => format!("{seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_prints() {
        for (text, millis, printed) in [
            ("500ms", 500, "500ms"),
            ("5s", 5_000, "5s"),
            ("2m", 120_000, "2m"),
            ("1m30s", 90_000, "90s"),
            ("1.5s", 1_500, "1500ms"),
            ("1h", 3_600_000, "60m"),
            ("0s", 0, "0s"),
        ] {
            let duration = parse(text).expect(text);
            assert_eq!(duration.as_millis(), millis, "{text}");
            assert_eq!(print(duration), printed);
            assert_eq!(parse(printed).expect(printed), duration);
        }
        for wrong in ["", "5", "-5s", "5 parsecs", "s", "+1s", "1e3s"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn plain_numbers_are_seconds_where_the_original_had_them() {
        assert_eq!(
            parse_or_seconds("0.5").expect("legal"),
            Duration::from_millis(500)
        );
        assert_eq!(
            parse_or_seconds("5").expect("legal"),
            Duration::from_secs(5)
        );
        assert_eq!(
            parse_or_seconds("250ms").expect("legal"),
            Duration::from_millis(250)
        );
        for wrong in ["-1", "NaN", "inf", "", "soon"] {
            assert!(parse_or_seconds(wrong).is_err(), "{wrong}");
        }
    }
}
