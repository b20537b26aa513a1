use fibinet_model::bundle::LogitMap;
use serde::{Deserialize, Serialize};

/// The family of maps that a calibration may choose from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CalibrationKind {
    /// Scale only: `σ(scale · z)` (Guo et al., "On Calibration of Modern Neural Networks", ICML 2017,
    /// section 4.2, where the temperature is `1 / scale`). For logits that are over- or underconfident.
    Temperature,
    /// Scale and shift: `σ(scale · z + shift)` (Platt, "Probabilistic Outputs for Support Vector
    /// Machines", 1999). Also for logits whose base rate is off.
    Platt,
}

/// Fits a map of logits by maximum likelihood, on rows that the model was not trained on. `None` if the labels
/// have only one class, if the fit does not converge (equal or non-finite logits), or if the best scale is not
/// above 0, because such a map would reverse the ranking.
///
/// It minimizes, by Newton's method with backtracking,
///
/// ```text
/// L(scale, shift) = Σ_i w_i [softplus(x_i) - t_i x_i]      x_i = scale · z_i + shift
/// t_i = (N₊ + 1) / (N₊ + 2) for positives,  1 / (N₋ + 2) for negatives
/// ```
///
/// The weight `w` is 1 for positives and `negative_weight` for negatives: in a log that kept each negative
/// with probability `r`, one negative stands for `1 / r`. A label above 0.5 is positive.
///
/// The targets `t`, which replace 1 and 0, are Platt's (section 2.2), for both kinds here. They have the weight
/// of about one row of each class, and keep the scale finite if the logits separate the classes. `N₊` and `N₋`
/// are sums of weights, so that one row is added at any rate of kept negatives.
///
/// # Shapes
///
/// - `logits`, `labels`: `[rows]`
///
/// ```
/// use fibinet_train::metrics::{CalibrationKind, fit_calibration};
///
/// // Three of four rows are clicks: the probability becomes σ(ln 3), whatever the logit was.
/// let (logits, labels) = ([5.0, 5.0, 5.0, 5.0], [1.0, 1.0, 1.0, 0.0]);
/// let (logits, labels) = (logits.repeat(1000), labels.repeat(1000));
/// let map = fit_calibration(CalibrationKind::Temperature, &logits, &labels, 1.0).unwrap();
/// assert!((map.apply(5.0) - 3_f32.ln()).abs() < 0.01);
/// ```
///
/// # Panics
///
/// If the numbers of logits and labels differ, or `negative_weight` is not finite and above 0.
pub fn fit(
    kind: CalibrationKind,
    logits: &[f32],
    labels: &[f32],
    negative_weight: f64,
) -> Option<LogitMap> {
    assert_eq!(labels.len(), logits.len(), "expected one label per logit");
    assert!(
        negative_weight.is_finite() && negative_weight > 0.0,
        "expected a finite negative weight above 0, got {negative_weight}"
    );
    let objective = Objective::new(kind, logits, labels, negative_weight)?;
    let map = objective.map(objective.minimum()?);
    (map.scale > 0.0 && map.scale.is_finite() && map.shift.is_finite()).then_some(map)
}

/// Scale and shift of standardized logits.
type Point = [f64; 2];

/// The mean loss as a function of the scale and shift of standardized logits, `(z - center) / spread`.
///
/// In these coordinates the Hessian is well-conditioned, and at the starting point 0 no row is in the flat part
/// of the sigmoid.
struct Objective<'a> {
    kind: CalibrationKind,
    logits: &'a [f32],
    labels: &'a [f32],
    center: f64,
    spread: f64,
    /// Negatives, then positives.
    classes: [Class; 2],
}

/// The rows with one label.
#[derive(Clone, Copy)]
struct Class {
    /// The weight of one row. All rows together have weight 1.
    weight: f64,
    target: f64,
}

/// A loss and its first and second derivatives.
struct Slopes {
    loss: f64,
    gradient: Point,
    /// Second derivatives: by scale twice, by scale and shift, by shift twice.
    hessian: [f64; 3],
}

/// Largest slope of a minimum. With standardized logits and a mean loss, the scale is off by about as much.
const GRADIENT_TOLERANCE: f64 = 1e-10;
const MAX_STEPS: usize = 100;
const MAX_HALVINGS: usize = 60;
/// Armijo's constant: the share of the linear decrease that a step must reach.
const SUFFICIENT_DECREASE: f64 = 1e-4;

impl<'a> Objective<'a> {
    /// `None` if there is only one class, or if all logits are equal.
    fn new(
        kind: CalibrationKind,
        logits: &'a [f32],
        labels: &'a [f32],
        negative_weight: f64,
    ) -> Option<Self> {
        let num_positives = labels.iter().filter(|&&label| label > 0.5).count();
        let num_negatives = labels.len() - num_positives;
        if num_positives == 0 || num_negatives == 0 {
            return None;
        }
        let positives = num_positives as f64;
        let negatives = negative_weight * num_negatives as f64;
        let total = positives + negatives;

        let rows = logits.len() as f64;
        let center = match kind {
            // Without a shift, centering could not be undone.
            CalibrationKind::Temperature => 0.0,
            CalibrationKind::Platt => logits.iter().map(|&z| f64::from(z)).sum::<f64>() / rows,
        };
        let squares = logits.iter().map(|&z| (f64::from(z) - center).powi(2));
        let spread = (squares.sum::<f64>() / rows).sqrt();
        // The spread of equal logits is only rounding.
        let resolution = f64::from(f32::EPSILON) * 1e-3 * center.abs();
        (spread.is_finite() && spread > resolution).then_some(Self {
            kind,
            logits,
            labels,
            center,
            spread,
            classes: [
                Class {
                    weight: negative_weight / total,
                    target: 1.0 / (negatives + 2.0),
                },
                Class {
                    weight: 1.0 / total,
                    target: (positives + 1.0) / (positives + 2.0),
                },
            ],
        })
    }

    fn map(&self, [scale, shift]: Point) -> LogitMap {
        let scale = scale / self.spread;
        LogitMap {
            scale,
            shift: shift - scale * self.center,
        }
    }

    fn slopes(&self, [scale, shift]: Point) -> Slopes {
        let mut slopes = Slopes {
            loss: 0.0,
            gradient: [0.0; 2],
            hessian: [0.0; 3],
        };
        for (&logit, &label) in self.logits.iter().zip(self.labels) {
            let Class { weight, target } = self.classes[usize::from(label > 0.5)];
            let z = (f64::from(logit) - self.center) / self.spread;
            let x = scale * z + shift;
            let tail = (-x.abs()).exp();
            let probability = if x < 0.0 { tail } else { 1.0 } / (1.0 + tail);
            slopes.loss += weight * (x.max(0.0) + tail.ln_1p() - target * x);
            let residual = weight * (probability - target);
            slopes.gradient[0] += residual * z;
            slopes.gradient[1] += residual;
            let curvature = weight * tail / (1.0 + tail).powi(2);
            slopes.hessian[0] += curvature * z * z;
            slopes.hessian[1] += curvature * z;
            slopes.hessian[2] += curvature;
        }
        if self.kind == CalibrationKind::Temperature {
            // The shift is fixed.
            slopes.gradient[1] = 0.0;
            slopes.hessian[1] = 0.0;
            slopes.hessian[2] = 1.0;
        }
        slopes
    }

    fn minimum(&self) -> Option<Point> {
        let mut point = [0.0; 2];
        let mut slopes = self.slopes(point);
        for _ in 0..MAX_STEPS {
            if slopes.is_flat() {
                return Some(point);
            }
            (point, slopes) = self.step(point, &slopes)?;
        }
        None
    }

    /// A Newton step, halved until the loss decreases enough.
    fn step(&self, point: Point, slopes: &Slopes) -> Option<(Point, Slopes)> {
        let direction = slopes.newton_direction()?;
        let decrease = slopes.gradient[0] * direction[0] + slopes.gradient[1] * direction[1];
        // Near the minimum the decrease is smaller than the rounding of the losses.
        let rounding = 8.0 * f64::EPSILON * (1.0 + slopes.loss.abs());
        let mut length = 1.0;
        for _ in 0..MAX_HALVINGS {
            let next = [
                point[0] - length * direction[0],
                point[1] - length * direction[1],
            ];
            let at_next = self.slopes(next);
            if at_next.loss <= slopes.loss - SUFFICIENT_DECREASE * length * decrease + rounding {
                return Some((next, at_next));
            }
            length /= 2.0;
        }
        None
    }
}

impl Slopes {
    fn is_flat(&self) -> bool {
        self.gradient
            .iter()
            .all(|slope| slope.abs() <= GRADIENT_TOLERANCE)
    }

    /// `H⁻¹ g`. `None` if the Hessian is singular.
    fn newton_direction(&self) -> Option<Point> {
        let [scale, both, shift] = self.hessian;
        let [by_scale, by_shift] = self.gradient;
        let determinant = scale * shift - both * both;
        (determinant > 0.0).then(|| {
            [
                (shift * by_scale - both * by_shift) / determinant,
                (scale * by_shift - both * by_scale) / determinant,
            ]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KINDS: [CalibrationKind; 2] = [CalibrationKind::Temperature, CalibrationKind::Platt];

    /// Uniform draws by a linear congruential generator (Knuth's MMIX constants).
    struct Draws(u64);

    impl Draws {
        fn uniform(&mut self) -> f64 {
            self.0 = self
                .0
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 11) as f64 / (1_u64 << 53) as f64
        }
    }

    /// True logits around -1 with a standard deviation of about 1.4, and labels drawn with their probabilities.
    fn simulated(rows: usize, seed: u64) -> (Vec<f64>, Vec<f32>) {
        let mut draws = Draws(seed);
        let row = |_| {
            let logit = 5.0 * (draws.uniform() + draws.uniform() - 1.0) - 1.0 + draws.uniform();
            let click = draws.uniform() < 1.0 / (1.0 + (-logit).exp());
            (logit, f32::from(u8::from(click)))
        };
        (0..rows).map(row).unzip()
    }

    fn distorted(logits: &[f64], scale: f64, shift: f64) -> Vec<f32> {
        let distort = |logit: &f64| (scale * logit + shift) as f32;
        logits.iter().map(distort).collect()
    }

    fn assert_close(map: LogitMap, scale: f64, shift: f64, tolerance: f64) {
        let off = |got: f64, expected: f64| (got - expected).abs() > tolerance;
        let far = off(map.scale, scale) || off(map.shift, shift);
        assert!(!far, "{map:?}, expected {scale} and {shift}");
    }

    /// The derivatives of the objective by scale and shift per unit of weight, computed from its definition.
    fn gradient(map: LogitMap, logits: &[f32], labels: &[f32], negative_weight: f64) -> (f64, f64) {
        let positives = f64::from(labels.iter().sum::<f32>());
        let negatives = (labels.len() as f64 - positives) * negative_weight;
        let (mut by_scale, mut by_shift) = (0.0, 0.0);
        for (&z, &label) in logits.iter().zip(labels) {
            let z = f64::from(z);
            let p = 1.0 / (1.0 + (-(map.scale * z + map.shift)).exp());
            let residual = if label == 1.0 {
                p - (positives + 1.0) / (positives + 2.0)
            } else {
                negative_weight * (p - 1.0 / (negatives + 2.0))
            };
            by_scale += residual * z;
            by_shift += residual;
        }
        let total = positives + negatives;
        (by_scale / total, by_shift / total)
    }

    #[test]
    fn a_distortion_is_undone() {
        let (logits, labels) = simulated(20_000, 1);
        let map = fit(
            CalibrationKind::Platt,
            &distorted(&logits, 3.0, 1.0),
            &labels,
            1.0,
        );
        // z' = 3 z + 1, so z = z'/3 - 1/3.
        assert_close(map.unwrap(), 1.0 / 3.0, -1.0 / 3.0, 0.03);
        let scaled = distorted(&logits, 3.0, 0.0);
        let map = fit(CalibrationKind::Temperature, &scaled, &labels, 1.0).unwrap();
        assert_close(map, 1.0 / 3.0, 0.0, 0.02);
        assert_eq!(map.shift, 0.0);
    }

    #[test]
    fn calibrated_logits_stay_as_they_are() {
        let (logits, labels) = simulated(20_000, 2);
        for kind in KINDS {
            let map = fit(kind, &distorted(&logits, 1.0, 0.0), &labels, 1.0).unwrap();
            assert_close(map, 1.0, 0.0, 0.06);
        }
    }

    #[test]
    fn weights_make_up_for_dropped_negatives() {
        let (logits, labels) = simulated(100_000, 3);
        let mut draws = Draws(4);
        let (logits, labels): (Vec<f64>, Vec<f32>) = logits
            .into_iter()
            .zip(labels)
            .filter(|(_, label)| *label == 1.0 || draws.uniform() < 0.2)
            .unzip();
        let logits = distorted(&logits, 1.0, 0.0);
        let map = fit(CalibrationKind::Platt, &logits, &labels, 5.0).unwrap();
        assert_close(map, 1.0, 0.0, 0.05);
        let unweighted = fit(CalibrationKind::Platt, &logits, &labels, 1.0).unwrap();
        assert_close(unweighted, 1.0, 5_f64.ln(), 0.05);
    }

    #[test]
    fn large_scales_and_offsets_lose_no_precision() {
        let (logits, labels) = simulated(20_000, 5);
        let reference = distorted(&logits, 1.0, 0.0);
        let reference = fit(CalibrationKind::Platt, &reference, &labels, 1.0).unwrap();
        let far = distorted(&logits, 512.0, 65_536.0);
        let map = fit(CalibrationKind::Platt, &far, &labels, 1.0).unwrap();
        let undone = LogitMap {
            scale: map.scale * 512.0,
            shift: map.shift + map.scale * 65_536.0,
        };
        assert_close(undone, reference.scale, reference.shift, 1e-4);
    }

    #[test]
    fn separable_logits_get_a_finite_map() {
        for kind in KINDS {
            for size in [1e-3, 1.0, 1e4] {
                let logits = [-size, -2.0 * size, size, 3.0 * size];
                let map = fit(kind, &logits, &[0.0, 0.0, 1.0, 1.0], 1.0).unwrap();
                assert!(map.scale > 0.0 && map.scale.is_finite(), "{map:?}");
                // Two of two rows are clicks: a probability of about three in four, by Laplace's rule.
                assert!((0.2..4.0).contains(&map.apply(size)), "{map:?}");
            }
        }
    }

    #[test]
    fn one_class_has_no_map() {
        for kind in KINDS {
            assert_eq!(fit(kind, &[1.0, 2.0], &[1.0, 1.0], 1.0), None);
            assert_eq!(fit(kind, &[1.0, 2.0], &[0.0, 0.0], 1.0), None);
            assert_eq!(fit(kind, &[], &[], 1.0), None);
        }
    }

    #[test]
    fn a_map_that_would_reverse_the_ranking_is_refused() {
        let (logits, labels) = simulated(2000, 6);
        // Centered, because a scale alone can also correct a base rate.
        let reversed = distorted(&logits, -1.0, -0.5);
        for kind in KINDS {
            assert_eq!(fit(kind, &reversed, &labels, 1.0), None, "{kind:?}");
        }
    }

    #[test]
    fn equal_and_non_finite_logits_have_no_map() {
        let labels = [0.0, 1.0, 0.0];
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            for kind in KINDS {
                assert_eq!(fit(kind, &[1.0, bad, 2.0], &labels, 1.0), None);
            }
        }
        assert_eq!(fit(CalibrationKind::Platt, &[0.1; 3], &labels, 1.0), None);
        assert_eq!(
            fit(CalibrationKind::Temperature, &[0.0; 3], &labels, 1.0),
            None
        );
    }

    #[test]
    fn apply_scales_then_shifts() {
        let map = LogitMap {
            scale: 2.0,
            shift: -1.0,
        };
        assert_eq!(map.apply(3.0), 5.0);
    }

    proptest! {
        #[test]
        fn the_gradient_is_zero_at_the_map(
            rows in proptest::collection::vec((-6_f32..6.0, any::<bool>()), 2..60),
            negative_weight in 0.2_f64..20.0,
        ) {
            let (logits, labels): (Vec<f32>, Vec<f32>) = rows
                .iter()
                .map(|&(logit, click)| (logit, f32::from(u8::from(click))))
                .unzip();
            for kind in KINDS {
                if let Some(map) = fit(kind, &logits, &labels, negative_weight) {
                    let (by_scale, by_shift) = gradient(map, &logits, &labels, negative_weight);
                    prop_assert!(by_scale.abs() < 1e-8, "{kind:?} {map:?}: {by_scale}");
                    match kind {
                        CalibrationKind::Temperature => prop_assert_eq!(map.shift, 0.0),
                        CalibrationKind::Platt => prop_assert!(by_shift.abs() < 1e-8),
                    }
                }
            }
        }
    }
}
