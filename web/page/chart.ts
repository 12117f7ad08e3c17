/** Loss and PSNR over the epochs. */

import uPlot from "uplot";

/** Points that are kept: when there are more, every second is dropped. */
const MOST_POINTS = 1000;

const HEIGHT = 220;

export class Chart {
  readonly #host: HTMLElement;
  #plot: uPlot | undefined;
  #points: [epoch: number, loss: number, psnr: number | null][] = [];
  #every = 1;
  #due = false;

  constructor(host: HTMLElement) {
    this.#host = host;
    new ResizeObserver(() => this.#plot?.setSize({ width: host.clientWidth, height: HEIGHT })).observe(host);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#make());
    this.#make();
  }

  clear(): void {
    this.#points = [];
    this.#every = 1;
    // With scales of its own, too.
    this.#make();
  }

  /** Takes in finished epochs. */
  add(history: [epoch: number, loss: number][]): void {
    // Epochs that are repeated after a lost device replace the earlier ones.
    const first = history[0]?.[0] ?? Infinity;
    this.#points = this.#points.filter(([epoch]) => epoch < first);
    for (const [epoch, loss] of history) {
      if (epoch % this.#every === 0) this.#points.push([epoch, loss, null]);
    }
    while (this.#points.length > MOST_POINTS) {
      this.#every *= 2;
      this.#points = this.#points.filter(([epoch]) => epoch % this.#every === 0);
    }
    this.#draw();
  }

  /** Takes in how good a painting is that was made after the last epoch so far. */
  painted(psnr: number | null): void {
    const last = this.#points[this.#points.length - 1];
    // An exact painting is off every scale.
    if (last) last[2] = psnr !== null && Number.isFinite(psnr) ? psnr : null;
    this.#draw();
  }

  #data(): uPlot.AlignedData {
    const points = this.#points;
    return [points.map((p) => p[0]), points.map((p) => p[1]), points.map((p) => p[2])];
  }

  /** Draws with the next frame, once. */
  #draw(): void {
    if (this.#due) return;
    this.#due = true;
    requestAnimationFrame(() => {
      this.#due = false;
      this.#plot?.setData(this.#data());
    });
  }

  #make(): void {
    this.#plot?.destroy();
    const style = getComputedStyle(document.documentElement);
    // A canvas knows no light-dark(): the colors as the page has them now.
    const probe = document.createElement("span");
    document.body.append(probe);
    const color = (name: string) => {
      probe.style.color = style.getPropertyValue(name);
      return getComputedStyle(probe).color;
    };
    const [ink, line, accent, second] = ["--soft", "--line", "--accent", "--second"].map(color);
    probe.remove();
    const axis = { stroke: ink!, grid: { stroke: line!, width: 1 }, ticks: { stroke: line!, width: 1 } };
    const short = (value: number | null) => (value == null ? "–" : value.toPrecision(3));
    this.#plot = new uPlot(
      {
        width: Math.max(200, this.#host.clientWidth),
        height: HEIGHT,
        scales: { x: { time: false }, loss: { distr: 3 }, psnr: {} },
        axes: [
          { ...axis, label: "epoch", labelSize: 18, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 100_000] },
          { ...axis, scale: "loss", size: 60, values: (_, ticks) => ticks.map((t) => (t == null ? "" : t.toPrecision(1))) },
          { ...axis, scale: "psnr", side: 1, size: 68, grid: { show: false }, values: (_, ticks) => ticks.map((t) => `${t} dB`) },
        ],
        series: [
          { label: "epoch", value: (_, v) => (v == null ? "–" : String(v)) },
          { label: "loss", scale: "loss", stroke: accent!, width: 2, value: (_, v) => short(v) },
          { label: "PSNR", scale: "psnr", stroke: second!, width: 2, spanGaps: true, value: (_, v) => (v == null ? "–" : `${v.toFixed(1)} dB`) },
        ],
        cursor: { drag: { x: false, y: false } },
      },
      this.#data(),
      this.#host,
    );
  }
}
