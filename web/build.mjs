// Bundles the npm package into package/ and the page into dist/.
//
//   node build.mjs [--serve [--port N]]

import { build, context } from "esbuild";
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
process.chdir(here);

const shared = { absWorkingDir: here, bundle: true, format: "esm", target: "es2022", minify: true, logLevel: "warning" };
const worker = { ...shared, entryPoints: { worker: "api/worker.ts" } };

/** What must go with a bundle: our own licences, and those of what is bundled from npm. */
function licences(packages) {
  const own = ["LICENSE-MIT", "LICENSE-APACHE"].map((name) => [`impasto (${name})`, `../${name}`]);
  const others = packages.map(([name, file]) => [name, `node_modules/${name}/${file}`]);
  return [...own, ...others].map(([name, file]) => `${name}\n\n${readFileSync(file, "utf8")}`).join("\n\n");
}
const inWorker = [["wasm-feature-detect", "LICENSE"]];
const inPage = [...inWorker, ["uplot", "LICENSE"], ["gifenc", "LICENSE.md"]];

for (const folder of ["package", "dist"]) {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  await build({ ...worker, outdir: folder });
  for (const name of ["simd128", "relaxed"]) cpSync(`pkg/${name}/impasto_bg.wasm`, join(folder, `${name}.wasm`));
}
writeFileSync("package/licenses.txt", licences(inWorker));
writeFileSync("dist/licenses.txt", licences(inPage));
await build({ ...shared, entryPoints: { index: "api/index.ts" }, outdir: "package" });
execFileSync(process.execPath, ["node_modules/typescript/bin/tsc", "-p", "tsconfig.package.json"], { stdio: "inherit" });

const page = { ...shared, entryPoints: { main: "page/main.ts" }, outdir: "dist" };
await build(page);
for (const [from, to] of [
  ["page/index.html", "index.html"],
  ["page/style.css", "style.css"],
  ["node_modules/uplot/dist/uPlot.min.css", "uPlot.min.css"],
  ["../logo.jpg", "logo.jpg"],
]) {
  cpSync(from, join("dist", to));
}

if (process.argv.includes("--serve")) {
  const at = process.argv.indexOf("--port");
  const port = at > 0 ? Number(process.argv[at + 1]) : 8000;
  const served = await context(page);
  let taken;
  try {
    taken = (await served.serve({ servedir: "dist", host: "127.0.0.1", port })).port;
  } catch (error) {
    console.error(`error: cannot serve on port ${port} (${error.message}): choose another with --port`);
    process.exit(1);
  }
  console.log(`The page: http://127.0.0.1:${taken}/ (Ctrl-C ends it)`);
}
