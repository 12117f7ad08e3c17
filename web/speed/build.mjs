// Bundles the page that measures Impasto beside its peers into ../dist-speed.
import { build } from "esbuild";
import { cpSync, mkdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const web = dirname(here);
const to = join(web, "dist-speed");
rmSync(to, { recursive: true, force: true });
mkdirSync(to);
await build({
  absWorkingDir: here,
  bundle: true,
  format: "esm",
  target: "es2022",
  minify: true,
  logLevel: "error",
  splitting: true,
  entryPoints: { main: "main.ts" },
  outdir: to,
});
for (const name of ["worker.js", "simd128.wasm", "relaxed.wasm"]) cpSync(join(web, "package", name), join(to, name));
cpSync(join(here, "index.html"), join(to, "index.html"));
cpSync(join(web, "..", "logo.jpg"), join(to, "logo.jpg"));
