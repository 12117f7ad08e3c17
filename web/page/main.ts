/** The page: a picture, a painter, and what the visitor wants of them. */

import { Painter, PainterError, type Options, type Progress } from "../api/index.js";
import { Chart } from "./chart.js";
import { Film } from "./film.js";
import { onFile } from "./incoming.js";
import { type Loaded, difference, hand, load, pixels, png, show } from "./picture.js";
import { Teaching } from "./teaching.js";

/** Milliseconds of training between two looks at it. */
const TURN = 60;

/** What may be spent on painting and thumbnails, as a share of the time for training; and the longest
 * wait for a painting all the same, in milliseconds. */
const [SHARE, LONGEST_WAIT] = [0.25, 2000];

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
type State = "opening" | "ready" | "training" | "pausing" | "stepping" | "done" | "failed";

let state: State = "opening";
let picture: Loaded | undefined;
/** A network that was opened, which paints in place of a new one. */
let saved: Uint8Array | undefined;
let painter: Painter | undefined;
let target: ImageData | undefined;
/** Counts the openings, so that an older one notices that it is no longer wanted; and what ends it. */
let opening = 0;
let opener: AbortController | undefined;
/** Counts the choices of a picture or network, likewise. */
let choices = 0;
/** Whether to train on once it is open. */
let goOn = false;
let nextPainting = 0;
let lastSpoken = 0;
/** Devices that were lost one after the other with no training between them. */
let losses = 0;
/** When the device was last lost, while that is still told. */
let lostAt: number | undefined;

const chart = new Chart(of("chart"));
const film = new Film();
const teaching = new Teaching(of("layers"), of("neurons"), () => {
  if (painter && state !== "training") void guarded(async () => teaching.draw(painter!));
});

function enter(next: State): void {
  state = next;
  document.body.dataset.state = next;
  run.textContent = next === "training" || next === "pausing" ? "Pause" : next === "done" ? "Done" : "Start";
  run.disabled = !["ready", "training"].includes(next) || !target;
  run.title = next === "done" ? "All epochs are done: reset, or ask for more of them." : "";
  // Not while it steps, so that the focus stays.
  step.disabled = !["ready", "stepping"].includes(next) || !target;
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
    // A picture's message begins with the name of its file.
    tell(error instanceof PainterError ? message.charAt(0).toUpperCase() + message.slice(1) : message);
    if (!(error instanceof PainterError)) return;
    if (error.kind === "Crashed") {
      painter?.dispose();
      painter = undefined;
      enter("failed");
    }
    // What was learned before is still there to keep; training needs a new beginning.
    if (error.kind === "Diverged") enter("failed");
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

/** Begins anew: the picture as large as it is learned, a network, an engine. Whether what was chosen
 * could be used, whatever else may have failed. */
async function begin(): Promise<boolean> {
  const mine = ++opening;
  opener?.abort();
  const { signal } = (opener = new AbortController());
  if (!picture && !saved) return true;
  enter("opening");
  // Ends whatever it is asked at the moment, too.
  painter?.dispose();
  painter = undefined;
  if (!controls.checkValidity()) {
    controls.reportValidity();
    tell("One of the settings is out of range: it is marked.");
    enter("failed");
    return true;
  }
  tell("");
  film.clear();
  chart.clear();
  losses = 0;
  lostAt = undefined;
  of<HTMLProgressElement>("progress").value = 0;
  for (const id of ["psnr", "loss", "epoch", "steps", "pixels", "time"]) of(id).textContent = "–";
  target = picture && pixels(picture, Number(chosen("side")));
  if (picture && target) {
    show(canvases.original, target);
    const shrunk = target.width < picture.width ? `, learned at ${target.width}×${target.height}` : "";
    canvases.original.title = `${picture.name}: ${picture.width}×${picture.height} pixels${shrunk}`;
    of("size").textContent = target.width < picture.width ? ` at ${target.width}×${target.height}` : "";
  } else {
    // A saved network has nothing to be compared with.
    canvases.original.title = "";
    of("size").textContent = "";
    for (const canvas of [canvases.original, canvases.difference]) canvas.width = canvas.height = 1;
    canvases.difference.getContext("2d")?.clearRect(0, 0, 1, 1);
  }
  let usable = true;
  await guarded(async () => {
    let made: Painter;
    try {
      made = await Painter.create({
        ...options(),
        ...(target && { pixels: target }),
        ...(saved && { saved }),
        signal,
      });
    } catch (error) {
      if (mine !== opening) return;
      usable = !(error instanceof PainterError && error.kind === "Invalid");
      throw error;
    }
    if (mine !== opening) {
      made.dispose();
      return;
    }
    painter = made;
    named();
    teaching.open(made.widths);
    await paint();
    if (mine !== opening) return;
    enter("ready");
    if (!target) tell("This network paints, at any size; there is no picture to train it on. Choose one to begin anew.");
    speak(`Ready, on ${made.adapter.description}.`);
    if (goOn) start();
    goOn = false;
  });
  if (mine === opening && state === "opening") enter("failed");
  return usable;
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

/** Does something with a painter whose device may have been lost while nobody asked it for anything. */
async function revived<T>(mine: Painter, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof PainterError) || error.kind !== "DeviceLost") throw error;
    await mine.recover();
    if (mine === painter) named();
    return work();
  }
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
    of("psnr").textContent = quality(mine.psnr);
  }
  await teaching.draw(mine);
  const now = performance.now();
  nextPainting = now + Math.min(LONGEST_WAIT, Math.max(FRAME, (now - clock) / SHARE));
}

/** A PSNR in words; an exact painting has an infinite one. */
function quality(psnr: number | null): string {
  if (psnr === null) return "–";
  return Number.isFinite(psnr) ? `${psnr.toFixed(1)} dB` : "exact";
}

/** A rate in a few digits. */
function count(value: number): string {
  if (value >= 10_000) return `${Math.round(value / 1000).toLocaleString()} k`;
  return value >= 100 ? Math.round(value).toLocaleString() : value.toPrecision(3);
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

/** After a turn of training: there is more to do, all is done, or another painter has taken the place of this
 * one. */
type Outcome = "more" | "done" | "gone";

/** One turn of training, with a painting if it is time for one. */
async function turn(milliseconds: number): Promise<Outcome> {
  if (!painter) return "gone";
  const mine = painter;
  try {
    const progress = milliseconds > 0 ? await mine.train(milliseconds) : await mine.trainSteps(1);
    if (mine !== painter) return "gone";
    report(progress);
    const painted = performance.now() >= nextPainting || progress.done || milliseconds === 0;
    if (painted) await paint();
    if (mine !== painter) return "gone";
    chart.add(progress.history);
    if (painted) chart.painted(mine.psnr);
    losses = 0;
    if (lostAt !== undefined && performance.now() - lostAt > 8000) {
      lostAt = undefined;
      tell("");
    }
    if (performance.now() - lastSpoken > 10_000 || progress.done) {
      speak(`Epoch ${progress.epochs}, PSNR ${quality(mine.psnr)}.`);
    }
    return progress.done ? "done" : "more";
  } catch (error) {
    // Once is bad luck; again and again it is no use to try on.
    if (!(error instanceof PainterError) || error.kind !== "DeviceLost" || ++losses > 2) throw error;
    lostAt = performance.now();
    tell("The GPU was lost. It is opened again, and training goes on from the last painting; what came after it is lost.");
    console.warn(error.message);
    await mine.recover();
    if (mine !== painter) return "gone";
    named();
    return "more";
  }
}

/** Turn after turn, until someone pauses or all is done. */
async function train(): Promise<void> {
  const mine = painter;
  enter("training");
  speak("Training.");
  await guarded(async () => {
    let outcome: Outcome = "more";
    while (state === "training" && outcome === "more") outcome = await turn(TURN);
    if (mine !== painter) return;
    if (outcome === "done") enter("done");
    // Paused: what is shown is what was learned.
    else await paint();
  });
  // A failure ends it as a pause does: what was learned is still there.
  if (mine === painter && (state === "training" || (state as State) === "pausing")) enter(painter ? "ready" : "failed");
}

function start(): void {
  if (state === "training") {
    // Ready once the turn under way is done.
    enter("pausing");
    speak("Paused.");
  } else if (state === "ready") {
    tell("");
    void train();
  }
}

async function open(file: Blob, name: string): Promise<void> {
  const mine = ++choices;
  const before = { picture, saved };
  await guarded(async () => {
    if (name.toLowerCase().endsWith(".safetensors")) {
      if (file.size > 64 << 20) throw new Error(`${name} is larger than any network that is trained here.`);
      const bytes = new Uint8Array(await file.arrayBuffer());
      if (mine !== choices) return;
      saved = bytes;
      // It paints what it was saved with.
      picture = undefined;
    } else {
      const loaded = await load(file, name);
      if (mine !== choices) return;
      picture = loaded;
      saved = undefined;
    }
    goOn = false;
    // A file that is no network does not take the picture away.
    if (!(await begin()) && saved && mine === choices) ({ picture, saved } = before);
  });
}

async function sample(): Promise<void> {
  const mine = ++choices;
  await guarded(async () => {
    const answer = await fetch("logo.jpg");
    if (!answer.ok) throw new Error(`The sample did not load: ${answer.status} ${answer.statusText}.`);
    const file = await answer.blob();
    if (mine === choices) await open(file, "logo.jpg");
  });
}

run.addEventListener("click", start);
step.addEventListener("click", () => {
  if (state !== "ready") return;
  void (async () => {
    const mine = painter;
    enter("stepping");
    let outcome = "more" as Outcome;
    await guarded(async () => {
      outcome = await turn(0);
    });
    if (mine === painter && (state as State) === "stepping") enter(outcome === "done" ? "done" : painter ? "ready" : "failed");
  })();
});
of("reset").addEventListener("click", () => {
  goOn = false;
  void begin();
});
of("sample").addEventListener("click", () => void sample());
onFile(of<HTMLInputElement>("file"), (file, name) => void open(file, name));

controls.addEventListener("submit", (event) => event.preventDefault());
controls.addEventListener("change", (event) => {
  const input = event.target as HTMLInputElement;
  const rate = input.name === "learningRate" && painter && input.checkValidity();
  if (rate && ["ready", "training", "pausing", "stepping"].includes(state)) {
    void guarded(async () => painter?.setLearningRate(input.valueAsNumber));
    return;
  }
  // Whoever changes something while it trains wants to see what that does.
  goOn ||= state === "training";
  void begin();
});

for (const button of document.querySelectorAll<HTMLButtonElement>(".download")) {
  button.addEventListener("click", () => {
    void guarded(async () => {
      if (!painter) return;
      const mine = painter;
      const scale = Number(button.dataset.scale);
      const { width, height } = painter.subject;
      button.disabled = true;
      try {
        const painting = await revived(mine, () => mine.paint(width * scale, height * scale));
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
