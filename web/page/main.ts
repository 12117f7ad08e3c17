/** The page: a picture, a painter, and what the visitor wants of them. */

import { Painter, PainterError, type Options, type Progress } from "../api/index.js";
import { Chart } from "./chart.js";
import { Film } from "./film.js";
import { type Loaded, difference, hand, load, pixels, png, show } from "./picture.js";
import { Teaching } from "./teaching.js";

/** Milliseconds of training between two looks at it. */
const TURN = 60;

/** What may be spent on painting and thumbnails, as a share of the time for training. */
const SHARE = 0.25;

/** Milliseconds at least between two paintings. */
const FRAME = 100;

const of = <T extends HTMLElement>(id: string) => document.getElementById(id) as T;
const canvases = {
  original: of<HTMLCanvasElement>("original"),
  painting: of<HTMLCanvasElement>("painting"),
  difference: of<HTMLCanvasElement>("difference"),
};
const controls = of<HTMLFormElement>("controls");
const run = of<HTMLButtonElement>("run");
const step = of<HTMLButtonElement>("step");

/** What the page is doing. */
type State = "opening" | "ready" | "training" | "stepping" | "done" | "failed";

let state: State = "opening";
let picture: Loaded | undefined;
/** A network that was opened, which trains on in place of a new one. */
let saved: Uint8Array | undefined;
let painter: Painter | undefined;
let target: ImageData | undefined;
/** Counts the openings, so that an older one notices that it is no longer wanted. */
let opening = 0;
/** The training loop, while there is one. */
let loop: Promise<void> | undefined;
let nextPainting = 0;
let lastSpoken = 0;
/** Devices that were lost one after the other with no training between them. */
let losses = 0;

const chart = new Chart(of("chart"));
const film = new Film();
const teaching = new Teaching(of("layers"), of("neurons"), () => {
  if (painter && state !== "training") void guarded(async () => teaching.draw(painter!));
});

function enter(next: State): void {
  state = next;
  document.body.dataset.state = next;
  run.textContent = next === "training" ? "Pause" : "Start";
  run.disabled = !["ready", "training"].includes(next) || !target;
  step.disabled = next !== "ready" || !target;
  for (const button of document.querySelectorAll<HTMLButtonElement>(".download, #save")) {
    button.disabled = !painter;
  }
  of<HTMLButtonElement>("film").disabled = film.length === 0;
}

/** Tells what went wrong, or with no text that all is well. */
function tell(message: string): void {
  const box = of("message");
  box.hidden = message === "";
  box.textContent = message;
}

/** What a screen reader says. */
function speak(text: string): void {
  of("status").textContent = text;
  lastSpoken = performance.now();
}

/** Does something; what fails is told. */
async function guarded(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    // What was asked of a painter that another has taken the place of.
    if (error instanceof PainterError && error.kind === "Disposed") return;
    const message = error instanceof Error ? error.message : String(error);
    tell(message.charAt(0).toUpperCase() + message.slice(1));
    if (error instanceof PainterError && error.kind === "Crashed") {
      painter = undefined;
      enter("failed");
    }
  }
}

function number(name: string): number {
  return (controls.elements.namedItem(name) as HTMLInputElement).valueAsNumber;
}

function chosen(name: string): string {
  return (controls.elements.namedItem(name) as HTMLSelectElement).value;
}

function options(): Options {
  return {
    backend: chosen("backend") as NonNullable<Options["backend"]>,
    hidden: Array<number>(number("layers")).fill(number("width")),
    activation: chosen("activation") as NonNullable<Options["activation"]>,
    encoding: chosen("encoding") as NonNullable<Options["encoding"]>,
    learningRate: number("learningRate"),
    schedule: chosen("schedule") as NonNullable<Options["schedule"]>,
    batch: number("batch"),
    epochs: number("epochs"),
    seed: number("seed"),
  };
}

/** Begins anew: the picture as large as it is learned, a network, an engine. */
async function begin(): Promise<void> {
  const mine = ++opening;
  state = "opening";
  await loop;
  if (mine !== opening || (!picture && !saved)) return;
  if (!controls.checkValidity()) {
    controls.reportValidity();
    tell("One of the settings is out of range: it is marked.");
    enter("failed");
    return;
  }
  enter("opening");
  tell("");
  film.clear();
  chart.clear();
  losses = 0;
  of<HTMLProgressElement>("progress").value = 0;
  for (const id of ["psnr", "loss", "epoch", "steps", "pixels", "time"]) of(id).textContent = "–";
  painter?.dispose();
  painter = undefined;
  target = picture && pixels(picture, Number(chosen("side")));
  if (picture && target) {
    show(canvases.original, target);
    const shrunk = target.width < picture.width ? `, learned at ${target.width}×${target.height}` : "";
    canvases.original.title = `${picture.name}: ${picture.width}×${picture.height} pixels${shrunk}`;
  }
  await guarded(async () => {
    const made = await Painter.create({
      ...options(),
      ...(target && { pixels: target }),
      ...(saved && { saved }),
    });
    if (mine !== opening) {
      made.dispose();
      return;
    }
    painter = made;
    named();
    teaching.open(made.widths);
    await paint();
    enter("ready");
    speak(`Ready, on ${painter.adapter.description}.`);
  });
  if (mine === opening && state === "opening") enter("failed");
}

/** Says what computes. */
function named(): void {
  if (!painter) return;
  const { backend, kind, description } = painter.adapter;
  const badge = of("adapter");
  badge.dataset.kind = backend === "cpu" ? "cpu" : kind === "software" ? "software" : "gpu";
  const wanted = chosen("backend");
  badge.textContent =
    backend === "gpu"
      ? `WebGPU on ${description}`
      : `${description}, in WebAssembly${wanted === "auto" ? ("gpu" in navigator ? ": no GPU is usable here" : ": this browser has no WebGPU") : ""}`;
}

/** Paints, compares, and shows it. */
async function paint(): Promise<void> {
  if (!painter) return;
  const mine = painter;
  const clock = performance.now();
  const painting = await mine.paint();
  if (mine !== painter) return;
  show(canvases.painting, painting);
  if (target && painting.width === target.width && painting.height === target.height) {
    show(canvases.difference, difference(target, painting, 4));
    film.add(painting);
    of("psnr").textContent = mine.psnr === null ? "exact" : `${mine.psnr.toFixed(1)} dB`;
  }
  await teaching.draw(mine);
  const now = performance.now();
  nextPainting = now + Math.max(FRAME, (now - clock) / SHARE);
}

function count(value: number): string {
  return value >= 10_000 ? `${Math.round(value / 1000).toLocaleString()} k` : value.toPrecision(3).replace(/\.?0+$/, "");
}

/** Shows how far training is. */
function report(progress: Progress): void {
  const epochs = number("epochs");
  of<HTMLProgressElement>("progress").value = Math.min(1, progress.epochs / epochs);
  of("loss").textContent = progress.loss === null ? "–" : progress.loss.toPrecision(3);
  of("epoch").textContent = `${progress.epochs}`;
  of("steps").textContent = count(progress.stepsPerSecond);
  of("pixels").textContent = count(progress.samplesPerSecond);
  of("time").textContent = `${progress.seconds.toFixed(progress.seconds < 10 ? 1 : 0)} s`;
}

/** One turn of training, with a painting if it is time for one. */
async function turn(milliseconds: number): Promise<Progress | undefined> {
  if (!painter) return undefined;
  const mine = painter;
  try {
    const progress = milliseconds > 0 ? await mine.train(milliseconds) : await mine.trainSteps(1);
    if (mine !== painter) return undefined;
    report(progress);
    if (performance.now() >= nextPainting || progress.done || milliseconds === 0) await paint();
    if (progress.history.length > 0) chart.add(progress.history, mine.psnr);
    losses = 0;
    const quiet = performance.now() - lastSpoken > 10_000;
    if (quiet || progress.done) {
      speak(`Epoch ${progress.epochs}, PSNR ${mine.psnr?.toFixed(1) ?? "unknown"} decibels.`);
    }
    return progress;
  } catch (error) {
    // Once is bad luck; again and again it is no use to try on.
    if (!(error instanceof PainterError) || error.kind !== "DeviceLost" || ++losses > 2) throw error;
    tell("The GPU was lost. It is opened again, and training goes on from the last painting.");
    console.warn(error.message);
    await mine.recover();
    named();
    return mine.progress ? { ...mine.progress, history: [], done: false } : undefined;
  }
}

async function train(): Promise<void> {
  enter("training");
  speak("Training.");
  await guarded(async () => {
    while (state === "training") {
      const progress = await turn(TURN);
      if (!progress) break;
      if (progress.done) {
        enter("done");
        return;
      }
    }
    // Paused: what is shown is what was learned.
    await paint();
  });
  // A failure ends it as a pause does: what was learned is still there.
  if (state === "training") enter(painter ? "ready" : "failed");
}

function start(): void {
  if (state === "training") {
    enter("ready");
    speak("Paused.");
  } else if (state === "ready") {
    tell("");
    const before = loop;
    loop = (async () => {
      await before;
      await train();
    })();
  }
}

async function open(file: Blob, name: string): Promise<void> {
  await guarded(async () => {
    if (name.toLowerCase().endsWith(".safetensors")) {
      if (file.size > 64 << 20) throw new Error(`${name} is larger than any network that is trained here.`);
      saved = new Uint8Array(await file.arrayBuffer());
      // It paints what it was saved with; with a picture here it would learn that instead.
      picture = undefined;
    } else {
      picture = await load(file, name);
      saved = undefined;
    }
    await begin();
  });
}

async function sample(): Promise<void> {
  await guarded(async () => {
    const answer = await fetch("logo.jpg");
    if (!answer.ok) throw new Error(`The sample did not load: ${answer.status} ${answer.statusText}.`);
    await open(await answer.blob(), "logo.jpg");
  });
}

run.addEventListener("click", start);
step.addEventListener("click", () => {
  if (state !== "ready") return;
  enter("stepping");
  const before = loop;
  loop = (async () => {
    await before;
    let done = false;
    await guarded(async () => {
      done = (await turn(0))?.done ?? false;
    });
    if ((state as State) === "stepping") enter(done ? "done" : painter ? "ready" : "failed");
  })();
});
of("reset").addEventListener("click", () => void begin());
of("sample").addEventListener("click", () => void sample());
of<HTMLInputElement>("file").addEventListener("change", (event) => {
  const input = event.target as HTMLInputElement;
  const file = input.files?.[0];
  // The same file can be chosen again.
  input.value = "";
  if (file) void open(file, file.name);
});

controls.addEventListener("submit", (event) => event.preventDefault());
controls.addEventListener("change", (event) => {
  const input = event.target as HTMLInputElement;
  const rate = input.name === "learningRate" && painter && input.checkValidity();
  if (rate && state !== "done") {
    void guarded(async () => painter?.setLearningRate(input.valueAsNumber));
  } else {
    void begin();
  }
});

/** Dragging fires for every element under the pointer. */
let dragged = 0;
const isFile = (event: DragEvent) => event.dataTransfer?.types.includes("Files") ?? false;
addEventListener("dragenter", (event) => {
  if (isFile(event) && dragged++ === 0) document.body.classList.add("dropping");
});
addEventListener("dragleave", (event) => {
  if (isFile(event) && --dragged === 0) document.body.classList.remove("dropping");
});
addEventListener("dragover", (event) => {
  if (isFile(event)) event.preventDefault();
});
addEventListener("drop", (event) => {
  dragged = 0;
  document.body.classList.remove("dropping");
  const file = event.dataTransfer?.files[0];
  if (!file) return;
  event.preventDefault();
  void open(file, file.name);
});
addEventListener("paste", (event) => {
  const file = event.clipboardData?.files[0];
  if (file) void open(file, file.name || "The pasted picture");
});

for (const button of document.querySelectorAll<HTMLButtonElement>(".download")) {
  button.addEventListener("click", () => {
    void guarded(async () => {
      if (!painter) return;
      const scale = Number(button.dataset.scale);
      const { width, height } = painter.subject;
      button.disabled = true;
      try {
        const painting = await painter.paint(width * scale, height * scale);
        hand(await png(painting), scale === 1 ? "painted.png" : `painted-${scale}x.png`);
      } finally {
        button.disabled = !painter;
      }
    });
  });
}
of("film").addEventListener("click", () => void guarded(async () => hand(await film.gif(), "painted.gif")));
of("save").addEventListener("click", () => {
  void guarded(async () => {
    if (!painter) return;
    hand(new Blob([await painter.save()], { type: "application/octet-stream" }), "painted.safetensors");
  });
});

// For tests and the curious.
Object.assign(window, { impasto: { painter: () => painter, state: () => state } });

enter("opening");
void sample();
