/** The messages between the page and the worker that owns the engine. */

/** How a network is made and trained. Whatever is left out is as the command `paint` has it, but for the
 * epochs. */
export interface Options {
  /** Where to compute: a real GPU if there is one and else the processor (`auto`, the default), WebGPU
   * even on a software adapter (`gpu`), or the processor (`cpu`). */
  backend?: "auto" | "gpu" | "cpu";
  /** Kernels on WebGPU: three dispatches a step for layers of up to 128 neurons (`fused`), any network
   * (`layerwise`), or whichever suits the network (`auto`, the default). */
  kernels?: "auto" | "fused" | "layerwise";
  /** Look for the fastest shapes of the kernels first, which takes some seconds; `false` by default. */
  tune?: boolean;
  /** Neurons of each hidden layer; ten layers of 100 by default. */
  hidden?: number[];
  /** Activation of the hidden layers, as `paint --activation` takes it: a name, alone or with parameters
   * as in `leaky-relu:slope=0.2`; `relu` by default. */
  activation?: string;
  /** The inputs of the network, computed from a place: x and y (`identity`, the default), sines and cosines of six
   * octaves (`frequency`), or 64 random waves (`fourier`). */
  encoding?: "identity" | "frequency" | "fourier";
  /** Learning rate of Adam, before the schedule; 0.002 by default. */
  learningRate?: number;
  /** How the learning rate falls over the epochs; `cosine` by default. */
  schedule?: "constant" | "cosine" | "step" | "inverse" | "plateau";
  /** How often training goes through all pixels; 200 by default. */
  epochs?: number;
  /** Pixels in a step; 200 by default. */
  batch?: number;
  /** Of the first parameters and of the order of pixels; 0 by default. */
  seed?: number;
}

/** A picture in RGBA of 8 bits a channel, row by row; an `ImageData` is one. */
export interface Pixels {
  width: number;
  height: number;
  data: Uint8Array | Uint8ClampedArray;
}

/** What computes. */
export interface Adapter {
  /** `gpu` is WebGPU, `cpu` is WebAssembly. */
  backend: "gpu" | "cpu";
  /** The adapter's name, as far as the browser reports it. */
  name: string;
  /** `software` is a program that simulates a GPU, and is never called a GPU. */
  kind: "discrete GPU" | "integrated GPU" | "virtual GPU" | "other" | "software" | "CPU";
  /** All that is known, in one line. */
  description: string;
}

/** The subject that the network paints. */
export interface Subject {
  width: number;
  height: number;
  /** 1 gray, 2 gray and alpha, 3 color, 4 color and alpha. */
  channels: number;
  /** The value of white: 255 or 65,535. */
  maximum: number;
  /** Whether places run over [-1, 1] instead of [0, 1]. */
  centered: boolean;
  /** Whether it classifies ink and paper instead of painting colors (`paint --classify`). */
  classify: boolean;
  /** Width and height of the picture that was learned: the longer axis spans the range. Missing in old files, where both do. */
  shape?: [number, number];
}

/** How far training is. */
export interface Progress {
  /** Steps so far. */
  steps: number;
  /** Epochs that are finished. */
  epochs: number;
  /** Mean squared error: of the last epoch where one was finished in this call, else of the last step. */
  loss: number | null;
  /** Steps a second, of this call. */
  stepsPerSecond: number;
  /** Pixels a second, of this call. */
  samplesPerSecond: number;
  /** Seconds of training in all. */
  seconds: number;
  /** Whether all epochs are done. */
  done: boolean;
  /** The epochs finished in this call: number and loss. */
  history: [epoch: number, loss: number][];
}

/** The kind of a failure. */
export type Kind = "NoAdapter" | "Gpu" | "DeviceLost" | "Diverged" | "TooLarge" | "Invalid" | "Crashed" | "Disposed";

/** The requests to the worker. */
export type Request =
  | { call: "create"; options: Options; pixels?: Pixels; saved?: Uint8Array }
  | { call: "train"; milliseconds: number }
  | { call: "trainSteps"; steps: number }
  | { call: "paint"; width: number; height: number }
  | { call: "neurons"; layer: number; size: number }
  | { call: "parameters" }
  | { call: "save" }
  | { call: "setLearningRate"; rate: number }
  | { call: "destroy" }
  | { call: "recover" };

/** The answers of the worker. */
export interface Answers {
  create: { adapter: Adapter; subject: Subject; widths: number[] };
  train: Progress;
  trainSteps: Progress;
  paint: { data: Uint8ClampedArray<ArrayBuffer>; psnr: number | null };
  neurons: Uint8Array<ArrayBuffer>;
  parameters: Float32Array<ArrayBuffer>;
  save: Uint8Array<ArrayBuffer>;
  setLearningRate: null;
  destroy: null;
  recover: { adapter: Adapter; progress: Progress | null };
}

/** A numbered request. */
export type Numbered = Request & { id: number };

/** A numbered answer. */
export type Reply =
  | { id: number; answer: unknown }
  | { id: number; failure: { name: Kind; message: string } };
