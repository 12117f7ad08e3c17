// The mask of dropout: a function of seed and step (`this_step.masks`), layer, row of the step's
// batch and neuron.      Twin: dropout::Mask

// A hash of 32 bits. Wellons 2018, lowbias32.
fn mixed(number: u32) -> u32 {
    var x = number;
    x = (x ^ (x >> 16u)) * 0x7feb352du;
    x = (x ^ (x >> 15u)) * 0x846ca68bu;
    return x ^ (x >> 16u);
}

// The mask of a sample in a layer.
fn mask_of(layer: u32, row: u32) -> u32 {
    return mixed(mixed(this_step.masks.x ^ layer) ^ row) ^ this_step.masks.y;
}

// Whether the output of a neuron is kept: with probability 1 - threshold / 2³².
fn is_kept(mask: u32, neuron: u32, threshold: u32) -> bool {
    return mixed(mask ^ (neuron * 0x9e3779b9u)) >= threshold;
}
