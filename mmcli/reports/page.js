"use strict";
const find = (selector, among = document) => [...among.querySelectorAll(selector)];
const element = (name, text) => Object.assign(document.createElement(name), { textContent: text });

function cardOf(key) {
  const card = document.querySelector(`[data-card="${CSS.escape(key)}"]`);
  if (!card) return null;
  const copy = card.cloneNode(true);
  copy.removeAttribute("data-card");
  return copy;
}

for (const place of find("[data-copy]")) {
  const card = cardOf(place.dataset.copy);
  if (card) place.replaceWith(card);
}

const prefixOf = (node) => node.closest("[data-prefix]").dataset.prefix;

function fill(panel, title, cards, note) {
  const holder = element("div");
  holder.className = "cards";
  holder.append(...cards);
  panel.replaceChildren(element("h3", title), holder);
  if (note) panel.append(Object.assign(element("p", note), { className: "note" }));
  panel.hidden = false;
}

for (const table of find("table[data-panel]")) {
  const panel = document.getElementById(table.dataset.panel);
  const prefix = prefixOf(table);
  table.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    const again = button.getAttribute("aria-pressed") === "true";
    for (const other of find(`table[data-panel="${CSS.escape(table.dataset.panel)}"] button`)) other.setAttribute("aria-pressed", "false");
    panel.hidden = true;
    if (again) return;
    button.setAttribute("aria-pressed", "true");
    const rows = button.dataset.rows ? button.dataset.rows.split(",") : [];
    const cards = rows.map((row) => cardOf(prefix + row)).filter(Boolean);
    const count = Number(button.dataset.count);
    const note = cards.length < count ? `${cards.length} of ${count} samples are on this page; predictions.jsonl has all.` : "";
    fill(panel, button.getAttribute("aria-label"), cards, note);
  });
  table.addEventListener("keydown", (event) => {
    const cell = event.target.closest("td");
    const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    if (!cell || !step || !table.classList.contains("matrix")) return;
    event.preventDefault();
    const lines = find("tbody tr", table);
    let [line, column] = [lines.indexOf(cell.parentElement), cell.cellIndex];
    do {
      [line, column] = [line + step[0], column + step[1]];
      const next = lines[line] && lines[line].cells[column];
      if (!next) return;
      const button = next.querySelector("button");
      if (button) return button.focus();
    } while (true);
  });
}

function watchPoints(holder, panel, told, prefix) {
  let at = [];
  const show = (row) => {
    for (const dot of at) dot.classList.remove("at");
    at = find(`.dot[data-row="${row}"]`, holder);
    for (const dot of at) dot.classList.add("at");
    const card = cardOf(prefix + row);
    fill(panel, told(row), card ? [card] : [], card ? "" : "This sample's media are not on the page.");
  };
  holder.addEventListener("pointerover", (event) => event.target.dataset.row && show(event.target.dataset.row));
  holder.addEventListener("click", (event) => event.target.dataset.row && show(event.target.dataset.row));
  for (const map of find(".map", holder)) {
    map.addEventListener("keydown", (event) => {
      const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      if (!way) return;
      event.preventDefault();
      const dots = find(".dot", map);
      const here = map.querySelector(".dot.at") || dots[0];
      const [x, y] = [here.cx.baseVal.value, here.cy.baseVal.value];
      let best = at.length ? null : here;
      let least = Infinity;
      if (at.length) for (const dot of dots) {
        const [dx, dy] = [dot.cx.baseVal.value - x, dot.cy.baseVal.value - y];
        const along = dx * way[0] + dy * way[1];
        const aside = Math.abs(dx * way[1]) + Math.abs(dy * way[0]);
        if (along > 0.01 && along + 2 * aside < least) [best, least] = [dot, along + 2 * aside];
      }
      if (best) show(best.dataset.row);
    });
  }
}

for (const maps of find("[data-points]")) {
  const points = JSON.parse(document.getElementById(maps.dataset.points).textContent);
  const place = new Map(points.rows.map((row, number) => [String(row), number]));
  const told = (row) => {
    const number = place.get(String(row));
    return `${points.ids[number]}: true ${points.true[number] ?? "unknown"}, predicted ${points.predicted[number] ?? "nothing"}`;
  };
  watchPoints(maps, maps.querySelector(".panel"), told, prefixOf(maps));
}

for (const points of find(".points")) {
  const panel = element("div");
  panel.className = "panel";
  panel.hidden = true;
  panel.setAttribute("aria-live", "polite");
  points.after(panel);
  watchPoints(points, panel, (row) => `Row ${row}`, prefixOf(points));
}
