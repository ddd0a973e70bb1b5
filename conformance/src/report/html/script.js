"use strict";
(() => {
  const cases = [...document.querySelectorAll(".case")];
  const texts = new Map(cases.map((one) => [one, one.textContent.toLowerCase()]));
  const kinds = [...document.querySelectorAll("button[data-kind]")];
  const search = document.getElementById("search");
  const section = document.getElementById("section");
  const unfold = document.getElementById("unfold");
  const shown = document.getElementById("shown");
  const pressed = (button) => button.getAttribute("aria-pressed") === "true";
  const press = (button, on) => button.setAttribute("aria-pressed", String(on));
  const visible = () => cases.filter((one) => !one.hidden);

  function filter() {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const wanted = new Set(kinds.filter(pressed).map((button) => button.dataset.kind));
    for (const one of cases) {
      one.hidden = !(wanted.has(one.dataset.kind)
        && (section.value === "" || section.value === one.dataset.section)
        && words.every((word) => texts.get(one).includes(word)));
    }
    for (const group of document.querySelectorAll("main > section")) {
      const inside = [...group.querySelectorAll(".case")];
      group.hidden = inside.length > 0 && inside.every((one) => one.hidden);
    }
    shown.textContent = `${visible().length} of ${cases.length} cases shown`;
  }

  // The filter stands in the address, so that what is seen can be linked: #q=mount&show=failed
  function remember() {
    const state = new URLSearchParams();
    if (search.value) state.set("q", search.value);
    if (!kinds.every(pressed)) state.set("show", kinds.filter(pressed).map((b) => b.dataset.kind).join(","));
    if (section.value) state.set("in", section.value);
    const text = state.toString();
    history.replaceState(null, "", text ? `#${text}` : location.pathname + location.search);
  }

  function recall() {
    const hash = decodeURIComponent(location.hash.slice(1));
    const one = hash && !hash.includes("=") && document.getElementById(hash);
    if (one) {
      showAll();
      one.open = true;
      one.scrollIntoView();
      one.querySelector("summary").focus({ preventScroll: true });
      return;
    }
    const state = new URLSearchParams(location.hash.slice(1));
    search.value = state.get("q") ?? "";
    section.value = state.get("in") ?? "";
    if (section.selectedIndex < 0) section.value = "";
    const show = state.get("show")?.split(",");
    for (const button of kinds) press(button, !show || show.includes(button.dataset.kind));
    filter();
  }

  function showAll() {
    search.value = "";
    section.value = "";
    for (const button of kinds) press(button, true);
    filter();
  }

  function changed() {
    filter();
    remember();
  }

  function step(by) {
    const all = visible();
    const at = all.indexOf(document.activeElement?.closest?.(".case"));
    const next = all[at < 0 ? (by > 0 ? 0 : all.length - 1) : at + by];
    if (!next) return;
    next.querySelector("summary").focus({ preventScroll: true });
    next.scrollIntoView({ block: "nearest" });
  }

  search.addEventListener("input", changed);
  section.addEventListener("change", changed);
  document.getElementById("filter").addEventListener("submit", (event) => event.preventDefault());
  for (const button of kinds) {
    button.addEventListener("click", () => {
      press(button, !pressed(button));
      changed();
    });
  }
  unfold.addEventListener("click", () => {
    const open = unfold.textContent === "Unfold all";
    for (const one of visible()) one.open = open;
    unfold.textContent = open ? "Fold all" : "Unfold all";
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape") {
      showAll();
      remember();
      document.activeElement?.blur?.();
    }
    if (event.target.matches("input, select, textarea")) return;
    if (event.key === "/") {
      event.preventDefault();
      search.focus();
    } else if (event.key === "j") {
      step(1);
    } else if (event.key === "k") {
      step(-1);
    }
  });
  addEventListener("hashchange", recall);
  recall();
})();
