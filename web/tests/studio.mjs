// A browser with the page open.

import { chromium } from "playwright-core";
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("../..", import.meta.url));

/** Chromium, with WebGPU on the processor (SwiftShader) or without any. */
export function launch({ webgpu = true } = {}) {
  const executablePath = process.env.IMPASTO_CHROMIUM ?? "/usr/bin/chromium";
  return chromium.launch({
    executablePath,
    args: [
      "--no-sandbox",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      ...(webgpu ? ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"] : ["--disable-features=WebGPU", "--disable-gpu"]),
    ],
  });
}

/**
 * The page, ready to train, with these settings; without `relaxed`, as in a browser that cannot multiply and
 * add at once. Errors that the page did not catch are in `page.errors`.
 */
export async function open(browser, url, settings = {}, { relaxed = true, ...more } = {}) {
  const page = await browser.newPage({ viewport: { width: 1200, height: 1000 }, ...more });
  page.setDefaultTimeout(120_000);
  page.errors = [];
  page.on("pageerror", (error) => page.errors.push(error.message));
  if (!relaxed) {
    await page.route("**/worker.js", async (route) => {
      const response = await route.fetch();
      await route.fulfill({ response, body: `WebAssembly.validate = () => false;${await response.text()}` });
    });
  }
  await page.goto(url);
  await settled(page);
  if (Object.keys(settings).length > 0) await set(page, settings);
  return page;
}

/** Waits until the engine is open, or is not. */
export async function settled(page) {
  await page.waitForFunction(() => ["ready", "failed"].includes(impasto.state()));
}

/** Changes settings of the form, and begins anew with them. */
export async function set(page, settings) {
  await page.evaluate((settings) => {
    const form = document.getElementById("controls");
    for (const [name, value] of Object.entries(settings)) form.elements.namedItem(name).value = value;
  }, settings);
  await page.click("#reset");
  await settled(page);
}

/** The number that the page shows as the PSNR. */
export async function psnr(page) {
  return parseFloat(await page.textContent("#psnr"));
}

/** Takes a screenshot to look at. */
export async function shoot(page, name) {
  const folder = join(root, "target", "web-screenshots");
  mkdirSync(folder, { recursive: true });
  await page.screenshot({ path: join(folder, `${name}.png`), fullPage: true });
}

/** The native painter, for comparison. */
export const paint = process.env.IMPASTO_PAINT ?? join(root, "target", "release", "examples", "paint");

if (!existsSync(paint)) throw new Error(`${paint} is missing: run the tests by cargo xtask web --test`);
