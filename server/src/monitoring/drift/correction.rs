//! P-values of many tests at once.

use drydock_wire::drift::DriftCorrection;

/// The corrected ones in the order of the given.
pub fn correct(p_values: &[f64], how: DriftCorrection) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|a, b| p_values[*a].total_cmp(&p_values[*b]));
    match how {
        DriftCorrection::None => p_values.to_vec(),
        DriftCorrection::BenjaminiHochberg => benjamini_hochberg(p_values, &order),
        DriftCorrection::Holm => holm(p_values, &order),
    }
}

/// From the greatest down, each at most the one above it.
fn benjamini_hochberg(p_values: &[f64], order: &[usize]) -> Vec<f64> {
    let (all, mut least, mut out) = (order.len() as f64, 1.0_f64, vec![1.0; order.len()]);
    for (place, index) in order.iter().enumerate().rev() {
        least = least.min(p_values[*index] * all / (place + 1) as f64);
        out[*index] = least;
    }
    out
}

/// From the least up, each at least the one below it.
fn holm(p_values: &[f64], order: &[usize]) -> Vec<f64> {
    let (mut greatest, mut out) = (0.0_f64, vec![1.0; order.len()]);
    for (place, index) in order.iter().enumerate() {
        greatest = greatest.max(p_values[*index] * (order.len() - place) as f64).min(1.0);
        out[*index] = greatest;
    }
    out
}
