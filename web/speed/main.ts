/** Measures all contestants in turns, round after round. */

import { type Contestant, type Work, impasto, jaxJs, tensorFlow } from "./contestants.js";

/** The hidden layers of the network that all contestants train. */
const HIDDEN = Array<number>(10).fill(100);

/** The parts of a figure. */
export interface Figure {
  name: string;
  device: string;
  batch: number;
  /** Milliseconds a step, one for each round. */
  rounds: number[];
  /** Milliseconds until its first step was done. */
  first: number;
  loss: number;
}

interface Settings {
  batches: number[];
  rounds: number;
  /** Milliseconds that a turn should take. */
  turn: number;
  /** Which of `who`. */
  names: string[];
}

const who: Record<string, (work: Work) => Promise<Contestant>> = {
  "impasto-gpu": (work) => impasto(work, "gpu", { tune: true }),
  "jax-gpu": (work) => jaxJs(work, "webgpu"),
  "tensorflow-gpu": (work) => tensorFlow(work, "webgpu"),
  "impasto-cpu": (work) => impasto(work, "cpu"),
  "jax-cpu": (work) => jaxJs(work, "wasm"),
  "tensorflow-cpu": (work) => tensorFlow(work, "cpu"),
};

async function picture(): Promise<ImageData> {
  const answer = await fetch("logo.jpg");
  const bitmap = await createImageBitmap(await answer.blob());
  const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d")!;
  context.drawImage(bitmap, 0, 0);
  return context.getImageData(0, 0, bitmap.width, bitmap.height);
}

async function measure({ batches, rounds, turn, names }: Settings, report: (text: string) => void): Promise<Figure[]> {
  const pixels = await picture();
  const figures: Figure[] = [];
  for (const batch of batches) {
    const work: Work = { pixels, batch, widths: [2, ...HIDDEN, 3] };
    const seats: { contestant: Contestant; figure: Figure; steps: number }[] = [];
    for (const name of names) {
      report(`${name} opens, batch ${batch}`);
      const clock = performance.now();
      const contestant = await who[name]!(work);
      await contestant.train(1);
      const first = performance.now() - clock;
      // A second one, after whatever the first had to compile.
      const again = performance.now();
      const some = await contestant.train(1);
      const each = (performance.now() - again) / some.steps;
      const steps = Math.max(1, Math.round(turn / Math.max(0.1, each)));
      const figure = { name: contestant.name, device: contestant.device, batch, rounds: [], first, loss: NaN };
      figures.push(figure);
      seats.push({ contestant, figure, steps });
    }
    for (let round = 0; round < rounds; round++) {
      const order = round % 2 ? [...seats].reverse() : seats;
      for (const seat of order) {
        const clock = performance.now();
        const { steps, loss } = await seat.contestant.train(seat.steps);
        const each = (performance.now() - clock) / steps;
        seat.figure.loss = loss;
        seat.figure.rounds.push(each);
        report(`round ${round + 1} of ${rounds}, batch ${batch}, ${seat.figure.name}: ${each.toFixed(1)} ms a step`);
      }
    }
    for (const { contestant } of seats) contestant.close();
  }
  return figures;
}

const log = document.querySelector("pre")!;
Object.assign(window, {
  measure: (settings: Settings) =>
    measure(settings, (text) => {
      log.textContent += `${text}\n`;
      console.log(text);
    }),
});
