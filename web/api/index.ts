/**
 * `Painter`: a network learns a picture and paints it, on WebGPU or in WebAssembly, in a worker of its
 * own.
 *
 * ```js
 * import { Painter } from "@impasto/web";
 *
 * const painter = await Painter.create({ pixels: context.getImageData(0, 0, 100, 100) });
 * let progress;
 * do {
 *   progress = await painter.train(100);
 *   context.putImageData(await painter.paint(), 0, 0);
 * } while (!progress.done);
 * ```
 */

import type { Adapter, Answers, Kind, Numbered, Options, Pixels, Progress, Reply, Request, Subject } from "./protocol.js";

export type { Adapter, Kind, Options, Pixels, Progress, Subject };

/** A failure and its `kind`. */
export class PainterError extends Error {
  readonly kind: Kind;

  constructor(kind: Kind, message: string) {
    super(message);
    this.name = "PainterError";
    this.kind = kind;
  }
}

/** The subject of a painter: a picture, a saved network, or a picture that a saved network learns. */
export interface Source {
  /** The picture to learn. */
  pixels?: Pixels;
  /** The bytes of a safetensors file that a painter or `paint --save` wrote. Its layers, activation and
   * encoding are taken in place of those in the options. */
  saved?: Uint8Array;
  /** Ends the opening, which then fails with the kind `Disposed`. */
  signal?: AbortSignal;
}

/** Fails if something that must be a whole number is not one, or is out of its range. */
function whole(what: string, value: number, least: number, most: number): void {
  if (Number.isInteger(value) && value >= least && value <= most) return;
  throw new PainterError("Invalid", `${what} is ${value}: it must be a whole number from ${least} to ${most}`);
}

/** The most steps of a call, and the largest side or layer: the largest number of 32 bits. */
const MOST = 2 ** 32 - 1;

/** Whether it holds bytes. */
const isBytes = (data: unknown) => data instanceof Uint8Array || data instanceof Uint8ClampedArray;

interface Waiting {
  resolve(answer: unknown): void;
  reject(error: Error): void;
}

/** A network that learns a picture and paints it. Calls are answered one after the other. */
export class Painter {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  #next = 0;
  /** Why nothing is answered any more. */
  #dead: PainterError | undefined;
  #adapter!: Adapter;
  #subject!: Subject;
  #widths: number[] = [];
  #progress: Progress | undefined;
  #psnr: number | null = null;

  private constructor() {
    this.#worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
    this.#worker.onmessage = ({ data }: MessageEvent<Reply>) => {
      const waiting = this.#waiting.get(data.id);
      this.#waiting.delete(data.id);
      if ("failure" in data) {
        const error = new PainterError(data.failure.name, data.failure.message);
        waiting?.reject(error);
        if (error.kind === "Crashed") this.#abandon(error);
      } else {
        waiting?.resolve(data.answer);
      }
    };
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.#abandon(new PainterError("Crashed", `the engine's worker failed: ${event.message || "it did not load"}`));
    };
  }

  /**
   * Opens the engine and loads the network and the picture into it.
   *
   * Fails with a `PainterError`: `NoAdapter` where WebGPU was asked for and there is none, `TooLarge`
   * for a network that the device cannot hold, `Invalid` for options or files that make no sense.
   */
  static async create({ pixels, saved, signal, ...options }: Options & Source): Promise<Painter> {
    if (pixels) {
      whole("the picture's width", pixels.width, 1, MOST);
      whole("the picture's height", pixels.height, 1, MOST);
      if (!isBytes(pixels.data)) throw new PainterError("Invalid", "the picture's data are no array of bytes");
    }
    if (saved && !(saved instanceof Uint8Array)) {
      throw new PainterError("Invalid", "the saved network is no array of bytes (Uint8Array)");
    }
    const painter = new Painter();
    const abort = () => painter.dispose();
    signal?.addEventListener("abort", abort);
    if (signal?.aborted) abort();
    try {
      const { adapter, subject, widths } = await painter.#ask({
        call: "create",
        options,
        // The data may belong to an ImageData, which cannot be cloned partly.
        ...(pixels && { pixels: { width: pixels.width, height: pixels.height, data: pixels.data } }),
        ...(saved && { saved }),
      });
      painter.#adapter = adapter;
      painter.#subject = subject;
      painter.#widths = widths;
      return painter;
    } catch (error) {
      painter.dispose();
      throw error;
    } finally {
      signal?.removeEventListener("abort", abort);
    }
  }

  /** What computes. */
  get adapter(): Adapter {
    return this.#adapter;
  }

  /** The size and kind of the painting. */
  get subject(): Subject {
    return this.#subject;
  }

  /** Neurons of each layer, from the first hidden one to the output. */
  get widths(): readonly number[] {
    return this.#widths;
  }

  /** The last loss that training reported, the mean squared error. */
  get loss(): number | null {
    return this.#progress?.loss ?? null;
  }

  /** The last report of training. */
  get progress(): Progress | undefined {
    return this.#progress;
  }

  /** The PSNR of the last painting of the picture's own size, in dB; infinite if it was exact. */
  get psnr(): number | null {
    return this.#psnr;
  }

  /** Trains for about so many milliseconds. */
  async train(milliseconds: number): Promise<Progress> {
    if (!(milliseconds >= 0 && milliseconds <= MOST)) {
      throw new PainterError("Invalid", `the time to train is ${milliseconds} ms: it must be from 0 to ${MOST}`);
    }
    return (this.#progress = await this.#ask({ call: "train", milliseconds }));
  }

  /** Trains at least so many steps, or those that are left. */
  async trainSteps(steps: number): Promise<Progress> {
    whole("the number of steps", steps, 1, MOST);
    return (this.#progress = await this.#ask({ call: "trainSteps", steps }));
  }

  /** Paints, by default at the picture's own size. */
  async paint(width = this.#subject.width, height = this.#subject.height): Promise<ImageData> {
    whole("the painting's width", width, 1, MOST);
    whole("the painting's height", height, 1, MOST);
    const { data, psnr } = await this.#ask({ call: "paint", width, height });
    this.#psnr = psnr;
    return new ImageData(data, width, height);
  }

  /**
   * The outputs of the neurons of a layer (from 0) over the plane, in shades of gray: `size`×`size` bytes a
   * neuron, from its least (0) to its most (255).
   */
  async neurons(layer: number, size: number): Promise<Uint8Array> {
    whole("the layer", layer, 0, MOST);
    whole("the thumbnails' size", size, 1, MOST);
    return this.#ask({ call: "neurons", layer, size });
  }

  /** The parameters learned so far: layer by layer, weights `[inputs, outputs]`, then biases. */
  parameters(): Promise<Float32Array> {
    return this.#ask({ call: "parameters" });
  }

  /** The network as a safetensors file, which `paint --repaint` and `torch.nn.Linear` load. */
  save(): Promise<Uint8Array<ArrayBuffer>> {
    return this.#ask({ call: "save" });
  }

  /** Sets the learning rate, before the schedule, of the steps to come. */
  async setLearningRate(rate: number): Promise<void> {
    await this.#ask({ call: "setLearningRate", rate });
  }

  /** Loses the device, as a reset of the driver would: the next request fails with `DeviceLost`. */
  async destroyDevice(): Promise<void> {
    await this.#ask({ call: "destroy" });
  }

  /** After `DeviceLost`: opens the engine anew and goes on from what was last painted or saved, to which
   * `progress` goes back too. */
  async recover(): Promise<void> {
    const { adapter, progress } = await this.#ask({ call: "recover" });
    this.#adapter = adapter;
    this.#progress = progress ?? undefined;
  }

  /** Ends the worker. Calls that are not answered yet fail. */
  dispose(): void {
    this.#abandon(new PainterError("Disposed", "the painter was disposed of"));
  }

  #ask<Call extends Request["call"]>(request: Request & { call: Call }): Promise<Answers[Call]> {
    if (this.#dead) return Promise.reject(this.#dead);
    return new Promise((resolve, reject) => {
      const id = this.#next++;
      const message: Numbered = { id, ...request };
      try {
        this.#worker.postMessage(message);
      } catch (error) {
        // An option that is a function, say.
        reject(new PainterError("Invalid", `what was asked cannot be sent to the worker: ${String(error)}`));
        return;
      }
      this.#waiting.set(id, { resolve: resolve as (answer: unknown) => void, reject });
    });
  }

  /** Ends the worker for good. */
  #abandon(error: PainterError): void {
    this.#dead ??= error;
    this.#worker.terminate();
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }
}
