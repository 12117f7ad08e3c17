// The loop of weight_gradients.wgsl over the samples of a slice, a template: the products of values and deltas, whose
// reads and places depend on what is stored.
    let along = ${along};
    let beside = ${beside};
    var at = ${at};
    var row = ${row};
    // AT_ONCE is 2 here: what is read for both is waited for once, and at most one is left.
    for (; s + AT_ONCE <= end; s += AT_ONCE) {
        @each t q: let w_${t}_${q} = ${value};
        @each t p: let x_${t}_${p} = ${delta};
        @each t q i p: sum_${q}_${i}_${p} += w_${t}_${q}[${i}] * x_${t}_${p};
        at += AT_ONCE * along;
        row += AT_ONCE * beside;
    }
    if s < end {
        @each q: let w_${q} = ${left_value};
        @each p: let x_${p} = ${left_delta};
        @each q i p: sum_${q}_${i}_${p} += w_${q}[${i}] * x_${p};
    }
