"use strict";
(() => {
  const holder = document.getElementById("map-data");
  const ready = () => { document.documentElement.dataset.ready = Math.round(performance.now()); };
  if (!holder) { ready(); return; }

  const data = JSON.parse(holder.textContent);
  const canvas = document.getElementById("map-canvas");
  const tip = document.getElementById("map-tip");
  const legend = document.getElementById("map-legend");
  const layoutBox = document.getElementById("map-layout");
  const colourBox = document.getElementById("map-colour");
  const pen = canvas.getContext("2d");
  const count = data.names.length;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const MARGIN = 24, REACH = 14;

  // Coordinates of each layout, in [0, 1], as they were packed.
  const layouts = {};
  for (const [name, text] of Object.entries(data.layouts)) {
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    const view = new DataView(bytes.buffer), places = new Float32Array(2 * count);
    for (let i = 0; i < places.length; i++) places[i] = view.getUint16(2 * i, true) / 65535;
    layouts[name] = places;
  }

  const state = { zoom: 1, x: 0, y: 0, near: -1, selected: -1, hidden: new Set() };
  let places, colour, styles = [];

  function option(box, names) {
    for (const name of names) {
      const item = document.createElement("option");
      item.textContent = item.value = name;
      box.append(item);
    }
  }

  function css(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  }

  // A colour for each class: the page's colours for a few, evenly spaced hues for many.
  function palette(size) {
    if (size <= 8) return Array.from({ length: size }, (_, i) => css(`--c${i}`));
    return Array.from({ length: size }, (_, i) => {
      const light = (dark.matches ? [62, 74, 54] : [44, 54, 34])[i % 3];
      return `hsl(${Math.round(360 * i / size)} 68% ${light}%)`;
    });
  }

  function paint() {
    colour = data.colours[colourBox.value] || {};
    const grey = css("--soft");
    if (colour.share) {
      styles = colour.share.map((s) => `hsl(${Math.round(20 + 190 * s)} 75% ${dark.matches ? 60 : 45}%)`);
    } else if (colour.of) {
      const colours = palette(colour.names.length);
      styles = colour.of.map((number) => (number < 0 ? grey : colours[number]));
    } else {
      styles = new Array(count).fill(css("--accent"));
    }
    listColours(grey);
    draw();
  }

  function listColours(grey) {
    legend.replaceChildren();
    if (colour.share) {
      for (const [text, share] of [["highest", 1], ["median", 0.5], ["lowest", 0]]) {
        addLine(text, `hsl(${20 + 190 * share} 75% ${dark.matches ? 60 : 45}%)`, null);
      }
    } else if (colour.of) {
      const colours = palette(colour.names.length), counts = new Map();
      for (const number of colour.of) counts.set(number, (counts.get(number) || 0) + 1);
      colour.names.forEach((name, number) => {
        if (counts.has(number)) addLine(`${name} (${counts.get(number)})`, colours[number], number);
      });
      if (counts.has(-1)) addLine(`no label (${counts.get(-1)})`, grey, -1);
    }
  }

  function addLine(text, style, number) {
    const line = document.createElement("li"), button = document.createElement("button");
    const dot = document.createElement("i"), words = document.createElement("span");
    dot.style.background = style;
    words.textContent = text;
    button.append(dot, words);
    if (number !== null) {
      button.setAttribute("aria-pressed", String(!state.hidden.has(number)));
      button.addEventListener("click", () => {
        if (!state.hidden.delete(number)) state.hidden.add(number);
        button.setAttribute("aria-pressed", String(!state.hidden.has(number)));
        draw();
      });
    }
    line.append(button);
    legend.append(line);
  }

  function shown(i) {
    return !colour.of || !state.hidden.has(colour.of[i]);
  }

  // From layout coordinates to pixels of the canvas.
  function scale() {
    return (Math.min(canvas.clientWidth, canvas.clientHeight) - 2 * MARGIN) * state.zoom;
  }
  function px(i) { return canvas.clientWidth / 2 + (places[2 * i] - 0.5) * scale() + state.x; }
  function py(i) { return canvas.clientHeight / 2 - (places[2 * i + 1] - 0.5) * scale() + state.y; }

  function draw() {
    const dots = devicePixelRatio || 1;
    const width = canvas.clientWidth, height = canvas.clientHeight;
    if (canvas.width !== Math.round(width * dots)) canvas.width = Math.round(width * dots);
    if (canvas.height !== Math.round(height * dots)) canvas.height = Math.round(height * dots);
    pen.setTransform(dots, 0, 0, dots, 0, 0);
    pen.clearRect(0, 0, width, height);
    const radius = Math.min(6, (count > 4000 ? 1.9 : count > 1000 ? 2.6 : 3.6) * Math.sqrt(Math.sqrt(state.zoom)));
    pen.globalAlpha = 0.78;
    // In a fixed shuffled order, so that no class is drawn over the others.
    for (let n = 0, i = 0; n < count; n++, i = (i + stride) % count) {
      const x = px(i), y = py(i);
      if (!shown(i) || x < -9 || y < -9 || x > width + 9 || y > height + 9) continue;
      pen.fillStyle = styles[i];
      pen.beginPath();
      pen.arc(x, y, radius, 0, 7);
      pen.fill();
    }
    pen.globalAlpha = 1;
    const marked = state.near >= 0 ? state.near : state.selected;
    if (marked >= 0) {
      pen.strokeStyle = css("--ink");
      pen.lineWidth = 2;
      pen.beginPath();
      pen.arc(px(marked), py(marked), radius + 3, 0, 7);
      pen.stroke();
    }
  }

  // A stride that is coprime to the count visits every sample once.
  const common = (a, b) => (b ? common(b, a % b) : a);
  let stride = Math.max(1, Math.floor(count * 0.618));
  while (common(stride, count) !== 1) stride++;

  const sheets = [];
  function picture(i) {
    const pictures = data.pictures;
    if (pictures.kind === "words") {
      const words = document.createElement("div");
      words.textContent = pictures.items[i] || "";
      return words;
    }
    if (pictures.kind === "drawings" && pictures.items[i]) {
      const image = document.createElement("img");
      image.src = `data:image/svg+xml,${encodeURIComponent(pictures.items[i])}`;
      return image;
    }
    if (pictures.kind === "tiles") {
      const tile = document.createElement("canvas"), number = Math.floor(i / pictures.of_sheet);
      const factor = Math.max(1, 144 / Math.max(pictures.width, pictures.height));
      tile.width = Math.round(pictures.width * factor);
      tile.height = Math.round(pictures.height * factor);
      tile.className = "picture";
      tile.style.cssText = `width:${tile.width}px;height:${tile.height}px;border:0;display:block`;
      // A sheet is decoded when the first of its samples is shown.
      if (!sheets[number]) {
        sheets[number] = new Image();
        sheets[number].src = pictures.sheets[number];
      }
      const place = i % pictures.of_sheet;
      const x = (place % pictures.across) * pictures.width;
      const y = Math.floor(place / pictures.across) * pictures.height;
      sheets[number].decode().then(() => {
        const brush = tile.getContext("2d");
        brush.imageSmoothingEnabled = !pictures.small;
        brush.drawImage(sheets[number], x, y, pictures.width, pictures.height, 0, 0, tile.width, tile.height);
      });
      return tile;
    }
    return document.createElement("div");
  }

  function showTip() {
    const i = state.near >= 0 ? state.near : state.selected;
    tip.hidden = i < 0;
    if (i < 0) return;
    const name = document.createElement("div");
    name.textContent = data.names[i];
    tip.replaceChildren(picture(i), name);
    if (data.label && data.label[i] >= 0) {
      const label = document.createElement("strong");
      label.textContent = data.labels[data.label[i]];
      tip.append(label);
    }
    const x = px(i), y = py(i), right = x > canvas.clientWidth / 2, below = y > canvas.clientHeight / 2;
    tip.style.left = right ? "auto" : `${x + 14}px`;
    tip.style.right = right ? `${canvas.clientWidth - x + 14}px` : "auto";
    tip.style.top = below ? "auto" : `${y + 10}px`;
    tip.style.bottom = below ? `${canvas.clientHeight - y + 10}px` : "auto";
  }

  function look(x, y) {
    let best = REACH * REACH, near = -1;
    for (let i = 0; i < count; i++) {
      if (!shown(i)) continue;
      const dx = px(i) - x, dy = py(i) - y, distance = dx * dx + dy * dy;
      if (distance < best) { best = distance; near = i; }
    }
    if (near !== state.near) { state.near = near; draw(); showTip(); }
  }

  function zoom(factor, x, y) {
    const before = state.zoom;
    state.zoom = Math.min(200, Math.max(1, state.zoom * factor));
    const change = state.zoom / before, cx = canvas.clientWidth / 2, cy = canvas.clientHeight / 2;
    state.x = (state.x - (x - cx)) * change + (x - cx);
    state.y = (state.y - (y - cy)) * change + (y - cy);
    if (state.zoom === 1) state.x = state.y = 0;
    draw();
    showTip();
  }

  let drag = null;
  canvas.addEventListener("pointermove", (event) => {
    if (drag) {
      state.x += event.offsetX - drag.x;
      state.y += event.offsetY - drag.y;
      drag = { x: event.offsetX, y: event.offsetY, far: true };
      draw();
      showTip();
    } else {
      look(event.offsetX, event.offsetY);
    }
  });
  canvas.addEventListener("pointerdown", (event) => {
    drag = { x: event.offsetX, y: event.offsetY, far: false };
    canvas.setPointerCapture(event.pointerId);
    look(event.offsetX, event.offsetY);
  });
  canvas.addEventListener("pointerup", () => {
    if (drag && !drag.far) select(state.near);
    drag = null;
  });
  canvas.addEventListener("pointercancel", () => { drag = null; });
  canvas.addEventListener("pointerleave", () => {
    if (state.near >= 0) { state.near = -1; draw(); showTip(); }
  });
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    zoom(Math.exp(-event.deltaY / 400), event.offsetX, event.offsetY);
  }, { passive: false });
  canvas.addEventListener("dblclick", () => { zoom(0, 0, 0); });
  canvas.addEventListener("keydown", (event) => {
    const move = { ArrowLeft: [40, 0], ArrowRight: [-40, 0], ArrowUp: [0, 40], ArrowDown: [0, -40] }[event.key];
    if (move) {
      state.x += move[0];
      state.y += move[1];
    } else if (event.key === "+" || event.key === "-") {
      zoom(event.key === "+" ? 1.4 : 1 / 1.4, canvas.clientWidth / 2, canvas.clientHeight / 2);
    } else if (event.key === "Escape") {
      select(-1);
    } else {
      return;
    }
    event.preventDefault();
    draw();
    showTip();
  });

  // The address names the selected sample, so that a link can point to it.
  function select(i) {
    state.selected = i;
    history.replaceState(null, "", i < 0 ? "#map" : `#sample-${i}`);
    draw();
    showTip();
  }
  function selectFromAddress() {
    const found = /^#sample-(\d+)$/.exec(location.hash);
    state.selected = found && Number(found[1]) < count ? Number(found[1]) : -1;
    if (state.selected >= 0) canvas.scrollIntoView({ block: "center", behavior: "instant" });
    draw();
    showTip();
  }

  option(layoutBox, Object.keys(layouts));
  option(colourBox, Object.keys(data.colours));
  colourBox.parentElement.hidden = !Object.keys(data.colours).length;
  layoutBox.addEventListener("change", () => { places = layouts[layoutBox.value]; draw(); showTip(); });
  colourBox.addEventListener("change", () => { state.hidden.clear(); paint(); });
  dark.addEventListener("change", paint);
  addEventListener("hashchange", selectFromAddress);
  new ResizeObserver(() => { draw(); showTip(); }).observe(canvas);
  places = layouts[layoutBox.value];
  paint();
  selectFromAddress();
  ready();
})();
