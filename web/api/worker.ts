/** The worker, which owns the engine and answers one request after the other. */

import { relaxedSimd } from "wasm-feature-detect";
import * as relaxed from "../pkg/relaxed/impasto.js";
import * as simd128 from "../pkg/simd128/impasto.js";
import type { Kind, Numbered, Reply, Request } from "./protocol.js";

// Without the types of a worker's global scope, which clash with those of a window.
const scope = self as unknown as {
  onmessage: ((event: MessageEvent<Numbered>) => void) | null;
  postMessage(reply: Reply, transfer?: Transferable[]): void;
};

type Painter = relaxed.Painter | simd128.Painter;

/** The engine, compiled for what this browser has. */
async function load() {
  if (await relaxedSimd()) {
    await relaxed.default({ module_or_path: new URL("relaxed.wasm", import.meta.url) });
    return relaxed.Painter;
  }
  await simd128.default({ module_or_path: new URL("simd128.wasm", import.meta.url) });
  return simd128.Painter;
}

const engine = load().catch((error: unknown) => {
  const crash = new Error(`the engine did not load: ${error instanceof Error ? error.message : String(error)}`);
  crash.name = "Crashed";
  throw crash;
});
// A failure is the answer to every request.
engine.catch(() => undefined);
let painter: Painter | undefined;

function current(): Painter {
  if (!painter) throw new Error("there is no painter yet");
  return painter;
}

async function answer(request: Request): Promise<unknown> {
  const Painter = await engine;
  switch (request.call) {
    case "create": {
      painter?.free();
      painter = undefined;
      const options = JSON.stringify(request.options);
      const { pixels, saved } = request;
      if (pixels) {
        const bytes = new Uint8Array(pixels.data.buffer, pixels.data.byteOffset, pixels.data.byteLength);
        painter = await Painter.create(options, pixels.width, pixels.height, bytes, saved);
      } else if (saved) {
        painter = await Painter.open(options, saved);
      } else {
        throw new Error("neither a picture to learn nor a saved network to paint with");
      }
      return {
        adapter: JSON.parse(painter.adapter()),
        subject: JSON.parse(painter.subject()),
        widths: Array.from(painter.widths()),
      };
    }
    case "train":
      return JSON.parse(await current().train(request.milliseconds));
    case "trainSteps":
      return JSON.parse(await current().trainSteps(request.steps));
    case "paint": {
      const bytes = await current().paint(request.width, request.height);
      const data = new Uint8ClampedArray(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      return { data, psnr: current().psnr() ?? null };
    }
    case "neurons":
      return current().neurons(request.layer, request.size);
    case "parameters":
      return current().parameters();
    case "save":
      return current().save();
    case "setLearningRate":
      current().setLearningRate(request.rate);
      return null;
    case "destroy":
      current().destroy();
      return null;
    case "recover": {
      const progress = JSON.parse(await current().recover());
      return { adapter: JSON.parse(current().adapter()), progress };
    }
  }
}

/** The memory in an answer that need not be copied. */
function transferred(answer: unknown): Transferable[] {
  const of = (value: unknown) => (ArrayBuffer.isView(value) ? [value.buffer as ArrayBuffer] : []);
  if (answer && typeof answer === "object" && "data" in answer) return of(answer.data);
  return of(answer);
}

function failure(error: unknown): { name: Kind; message: string } {
  const thrown = error instanceof Error ? error : new Error(String(error));
  // A trap of WebAssembly: its memory can no longer be trusted.
  if (error instanceof WebAssembly.RuntimeError) {
    return { name: "Crashed", message: `the engine crashed: ${thrown.message}` };
  }
  const known = ["NoAdapter", "Gpu", "DeviceLost", "Diverged", "TooLarge", "Crashed"];
  return { name: (known.includes(thrown.name) ? thrown.name : "Invalid") as Kind, message: thrown.message };
}

let last: Promise<void> = Promise.resolve();

scope.onmessage = ({ data }) => {
  last = last.then(async () => {
    try {
      const result = await answer(data);
      scope.postMessage({ id: data.id, answer: result }, transferred(result));
    } catch (error) {
      scope.postMessage({ id: data.id, failure: failure(error) });
    }
  });
};
