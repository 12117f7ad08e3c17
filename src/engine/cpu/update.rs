//! The optimizers in f32, over a range of the parameters.

use crate::optimizer::UpdateConstants;

/// Adds the workers' gradients in their order and updates `parameters`, which start at `offset`
/// in the flat vector; what they were goes to `previous`. Whether all of them are finite still.
///
/// The formulas are those of [`reference::sgd`](crate::reference::sgd) and
/// [`reference::adam`](crate::reference::adam).
pub(super) fn update(
    constants: UpdateConstants,
    parameters: &mut [f32],
    gradients: &[&[f32]],
    offset: usize,
    previous: &mut [f32],
    first: &mut [f32],
    second: &mut [f32],
) -> bool {
    previous.copy_from_slice(parameters);
    let mut finite = true;
    let gradient = |i: usize| gradients.iter().map(|g| g[offset + i]).sum::<f32>();
    match constants {
        UpdateConstants::Sgd { learning_rate, momentum, nesterov, l2 } => {
            let [rate, momentum, l2] = [learning_rate, momentum, l2].map(|c| c as f32);
            for (i, (w, v)) in parameters.iter_mut().zip(first).enumerate() {
                let g = gradient(i) + l2 * *w;
                let velocity = momentum * *v + g;
                let direction = if nesterov { g + momentum * velocity } else { velocity };
                *v = velocity;
                *w -= rate * direction;
            }
        }
        UpdateConstants::Adam { step_size, beta1, beta2, correction, epsilon, keep, l2 } => {
            let [one_minus_beta1, one_minus_beta2] = [beta1, beta2].map(|b| (1.0 - b) as f32);
            let [step_size, beta1, beta2] = [step_size, beta1, beta2].map(|c| c as f32);
            let [correction, epsilon, keep, l2] = [correction, epsilon, keep, l2].map(|c| c as f32);
            for (i, (w, (m, v))) in
                parameters.iter_mut().zip(first.iter_mut().zip(second)).enumerate()
            {
                let g = gradient(i) + l2 * *w;
                let moment = beta1 * *m + one_minus_beta1 * g;
                let square = beta2 * *v + one_minus_beta2 * g * g;
                // An infinite second moment would freeze the parameter without a word.
                finite &= square.is_finite();
                *m = moment;
                *v = square;
                *w = keep * *w - step_size * moment / (correction * square.sqrt() + epsilon);
            }
        }
    }
    finite && parameters.iter().all(|w| w.is_finite())
}
