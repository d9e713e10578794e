"use strict";
(() => {
  const words = new Intl.Collator("en", { numeric: true });

  // Numbers before words, what is empty last: in both directions.
  function place(cell) {
    if ("empty" in cell.dataset) return 2;
    return "value" in cell.dataset ? 0 : 1;
  }

  function compare(first, second, sign) {
    const kind = place(first);
    if (kind !== place(second)) return kind - place(second);
    if (kind === 0) return sign * (Number(first.dataset.value) - Number(second.dataset.value));
    return kind === 1 ? sign * words.compare(first.textContent, second.textContent) : 0;
  }

  function sort(table, column) {
    const heads = [...table.tHead.rows[0].cells];
    const rising = heads[column].getAttribute("aria-sort") !== "ascending";
    const body = table.tBodies[0];
    const rows = [...body.rows];
    rows.sort((first, second) => compare(first.cells[column], second.cells[column], rising ? 1 : -1));
    body.append(...rows);
    heads.forEach((head) => head.removeAttribute("aria-sort"));
    heads[column].setAttribute("aria-sort", rising ? "ascending" : "descending");
  }

  for (const table of document.querySelectorAll("table.sortable")) {
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => sort(table, column));
    });
  }

  async function copy(text, code) {
    try {
      await navigator.clipboard.writeText(text);
      return "Copied.";
    } catch {
      getSelection().selectAllChildren(code);
      return "Selected: copy with Ctrl+C or ⌘C.";
    }
  }

  for (const block of document.querySelectorAll(".commands")) {
    const code = block.querySelector("code");
    const button = block.querySelector(".copy");
    const status = block.querySelector("[role=status]");
    button.hidden = false;
    button.addEventListener("click", async () => {
      status.textContent = await copy(code.textContent, code);
    });
  }

  // What is wider than its box is scrolled with the arrow keys, so the keyboard must reach it and a name be
  // told there; the rest is no stop.
  const watcher = new ResizeObserver((boxes) => {
    for (const { target } of boxes) {
      const stop = { tabindex: "0", role: "region", "aria-label": target.dataset.name };
      const scrolls = target.scrollWidth > target.clientWidth;
      for (const [name, value] of Object.entries(stop)) {
        if (scrolls) target.setAttribute(name, value);
        else target.removeAttribute(name);
      }
    }
  });
  document.querySelectorAll(".scroll, .drawing, .picture").forEach((box) => watcher.observe(box));

  // Paper has no folds: open all of them for printing, and close again those that were closed.
  let opened = [];
  addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll("details:not([open])")];
    opened.forEach((fold) => { fold.open = true; });
  });
  addEventListener("afterprint", () => opened.forEach((fold) => { fold.open = false; }));
})();
