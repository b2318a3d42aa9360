"use strict";
// Tables sort by the column whose name is clicked: numbers by value, the rest as words and the numbers in them, gaps last.
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  if (body.rows.length < 2) continue;
  table.querySelectorAll("thead th").forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") !== "ascending";
      for (const other of table.querySelectorAll("thead th")) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const number = head.classList.contains("number");
      const key = (row) => row.cells[column].textContent;
      const gap = (text) => text === "-" || text === "";
      const order = (a, b) => (number ? parseFloat(a) - parseFloat(b) : a.localeCompare(b, undefined, { numeric: true }));
      const rows = [...body.rows].sort((a, b) => {
        const [x, y] = [key(a), key(b)];
        if (gap(x) || gap(y)) return gap(x) - gap(y);
        return up ? order(x, y) : order(y, x);
      });
      body.append(...rows);
    });
  });
}

// Marks on examples are shown by class, predictions also by score.
const controls = document.getElementById("controls");
if (controls) {
  const threshold = document.getElementById("threshold");
  const boxes = [...controls.querySelectorAll("input[name=class]")];
  const marks = [...document.querySelectorAll(".mark")];
  const update = () => {
    const least = threshold ? parseFloat(threshold.value) : 0;
    const classes = new Set(boxes.filter((box) => box.checked).map((box) => box.value));
    const counts = { truth: 0, prediction: 0 };
    for (const mark of marks) {
      const on = classes.has(mark.dataset.class) && !(parseFloat(mark.dataset.score) < least);
      mark.classList.toggle("off", !on);
      if (on) counts[mark.classList.contains("truth") ? "truth" : "prediction"] += 1;
    }
    if (threshold) {
      document.getElementById("threshold-value").textContent = least.toFixed(2);
      document.body.classList.toggle("nameless", !document.getElementById("names").checked);
    }
    document.getElementById("shown").textContent =
      `shown: ${counts.truth} of the truth, ${counts.prediction} of the predictions`;
  };
  const set = (on) => () => {
    for (const box of boxes) box.checked = on;
    update();
  };
  controls.addEventListener("input", update);
  controls.addEventListener("submit", (event) => event.preventDefault());
  document.getElementById("all-classes").addEventListener("click", set(true));
  document.getElementById("no-classes").addEventListener("click", set(false));
  update();
}
