// Measures all contestants in Chromium and prints a table in Markdown.
//
//   node speed/run.mjs [--rounds N] [--turn MS] [--batches 200,1000] [--adapter swiftshader|default]

import { chromium } from "playwright-core";
import { serve } from "../tests/server.mjs";

const option = (name, otherwise) => {
  const at = process.argv.indexOf(`--${name}`);
  return at > 0 ? process.argv[at + 1] : otherwise;
};
const batches = option("batches", "200,1000").split(",").map(Number);
const rounds = Number(option("rounds", 5));
const turn = Number(option("turn", 1500));
const adapter = option("adapter", "swiftshader");

const server = await serve("dist-speed");
const browser = await chromium.launch({
  executablePath: process.env.IMPASTO_CHROMIUM ?? "/usr/bin/chromium",
  args: [
    "--no-sandbox",
    "--enable-unsafe-webgpu",
    ...(adapter === "swiftshader" ? ["--use-webgpu-adapter=swiftshader"] : []),
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
  ],
});
const page = await browser.newPage();
page.on("console", (message) => console.error(message.text()));
page.setDefaultTimeout(3_600_000);
await page.goto(server.url);

const median = (values) => {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
};

console.log(`| milliseconds a step | batch | median | of the fastest round | Impasto is so many times as fast |`);
console.log(`| --- | ---: | ---: | ---: | ---: |`);
for (const names of [
  ["impasto-gpu", "jax-gpu", "tensorflow-gpu"],
  ["impasto-cpu", "jax-cpu", "tensorflow-cpu"],
]) {
  const figures = await page.evaluate((settings) => measure(settings), { batches, rounds, turn, names });
  for (const figure of figures) {
    const ours = figures.find((f) => f.batch === figure.batch && f.name.startsWith("Impasto"));
    // Round by round: what slows a whole round down cancels out.
    const ratio = median(figure.rounds.map((ms, i) => ms / ours.rounds[i]));
    const cells = [
      `${figure.name} (${figure.device})`,
      figure.batch,
      median(figure.rounds).toFixed(1),
      Math.min(...figure.rounds).toFixed(1),
      figure === ours ? "" : `**${ratio.toFixed(ratio < 10 ? 2 : 0)}×**`,
    ];
    console.log(`| ${cells.join(" | ")} |`);
  }
}
await browser.close();
server.close();
