// The product of a layer in mixed_step.wgsl, a template: the levels and the copies of the weights depend on the way,
// forward or back. It is text and no function, since naga wants to see that all invocations take the same way to a product.
        for (var turn = 0u; turn < turns; turn++) {
            let place = min(turn * subgroups + subgroup, columns - 1u) * T;
            let at = 16u * (${start} + place * ${depth});
            @each r: var sum_${r} = coop_mat${t}x${t}<f32, C>();
            var k = 0u;
@if unrolled
            // A loop of one turn or none: naga does not know that a condition would be uniform.
            for (; k + LONGEST / T <= ${depth} * (16u / T); k += LONGEST / T) {
                @each k: let b_${k} = coopLoad<coop_mat${t}x${t}<f16, B>>(&copies[at + ${k}u * T * T], T);
                @each k r: { let a = coopLoadT<coop_mat${t}x${t}<f16, A>>(&memory.tile[${r}u * T * TILE_PITCH + ${k}u * T], TILE_PITCH); sum_${r} = coopMultiplyAdd(a, b_${k}, sum_${r}); }
            }
@end
            for (; k < ${depth} * (16u / T); k++) {
                let b = coopLoad<coop_mat${t}x${t}<f16, B>>(&copies[at + k * T * T], T);
                @each r: { let a = coopLoadT<coop_mat${t}x${t}<f16, A>>(&memory.tile[${r}u * T * TILE_PITCH + k * T], TILE_PITCH); sum_${r} = coopMultiplyAdd(a, b, sum_${r}); }
            }
            @each r: let place_${r} = ${r}u * T * SUM_PITCH + place;
            @each r: coopStoreT(sum_${r}, &memory.sums[place_${r}], SUM_PITCH);
        }
