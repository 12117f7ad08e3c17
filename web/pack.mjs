// Checks that the npm package contains every file that package.json and the package's own code name.
//
//   node pack.mjs

import { execFileSync } from "node:child_process";
import { readFileSync, statSync } from "node:fs";
import { dirname, join, posix } from "node:path";
import { fileURLToPath } from "node:url";

/** The paths that `npm pack` would put into the package in `folder`. */
function packed(folder) {
  // Without scripts, since npm runs this program before it packs.
  const args = ["pack", "--dry-run", "--json", "--ignore-scripts", "--loglevel=error"];
  const windows = process.platform === "win32";
  const options = { cwd: folder, encoding: "utf8", shell: windows, stdio: ["ignore", "pipe", "inherit"] };
  const text = execFileSync(windows ? "npm.cmd" : "npm", args, options);
  return JSON.parse(text)[0].files.map((file) => file.path);
}

/** All strings in `main`, `types` and `exports`, which may be nested, as paths. */
function entries(value) {
  if (typeof value === "string") return [posix.normalize(value)];
  return Object.values(value ?? {}).flatMap(entries);
}

/** The files beside it that a built file loads or imports types from. */
function loaded(path, text) {
  const urls = [...text.matchAll(/new URL\("([^"]+)", ?import\.meta\.url\)/g)].map((match) => match[1]);
  const imports = [...text.matchAll(/\bfrom "(\.[^"]+)"/g)].map((match) => match[1]);
  // The types of `./name.js` are in `name.d.ts`.
  const types = path.endsWith(".d.ts") ? imports.map((name) => name.replace(/\.js$/, ".d.ts")) : imports;
  return [...urls, ...types].map((name) => posix.join(posix.dirname(path), name));
}

/** What is wrong with the package in `folder`, one sentence each. */
export function faults(folder) {
  const { main, types, exports, files } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  const paths = packed(folder);
  const faults = [];
  const need = (path, reason) => {
    if (!paths.includes(path)) faults.push(`${path} is not in the package: ${reason}`);
    else if (statSync(join(folder, path)).size === 0) faults.push(`${path} is empty`);
  };
  for (const path of new Set(entries([main, types, exports]))) need(path, "package.json names it");
  for (const name of files.map((name) => posix.normalize(name))) {
    if (!paths.some((path) => path === name || path.startsWith(`${name}/`))) {
      faults.push(`${name} is not in the package: package.json names it in files`);
    }
  }
  for (const path of paths.filter((path) => /\.(js|d\.ts)$/.test(path))) {
    for (const name of loaded(path, readFileSync(join(folder, path), "utf8"))) need(name, `${path} loads it`);
  }
  need("README.md", "npm shows it");
  need("package/licenses.txt", "the licenses go with the code");
  return faults;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const found = faults(dirname(fileURLToPath(import.meta.url)));
  if (found.length > 0) {
    console.error(`error: ${found.join("\n       ")}\nBuild the package with \`cargo xtask web\`.`);
    process.exit(1);
  }
}
