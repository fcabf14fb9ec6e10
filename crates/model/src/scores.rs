//! Scores against a tenant's scales: what fits, what a total must be, and its band.

use crate::event::LeadAnalysis;

/// What a tenant's analysis calls a full score.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scales {
    /// Full total, 5 to 100.
    pub total: i32,
    /// Full single score, 1 to 100.
    pub dimension: i32,
}

/// Lower bounds of the bands, as percentages of the full total.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thresholds {
    /// Hot from here on.
    pub hot_percent: i32,
    /// Warm from here on.
    pub warm_percent: i32,
    /// Cold from here on; below, unqualified.
    pub cold_percent: i32,
}

impl Thresholds {
    /// The band of a total: `hot`, `warm`, `cold` or `unqualified`.
    pub fn quality(self, total_score: i32, scales: Scales) -> &'static str {
        let reaches = |percent: i32| i64::from(total_score) * 100 >= i64::from(percent) * i64::from(scales.total);
        if reaches(self.hot_percent) {
            "hot"
        } else if reaches(self.warm_percent) {
            "warm"
        } else if reaches(self.cold_percent) {
            "cold"
        } else {
            "unqualified"
        }
    }
}

/// The names of the five scores, in the order of [`LeadAnalysis::scores`].
pub const SCORE_KEYS: [&str; 5] = ["intent_score", "urgency_score", "budget_score", "fit_score", "engagement_score"];

impl LeadAnalysis {
    /// Intent, urgency, budget, fit, engagement.
    pub fn scores(&self) -> [Option<i32>; 5] {
        [self.intent_score, self.urgency_score, self.budget_score, self.fit_score, self.engagement_score]
    }

    /// The same to be changed.
    pub fn scores_mut(&mut self) -> [&mut Option<i32>; 5] {
        [
            &mut self.intent_score,
            &mut self.urgency_score,
            &mut self.budget_score,
            &mut self.fit_score,
            &mut self.engagement_score,
        ]
    }
}

/// What the total must be by the five scores: their sum, which on scales where five
/// full scores are not a full total is carried over in proportion, half up. `None`
/// while one is missing.
pub fn total_of(scores: [Option<i32>; 5], scales: Scales) -> Option<i32> {
    let sum: i64 = scores.into_iter().map(|score| score.map(i64::from)).sum::<Option<i64>>()?;
    let full = 5 * i64::from(scales.dimension);
    let total = (sum * i64::from(scales.total) * 2 + full).div_euclid(full * 2);
    i32::try_from(total).ok()
}

/// Drops scores beyond the scales, fills in a total that is missing, and keeps one
/// that is inconsistent. Returns what to flag: `bad_field:analysis.…`,
/// `total_score_mismatch`.
pub fn fit(analysis: &mut LeadAnalysis, scales: Scales) -> Vec<String> {
    let mut flags = Vec::new();
    for (score, key) in analysis.scores_mut().into_iter().zip(SCORE_KEYS) {
        if score.is_some_and(|score| !(0..=scales.dimension).contains(&score)) {
            *score = None;
            flags.push(format!("bad_field:analysis.{key}"));
        }
    }
    if analysis.total_score.is_some_and(|total| !(0..=scales.total).contains(&total)) {
        analysis.total_score = None;
        flags.push("bad_field:analysis.total_score".to_owned());
    }
    let expected = total_of(analysis.scores(), scales);
    match (analysis.total_score, expected) {
        (None, _) => analysis.total_score = expected,
        (Some(total), Some(expected)) if total != expected => flags.push("total_score_mismatch".to_owned()),
        _ => {}
    }
    flags
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: Scales = Scales { total: 15, dimension: 3 };

    fn analysis(scores: [Option<i32>; 5], total_score: Option<i32>) -> LeadAnalysis {
        let mut analysis = LeadAnalysis { total_score, ..LeadAnalysis::default() };
        for (to, from) in analysis.scores_mut().into_iter().zip(scores) {
            *to = from;
        }
        analysis
    }

    #[test]
    fn totals_follow_the_scales() {
        let some = |scores: [i32; 5]| scores.map(Some);
        for (scores, scales, want) in [
            (some([3, 3, 2, 2, 1]), SMALL, Some(11)),
            (some([20, 20, 20, 20, 20]), Scales { total: 100, dimension: 20 }, Some(100)),
            (some([80, 70, 60, 90, 50]), Scales { total: 100, dimension: 100 }, Some(70)),
            (some([1, 0, 0, 0, 0]), Scales { total: 100, dimension: 100 }, Some(0)),
            (some([3, 0, 0, 0, 0]), Scales { total: 100, dimension: 100 }, Some(1)),
            ([Some(1), None, Some(1), Some(1), Some(1)], SMALL, None),
        ] {
            assert_eq!(total_of(scores, scales), want, "{scores:?} {scales:?}");
        }
    }

    #[test]
    fn scores_beyond_the_scale_are_dropped_and_said() {
        let mut given = analysis([Some(4), Some(3), Some(0), None, Some(-1)], Some(16));
        let flags = fit(&mut given, SMALL);
        assert_eq!(given, analysis([None, Some(3), Some(0), None, None], None));
        assert_eq!(
            flags,
            [
                "bad_field:analysis.intent_score",
                "bad_field:analysis.engagement_score",
                "bad_field:analysis.total_score"
            ]
        );
    }

    #[test]
    fn a_total_is_made_if_absent_and_kept_if_given() {
        let mut absent = analysis([Some(3); 5], None);
        assert_eq!((fit(&mut absent, SMALL), absent.total_score), (vec![], Some(15)));
        let mut given = analysis([Some(3); 5], Some(12));
        assert_eq!((fit(&mut given, SMALL), given.total_score), (vec!["total_score_mismatch".to_owned()], Some(12)));
        let mut part = analysis([Some(3), None, Some(3), Some(3), Some(3)], Some(12));
        assert_eq!((fit(&mut part, SMALL), part.total_score), (vec![], Some(12)));
    }

    /// Defect 34 of the platform: thresholds of 100 against totals of 15.
    #[test]
    fn defect_34_thresholds_are_percentages_of_the_tenants_scale() {
        let thresholds = Thresholds { hot_percent: 80, warm_percent: 60, cold_percent: 40 };
        let bands = |total: i32, scores: &[i32]| -> Vec<&str> {
            scores.iter().map(|&s| thresholds.quality(s, Scales { total, dimension: 3 })).collect()
        };
        assert_eq!(bands(15, &[15, 12, 11, 9, 8, 6, 5]), ["hot", "hot", "warm", "warm", "cold", "cold", "unqualified"]);
        assert_eq!(bands(100, &[80, 79, 60, 59, 40, 39]), ["hot", "warm", "warm", "cold", "cold", "unqualified"]);
    }
}
