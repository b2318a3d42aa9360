// Pages of runs: node reports.mjs PICTURES RUN...
// Each page opens without a complaint, shows what page.json has, and does what its controls say.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { By, Key } from "selenium-webdriver";
import { complaints, open, pictures, show, sorts } from "./browser.mjs";

// Everything is done by keyboard.
const KEYS = { enter: Key.ENTER, right: Key.ARROW_RIGHT, space: Key.SPACE };

const [folder, ...runs] = process.argv.slice(2);
const driver = await open();
try {
  for (const run of runs) await check(resolve(run));
} finally {
  await driver.quit();
}

async function check(run) {
  const name = basename(run);
  const address = `file://${join(run, "report.html")}`;
  const contents = JSON.parse(readFileSync(join(run, "page.json"), "utf8"));
  await pictures(driver, address, join(folder, name));
  await show(driver, address);
  await sorts(driver);
  await marks(contents);
  assert.deepEqual(await complaints(driver, ["file://"]), [], name);
  console.log(`ok: ${name}`);
}

/// Marks of examples are shown by class and by threshold.
async function marks({ examples, threshold }) {
  const all = examples.flatMap(({ picture }) => [
    ...picture.truth.map((mark) => ({ ...mark, side: "truth" })),
    ...picture.prediction.map((mark) => ({ ...mark, side: "prediction" })),
  ]);
  const drawn = all.filter((mark) => mark.shape !== "whole");
  assert.equal((await driver.findElements(By.css(".mark"))).length, drawn.length);
  if (drawn.length === 0) return;
  const expect = async (shown) => {
    const count = (side) => drawn.filter((mark) => mark.side === side && shown(mark)).length;
    const expected = `shown: ${count("truth")} of the truth, ${count("prediction")} of the predictions`;
    assert.equal(await driver.findElement(By.id("shown")).getText(), expected);
    const visible = await driver.executeScript(
      "return [...document.querySelectorAll('.mark')].filter((mark) => mark.getBoundingClientRect().width > 0).length",
    );
    assert.equal(visible, drawn.filter(shown).length);
  };
  let least = 0;
  if (drawn.some((mark) => mark.score !== null)) {
    least = Math.round((threshold ?? 0.3) * 100) / 100;
    await expect((mark) => !(mark.score !== null && mark.score < least));
    const slider = await driver.findElement(By.id("threshold"));
    for (let step = 0; step < 5; step++) await slider.sendKeys(KEYS.right);
    least = parseFloat(await slider.getAttribute("value"));
  }
  const names = await driver.findElements(By.id("names"));
  for (const box of names) {
    const shown = "return [...document.querySelectorAll('.mark text')].some((text) => text.getBoundingClientRect().width > 0)";
    assert.equal(await driver.executeScript(shown), true);
    await box.sendKeys(KEYS.space);
    assert.equal(await driver.executeScript(shown), false);
    await box.sendKeys(KEYS.space);
  }
  const above = (mark) => !(mark.score !== null && mark.score < least);
  await expect(above);
  const box = await driver.findElement(By.css("input[name=class]"));
  const off = parseInt(await box.getAttribute("value"), 10);
  await box.sendKeys(KEYS.space);
  await expect((mark) => above(mark) && mark.class !== off);
  await driver.findElement(By.id("no-classes")).sendKeys(KEYS.enter);
  await expect(() => false);
  await driver.findElement(By.id("all-classes")).sendKeys(KEYS.enter);
  await expect(above);
}
