// The data browser: node data.mjs PICTURES NAME ADDRESS, of a server or of a written page
// It opens without a complaint; filters, enlarged images and the second tab show what its content has; scrolling keeps few cells.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { By, Key, until } from "selenium-webdriver";
import { barriers, complaints, open, picture, show } from "./browser.mjs";

const [pictures, name, address] = process.argv.slice(2);
const isWritten = address.startsWith("file:");
const driver = await open();
const text = (id) => driver.findElement(By.id(id)).getText();
const cells = () => driver.findElements(By.css("#grid .cell"));
const settled = () => driver.wait(async () => (await text("count")) !== "reading", 20000);
try {
  const html = isWritten ? readFileSync(fileURLToPath(address), "utf8") : await (await fetch(address)).text();
  const { items, kinds, epochs } = JSON.parse(/id="content">(.*)<\/script>/.exec(html)[1]);
  for (const [width, scheme, kind] of [[1600, "dark", "dark"], [360, "light", "narrow"], [1600, "light", "light"]]) {
    const begun = Date.now();
    await show(driver, address, width, scheme);
    await settled();
    console.log(`note: ${name}, ${items.length} images: open after ${Date.now() - begun} ms`);
    await driver.sleep(1000);
    await picture(driver, join(pictures, `${name}-${kind}.png`), 1200);
    assert.deepEqual((await barriers(driver)).serious, [], `${name}, ${kind}`);
    const wide = await driver.executeScript("return document.documentElement.scrollWidth");
    assert.ok(wide <= width, `${name} is ${wide} pixels wide at ${width}`);
  }
  await filters(items, kinds);
  await scrolls(items);
  await enlarges(items);
  await trains(epochs);
  assert.deepEqual(await complaints(driver, [isWritten ? "file://" : address]), [], name);
  console.log(`ok: ${name}`);
} finally {
  await driver.quit();
}

async function expect(items, shown) {
  assert.equal(await text("count"), `${items.filter(shown).length} of ${items.length} images`);
}

async function type(id, value) {
  const field = await driver.findElement(By.id(id));
  await field.clear();
  await field.sendKeys(value);
}

/// Chooses an option by keyboard: the first ones are "all" and, for findings, "any".
async function choose(id, value) {
  const options = await driver.findElements(By.css(`#${id} option`));
  const values = await Promise.all(options.map((option) => option.getAttribute("value")));
  const steps = values.indexOf(String(value));
  await driver.findElement(By.id(id)).sendKeys(...Array(steps).fill(Key.ARROW_DOWN));
}

async function filters(items, kinds) {
  const reset = () => driver.executeScript("document.getElementById('filters').reset()").then(() => driver.sleep(100));
  await expect(items, () => true);
  await choose("split", 1);
  await expect(items, ([split]) => split === 1);
  await choose("class", 0);
  const shows = ([, , , , boxes, of]) => of.includes(0) || boxes.some((value, at) => at % 5 === 0 && value === 0);
  await expect(items, (item) => item[0] === 1 && shows(item));
  await reset();
  await type("least", "2");
  await expect(items, ([, , , , boxes]) => boxes.length / 5 >= 2);
  await reset();
  await type("widest", "1.2");
  await expect(items, ([, , width, height]) => height > 0 && width / height <= 1.2);
  await reset();
  await type("smallest", "40");
  const side = (boxes) => boxes.some((_, at) => at % 5 === 0 && Math.sqrt(boxes[at + 3] * boxes[at + 4]) >= 40);
  await expect(items, ([, , , , boxes]) => side(boxes));
  await reset();
  if (kinds.length > 0) {
    await choose("kind", 0);
    await expect(items, ([, , , , , , found]) => found.includes(0));
    await reset();
  }
  await expect(items, () => true);
}

async function scrolls(items) {
  const most = [];
  for (let step = 0; step <= 20; step++) {
    await driver.executeScript("scrollTo(0, document.documentElement.scrollHeight * arguments[0])", step / 20);
    await driver.sleep(50);
    most.push((await cells()).length);
  }
  assert.ok(Math.max(...most) <= 120, `${Math.max(...most)} cells at once`);
  const last = await driver.findElement(By.css(`#grid .cell[aria-posinset='${items.length}']`));
  assert.ok((await last.getText()).includes(items.at(-1)[1].split("/").pop()));
  await driver.executeScript("scrollTo(0, 0)");
  await driver.sleep(300);
}

async function enlarges(items) {
  await driver.findElement(By.css("#grid .cell[aria-posinset='1'] button")).sendKeys(Key.ENTER);
  const dialog = await driver.findElement(By.id("large"));
  assert.ok(await dialog.isDisplayed());
  assert.ok((await text("large-name")).endsWith(items[0][1]));
  // As large as it is, and not the thumbnail.
  await driver.sleep(300);
  const source = await driver.executeScript("return document.querySelector('#large image').getAttribute('href')");
  assert.ok(isWritten ? source.startsWith("file:///") : source === "image/large/0.jpg", source);
  const boxes = await dialog.findElements(By.css("rect.line"));
  assert.equal(boxes.length, items[0][4].length / 5);
  await driver.sleep(500);
  await picture(driver, join(pictures, `${name}-one.png`), 1200);
  await driver.actions().sendKeys(Key.ESCAPE).perform();
  assert.ok(!(await dialog.isDisplayed()));
}

async function trains(epochs) {
  await driver.findElement(By.id("tab-images")).sendKeys(Key.ARROW_RIGHT);
  await driver.wait(until.elementLocated(By.css("#augmented svg")), 20000);
  const seen = () => driver.executeScript("return [...document.querySelectorAll('#augmented svg')].map((svg) => svg.innerHTML)");
  const first = await seen();
  if (epochs) assert.deepEqual([epochs[0].samples.length, epochs[0].samples.filter((sample) => sample.Err)], [first.length, []]);
  await picture(driver, join(pictures, `${name}-training.png`), 1200);
  assert.deepEqual((await barriers(driver)).serious, [], `${name}, training`);
  const change = async (id, value) => {
    const before = await text("samples");
    await type(id, value);
    await driver.wait(async () => (await text("samples")) !== before, 20000);
    await driver.sleep(200);
  };
  await change("epoch", "1");
  assert.notDeepEqual(await seen(), first, "another epoch");
  await change("epoch", "0");
  await driver.wait(async () => JSON.stringify(await seen()) === JSON.stringify(first), 20000, "the same epoch again");
}
