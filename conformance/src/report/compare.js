"use strict";
(() => {
  const rows = [...document.querySelectorAll(".row")];
  const search = document.getElementById("search");
  const broken = document.getElementById("broken");
  const differ = document.getElementById("differ");
  const shown = document.getElementById("shown");

  function filter() {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const row of rows) {
      const text = row.querySelector("th").textContent.toLowerCase();
      row.hidden = (broken.checked && row.dataset.broken !== "true")
        || (differ.checked && row.dataset.same === "true")
        || !words.every((word) => text.includes(word));
    }
    for (const group of document.querySelectorAll("tbody")) {
      group.hidden = [...group.querySelectorAll(".row")].every((row) => row.hidden);
    }
    const visible = rows.filter((row) => !row.hidden).length;
    shown.textContent = `${visible} of ${rows.length} rules shown`;
    const state = new URLSearchParams();
    if (search.value) state.set("q", search.value);
    if (broken.checked) state.set("broken", "1");
    if (differ.checked) state.set("differ", "1");
    history.replaceState(null, "", state.size ? `#${state}` : location.pathname + location.search);
  }

  const state = new URLSearchParams(location.hash.slice(1));
  search.value = state.get("q") ?? "";
  broken.checked = state.has("broken");
  differ.checked = state.has("differ");
  search.addEventListener("input", filter);
  broken.addEventListener("change", filter);
  differ.addEventListener("change", filter);
  document.getElementById("filter").addEventListener("submit", (event) => event.preventDefault());
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && event.target !== search) {
      event.preventDefault();
      search.focus();
    }
  });
  filter();
})();
