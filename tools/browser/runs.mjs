// The page of several runs: node runs.mjs PICTURES PAGE RUN...
// It opens without a complaint, draws their curves together, and has the numbers of each run's page.json.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { complaints, open, pictures, show, sorts } from "./browser.mjs";

const [folder, page, ...runs] = process.argv.slice(2);
const driver = await open();
try {
  const name = basename(page, ".html");
  const address = `file://${resolve(page)}`;
  await pictures(driver, address, join(folder, name));
  await show(driver, address);
  const of = runs.map((run) => ({ name: basename(run), ...JSON.parse(readFileSync(join(run, "page.json"), "utf8")) }));
  await headlines(of);
  await curves(of);
  await tables(of);
  await sorts(driver);
  assert.deepEqual(await complaints(driver, ["file://"]), [], name);
  console.log(`ok: ${name}`);
} finally {
  await driver.quit();
}

function texts(selector) {
  return driver.executeScript("return [...document.querySelectorAll(arguments[0])].map((node) => node.textContent.trim())", selector);
}

async function headlines(of) {
  const expected = of.map(({ name, metric, value }) => [name, `${metric} ${value.toFixed(4)}`]);
  const [names, numbers] = [await texts(".headline .of"), await texts(".headline .number")];
  assert.deepEqual(names.map((name, index) => [name, numbers[index].replace(/\s+/g, " ")]), expected);
}

/// Every figure of curves that all runs have shows a curve of each, and accuracy against latency a point of each.
async function curves(of) {
  const figures = await driver.executeScript(
    "return [...document.querySelectorAll('.figure')].map((node) => [node.getAttribute('aria-label'), [...node.querySelectorAll('text')].map((text) => text.textContent.trim())])",
  );
  const labels = (title) => figures.filter(([known]) => known === title).flatMap(([, labels]) => labels);
  const lines = ({ sections }) => sections.flatMap(({ figures }) => figures).filter(({ lines }) => lines?.curves.length > 0);
  for (const { title, name } of lines(of[0]).filter((figure) => of.every((run) => lines(run).some(({ name }) => name === figure.name)))) {
    for (const run of of) {
      const curve = lines(run).find((figure) => figure.name === name).lines.curves[0].name;
      assert.ok(labels(title).includes(`${run.name}: ${curve}`), `${title}: ${run.name}: ${curve}`);
    }
  }
  for (const title of ["Loss", "Accuracy against latency, deploy form, one image"])
    for (const run of of) assert.ok(labels(title).includes(run.name), `${title}: ${run.name} in ${labels(title)}`);
}

/// Differences with intervals for each run but the first, and the metric of each class in each run.
async function tables(of) {
  const notes = await texts("main section .note");
  const [first, ...others] = of;
  for (const run of others.filter(({ task }) => task === first.task))
    assert.ok(notes.includes(`A: ${first.name}, B: ${run.name}`), `${run.name} is compared: ${notes}`);
  if (of.some(({ metric }) => metric !== first.metric)) return;
  const rows = await driver.executeScript(
    "return [...[...document.querySelectorAll('h2')].find((head) => head.textContent === 'Classes').closest('section').querySelectorAll('tbody tr')].map((row) => [...row.cells].map((cell) => cell.textContent))",
  );
  const value = (run, name) => run.classes.find(([known]) => known === name)?.[1]?.toFixed(4) ?? "-";
  assert.deepEqual(rows, first.classes.map(([name]) => [name, ...of.map((run) => value(run, name))]));
}
