// Keeps the page fresh in place: what was opened stays open, what has the focus keeps it, nothing jumps. Where the watchdog
// can't be reached the page says so, and since when: a page that looks calm and is old would be a lie.
"use strict";
(() => {
  const every = Number(document.currentScript.dataset.seconds) * 1000;
  let lostSince = null;

  // Whoever types, chooses or marks text is not disturbed.
  const busy = (main) => {
    const focus = document.activeElement;
    const typing = focus && main.contains(focus) && ["INPUT", "SELECT", "TEXTAREA"].includes(focus.tagName);
    const marked = document.getSelection();
    return typing || (marked && !marked.isCollapsed && main.contains(marked.anchorNode));
  };

  const replace = (fresh) => {
    const main = document.querySelector("main");
    const next = fresh.querySelector("main");
    if (!next || busy(main)) return;
    document.title = fresh.title;
    document.getElementById("as-of").replaceChildren(...fresh.getElementById("as-of").childNodes);
    if (next.isEqualNode(main)) return;
    for (const details of main.querySelectorAll("details[id]")) {
      const same = next.querySelector("#" + CSS.escape(details.id));
      if (same) same.open = details.open;
    }
    const focus = main.contains(document.activeElement) ? document.activeElement : null;
    const place = focus && focus.getAttribute("href");
    const folded = focus && focus.tagName === "SUMMARY" && focus.parentElement.id;
    main.replaceWith(next);
    if (place) next.querySelector('a[href="' + CSS.escape(place) + '"]')?.focus({preventScroll: true});
    if (folded) next.querySelector("#" + CSS.escape(folded) + " > summary")?.focus({preventScroll: true});
  };

  const look = async () => {
    try {
      const answer = await fetch(location.href, {headers: {accept: "text/html"}, signal: AbortSignal.timeout(every)});
      if (answer.status >= 500) throw new Error(String(answer.status));
      replace(new DOMParser().parseFromString(await answer.text(), "text/html"));
      lostSince = null;
    } catch {
      lostSince ??= new Date();
      const line = document.getElementById("as-of");
      const time = line.querySelector("time");
      line.replaceChildren("The watchdog can't be reached since " + lostSince.toLocaleTimeString() + "; this is from ", time);
    }
    document.documentElement.classList.toggle("stale", lostSince !== null);
  };

  const again = () => setTimeout(async () => {
    if (!document.hidden) await look();
    again();
  }, every);
  document.addEventListener("visibilitychange", () => document.hidden || look());
  again();
})();
