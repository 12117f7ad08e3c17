#!/usr/bin/env bash
# Checks and times a GPU with the kit that `cargo xtask kit` packed: the stages, their limits and their logs.
#
#     bash kit/run.sh
#
# The machine needs bash, GNU's basic programs, tar, xz and a driver of the GPU, but no Rust, no network and no
# Vulkan loader. What comes first matters most. Each stage has a limit of seconds and a log; the results are in
# $OUT, all of them in gpu.json, for `cargo xtask peers --kit FILE`. That file has figures of this run alone.
#
# Variables of the environment:
#
#     OUT           folder for the results  [default: kit-results in the current folder]
#     LIMIT         seconds for everything, after which a stage gets 20 more to end  [default: 450]
#     STEPS         seconds of a timing; of mixed precision and the layerwise kernels half of it and 2 more
#                   [default: 16]
#     TEST_THREADS  tests at once  [default: 4]
#     ONLY          stages to run, as an extended regular expression for the whole name. `adapter` runs anyway,
#                   since other stages need its answer. Files of other stages stay as an earlier run left them.
#     WORK          folder to unpack into, which stays  [default: a new one in /tmp, which is removed]
#     PYTHON        a Python that has PyTorch  [default: python3]
#
# Exit code: 0 if every stage that ran succeeded. 1 if a test failed, a stage ended with an error or without its
# result, mixed precision fell back to f32, nothing ran, a variable is wrong, or the kit is incomplete. After a
# signal it is 128 and the number of the signal, and gpu.json has what was measured before it. A test program
# that its limit ends has not failed.

export LC_ALL=C.UTF-8
kit=$(cd "$(dirname "$0")" && pwd)
SIGNAL='' clock='' running='' current='' probe='' linked='' temporary='' cache='' outcome='' program='' code=0
failed=() folders=()

programs=(training trainer threads fixtures tuning counts gradients encodings gpu_encodings model own_formulas custom_formulas worked_examples paint checkpoints long_lived memory)
batches=(200 1000 10000 65536)
stages=(adapters adapter dispatches paint-first paint-again paint-cpu test-impasto test-mixed
  "${batches[@]/#/steps-fused-}" "${batches[@]/#/steps-mixed-}" steps-layerwise-1000 torch "${programs[@]/#/test-}")

die() {
  echo "error: $*" >&2
  exit 1
}

# Nothing runs before all of this is right.
: "${LIMIT:=450}" "${STEPS:=16}" "${TEST_THREADS:=4}" "${PYTHON:=python3}"
for name in LIMIT STEPS TEST_THREADS; do
  [[ ${!name} =~ ^[1-9][0-9]{0,4}$ ]] || die "$name is '${!name}': it must be a whole number from 1 to 99999"
done
valid() { # regular expression
  [[ '' =~ $1 ]]
  [ $? -ne 2 ]
} 2>/dev/null
{ valid "$ONLY" && valid "^($ONLY)\$"; } || die "ONLY is '$ONLY': it must be an extended regular expression"
chosen() { [[ -z $ONLY || $1 = adapter || $1 =~ ^($ONLY)$ ]]; }
any=
for name in "${stages[@]}"; do [[ -z $ONLY || $name =~ ^($ONLY)$ ]] && any=1; done
[ -n "$any" ] || die "ONLY is '$ONLY', and no stage has such a name: ${stages[*]}"
lacking=()
for name in tar xz timeout mktemp; do command -v "$name" >/dev/null || lacking+=("$name"); done
[ ${#lacking[@]} -eq 0 ] || die "this machine lacks ${lacking[*]}"
if [ -f "$kit/files.txt" ]; then
  while read -r bytes name; do
    [ "$(stat -Lc %s "$kit/$name" 2>/dev/null)" = "$bytes" ] || lacking+=("$name")
  done <"$kit/files.txt"
else
  lacking=(files.txt)
fi
[ ${#lacking[@]} -eq 0 ] || die "the kit in $kit is incomplete. Missing or of another size: ${lacking[*]}"

: "${OUT:=$PWD/kit-results}"
{ mkdir -p "$OUT" && OUT=$(cd "$OUT" && pwd); } || die "cannot create the folder '$OUT'"
log=$OUT/log.txt
{ : >"$log" && : >"$OUT/left-out.txt" && : >"$OUT/stages.txt"; } || die "cannot write into $OUT"
# What an earlier run left is not of this one.
rm -f "$OUT/gpu.json"
for name in "${stages[@]}"; do
  chosen "$name" && rm -f "$OUT/$name".{txt,json,jsonl,clocks}
done

say() { echo "== $*" | tee -a "$log"; }
left() { echo $((LIMIT - SECONDS)); }
omit() { # what, reason
  printf '%s\t%s\n' "$1" "${2//[[:cntrl:]]/ }" >>"$OUT/left-out.txt"
  say "without $1: $2"
}
[ -z "$ONLY" ] || omit "the other stages" "ONLY was '$ONLY'"

# What this script made goes away, however it ends.
cleanup() {
  [ -n "$linked" ] && [ "$(readlink "$root")" = "$WORK/tree" ] && rm -f "$root"
  [ ${#folders[@]} -gt 0 ] && rmdir "${folders[@]}" 2>/dev/null
  [ -n "$cache" ] && rm -rf "$cache"
  [ -n "$temporary" ] && rm -rf "$temporary"
}
trap cleanup EXIT

# Ctrl-C, SIGTERM or SIGHUP: the running stage ends, and with it everything.
stop() { # number of the signal
  trap '' INT TERM HUP
  [ -n "$running" ] && kill "$running" 2>/dev/null && wait "$running" 2>/dev/null
  unclocked
  omit "${current:+what came after the beginning of }${current:-all}" "the run was stopped"
  gather
  exit $((128 + $1))
}
trap 'stop 1' HUP
trap 'stop 2' INT
trap 'stop 15' TERM

gather() {
  [ -x "$probe" ] || return
  "$probe" gather "$OUT" 2>&1 | tee -a "$log"
  [ "${PIPESTATUS[0]}" -eq 0 ]
}

# A command of some seconds that is no stage.
limited() { # seconds, command
  local most=$1
  shift
  [ "$most" -gt "$(left)" ] && most=$(left)
  [ "$most" -ge 1 ] && timeout --foreground -k 5 "$most" "$@"
}

# Runs a stage: seconds, name, command. Its output goes to a log of that name. `outcome` says how it ended, and
# is empty if it did not run.
launch() {
  local most=$1 name=$2 begun=$SECONDS
  shift 2
  outcome=
  chosen "$name" || return
  if [ "$(left)" -lt 5 ]; then
    omit "$name" "no time was left"
    return
  fi
  [ "$most" -gt "$(left)" ] && most=$(left)
  echo "$name" >>"$OUT/stages.txt"
  current=$name
  # The signal is Ctrl-C for `paint`, which then still measures and writes its report.
  # In the background, so that a signal to this script is heard meanwhile.
  timeout --preserve-status -s "${SIGNAL:-TERM}" -k 20 "$most" "$@" >"$OUT/$name.txt" 2>&1 &
  running=$!
  wait "$running" 2>/dev/null
  code=$? running='' outcome="exit $code"
  [ $((SECONDS - begun)) -ge "$most" ] && outcome="its $most s were up"
  say "$name: $outcome, $((SECONDS - begun)) s: $(last "$name")"
}
last() { grep -v '^[[:space:]]*$' "$OUT/$1.txt" | tail -n 1 | tr '\t' ' ' | cut -c 1-160; }
reason() { [[ $outcome = exit* ]] && echo "$outcome: $(last "$1")" || echo "$outcome"; }
fails() { [[ $outcome = exit* && $code -ne 0 ]]; }

stage() { # seconds, name, command
  launch "$@"
  fails && failed+=("$2")
  [ "$outcome" = "exit 0" ]
}

# A stage whose result, a file, is what matters: where there is none, it is left out.
needed() { # file, seconds, name, command
  local result=$OUT/$1
  shift
  launch "$@"
  [ -z "$outcome" ] || [ -s "$result" ] && return
  omit "$2" "$(reason "$2")"
  failed+=("$2")
}

# A test program. Where it ends before its last test, that is left out.
tested() { # seconds, name, arguments
  launch "$1" "test-$2" "../deps/${program:-$2}" --test-threads "$TEST_THREADS" "${@:3}"
  [ -n "$outcome" ] || return
  if grep -q '^test .* \.\.\. FAILED$' "$OUT/test-$2.txt"; then
    failed+=("test-$2")
  elif fails; then
    omit "further tests of $2" "$(reason "test-$2")"
    failed+=("test-$2")
  fi
}

# The clock of the GPU during a stage, a line every 200 ms.
clocked() { # name
  chosen "$1" && command -v nvidia-smi >/dev/null || return
  nvidia-smi --query-gpu=clocks.sm --format=csv,noheader,nounits -lms 200 >"$OUT/$1.clocks" 2>/dev/null &
  clock=$!
}
unclocked() {
  [ -n "$clock" ] && kill "$clock" 2>/dev/null && wait "$clock" 2>/dev/null
  clock=
}

# Unpacking. Tests look for `paint` in the folder `examples` beside their own.
if [ -z "$WORK" ]; then
  temporary=$(mktemp -d) || die "cannot create a folder in ${TMPDIR:-/tmp}"
  WORK=$temporary
fi
{ mkdir -p "$WORK"/{deps,examples,tree} && WORK=$(cd "$WORK" && pwd); } || die "cannot create the folder '$WORK'"
cache=$(mktemp -d "$WORK/cache-XXXXXX") || die "cannot write into $WORK"
cp "$kit/about.json" "$OUT/"
{
  date -u +%F
  sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo 2>/dev/null | head -n 1
  uname -sr
} >"$OUT/host.txt"
tar xJf "$kit/tree.tar.xz" -C "$WORK/tree" || die "cannot unpack into $WORK"
for file in "$kit"/deps/*.xz "$kit"/examples/*.xz; do
  unpacked=$WORK/${file#"$kit"/}
  unpacked=${unpacked%.xz}
  { xz -dc "$file" >"$unpacked" && chmod +x "$unpacked"; } || die "cannot unpack into $WORK"
done
cd "$WORK/tree" || exit 1
probe=$WORK/examples/probe paint=$WORK/examples/paint

export XDG_RUNTIME_DIR=${XDG_RUNTIME_DIR:-/tmp} IMPASTO_CACHE=$cache IMPASTO_REQUIRE_GPU=1 RUST_BACKTRACE=1
# Without OpenGL: where there is no display, its adapters are listed and cannot be opened.
export __EGL_VENDOR_LIBRARY_FILENAMES=$WORK/none.json
container=/usr/local/nvidia/share/vulkan/icd.d/nvidia_icd.json
[ -e "$container" ] && [ -z "$VK_DRIVER_FILES" ] && export VK_DRIVER_FILES=$container

# 1. The adapter. The loader of the kit is taken where the machine has none, and further libraries of the
# windowing system only where a driver does not load without them.
limited 20 nvidia-smi 2>/dev/null | head -n 15 | tee -a "$log"
unpack() { # folder with Debian packages
  local package
  for package in "$kit/$1"/*.deb; do
    [ -e "$package" ] || continue
    dpkg-deb -x "$package" "$WORK/lib" 2>>"$log" ||
      (mkdir -p "$WORK/lib" && cd "$WORK/lib" && ar p "$package" data.tar.xz | tar xJ) 2>>"$log"
  done
  export LD_LIBRARY_PATH=$WORK/lib/usr/lib/x86_64-linux-gnu${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
}
vulkan() { limited 20 "$paint" --list-adapters 2>/dev/null | grep -q ', Vulkan,'; }
{ ldconfig -p || /sbin/ldconfig -p; } 2>/dev/null | grep -q libvulkan.so.1 || unpack loader
vulkan || { say "no adapter of Vulkan: with more libraries" && unpack more; }
vulkan || unset __EGL_VENDOR_LIBRARY_FILENAMES
stage 20 adapters "$paint" --list-adapters && tee -a "$log" <"$OUT/adapters.txt"
needed adapter.json 20 adapter "$probe" adapter "$OUT/adapter.json"
needed dispatches.json 30 dispatches "$probe" dispatches "$OUT/dispatches.json"
name=$(sed -n 's/^  "name": "\(.*\)",$/\1/p' "$OUT/adapter.json" 2>/dev/null)
gpu=(--backend gpu)
[ -n "$name" ] && gpu+=(--adapter "$name")

# 2. Does it paint, how long do opening and searching take, and is it the picture that the CPU paints?
painting() { # seconds, name, options
  SIGNAL=INT needed "$2.json" "$1" "$2" "$paint" "${@:3}" --output "$WORK/painted.png" --report "$OUT/$2.json"
}
painting 60 paint-first logo.jpg "${gpu[@]}"
painting 30 paint-again logo.jpg "${gpu[@]}"
painting 30 paint-cpu logo.jpg --backend cpu

# 3. Every kernel against its twin. A test that needs a program or a file that is not here is left out.
skip=()
leave() { # test, reason
  skip+=(--skip "$1")
  chosen test-impasto && omit "the test $1" "$2"
}
command -v spirv-val >/dev/null || leave translation "there is no spirv-val here"
root=$(cat "$kit/root")
link() {
  local folder
  # A link of an earlier run leads nowhere.
  [ -e "$root" ] && return
  folder=$(dirname "$root")
  while [ ! -e "$folder" ]; do
    folders+=("$folder")
    folder=$(dirname "$folder")
  done
  mkdir -p "$(dirname "$root")" && ln -sfn "$WORK/tree" "$root" && linked=1
} 2>/dev/null
link
if [ ! -e "$root/shaders" ]; then
  leave texts "$root, where the tests were built, cannot be made here"
  leave every_kernel_has_a_test_here "likewise"
fi
# Each test opens devices of its own, of which a driver may not like many at once.
tested 110 impasto engine::gpu --skip mixed "${skip[@]}"
# Mixed precision is for devices with products of f16 matrices of these sizes.
matrices=
grep -Eq '"(8×8×8|16×16×16) f16 → f32"' "$OUT/adapter.json" 2>/dev/null && matrices=1
if [ -n "$matrices" ]; then
  program=impasto IMPASTO_REQUIRE_MATRICES=1 tested 60 mixed mixed "${skip[@]}"
else
  for stage in "${stages[@]}"; do
    { [[ $stage = *-mixed* ]] && chosen "$stage"; } || continue
    [ -n "$name" ] || name="the adapter, which did not answer,"
    omit "mixed precision" "$name lists no products of f16 matrices of 8 or 16 rows with sums in f32"
    break
  done
fi

# 4. Speed: batches, kinds of kernels, the search, the time of each kernel. `paint` trains until its time is up.
timed() { # seconds, kernels, batch, picture
  local name=steps-$2-$3 how=(--kernels "$2")
  [ "$2" = mixed ] && how=(--precision mixed)
  clocked "$name"
  painting "$1" "$name" "$4" "${gpu[@]}" "${how[@]}" --batch "$3" --epochs 10000000 --profile
  unclocked
  { [ -n "$outcome" ] && [ -s "$OUT/$name.json" ]; } || return
  # The run may have fallen back to f32, or had no time for an epoch. `probe gather` leaves it out then, with
  # the reason.
  if [ "$2" = mixed ] && ! grep -q '"precision": "mixed"' "$OUT/$name.json"; then
    failed+=("$name")
  elif grep -q '"history": \[\]' "$OUT/$name.json"; then
    failed+=("$name")
  fi
}
picture() { [ "$1" -lt 65536 ] && echo logo.jpg || echo logo-512.png; }
brief=$((STEPS / 2 + 2))
for batch in "${batches[@]}"; do timed "$STEPS" fused "$batch" "$(picture "$batch")"; done
[ -z "$matrices" ] ||
  for batch in "${batches[@]}"; do timed "$brief" mixed "$batch" "$(picture "$batch")"; done
timed "$brief" layerwise 1000 logo.jpg

# 5. PyTorch on the same work.
has_torch() {
  local most code
  current=torch
  most=$(left)
  [ "$most" -gt 60 ] && most=60
  # In the background, so that a signal is heard: loading it may take long.
  timeout -k 5 "$most" "$PYTHON" -c 'import torch' >/dev/null 2>&1 &
  running=$!
  wait "$running"
  code=$? running=
  return $code
}
if ! chosen torch; then
  :
elif [ "$(left)" -lt 5 ]; then
  omit PyTorch "no time was left"
elif has_torch; then
  clocked torch
  stage 110 torch "$PYTHON" "$kit/torch_cuda.py" logo.ppm
  unclocked
  if [ -n "$outcome" ]; then
    grep '^{' "$OUT/torch.txt" >"$OUT/torch.jsonl" || omit PyTorch "$(reason torch)"
    [ "$outcome" = "exit 0" ] || omit "further times of PyTorch" "$(reason torch)"
  fi
else
  omit PyTorch "$PYTHON has none here"
fi

# 6. The other tests, as far as time goes.
for each in "${programs[@]}"; do tested 60 "$each"; done
[ -n "$ONLY" ] || omit "the tests of $(cat "$kit/left-out.txt")" "they check files and no device"

current=
[ -s "$OUT/stages.txt" ] || failed+=("everything: no stage had time")
gather || failed+=("gathering the results")
say "done in $SECONDS s${failed[*]:+, failed: }${failed[*]}"
[ ${#failed[@]} -eq 0 ]
