// Tests that the npm package contains what it needs, and that a missing file is found.

import assert from "node:assert/strict";
import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";

import { faults } from "../pack.mjs";

const web = dirname(dirname(fileURLToPath(import.meta.url)));
const folder = mkdtempSync(join(tmpdir(), "impasto-package-"));
after(() => rmSync(folder, { recursive: true, force: true }));

function copy() {
  for (const name of ["package.json", "README.md", "package"]) cpSync(join(web, name), join(folder, name), { recursive: true });
}

test("the package is complete", () => {
  assert.deepEqual(faults(web), []);
});

const needed = ["index.js", "index.d.ts", "protocol.d.ts", "worker.js", "simd128.wasm", "relaxed.wasm", "licenses.txt"];
for (const name of ["README.md", "package", ...needed.map((name) => `package/${name}`)]) {
  test(`a package without ${name} is refused`, () => {
    copy();
    rmSync(join(folder, name), { recursive: true });
    assert.ok(faults(folder).some((fault) => fault.startsWith(`${name} is not in the package`)), name);
  });
}

test("an empty file is found", () => {
  copy();
  writeFileSync(join(folder, "package/simd128.wasm"), "");
  assert.deepEqual(faults(folder), ["package/simd128.wasm is empty"]);
});
