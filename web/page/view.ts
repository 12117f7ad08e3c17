/** The display: pictures, figures, messages and the state of the buttons. */

import type { Adapter, Progress } from "../api/index.js";
import { type Loaded, difference, show } from "./picture.js";

/** The state of the page. */
export type State = "opening" | "ready" | "training" | "pausing" | "stepping" | "done" | "failed";

/** How much stronger a difference is shown. */
const STRONGER = 4;

/** Milliseconds at least between two things that a screen reader says of training. */
const SILENCE = 10_000;

const FIGURES = ["psnr", "loss", "epoch", "steps", "pixels", "time"];

export const of = <T extends HTMLElement>(id: string) => document.getElementById(id) as T;

export class View {
  readonly #original = of<HTMLCanvasElement>("original");
  readonly #painting = of<HTMLCanvasElement>("painting");
  readonly #difference = of<HTMLCanvasElement>("difference");
  readonly #progress = of<HTMLProgressElement>("progress");
  /** Of the last epoch. */
  #loss: number | null = null;
  /** Whether there is something to go on with. */
  #begun = false;
  #spoken = 0;

  /** Another state: `painter` is whether there is one, `picture` whether it has something to learn, `film`
   * whether there is something to make one of. */
  enter(state: State, there: { painter: boolean; picture: boolean; film: boolean }): void {
    document.body.dataset.state = state;
    const run = of("run");
    run.textContent = state === "training" || state === "pausing" ? "Pause" : state === "done" ? "Done" : this.#begun ? "Go on" : "Start";
    run.title = state === "done" ? "All epochs are done. Reset begins anew." : "";
    able(run, ["ready", "training"].includes(state) && there.picture);
    able(of("step"), state === "ready" && there.picture);
    for (const button of document.querySelectorAll<HTMLElement>(".download, #save")) able(button, there.painter);
    able(of("film"), there.film);
    // The time to open is unknown: with large networks, some seconds.
    if (state === "opening") this.#progress.removeAttribute("value");
    else if (!this.#progress.hasAttribute("value")) this.#progress.value = 0;
    if (state === "opening") this.#badge("none", "Opening the engine …");
  }

  /** Shows a failure or a note. An empty text hides the message. */
  showMessage(message: string, kind: "failure" | "note" = "failure"): void {
    const box = of("message");
    box.dataset.kind = kind;
    box.hidden = message === "";
    box.textContent = message;
  }

  /** Shows a message for so many milliseconds, or until another replaces it. */
  showMessageFor(milliseconds: number, message: string): void {
    this.showMessage(message);
    setTimeout(() => {
      if (of("message").textContent === message) this.showMessage("");
    }, milliseconds);
  }

  /** Text for screen readers. */
  speak(text: string): void {
    of("status").textContent = text;
    this.#spoken = performance.now();
  }

  /** A new beginning with a picture, in these pixels, or without one. */
  begin(picture: Loaded | undefined, target: ImageData | undefined): void {
    for (const id of FIGURES) of(id).textContent = "–";
    this.#loss = null;
    this.#begun = false;
    if (picture && target) {
      show(this.#original, target);
      const learned = `${target.width}×${target.height}`;
      const smaller = target.width < picture.width || target.height < picture.height;
      this.#original.title = `${picture.name}: ${picture.width}×${picture.height} pixels${smaller ? `, learned at ${learned}` : ""}`;
      of("size").textContent = smaller ? ` at ${learned}` : "";
    } else {
      // A saved network has nothing to be compared with.
      this.#original.title = "";
      of("size").textContent = "";
      for (const canvas of [this.#original, this.#difference]) canvas.width = canvas.height = 1;
    }
  }

  /** What computes, where `wanted` was asked for. */
  adapter({ backend, kind, description }: Adapter, wanted: string | undefined): void {
    if (backend === "gpu") {
      this.#badge(kind === "software" ? "software" : "gpu", `WebGPU on ${description}`);
      return;
    }
    const why = "gpu" in navigator ? "no GPU is usable here" : "this browser has no WebGPU";
    this.#badge("cpu", `${description}, in WebAssembly${wanted === "auto" ? `: ${why}` : ""}`);
  }

  /** Nothing computes. */
  noAdapter(): void {
    this.#badge("none", "The engine is not open");
  }

  /** A painting, and how it compares with the picture, if that is known. */
  painting(painting: ImageData, target: ImageData | undefined, psnr: number | null): void {
    show(this.#painting, painting);
    if (!target) return;
    show(this.#difference, difference(target, painting, STRONGER));
    of("psnr").textContent = quality(psnr);
  }

  /** How far training is, of so many epochs. */
  progress(progress: Progress, epochs = 0): void {
    this.#progress.value = epochs > 0 ? Math.min(1, progress.epochs / epochs) : 0;
    this.#begun = true;
    // Of a whole epoch, as in the curve; of a step only until there is one.
    this.#loss = progress.history.at(-1)?.[1] ?? (progress.epochs > 0 ? this.#loss : null);
    of("loss").textContent = (this.#loss ?? progress.loss)?.toPrecision(3) ?? "–";
    of("epoch").textContent = `${progress.epochs}`;
    of("steps").textContent = progress.stepsPerSecond > 0 ? count(progress.stepsPerSecond) : "–";
    of("pixels").textContent = progress.samplesPerSecond > 0 ? count(progress.samplesPerSecond) : "–";
    of("time").textContent = `${progress.seconds.toFixed(progress.seconds < 10 ? 1 : 0)} s`;
  }

  /** Says it too, from time to time and in the end. */
  sayProgress(progress: Progress, psnr: number | null): void {
    if (performance.now() - this.#spoken < SILENCE && !progress.done) return;
    this.speak(`Epoch ${progress.epochs}, PSNR ${quality(psnr)}.`);
  }

  #badge(kind: string, text: string): void {
    const badge = of("adapter");
    badge.dataset.kind = kind;
    badge.textContent = text;
  }
}

/** Marks a button as one that can be pressed, or not. It keeps the focus either way. */
function able(button: HTMLElement, is: boolean): void {
  button.setAttribute("aria-disabled", String(!is));
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
