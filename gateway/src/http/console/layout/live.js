// Keeps a page live. Without this script the page shows the time of its data and a link that fetches it anew.
// The stream sends a "region" whenever what is shown has changed, and at least a "beat" every five seconds.
// When nothing has come for twenty seconds the page says so loudly: silence is never shown as "all well".
(() => {
  "use strict";

  const SILENT_AFTER_MS = 20_000;
  const TRY_AGAIN_MS = 5_000;

  const address = document.body.dataset.stream;
  const region = document.getElementById("live");
  if (!address || !region || !window.EventSource) return;

  const notLive = document.getElementById("not-live");
  const announcer = document.getElementById("announcer");
  const stays = document.body.dataset.stays === "true";

  let source = null;
  let lastHeard = performance.now();
  let lastTime = document.querySelector("[data-as-of]")?.textContent ?? "";
  let lastTried = 0;
  let shownAsCut = false;

  function open() {
    lastTried = performance.now();
    source?.close();
    source = new EventSource(address);
    source.addEventListener("region", (event) => hear(() => show(event.data)));
    source.addEventListener("beat", (event) => hear(() => stamp(event.data)));
    source.addEventListener("ended", (event) => {
      close();
      window.location.assign(event.data);
    });
  }

  function close() {
    source?.close();
    source = null;
  }

  function hear(apply) {
    apply();
    lastHeard = performance.now();
    lastTime = document.querySelector("[data-as-of]")?.textContent ?? lastTime;
    document.body.classList.add("live");
    if (shownAsCut) {
      shownAsCut = false;
      document.body.classList.remove("cut-off");
      notLive.hidden = true;
      notLive.querySelector("[data-since]").textContent = "";
      announcer.textContent = notLive.dataset.again;
    }
  }

  function show(html) {
    const before = new Set(cases().map((row) => row.id));
    const focused = region.contains(document.activeElement) ? document.activeElement.id : null;
    const typed = keepWhatIsTyped();
    const scrolled = [...region.querySelectorAll(".scroll[id]")].map(({ id, scrollTop, scrollLeft }) => ({ id, scrollTop, scrollLeft }));
    region.innerHTML = html;
    putBack(typed);
    for (const { id, scrollTop, scrollLeft } of scrolled) document.getElementById(id)?.scrollTo(scrollLeft, scrollTop);
    if (focused !== null) (document.getElementById(focused) ?? document.getElementById("main")).focus({ preventScroll: true });
    const title = region.querySelector("[data-title]")?.dataset.title;
    if (title) document.title = title;
    const news = cases().filter((row) => !before.has(row.id)).map((row) => row.dataset.say);
    if (news.length > 0) announcer.textContent = news.join(" ");
  }

  // Nobody loses a half-written note because something else changed meanwhile.
  function keepWhatIsTyped() {
    return [...region.querySelectorAll("textarea[id], input[id], select[id]")].map((field) => ({
      id: field.id,
      value: field.value,
      start: field.selectionStart,
      end: field.selectionEnd,
    }));
  }

  function putBack(typed) {
    for (const { id, value, start, end } of typed) {
      const field = document.getElementById(id);
      if (!field || value === "") continue;
      field.value = value;
      field.setSelectionRange?.(start, end);
    }
  }

  function cases() {
    return [...region.querySelectorAll("[data-say]")];
  }

  function stamp(time) {
    for (const shown of document.querySelectorAll("[data-as-of]")) shown.textContent = time;
  }

  function watch() {
    if (!wanted()) return;
    const silentFor = performance.now() - lastHeard;
    if (silentFor > SILENT_AFTER_MS && !shownAsCut) {
      shownAsCut = true;
      document.body.classList.remove("live");
      document.body.classList.add("cut-off");
      notLive.querySelector("[data-since]").textContent = lastTime;
      notLive.hidden = false;
    }
    const gaveUp = !source || source.readyState === EventSource.CLOSED || silentFor > SILENT_AFTER_MS;
    if (gaveUp && performance.now() - lastTried > TRY_AGAIN_MS) open();
  }

  // Says that a ringing case was before somebody's eyes: its middle on the screen of a visible page for a second, while
  // somebody touched the page within a minute. What was only drawn, or hangs on a wall with nobody near, was not.
  const said = new Set();
  let inView = new Set();
  let touched = -Infinity;
  for (const kind of ["pointermove", "pointerdown", "keydown", "wheel", "touchstart"]) {
    document.addEventListener(kind, () => { touched = performance.now(); }, { passive: true });
  }

  function look() {
    const isSomebodyHere = document.visibilityState === "visible" && performance.now() - touched < 60_000;
    const middle = (row) => { const { top, bottom, width } = row.getBoundingClientRect(); return width > 0 ? (top + bottom) / 2 : -1; };
    const rows = isSomebodyHere ? [...region.querySelectorAll("[data-shown]")] : [];
    const seen = rows.filter((row) => middle(row) >= 0 && middle(row) <= window.innerHeight).map((row) => row.dataset.shown);
    for (const place of seen.filter((place) => inView.has(place) && !said.has(place))) {
      said.add(place);
      fetch(place, { method: "POST" }).then(({ ok }) => { if (!ok) said.delete(place); }, () => said.delete(place));
    }
    inView = new Set(seen);
  }

  // Browsers allow few connections to one address: a hidden page that is not the work list gives its own back.
  function wanted() {
    return stays || document.visibilityState === "visible";
  }

  document.addEventListener("visibilitychange", () => {
    if (!wanted()) {
      close();
      document.body.classList.remove("live");
    } else if (!source) {
      lastHeard = performance.now();
      open();
    }
    watch();
  });

  open();
  window.setInterval(watch, 1_000);
  window.setInterval(look, 1_000);
})();
