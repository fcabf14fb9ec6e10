//! `tally.percentile` against counting by hand.

use sqlx::postgres::PgPool;
use tallyline_testkit::TestDb;

/// Fraction as a number, and the same as numerator and denominator.
const FRACTIONS: [(f64, usize, usize); 7] =
    [(0.0, 0, 1), (0.07, 7, 100), (0.5, 1, 2), (0.75, 3, 4), (0.95, 19, 20), (0.99, 99, 100), (1.0, 1, 1)];

async fn percentile(pool: &PgPool, values: &[i32], counts: &[i32], fraction: f64) -> Option<i32> {
    let query = sqlx::query_scalar("SELECT tally.percentile($1, $2, $3)").bind(values).bind(counts).bind(fraction);
    query.fetch_one(pool).await.unwrap()
}

/// The smallest value that at least this part of the calls does not exceed.
fn by_hand(values: &[i32], counts: &[i32], numerator: usize, denominator: usize) -> Option<i32> {
    let mut calls: Vec<i32> = Vec::new();
    for (value, count) in values.iter().zip(counts) {
        calls.extend(std::iter::repeat_n(*value, usize::try_from(*count).unwrap()));
    }
    calls.sort_unstable();
    let rank = (calls.len() * numerator).div_ceil(denominator);
    calls.get(rank.max(1) - 1).copied()
}

/// Every histogram of up to three values and four calls each; some with a value in two places,
/// as merging leaves them, and out of order.
fn histograms() -> Vec<(Vec<i32>, Vec<i32>)> {
    let mut found = vec![
        (vec![30, 7, 30], vec![2, 1, 5]),
        (vec![9, 5, 9, 5], vec![1, 1, 1, 1]),
        ((1..=100).collect(), vec![1; 100]),
        ((1..=100).rev().collect(), vec![3; 100]),
    ];
    for number in 0..125 {
        let counts = [number % 5, number / 5 % 5, number / 25];
        let kept = [(0, counts[0]), (7, counts[1]), (30, counts[2])].into_iter().filter(|(_, count)| *count > 0);
        found.push(kept.unzip());
    }
    found
}

/// Breaks seen: `>` for `>=`; the product taken in binary (0.07 of 100).
#[tokio::test]
async fn percentiles_are_those_counted_by_hand() {
    let db = TestDb::new().await;
    for (values, counts) in histograms() {
        for (fraction, numerator, denominator) in FRACTIONS {
            let expected = by_hand(&values, &counts, numerator, denominator);
            let found = percentile(&db.pool, &values, &counts, fraction).await;
            assert_eq!(found, expected, "{fraction} of {values:?} {counts:?}");
        }
    }
}

#[tokio::test]
async fn an_empty_histogram_has_no_percentile() {
    let db = TestDb::new().await;
    assert_eq!(percentile(&db.pool, &[], &[], 0.5).await, None);
    assert_eq!(percentile(&db.pool, &[12], &[1], 0.5).await, Some(12));
}
