// A headless Chromium that remembers what pages asked for and complained about.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { readFileSync, writeFileSync } from "node:fs";
import { basename } from "node:path";
import { Builder, By, Key, logging } from "selenium-webdriver";
import chrome from "selenium-webdriver/chrome.js";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

export async function open() {
  const options = new chrome.Options().setChromeBinaryPath(process.env.CHROMIUM);
  options.addArguments("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars");
  const logs = new logging.Preferences();
  logs.setLevel(logging.Type.BROWSER, logging.Level.ALL);
  logs.setLevel(logging.Type.PERFORMANCE, logging.Level.ALL);
  const service = new chrome.ServiceBuilder(process.env.CHROMEDRIVER);
  const builder = new Builder().forBrowser("chrome").setChromeOptions(options).setChromeService(service);
  return builder.setLoggingPrefs(logs).build();
}

/// Shows a page in a width, light or dark, on a screen or as it is printed.
export async function show(driver, address, width = 1600, scheme = "light", media = "screen") {
  const metrics = { width, height: 1200, deviceScaleFactor: 1, mobile: false };
  await driver.sendDevToolsCommand("Emulation.setDeviceMetricsOverride", metrics);
  const features = [{ name: "prefers-color-scheme", value: scheme }];
  await driver.sendDevToolsCommand("Emulation.setEmulatedMedia", { media, features });
  await driver.get(address);
}

// What a page is looked at in; A4 between its margins is about 718 pixels wide.
const LOOKS = [[1600, "light", "light"], [1600, "dark", "dark"], [360, "light", "narrow"], [718, "light", "print"]];

/// Writes pictures of a page of results, named after `file`, and the page as PDF. It fits its width, and nothing bars anybody.
export async function pictures(driver, address, file) {
  for (const [width, scheme, kind] of LOOKS) {
    await show(driver, address, width, scheme, kind === "print" ? "print" : "screen");
    await picture(driver, `${file}-${kind}.png`);
    const wide = await driver.executeScript("return document.documentElement.scrollWidth");
    assert.ok(wide <= width, `${basename(file)} is ${wide} pixels wide at ${width}`);
    if (kind === "print") continue;
    const { serious, others } = await barriers(driver);
    assert.deepEqual(serious, [], `${basename(file)}, ${kind}`);
    for (const other of others) console.log(`note: ${basename(file)}, ${kind}: ${other}`);
  }
  const { data } = await driver.sendAndGetDevToolsCommand("Page.printToPDF", { printBackground: false, paperWidth: 8.27, paperHeight: 11.69 });
  writeFileSync(`${file}.pdf`, Buffer.from(data, "base64"));
}

/// The first table with several rows of numbers sorts both ways, by keyboard.
export async function sorts(driver) {
  const column = await driver.executeScript(
    "return [...document.querySelectorAll('thead th.number')].find((head) => head.closest('table').tBodies[0].rows.length > 2)",
  );
  const button = await column.findElement(By.css("button"));
  const values = () =>
    driver.executeScript(
      "const head = arguments[0]; return [...head.closest('table').tBodies[0].rows].map((row) => parseFloat(row.cells[head.cellIndex].textContent)).filter((number) => !isNaN(number))",
      column,
    );
  const numbers = await values();
  await button.sendKeys(Key.ENTER);
  assert.deepEqual(await values(), [...numbers].sort((a, b) => a - b), "ascending");
  assert.equal(await column.getAttribute("aria-sort"), "ascending");
  await button.sendKeys(Key.ENTER);
  assert.deepEqual(await values(), [...numbers].sort((a, b) => b - a), "descending");
}

/// What the pages since the last call complained about, and what they asked of others than `allowed`.
export async function complaints(driver, allowed) {
  const said = await driver.manage().logs().get(logging.Type.BROWSER);
  const done = await driver.manage().logs().get(logging.Type.PERFORMANCE);
  const asked = done
    .map((entry) => JSON.parse(entry.message).message)
    .filter((event) => event.method === "Network.requestWillBeSent")
    .map((event) => event.params.request.url)
    .filter((url) => !url.startsWith("data:") && !allowed.some((start) => url.startsWith(start)));
  return [...said.map((entry) => entry.message), ...asked.map((url) => `asks for ${url}`)];
}

/// What axe-core finds on the page that is serious or worse, a line each.
export async function barriers(driver) {
  await driver.executeScript(axe);
  const found = await driver.executeAsyncScript(
    "const done = arguments[0]; axe.run({ resultTypes: ['violations'] }).then(done, (error) => done({ error: String(error) }))",
  );
  if (found.error) throw new Error(found.error);
  const line = (rule) => `${rule.impact} ${rule.id}: ${rule.help}; ${rule.nodes.length}, such as ${rule.nodes[0].html.slice(0, 200)}`;
  const serious = found.violations.filter((rule) => ["serious", "critical"].includes(rule.impact));
  return { serious: serious.map(line), others: found.violations.filter((rule) => !serious.includes(rule)).map(line) };
}

/// Writes the page from top to bottom as PNG, or its first pixels.
export async function picture(driver, file, most = 12000) {
  const { cssContentSize } = await driver.sendAndGetDevToolsCommand("Page.getLayoutMetrics", {});
  const height = Math.min(Math.ceil(cssContentSize.height), most);
  const clip = { x: 0, y: 0, width: Math.ceil(cssContentSize.width), height, scale: 1 };
  const options = { format: "png", captureBeyondViewport: true, clip };
  const { data } = await driver.sendAndGetDevToolsCommand("Page.captureScreenshot", options);
  writeFileSync(file, Buffer.from(data, "base64"));
}
