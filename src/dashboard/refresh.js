// Optional: replaces the figures every ten seconds. Without it the page is
// complete and is renewed by reloading.
"use strict";
(() => {
  const every = 10000;
  const button = document.getElementById.bind(document, "live");
  let paused = false;

  const show = () => {
    const b = button();
    if (!b) return;
    b.hidden = false;
    b.textContent = paused ? "Resume updates" : "Pause updates";
    b.setAttribute("aria-pressed", String(paused));
  };

  // A reader who has something selected or focused inside is not interrupted.
  const busy = (main) =>
    document.hidden || String(getSelection()) !== "" || main.contains(document.activeElement);

  const refresh = async () => {
    const main = document.getElementById("main");
    if (paused || !main || busy(main)) return;
    try {
      const answer = await fetch(location.href, { cache: "no-store" });
      if (!answer.ok) return;
      const next = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("main");
      if (!next || paused || busy(main)) return;
      const open = [...main.querySelectorAll("details")].map((d) => d.open);
      next.querySelectorAll("details").forEach((d, i) => { d.open = Boolean(open[i]); });
      main.replaceWith(next);
      show();
    } catch { /* The next attempt is ten seconds away; the page says how old it is. */ }
  };

  document.addEventListener("click", (event) => {
    if (!(event.target instanceof Element) || event.target.id !== "live") return;
    paused = !paused;
    show();
    event.target.blur();
  });
  show();
  setInterval(refresh, every);
})();
