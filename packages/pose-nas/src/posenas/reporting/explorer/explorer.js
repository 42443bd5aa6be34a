// Shows a candidate of the page: point at a mark, or walk with the arrow keys; Enter opens its panel.
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("candidates").textContent);
  const panel = document.getElementById("panel");
  const readout = document.getElementById("readout");
  const charts = [...document.querySelectorAll(".chart")].map((chart) => [...chart.querySelectorAll(".point")]);
  const hint = "Point at a mark, or walk along the marks with the arrow keys. Enter or a click shows a candidate.";
  const picture = "http://www.w3.org/2000/svg"; // the name of a vocabulary, which is never fetched

  const nameOf = (point) => point.getAttribute("href").slice(1);

  function element(kind, attributes = {}, ...children) {
    const made = document.createElement(kind);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.append(...children);
    return made;
  }

  function drawn(kind, attributes, ...children) {
    const made = document.createElementNS(picture, kind);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.append(...children);
    return made;
  }

  function mark(style, name) {
    for (const point of charts.flat()) point.classList.toggle(style, nameOf(point) === name);
  }

  function light(point) {
    mark("lit", point ? nameOf(point) : null);
    readout.textContent = point ? point.getAttribute("aria-label") : hint;
  }

  // One mark of a chart is reached by the Tab key; the arrow keys lead on from it.
  function makeReachable(points, chosen) {
    for (const point of points) point.setAttribute("tabindex", point === chosen ? "0" : "-1");
  }

  const across = (point) => Number(point.querySelector("use").getAttribute("x"));
  const down = (point) => Number(point.querySelector("use").getAttribute("y"));

  function neighbour(points, point, key) {
    if (key === "Home") return points[0];
    if (key === "End") return points.at(-1);
    const order = key === "ArrowUp" || key === "ArrowDown" ? [...points].sort((a, b) => down(b) - down(a)) : points;
    const step = key === "ArrowRight" || key === "ArrowUp" ? 1 : -1;
    return order[order.indexOf(point) + step];
  }

  function nearest(points, event) {
    const box = points[0].ownerSVGElement;
    const place = new DOMPoint(event.clientX, event.clientY).matrixTransform(box.getScreenCTM().inverse());
    const distance = (point) => Math.hypot(across(point) - place.x, down(point) - place.y);
    const found = points.reduce((best, point) => (distance(point) < distance(best) ? point : best));
    return distance(found) < 24 ? found : null;
  }

  function row(cells, style = "") {
    const made = element("tr", style ? { class: style } : {});
    cells.forEach((cell, place) =>
      made.append(place ? element("td", { class: "number" }, cell) : element("th", { scope: "row" }, cell)),
    );
    return made;
  }

  function table(titles, rows) {
    const kinds = (place) => (place ? { scope: "col", class: "number" } : { scope: "col" });
    const head = element("tr", {}, ...titles.map((title, place) => element("th", kinds(place), title)));
    return element("table", {}, element("thead", {}, head), element("tbody", {}, ...rows));
  }

  function figures(run, entry, other) {
    const same = other && other.split === entry.split;
    const titles = [`On ${entry.split}`, "This", ...(other ? ["Winner"] : [])];
    const rows = [
      ...run.metrics.map((name, at) => [name, entry.metrics[at], ...(other ? [same ? other.metrics[at] : "–"] : [])]),
      ...run.costs.map((name, at) => [name, entry.costs[at], ...(other ? [other.costs[at]] : [])]),
    ];
    return table(titles, rows.filter((cells) => cells[1] !== "–").map((cells) => row(cells)));
  }

  function genotype(run, entry, other) {
    const differs = run.dimensions.map((_, at) => other && other.genotype[at] !== entry.genotype[at]);
    const rows = run.dimensions.map((name, at) =>
      row(
        [name, entry.genotype[at], ...(other ? [`${differs[at] ? "≠ " : ""}${other.genotype[at]}`] : [])],
        differs[at] ? "other" : "",
      ),
    );
    const shown = element("div", { class: "genotype" }, table(["Dimension", "This", ...(other ? ["Winner"] : [])], rows));
    const number = differs.filter(Boolean).length;
    const words = other
      ? `${number} of ${run.dimensions.length} dimensions differ from the winner's; they are in bold, with a ≠.`
      : "This is the winner's genotype.";
    return [element("h4", {}, "Genotype"), element("p", { class: "quiet" }, words), shown];
  }

  function keypoints(run, entry, other) {
    const compared = other && other.split === entry.split ? other : null;
    const rows = run.keypoints.flatMap((name, at) => {
      const value = entry.keypoints[at];
      if (value === null) return [];
      const bar = element("span");
      bar.style.width = `${100 * value}%`;
      const winner = compared && compared.keypoints[at] !== null ? [compared.keypoints[at].toFixed(3)] : [];
      const made = row([name, bar, value.toFixed(3), ...winner]);
      made.children[1].className = "bar";
      return [made];
    });
    if (!rows.length) return [];
    const titles = ["Keypoint", "", "This", ...(compared ? ["Winner"] : [])];
    return [element("h4", {}, "Score by keypoint"), element("div", { class: "keypoints" }, table(titles, rows))];
  }

  function person([name, similarity, left, right, middle]) {
    const image = document.getElementById(name);
    const size = `0 0 ${image.getAttribute("width")} ${image.getAttribute("height")}`;
    const words = left + right + middle ? `OKS ${similarity.toFixed(3)}` : "no pose predicted";
    const pose = drawn("g", { class: "pose" }, drawn("path", { class: "edge", d: left + right + middle }));
    for (const [side, d] of Object.entries({ left, right, middle })) pose.append(drawn("path", { class: side, d }));
    const view = drawn(
      "svg",
      { viewBox: size, role: "img", "aria-label": `Predicted and true pose, ${words}` },
      drawn("use", { href: `#${name}` }),
      drawn("use", { href: `#${name}-truth` }),
      pose,
    );
    return element("figure", {}, view, element("figcaption", {}, words));
  }

  function poses(entry) {
    const title = element("h4", {}, "Predicted poses");
    if (!entry.poses.length) {
      const words = "No poses of this candidate were kept. The option evaluation.example_people keeps some of later runs.";
      return element("div", {}, title, element("p", { class: "quiet" }, words));
    }
    const words = "The person's left side is orange, the right blue; the true pose is white. OKS is their similarity.";
    const people = element("div", { class: "people" }, ...entry.poses.map(person));
    return element("div", {}, title, people, element("p", { class: "quiet" }, words));
  }

  function open(name) {
    const entry = data.entries[name];
    const run = data.runs[entry.run];
    const other = run.winner && run.winner !== name ? data.entries[run.winner] : null;
    const close = element("button", { type: "button" }, "Close");
    close.addEventListener("click", leave);
    const title = element("span", { id: "panel-title" }, run.name ? `${run.name}: ` : "", element("code", {}, entry.id));
    if (entry.about) title.append(` – ${entry.about}`);
    panel.replaceChildren(
      element("h3", {}, title, close),
      element("div", { class: "side" }, figures(run, entry, other), poses(entry)),
      ...keypoints(run, entry, other),
      ...genotype(run, entry, other),
    );
    panel.hidden = false;
    mark("chosen", name);
    for (const points of charts) {
      const chosen = points.find((point) => nameOf(point) === name);
      if (chosen) makeReachable(points, chosen);
    }
  }

  function close() {
    panel.hidden = true;
    panel.replaceChildren();
    mark("chosen", null);
  }

  // Closes the panel, and gives the keyboard back to the mark.
  function leave() {
    const point = charts.flat().find((each) => each.classList.contains("chosen"));
    history.pushState(null, "", location.pathname + location.search);
    close();
    if (point) point.focus();
  }

  // Shows what the address names; the view moves to the charts only where the panel is out of sight.
  function follow() {
    const name = location.hash.slice(1);
    if (!(name in data.entries)) return close();
    open(name);
    const box = panel.getBoundingClientRect();
    if (box.top < 0 || box.top > 0.75 * innerHeight) document.querySelector(".legend").scrollIntoView();
  }

  for (const points of charts) {
    makeReachable(points, points.find((point) => point.classList.contains("winner")) || points[0]);
    const chart = points[0].ownerSVGElement;
    chart.addEventListener("pointermove", (event) => light(nearest(points, event)));
    chart.addEventListener("pointerleave", () => light(points.find((point) => point === document.activeElement)));
    chart.addEventListener("click", (event) => {
      const point = event.target.closest(".point") || nearest(points, event);
      if (point && event.target.closest(".point") === null) point.dispatchEvent(new MouseEvent("click", { bubbles: true, cancelable: true }));
    });
    chart.addEventListener("keydown", (event) => {
      const walks = ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End"].includes(event.key);
      if (!walks || !points.includes(document.activeElement)) return;
      event.preventDefault();
      const next = neighbour(points, document.activeElement, event.key);
      if (!next) return;
      makeReachable(points, next);
      next.focus({ preventScroll: true });
    });
    for (const point of points) {
      point.addEventListener("focus", () => light(point));
      point.addEventListener("blur", () => light(null));
    }
  }
  document.addEventListener("click", (event) => {
    const clicked = event.target.closest('a[href^="#candidate-"]');
    const name = clicked && clicked.getAttribute("href").slice(1);
    if (!clicked || event.ctrlKey || event.metaKey || event.shiftKey || !(name in data.entries)) return;
    event.preventDefault();
    if (location.hash !== `#${name}`) history.pushState(null, "", `#${name}`);
    follow();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !panel.hidden) leave();
  });
  // Without this script a link leads to a row of the table, with it to the panel.
  for (const name of Object.keys(data.entries)) document.getElementById(name).removeAttribute("id");
  addEventListener("popstate", follow);
  addEventListener("hashchange", follow);
  light(null);
  follow();
})();
