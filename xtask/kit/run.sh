#!/usr/bin/env bash
# Checks and times a GPU with the kit that `cargo xtask kit` packed: the stages, their limits and their logs.
#
#     bash kit/run.sh
#
# The machine needs bash, xz and a driver of the GPU, but no Rust, no network and no Vulkan loader. What comes
# first matters most. Each stage has a limit of seconds and a log; the results are in $OUT, all of them in
# gpu.json, for `cargo xtask peers --kit FILE`.
#
#     OUT    folder for the results   [default: kit-results in the current folder]
#     LIMIT  seconds for everything   [default: 460]
#     WORK   folder to unpack into    [default: a new one in /tmp, which is removed]
#     ONLY   stages to run, as a regular expression for the whole name
#     PYTHON a Python that has PyTorch [default: python3]

LIMIT=${LIMIT:-460} PYTHON=${PYTHON:-python3}
kit=$(cd "$(dirname "$0")" && pwd)
mkdir -p "${OUT:=$PWD/kit-results}" && OUT=$(cd "$OUT" && pwd) || exit 1
if [ -z "$WORK" ]; then
  WORK=$(mktemp -d) || exit 1
  trap 'rm -rf "$WORK"' EXIT
fi
mkdir -p "$WORK/deps" "$WORK/examples" "$WORK/tree" && WORK=$(cd "$WORK" && pwd) || exit 1
log=$OUT/log.txt
: >"$log"
# What an earlier run left is not of this one.
[ -n "$ONLY" ] || rm -f "$OUT"/{steps,test,paint}-* "$OUT"/{adapter,dispatches}.json "$OUT/torch.jsonl"
: >"$OUT/left-out.txt"

# Ctrl-C or SIGTERM: the running stage ends, and with it everything.
stop() { # number of the signal
  trap '' INT TERM
  [ -n "$running" ] && kill "$running" 2>/dev/null && wait "$running" 2>/dev/null
  unclocked
  say "stopped"
  exit $((128 + $1))
}
trap 'stop 2' INT
trap 'stop 15' TERM

say() { echo "== $*" | tee -a "$log"; }
left() { echo $((LIMIT - SECONDS)); }
omit() { # what, reason
  printf '%s\t%s\n' "$1" "$2" >>"$OUT/left-out.txt"
  say "without $1: $2"
}

# A stage: seconds, name, command. Its output goes to a log of that name, its outcome into a line.
stage() {
  local most=$1 name=$2 begun=$SECONDS code
  shift 2
  [[ -z "$ONLY" || "$name" =~ ^($ONLY)$ ]] || return 1
  [ "$most" -gt "$(left)" ] && most=$(left)
  if [ "$most" -lt "${LEAST:-5}" ]; then
    omit "$name" "no time was left"
    return 1
  fi
  # The signal is Ctrl-C, after which `paint` still measures and writes its report.
  # In the background, so that a signal to this script is heard meanwhile.
  timeout --preserve-status -s "${SIGNAL:-TERM}" -k 20 "$most" "$@" >"$OUT/$name.txt" 2>&1 &
  running=$!
  wait "$running"
  code=$? running= outcome="exit $code"
  [ $((SECONDS - begun)) -ge "$most" ] && outcome="its $most s were up"
  say "$name: $outcome, $((SECONDS - begun)) s: $(last "$name")"
  return $code
}
reason() { [[ $outcome = exit* ]] && echo "$outcome: $(last "$1")" || echo "$outcome"; }
last() { grep -v '^[[:space:]]*$' "$OUT/$1.txt" | tail -n 1 | tr '\t' ' ' | cut -c 1-160; }

# A stage whose result, a file, is what matters: where there is none, it is left out.
needed() { # file, seconds, name, command
  local result=$OUT/$1
  shift
  rm -f "$result" "$OUT/$2.txt"
  stage "$@"
  # Without a log it did not run.
  [ -s "$result" ] || [ ! -e "$OUT/$2.txt" ] || omit "$2" "$(reason "$2")"
}

# The clock of the GPU during a stage, a line every 200 ms.
clocked() { # name
  command -v nvidia-smi >/dev/null || return
  nvidia-smi --query-gpu=clocks.sm --format=csv,noheader,nounits -lms 200 >"$OUT/$1.clocks" 2>/dev/null &
  clock=$!
}
unclocked() {
  [ -n "$clock" ] && kill "$clock" 2>/dev/null && wait "$clock" 2>/dev/null
  clock=
}

# Unpacking. Tests look for `paint` in the folder `examples` beside their own.
cp "$kit/about.json" "$OUT/"
date -u +%F >"$OUT/host.txt"
sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo 2>/dev/null | head -n 1 >>"$OUT/host.txt"
uname -sr >>"$OUT/host.txt"
xz -dc "$kit/tree.tar.xz" | tar x -C "$WORK/tree" || exit 1
for file in "$kit"/deps/*.xz "$kit"/examples/*.xz; do
  program=$WORK/${file#"$kit"/}
  xz -dc "$file" >"${program%.xz}" && chmod +x "${program%.xz}" || exit 1
done
cd "$WORK/tree" || exit 1
probe=$WORK/examples/probe paint=$WORK/examples/paint

export XDG_RUNTIME_DIR=${XDG_RUNTIME_DIR:-/tmp} IMPASTO_CACHE=$WORK/cache IMPASTO_REQUIRE_GPU=1 RUST_BACKTRACE=1
# Without OpenGL: where there is no display, its adapters are listed and cannot be opened.
export __EGL_VENDOR_LIBRARY_FILENAMES=$WORK/none.json
container=/usr/local/nvidia/share/vulkan/icd.d/nvidia_icd.json
[ -e "$container" ] && [ -z "$VK_DRIVER_FILES" ] && export VK_DRIVER_FILES=$container

# 1. The adapter. The loader of the kit is taken where the machine has none, and further libraries of the
# windowing system only where a driver does not load without them.
nvidia-smi 2>/dev/null | head -n 15 | tee -a "$log"
unpack() { # folder with Debian packages
  local package
  for package in "$kit/$1"/*.deb; do
    [ -e "$package" ] || continue
    dpkg-deb -x "$package" "$WORK/lib" 2>>"$log" ||
      (mkdir -p "$WORK/lib" && cd "$WORK/lib" && ar p "$package" data.tar.xz | tar xJ) 2>>"$log"
  done
  export LD_LIBRARY_PATH=$WORK/lib/usr/lib/x86_64-linux-gnu${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
}
vulkan() { "$paint" --list-adapters 2>/dev/null | grep -q ', Vulkan,'; }
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
picture="logo.jpg --output $WORK/painted.png"
SIGNAL=INT
needed paint-first.json 60 paint-first "$paint" $picture "${gpu[@]}" --report "$OUT/paint-first.json"
needed paint-again.json 30 paint-again "$paint" $picture "${gpu[@]}" --report "$OUT/paint-again.json"
needed paint-cpu.json 30 paint-cpu "$paint" $picture --backend cpu --report "$OUT/paint-cpu.json"

unset SIGNAL

# 3. Every kernel against its twin. A test that needs a program or a file that is not here is left out.
skip=()
leave() { # test, reason
  skip+=(--skip "$1")
  omit "the test $1" "$2"
}
command -v spirv-val >/dev/null || leave translation "there is no spirv-val here"
root=$(cat "$kit/root")
# A link of an earlier run leads nowhere.
[ -e "$root" ] || { mkdir -p "$(dirname "$root")" && ln -sfn "$WORK/tree" "$root"; } 2>/dev/null
if [ ! -e "$root/shaders" ]; then
  leave texts "$root, where the tests were built, cannot be made here"
  leave every_kernel_has_a_test_here "likewise"
fi
# Each test opens devices of its own, of which a driver may not like many at once.
threads=${TEST_THREADS:-4}
stage 110 test-impasto ../deps/impasto --test-threads "$threads" engine::gpu "${skip[@]}"

# 4. Speed: batches, kinds of kernels, the search, the time of each kernel. `paint` trains until its time is up.
timed() { # seconds, kernels, batch, picture
  local name=steps-$2-$3
  clocked "$name"
  SIGNAL=INT needed "$name.json" "$1" "$name" "$paint" "$4" --output "$WORK/painted.png" "${gpu[@]}" \
    --kernels "$2" --batch "$3" --epochs 10000000 --profile --report "$OUT/$name.json"
  unclocked
}
steps=${STEPS:-16}
for batch in 200 1000 10000; do timed "$steps" fused "$batch" logo.jpg; done
timed "$steps" fused 65536 logo-512.png
timed "$((steps / 2 + 2))" layerwise 1000 logo.jpg

# 5. PyTorch on the same work.
if "$PYTHON" -c 'import torch' 2>/dev/null; then
  clocked torch
  rm -f "$OUT/torch.txt"
  stage 110 torch "$PYTHON" "$kit/torch_cuda.py" logo.ppm
  unclocked
  if [ -e "$OUT/torch.txt" ]; then
    grep '^{' "$OUT/torch.txt" >"$OUT/torch.jsonl" || omit PyTorch "$(reason torch)"
    [[ $outcome = exit* ]] || omit "further times of PyTorch" "$outcome"
  fi
else
  omit PyTorch "$PYTHON has none here"
fi

# 6. The other tests, as far as time goes.
for program in training trainer threads fixtures tuning counts gradients model own_formulas custom_formulas worked_examples paint; do
  [ -x "../deps/$program" ] && stage 60 "test-$program" "../deps/$program" --test-threads "$threads"
done
omit "the tests of $(cat "$kit/left-out.txt")" "they check files and no device"

"$probe" gather "$OUT" | tee -a "$log"
say "done in $SECONDS s"
