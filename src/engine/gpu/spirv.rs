//! SPIR-V of the kernels with matrices.
//!
//! Cooperative matrices need the Vulkan memory model. In it, writes to memory that other invocations are
//! to read must be made available and visible, and accesses count as private unless they say otherwise. naga
//! 30 declares the model and writes neither (<https://github.com/gfx-rs/wgpu/issues/8805>), so that nothing in
//! its SPIR-V orders these accesses. Here both are added. An H100 computes the same without them
//! (docs/notebook/nvidia.md); other drivers may not.

use crate::error::{Result, internal};
use naga::back::spv;
use naga::proc::{BoundsCheckPolicies, BoundsCheckPolicy};
use naga::valid::{Capabilities, ShaderStages, SubgroupOperationSet, ValidationFlags, Validator};
use std::collections::{BTreeMap, BTreeSet};

/// Words before the first instruction; the fourth is one more than the largest id.
const HEADER: usize = 5;
const BOUND: usize = 3;

/// The instructions that matter, by their numbers in SPIR-V.
mod op {
    pub(super) const TYPE_POINTER: u32 = 32;
    pub(super) const CONSTANT: u32 = 43;
    pub(super) const VARIABLE: u32 = 59;
    pub(super) const LOAD: u32 = 61;
    pub(super) const STORE: u32 = 62;
    pub(super) const ACCESS_CHAIN: u32 = 65;
    pub(super) const IN_BOUNDS_ACCESS_CHAIN: u32 = 66;
    pub(super) const COPY_OBJECT: u32 = 83;
    pub(super) const BITCAST: u32 = 124;
    pub(super) const CONTROL_BARRIER: u32 = 224;
    pub(super) const MEMORY_BARRIER: u32 = 225;
    pub(super) const MATRIX_LOAD: u32 = 4457;
    pub(super) const MATRIX_STORE: u32 = 4458;
}

/// The storage classes that invocations share: uniform (SPIR-V's older storage buffers), workgroup, storage
/// buffer.
const SHARED: [u32; 3] = [2, 4, 12];

/// Memory semantics: make available, make visible.
const AVAILABLE_AND_VISIBLE: u32 = 0x2000 | 0x4000;

/// The memory operand of an access that is not private.
const NON_PRIVATE: u32 = 0x20;

/// The SPIR-V of a kernel. `bindings` are those of its group 0, in their order; a group of Vulkan has no gaps.
///
/// # Errors
/// A text that naga refuses.
pub(super) fn translate(text: &str, bindings: &[u32]) -> Result<Vec<u32>> {
    match naga_words(text, bindings) {
        Ok(words) => Ok(with_memory_model(&words)),
        Err(reason) => internal(format!("the WGSL of a kernel with matrices: {reason}")),
    }
}

fn naga_words(text: &str, bindings: &[u32]) -> std::result::Result<Vec<u32>, String> {
    let capabilities = Capabilities::SHADER_FLOAT16
        | Capabilities::COOPERATIVE_MATRIX
        | Capabilities::SUBGROUP
        | Capabilities::SUBGROUP_BARRIER;
    let options = naga::front::wgsl::Options { parse_doc_comments: false, capabilities };
    let module = naga::front::wgsl::Frontend::new_with_options(options)
        .parse(text)
        .map_err(|error| error.emit_to_string(text))?;
    let info = Validator::new(ValidationFlags::all(), capabilities)
        .subgroup_stages(ShaderStages::COMPUTE)
        .subgroup_operations(SubgroupOperationSet::all())
        .validate(&module)
        .map_err(|error| error.emit_to_string(text))?;
    let place = |group: u32, (binding, place): (u32, u32)| {
        let binding = naga::ResourceBinding { group, binding };
        (
            binding,
            spv::BindingInfo { descriptor_set: group, binding: place, binding_array_size: None },
        )
    };
    let own = bindings.iter().copied().zip(0..).map(|pair| place(0, pair));
    let unchecked = BoundsCheckPolicy::Unchecked;
    let options = spv::Options {
        lang_version: (1, 6),
        flags: spv::WriterFlags::empty(),
        binding_map: own.chain([place(1, (0, 0))]).collect(),
        bounds_check_policies: BoundsCheckPolicies {
            index: unchecked,
            buffer: unchecked,
            image_load: unchecked,
            binding_array: unchecked,
        },
        // Every kernel writes what it reads of its workgroup's memory, and its loops end.
        zero_initialize_workgroup_memory: spv::ZeroInitializeWorkgroupMemoryMode::None,
        force_loop_bounding: false,
        ..spv::Options::default()
    };
    let shader_stage = naga::ShaderStage::Compute;
    let entry = spv::PipelineOptions { shader_stage, entry_point: "main".into() };
    spv::write_vec(&module, &info, &options, Some(&entry)).map_err(|error| error.to_string())
}

/// The instructions of a module: each with its first word, the length and the number.
fn instructions(words: &[u32]) -> impl Iterator<Item = (u32, &[u32])> {
    let mut rest = words.get(HEADER..).unwrap_or_default();
    std::iter::from_fn(move || {
        let length = (*rest.first()? >> 16) as usize;
        let (instruction, behind) = rest.split_at_checked(length.max(1))?;
        rest = behind;
        Some((instruction[0] & 0xffff, instruction))
    })
}

/// An instruction whose optional memory operand at `place` says that the access is not private.
fn non_private(instruction: &[u32], place: usize) -> Vec<u32> {
    let mut changed = instruction.to_vec();
    if let Some(operand) = changed.get_mut(place) {
        *operand |= NON_PRIVATE;
    } else {
        changed.push(NON_PRIVATE);
        changed[0] += 1 << 16;
    }
    changed
}

/// A module of the Vulkan memory model whose barriers make writes available and visible, and whose accesses
/// to shared memory are not private. For tools.
pub fn with_memory_model(words: &[u32]) -> Vec<u32> {
    let mut classes_of_types = BTreeMap::new();
    let mut shared = BTreeSet::new();
    let mut semantics = BTreeSet::new();
    for (number, instruction) in instructions(words) {
        match (number, instruction) {
            (op::TYPE_POINTER, [_, id, class, ..]) => {
                classes_of_types.insert(*id, *class);
            }
            (
                op::VARIABLE
                | op::ACCESS_CHAIN
                | op::IN_BOUNDS_ACCESS_CHAIN
                | op::LOAD
                | op::BITCAST
                | op::COPY_OBJECT,
                [_, of, id, ..],
            ) if classes_of_types.get(of).is_some_and(|class| SHARED.contains(class)) => {
                shared.insert(*id);
            }
            (op::CONTROL_BARRIER, [_, _, _, id]) | (op::MEMORY_BARRIER, [_, _, id]) => {
                semantics.insert(*id);
            }
            _ => {}
        }
    }
    let mut changed = words[..HEADER.min(words.len())].to_vec();
    let mut bound = words.get(BOUND).copied().unwrap_or_default();
    // The semantics of barriers are constants: each gets a second one behind it.
    let mut stronger = BTreeMap::new();
    for (number, instruction) in instructions(words) {
        let renamed = |place: usize| {
            let mut renamed = instruction.to_vec();
            renamed[place] = stronger.get(&renamed[place]).copied().unwrap_or(renamed[place]);
            renamed
        };
        match (number, instruction) {
            (op::LOAD, [_, _, _, pointer, ..]) if shared.contains(pointer) => {
                changed.extend(non_private(instruction, 4));
            }
            (op::STORE, [_, pointer, ..]) if shared.contains(pointer) => {
                changed.extend(non_private(instruction, 3));
            }
            (op::MATRIX_LOAD, _) => changed.extend(non_private(instruction, 6)),
            (op::MATRIX_STORE, _) => changed.extend(non_private(instruction, 5)),
            (op::CONTROL_BARRIER, [_, _, _, _]) => changed.extend(renamed(3)),
            (op::MEMORY_BARRIER, [_, _, _]) => changed.extend(renamed(2)),
            _ => changed.extend(instruction),
        }
        if let (op::CONSTANT, [head, kind, id, value]) = (number, instruction)
            && semantics.contains(id)
        {
            changed.extend([*head, *kind, bound, *value | AVAILABLE_AND_VISIBLE]);
            stronger.insert(*id, bound);
            bound += 1;
        }
    }
    if let Some(word) = changed.get_mut(BOUND) {
        *word = bound;
    }
    changed
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A value goes through workgroup memory, past a barrier.
    const TEXT: &str = "enable f16;\nenable wgpu_cooperative_matrix;\n\
        @group(0) @binding(3) var<storage, read_write> numbers: array<f32>;\n\
        @group(1) @binding(0) var<storage, read> step: array<f16>;\n\
        var<workgroup> tile: array<f32, 256>;\n\
        @compute @workgroup_size(32)\n\
        fn main(@builtin(local_invocation_index) i: u32) {\n\
            let a = coopLoad<coop_mat8x8<f16, A>>(&step[0], 8u);\n\
            let b = coopLoad<coop_mat8x8<f16, B>>(&step[64], 8u);\n\
            coopStore(coopMultiplyAdd(a, b, coop_mat8x8<f32, C>()), &tile[0], 8u);\n\
            workgroupBarrier();\n\
            var own = array<f32, 2>(tile[i], tile[i + 32u]);\n\
            numbers[i] = own[i % 2u];\n\
        }";

    #[test]
    fn barriers_and_shared_accesses_follow_the_vulkan_memory_model() {
        let before = naga_words(TEXT, &[3]).expect("translates");
        let after = translate(TEXT, &[3]).expect("translates");
        // naga lacks what is added here; else this module is no longer needed.
        let semantics_of = |words: &[u32]| -> Vec<u32> {
            let constants: BTreeMap<u32, u32> = instructions(words)
                .filter(|(number, _)| *number == op::CONSTANT)
                .map(|(_, instruction)| (instruction[2], instruction[3]))
                .collect();
            instructions(words)
                .filter(|(number, _)| *number == op::CONTROL_BARRIER)
                .map(|(_, instruction)| constants[&instruction[3]])
                .collect()
        };
        assert!(semantics_of(&before).iter().all(|s| s & AVAILABLE_AND_VISIBLE == 0));
        let barriers = semantics_of(&after);
        assert!(!barriers.is_empty());
        for (semantics, old) in barriers.iter().zip(semantics_of(&before)) {
            assert_eq!(*semantics, old | AVAILABLE_AND_VISIBLE);
        }
        let count = |words: &[u32], wanted: u32, private: bool| {
            let last = |i: &[u32]| i.last().is_some_and(|operand| *operand == NON_PRIVATE);
            instructions(words).filter(|(n, i)| *n == wanted && last(i) != private).count()
        };
        for (wanted, shared) in [(op::MATRIX_LOAD, 2), (op::MATRIX_STORE, 1), (op::STORE, 1)] {
            assert_eq!(count(&before, wanted, false), 0, "{wanted}");
            assert_eq!(count(&after, wanted, false), shared, "{wanted}");
        }
        // Two of workgroup memory; what is loaded from variables of the function stays private.
        assert_eq!(count(&after, op::LOAD, false), 2);
        assert!(count(&after, op::LOAD, true) > 0);
        assert_eq!(count(&after, op::LOAD, true), count(&before, op::LOAD, true) - 2);
        // Ids are below the bound, and every instruction was taken.
        let largest = instructions(&after)
            .filter(|(number, _)| *number == op::CONSTANT)
            .map(|(_, instruction)| instruction[2])
            .max();
        assert!(largest.is_some_and(|id| id < after[BOUND]));
        let length: usize = instructions(&after).map(|(_, i)| i.len()).sum();
        assert_eq!(length + HEADER, after.len());
    }

    #[test]
    fn words_that_are_no_module_do_not_panic() {
        for words in [&[][..], &[1, 2], &[1, 2, 3, 4, 5], &[1, 2, 3, 4, 5, 0, 7], &[0; 9]] {
            let _ = with_memory_model(words);
        }
    }
}
