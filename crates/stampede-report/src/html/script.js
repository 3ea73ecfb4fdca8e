"use strict";
// The read-out under the pointer takes its figures from the chart's own table; nothing is drawn here.
for (const chart of document.querySelectorAll("figure.chart[data-slices]")) {
  const area = chart.querySelector(".area");
  const cursor = chart.querySelector(".cursor");
  const out = chart.querySelector("output");
  const heads = [...chart.querySelectorAll("thead th")].map((cell) => cell.textContent);
  const rows = chart.querySelectorAll("tbody tr");
  if (!out || rows.length === 0) continue;
  const show = (event) => {
    const box = area.getBoundingClientRect();
    const share = Math.min(Math.max((event.clientX - box.left) / box.width, 0), 0.999999);
    const place = Math.floor(share * rows.length);
    const cells = [...rows[place].cells].map((cell, column) => `${heads[column]} ${cell.textContent}`);
    out.textContent = cells.join(" · ");
    cursor.style.left = `${((place + 0.5) / rows.length) * 100}%`;
    cursor.style.display = "block";
  };
  area.addEventListener("pointermove", show);
  area.addEventListener("pointerdown", show);
  area.addEventListener("pointerleave", () => {
    out.textContent = "";
    cursor.style.display = "none";
  });
}
const steps = [...document.querySelectorAll("details.step")];
for (const row of document.querySelectorAll(".buttons")) {
  row.hidden = false;
  row.addEventListener("click", (event) => {
    const open = event.target.dataset.open;
    if (open) steps.forEach((step) => { step.open = open === "yes"; });
  });
}
for (const link of document.querySelectorAll("a[href^='#step-']")) {
  link.addEventListener("click", () => {
    const step = document.getElementById(link.hash.slice(1));
    if (step) step.open = true;
  });
}
let closed = [];
addEventListener("beforeprint", () => {
  closed = steps.filter((step) => !step.open);
  closed.forEach((step) => { step.open = true; });
});
addEventListener("afterprint", () => closed.forEach((step) => { step.open = false; }));
