/** The contestants: each trains the same network on the same batch of the same picture. */

import * as jax from "@jax-js/jax";
import * as tf from "@tensorflow/tfjs-core";
import "@tensorflow/tfjs-core/dist/register_all_gradients.js";
import "@tensorflow/tfjs-backend-cpu";
import "@tensorflow/tfjs-backend-webgpu";
import { Painter, type Options } from "../api/index.js";

/** The network and its work. */
export interface Work {
  pixels: ImageData;
  batch: number;
  /** Widths from the inputs to the outputs. */
  widths: number[];
}

/** One that trains. */
export interface Contestant {
  name: string;
  /** The device that computes. */
  device: string;
  /** Trains so many steps, or some more than that, and waits until they are done. */
  train(steps: number): Promise<{ steps: number; loss: number }>;
  close(): void;
}

const RATE = 1e-3;

/** The first batch of an evenly spread order, as numbers. */
function samples({ pixels, batch }: Work): { x: Float32Array; y: Float32Array } {
  const { width, height, data } = pixels;
  const count = width * height;
  const x = new Float32Array(2 * batch);
  const y = new Float32Array(3 * batch);
  for (let i = 0; i < batch; i++) {
    const pixel = Math.floor((i * count) / batch);
    x[2 * i] = (2 * (pixel % width) + 1) / width - 1;
    x[2 * i + 1] = (2 * Math.floor(pixel / width) + 1) / height - 1;
    for (let c = 0; c < 3; c++) y[3 * i + c] = (data[4 * pixel + c] ?? 0) / 255;
  }
  return { x, y };
}

/** Weights as He et al. draw them. */
function weights(fanIn: number, fanOut: number): Float32Array {
  const normal = () => Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());
  return Float32Array.from({ length: fanIn * fanOut }, () => normal() * Math.sqrt(2 / fanIn));
}

/** Impasto, with Adam, a new batch in each step, and each loss read back. */
export async function impasto(work: Work, backend: "gpu" | "cpu", more: Options = {}): Promise<Contestant> {
  const hidden = work.widths.slice(1, -1);
  const painter = await Painter.create({
    pixels: work.pixels,
    backend,
    hidden,
    batch: work.batch,
    learningRate: RATE,
    schedule: "constant",
    epochs: 1_000_000,
    ...more,
  });
  return {
    name: backend === "gpu" ? "Impasto, WebGPU" : "Impasto, WebAssembly",
    device: painter.adapter.description,
    async train(steps) {
      const before = painter.progress?.steps ?? 0;
      const progress = await painter.trainSteps(steps);
      return { steps: progress.steps - before, loss: progress.loss ?? NaN };
    },
    close: () => painter.dispose(),
  };
}

/** jax-js, with plain gradient descent, all of a step in one `jit`. */
export async function jaxJs(work: Work, device: "webgpu" | "wasm"): Promise<Contestant> {
  const { numpy: np, nn, tree } = jax;
  const there = await jax.init(device);
  if (!there.includes(device)) throw new Error(`jax-js has no ${device} here`);
  jax.defaultDevice(device);
  const { x, y } = samples(work);
  const inputs = np.array(x).reshape([work.batch, 2]);
  const targets = np.array(y).reshape([work.batch, 3]);
  type Params = [jax.Array, jax.Array][];
  let params: Params = work.widths.slice(1).map((fanOut, l) => {
    const fanIn = work.widths[l] ?? 1;
    return [np.array(weights(fanIn, fanOut)).reshape([fanIn, fanOut]), np.zeros([fanOut])];
  });
  const loss = (params: Params, x: jax.Array, y: jax.Array) => {
    params.forEach(([w, b], l) => {
      x = np.matmul(x, w).add(b);
      if (l < params.length - 1) x = nn.relu(x);
    });
    const error = x.sub(y);
    return error.ref.mul(error).mean();
  };
  const step = jax.jit((params: Params, x: jax.Array, y: jax.Array) => {
    const [value, gradient] = jax.valueAndGrad(loss)(tree.ref(params), x, y);
    const updated = tree.map((p: jax.Array, g: jax.Array) => p.sub(g.mul(RATE)), params, gradient);
    return [value, updated] as [jax.Array, Params];
  });
  return {
    name: device === "webgpu" ? "jax-js, WebGPU" : "jax-js, WebAssembly",
    device,
    async train(steps) {
      jax.defaultDevice(device);
      let last: jax.Array | undefined;
      for (let i = 0; i < steps; i++) {
        last?.dispose();
        [last, params] = step(params, inputs.ref, targets.ref);
      }
      const value = (await last!.data())[0] ?? NaN;
      await jax.blockUntilReady(tree.ref(params));
      return { steps, loss: value };
    },
    close: () => {
      tree.dispose(params);
      step.dispose();
    },
  };
}

/** TensorFlow.js, with Adam. */
export async function tensorFlow(work: Work, backend: "webgpu" | "cpu"): Promise<Contestant> {
  if (!(await tf.setBackend(backend))) throw new Error(`TensorFlow.js has no ${backend} here`);
  await tf.ready();
  const { x, y } = samples(work);
  const inputs = tf.tensor2d(x, [work.batch, 2]);
  const targets = tf.tensor2d(y, [work.batch, 3]);
  const params = work.widths.slice(1).map((fanOut, l) => {
    const fanIn = work.widths[l] ?? 1;
    return {
      w: tf.variable(tf.tensor2d(weights(fanIn, fanOut), [fanIn, fanOut])),
      b: tf.variable(tf.zeros([fanOut]) as tf.Tensor1D),
    };
  });
  const optimizer = tf.train.adam(RATE);
  const loss = () => {
    let y: tf.Tensor = inputs;
    params.forEach(({ w, b }, l) => {
      y = tf.add(tf.matMul(y as tf.Tensor2D, w as unknown as tf.Tensor2D), b);
      if (l < params.length - 1) y = tf.relu(y);
    });
    return tf.mean(tf.squaredDifference(y, targets)) as tf.Scalar;
  };
  return {
    name: backend === "webgpu" ? "TensorFlow.js, WebGPU" : "TensorFlow.js, JavaScript",
    device: backend,
    async train(steps) {
      await tf.setBackend(backend);
      let value = NaN;
      for (let i = 0; i < steps; i++) {
        const last = tf.tidy(() => optimizer.minimize(loss, i === steps - 1));
        if (last) {
          value = (await last.data())[0] ?? NaN;
          last.dispose();
        }
      }
      return { steps, loss: value };
    },
    close: () => {
      optimizer.dispose();
      tf.dispose([inputs, targets]);
      for (const { w, b } of params) tf.dispose([w, b]);
    },
  };
}
