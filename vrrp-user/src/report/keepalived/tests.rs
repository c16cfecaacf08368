//! Are numbers written as C writes them.
use super::short;
use std::time::Duration;

#[test]
fn six_digits_at_most() {
    for (micros, text) in [
        (0, "0"),
        (1, "1e-06"),
        (99, "9.9e-05"),
        (100, "0.0001"),
        (12_346, "0.012346"),
        (500_000, "0.5"),
        (12_345_679, "12.3457"),
        (100_000_000, "100"),
        (999_999_500_000, "1e+06"),
        (100_000_400_000, "100000"),
        (2_147_483_647_000_000, "2.14748e+09"),
    ] {
        assert_eq!(short(Duration::from_micros(micros)), text);
    }
}
