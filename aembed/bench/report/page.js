"use strict";
// Values under the pointer, one zoom for all time charts, hidden series, and a second report on top.
// Without this script the page shows the same charts as images. It needs no network, and no text becomes markup.
(() => {
  const SVG = "http://www.w3.org/2000/svg";
  const SECOND = "second";  // the other report's lines: in dots, as no line of a report
  const DASHES = { "--": "6 4", "-.": "8 3 2 3", ":": "2 3", [SECOND]: "2 3" };
  const LINES = ["-", "--", "-.", ":"];
  const HEIGHT = 240, LEFT = 64, RIGHT = 14, TOP = 10, BOTTOM = 38;
  const LONGEST = 9;  // letters of a label beside the chart; longer ones are inside, above their line
  const HEADROOM = 0.05;
  const ROOM = 12;  // half of a label beyond the last tick
  const STEP_OF_ZOOM = 2;

  // ---- elements -----------------------------------------------------------------------------------------------

  const element = (tag, attributes = {}, words = "", namespace = null) => {
    const made = namespace ? document.createElementNS(namespace, tag) : document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.textContent = words;
    return made;
  };
  const shape = (parent, tag, attributes, words = "") => parent.appendChild(element(tag, attributes, words, SVG));

  // ---- numbers ------------------------------------------------------------------------------------------------

  const digits = (value) => {
    if (!value) return "0";
    const rounded = Math.abs(Number(value.toPrecision(3)));  // 99.97 is 100
    const places = Math.min(12, Math.max(0, 2 - Math.floor(Math.log10(rounded))));
    return value.toLocaleString("en-US", { minimumFractionDigits: places, maximumFractionDigits: places });
  };
  const scaled = (steps) => (value) => {
    const [size, unit] = steps.find(([size]) => Math.abs(value) >= 0.9995 * size) ?? steps.at(-1);
    return value ? `${digits(value / size)} ${unit}` : `0 ${steps[0][1]}`;
  };
  const UNITS = {
    time: scaled([[1, "s"], [1e-3, "ms"], [1e-6, "µs"], [1e-9, "ns"]]),
    size: scaled([[1e9, "GB"], [1e6, "MB"], [1e3, "kB"], [1, "B"]]),
    rate: (value) => `${digits(value)}/s`,
    number: digits,
    quantile: (value) => `p${Number((100 * (1 - 1 / value)).toFixed(3))}`,
  };
  const tickText = (axis, value) => {
    const short = (v) => String(Number(v.toPrecision(4)));
    if (axis.unit !== "time" && axis.unit !== "size") return value.toLocaleString("en-US", { maximumSignificantDigits: 4 });
    return value ? UNITS[axis.unit](value).replace(/^[\d.,-]+/, (n) => short(Number(n.replaceAll(",", "")))) : "0";
  };

  const linearTicks = (low, high, most) => {
    const rough = (high - low) / most, power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((n) => n * power).find((size) => size >= rough);
    const found = [];
    for (let i = Math.ceil(low / step - 1e-9); i * step <= high + 1e-9 * step; i += 1) found.push(i * step || 0);  // never -0
    return found;
  };
  const logTicks = (low, high) => {
    const decades = Math.log10(high / low), found = [];
    const within = decades < 2.5 ? [1, 2, 5] : [1];
    for (let e = Math.floor(Math.log10(low)); e <= Math.log10(high); e += Math.ceil(decades / 8)) {
      found.push(...within.map((n) => n * 10 ** e).filter((v) => v >= low * 0.999 && v <= high * 1.001));
    }
    return found.length > 2 ? found : linearTicks(low, high, 4);
  };

  // ---- one chart ----------------------------------------------------------------------------------------------

  const plain = (name) => name.replace(/^_/, "");
  const isNamed = (series) => !series.name.startsWith("_");
  const hasPoints = (series) => series.kind === "line" || series.kind === "points";

  const drawMark = (parent, mark, x, y, stroke) => {
    const size = mark === "." ? 2 : 3.5, filled = { fill: stroke.stroke, opacity: stroke.opacity ?? 1 };
    if (mark === "x") shape(parent, "path", { ...stroke, "stroke-dasharray": "none", d: `M${x - 4} ${y - 4}l8 8m0-8l-8 8` });
    else if (mark === "s") shape(parent, "rect", { x: x - size, y: y - size, width: 2 * size, height: 2 * size, ...filled });
    else shape(parent, "circle", { cx: x, cy: y, r: size, ...filled });
  };

  class Plot {
    constructor(figure, data, group) {
      Object.assign(this, { figure, data, group, hidden: new Set(), overlay: [], cursor: null });
      const still = figure.querySelector("[role=img]");
      still.hidden = true;
      this.place = element("div", { class: "plot" });
      this.svg = element("svg", {
        tabindex: "0", role: "img", "aria-label": `${still.getAttribute("aria-label")}. Arrow keys read its values.`,
      }, "", SVG);
      this.legend = element("div", { class: "legend" });
      this.readout = element("output", { class: "readout", "aria-live": "polite" });
      this.place.append(this.svg, this.legend, this.readout);
      figure.append(this.place);
      this.listen();
    }

    get series() {
      return [...this.data.series, ...this.overlay];
    }

    get shown() {
      return this.series.filter((each) => !this.hidden.has(plain(each.name)));
    }

    listen() {
      const { svg } = this;
      svg.addEventListener("pointermove", (event) => this.moved(event));
      svg.addEventListener("pointerleave", () => this.drag ?? this.group.read(null));
      svg.addEventListener("pointerdown", (event) => {
        this.moved(event);
        if (this.data.time && event.button === 0) {
          this.drag = this.valueAt(event);
          svg.setPointerCapture(event.pointerId);
        }
      });
      svg.addEventListener("pointerup", (event) => {
        const from = this.drag, to = this.valueAt(event);
        this.drag = null;
        this.selection?.remove();
        if (from !== null && from !== undefined && Math.abs(this.x(from) - this.x(to)) > 8) {
          this.group.zoom(Math.min(from, to), Math.max(from, to));
        }
      });
      svg.addEventListener("pointercancel", () => { this.drag = null; this.selection?.remove(); });
      svg.addEventListener("dblclick", () => this.group.zoom(null));
      svg.addEventListener("keydown", (event) => this.pressed(event));
      svg.addEventListener("blur", () => this.group.read(null));
    }

    valueAt(event) {
      const box = this.svg.getBoundingClientRect();
      return this.x.back(Math.min(Math.max(event.clientX - box.left, LEFT), this.width - RIGHT));
    }

    moved(event) {
      const at = this.valueAt(event);
      this.group.read(at, this);
      if (this.drag === null || this.drag === undefined) return;
      const [a, b] = [this.x(this.drag), this.x(at)].sort((one, other) => one - other);
      this.selection?.remove();
      this.selection = shape(this.svg, "rect", { class: "selection", x: a, y: TOP, width: b - a, height: HEIGHT - TOP - BOTTOM });
    }

    pressed(event) {
      const places = this.places(), now = this.nearest(this.cursor ?? this.x.low);
      const [low, high] = [this.x.low, this.x.high], middle = now ?? (low + high) / 2;
      const moves = {
        ArrowRight: () => this.group.read(places[Math.min(places.length - 1, this.cursor === null ? 0 : places.indexOf(now) + 1)], this),
        ArrowLeft: () => this.group.read(places[Math.max(0, this.cursor === null ? places.length - 1 : places.indexOf(now) - 1)], this),
        Escape: () => { this.group.read(null); this.group.zoom(null); },
        "+": () => this.zoomTo(middle, (high - low) / STEP_OF_ZOOM),
        "-": () => this.zoomTo(middle, (high - low) * STEP_OF_ZOOM),
      };
      if (!Object.hasOwn(moves, event.key)) return;
      event.preventDefault();
      moves[event.key]();
    }

    zoomTo(middle, span) {
      if (!this.data.time) return;
      const { low, high } = this.data.x;
      const from = Math.max(low, Math.min(middle - span / 2, high - span));
      if (span >= high - low) this.group.zoom(null);
      else this.group.zoom(from, from + span);
    }

    // The x of every point that can be read, in order.
    places() {
      const found = new Set();
      for (const each of this.shown) {
        if (hasPoints(each)) each.x.forEach((x, i) => each.y[i] !== null && x >= this.x.low && x <= this.x.high && found.add(x));
        if (each.kind === "stairs") each.y.forEach((_, i) => found.add(this.middle(each.x[i], each.x[i + 1])));
      }
      return [...found].sort((one, other) => one - other);
    }

    middle(one, other) {
      return this.data.x.log ? Math.sqrt(one * other) : (one + other) / 2;
    }

    nearest(x) {
      const places = this.places();
      return places.length ? places.reduce((best, each) => (Math.abs(this.x(each) - this.x(x)) < Math.abs(this.x(best) - this.x(x)) ? each : best)) : null;
    }

    // ---- drawing ----------------------------------------------------------------------------------------------

    scale(axis, low, high, from, to) {
      const flat = axis.log ? Math.log : (v) => v, back = axis.log ? Math.exp : (v) => v;
      const [a, b] = [flat(low), flat(high)], size = (to - from) / (b - a || 1);
      const map = (value) => from + (flat(axis.log ? Math.max(value, low * 1e-9) : value) - a) * size;
      return Object.assign(map, { low, high, back: (pixel) => back(a + (pixel - from) / size) });
    }

    // What the server drew, unless a second report or a hidden series asks for another range.
    range(axis) {
      const { low, high, log } = this.data[axis];
      if (!this.overlay.length && !(axis === "y" && this.hidden.size)) return [low, high];
      const values = this.shown.flatMap((each) => (each.kind === "level" ? (axis === "y" ? [each.at] : []) : each[axis] ?? []));
      const found = values.filter((v) => v !== null && (!log || v > 0));
      if (!found.length) return [low, high];
      const [least, most] = [found.reduce((a, b) => Math.min(a, b)), found.reduce((a, b) => Math.max(a, b))];
      if (axis === "x") return [Math.min(low, least), Math.max(high, most)];
      if (log) return [least / (most / least || 2) ** HEADROOM * 0.98, most * (most / least || 2) ** HEADROOM * 1.02];
      const floor = low === 0 ? 0 : least - HEADROOM * (most - least || 1);
      return [floor, most + HEADROOM * (most - floor || 1)];
    }

    draw() {
      const { svg, data } = this;
      this.width = Math.max(240, this.place.clientWidth);
      svg.setAttribute("viewBox", `0 0 ${this.width} ${HEIGHT}`);
      svg.replaceChildren();
      const whole = this.range("x"), zoomed = data.time ? this.group.span ?? whole : whole;
      this.x = this.scale(data.x, ...zoomed, LEFT, this.width - RIGHT);
      this.y = this.scale(data.y, ...this.range("y"), HEIGHT - BOTTOM, TOP);
      const above = element("g", {}, "", SVG);  // names inside the chart, which no line crosses
      this.drawAxes(above);
      const id = `clip-${data.number}`;
      shape(shape(shape(svg, "defs", {}), "clipPath", { id }), "rect", {
        x: LEFT, y: TOP - 4, width: this.width - LEFT - RIGHT, height: HEIGHT - TOP - BOTTOM + 8,
      });
      this.layer = shape(svg, "g", { "clip-path": `url(#${id})` });
      for (const each of this.shown) this.drawSeries(each);
      svg.append(above);
      for (const label of data.labels) this.drawLabel(label);
      this.mark = shape(svg, "g", {});
      this.drawLegend();
    }

    // Beside its point, on the other side where there is no room.
    drawLabel({ x, y, text, end }) {
      const at = this.x(x), name = shape(this.layer, "text", { class: "name", y: this.y(y) + (end ? -6 : 14) }, text);
      const length = name.getComputedTextLength(), left = at - 6 - length, right = at + 6 + length;
      const before = end ? left >= LEFT || right > this.width - RIGHT : right > this.width - RIGHT && left >= LEFT;
      name.setAttribute("x", before ? at - 6 : at + 6);
      name.setAttribute("text-anchor", before ? "end" : "start");
    }

    drawAxes(above) {
      const { svg, data } = this, bottom = HEIGHT - BOTTOM;
      const fits = Math.max(2, Math.floor((this.width - LEFT - RIGHT) / 70));
      for (const [tick, words] of data.x.ticks ?? this.ticks("x", fits)) {
        const x = this.x(tick);
        if (x < LEFT - 1 || x > this.width - RIGHT + 1) continue;
        shape(svg, "line", { class: "grid", x1: x, x2: x, y1: TOP, y2: bottom });
        const anchor = x > this.width - RIGHT - ROOM ? "end" : "middle";
        shape(svg, "text", { class: "tick", x: anchor === "end" ? this.width : x, y: bottom + 15, "text-anchor": anchor }, words);
      }
      for (const [tick, words] of data.y.ticks ?? this.ticks("y", 5)) {
        const y = this.y(tick);
        if (y < TOP - 1 || y > bottom + 1) continue;
        shape(svg, "line", { class: "grid", x1: LEFT, x2: this.width - RIGHT, y1: y, y2: y });
        const long = words.length > LONGEST;
        shape(long ? above : svg, "text", { class: "tick", x: long ? LEFT + 4 : LEFT - 6, y: long ? y - 6 : y + 4, "text-anchor": long ? "start" : "end" }, words);
      }
      shape(svg, "text", { class: "tick", x: (LEFT + this.width - RIGHT) / 2, y: HEIGHT - 6, "text-anchor": "middle" }, data.x.label);
      if (data.y.label) shape(svg, "text", { class: "tick", transform: `translate(12 ${(TOP + bottom) / 2}) rotate(-90)`, "text-anchor": "middle" }, data.y.label);
    }

    ticks(axis, most) {
      const { low, high } = this[axis], info = this.data[axis];
      return (info.log ? logTicks(low, high) : linearTicks(low, high, most)).map((v) => [v, tickText(info, v)]);
    }

    drawSeries(series) {
      const colour = `var(--${series.colour})`, { layer } = this, other = this.overlay.includes(series);
      const stroke = { stroke: colour, fill: "none", "stroke-width": other ? 1.6 : 1.8, opacity: other ? 0.85 : 1, "stroke-dasharray": DASHES[series.dash] ?? "none" };
      const bottom = HEIGHT - BOTTOM;
      if (series.kind === "band") {
        const [a, b] = series.x.map(this.x);
        shape(layer, "rect", { x: a, y: TOP, width: Math.max(1.5, b - a), height: bottom - TOP, fill: colour, opacity: 0.3 });
      } else if (series.kind === "upright") {
        shape(layer, "line", { ...stroke, x1: this.x(series.at), x2: this.x(series.at), y1: TOP, y2: bottom });
      } else if (series.kind === "level") {
        shape(layer, "line", { ...stroke, x1: LEFT, x2: this.width - RIGHT, y1: this.y(series.at), y2: this.y(series.at) });
      } else if (series.kind === "stairs") {
        const points = series.y.flatMap((y, i) => [[series.x[i], y], [series.x[i + 1], y]]);
        const path = [[series.x[0], 0], ...points, [series.x.at(-1), 0]];
        shape(layer, "path", { ...stroke, d: this.path(path), ...(series.fill ? { fill: colour, stroke: "none", opacity: 0.35 } : {}) });
      } else if (series.kind === "area") {
        shape(layer, "path", { d: `${this.path(series.x.map((x, i) => [x, series.y[i]]))}Z`, fill: colour, opacity: other ? 0.2 : 0.4 });
      } else {
        this.drawPoints(series, stroke);
      }
    }

    drawPoints(series, stroke) {
      const points = series.x.map((x, i) => [x, series.y[i]]);
      if (series.kind === "line") shape(this.layer, "path", { ...stroke, d: this.path(stepped(points, series.step)) });
      for (const [x1, y1, x2, y2] of series.bars ?? []) {
        shape(this.layer, "line", { ...stroke, "stroke-dasharray": "none", x1: this.x(x1), y1: this.y(y1), x2: this.x(x2), y2: this.y(y2) });
      }
      const alone = points.filter(([, y]) => y !== null).length === 1;
      if (series.kind === "line" && series.mark === "None" && !alone) return;
      for (const [x, y] of points) {
        if (x === null || y === null) continue;
        drawMark(this.layer, series.mark, this.x(x), this.y(y), stroke);
      }
    }

    path(points) {
      let pen = "M", found = "";
      for (const [x, y] of points) {
        if (x === null || y === null) pen = "M";
        else {
          found += `${pen}${this.x(x).toFixed(1)} ${this.y(y).toFixed(1)}`;
          pen = "L";
        }
      }
      return found;
    }

    drawLegend() {
      const there = [...new Map(this.series.filter(isNamed).map((each) => [each.name, each])).values()];
      if (there.length === this.legend.childElementCount && there.every((each, i) => this.legend.children[i].dataset.name === each.name)) return;
      this.legend.replaceChildren(...there.map((each) => {
        const button = element("button", { type: "button", "aria-pressed": "true", "data-name": each.name });
        const key = element("svg", { viewBox: "0 0 22 10", width: "22", height: "10", "aria-hidden": "true" }, "", SVG);
        const fill = each.kind === "band" || each.kind === "area";
        if (fill) shape(key, "rect", { x: 2, y: 1, width: 18, height: 8, fill: `var(--${each.colour})`, opacity: 0.4 });
        else if (each.kind === "points") drawMark(key, each.mark, 11, 5, { stroke: `var(--${each.colour})`, "stroke-width": 1.8 });
        else shape(key, "line", { x1: 1, x2: 21, y1: 5, y2: 5, stroke: `var(--${each.colour})`, "stroke-width": 2, "stroke-dasharray": DASHES[each.dash] ?? "none" });
        button.append(key, element("span", {}, each.name));
        button.addEventListener("click", () => {
          const hide = !this.hidden.delete(each.name);
          if (hide) this.hidden.add(each.name);
          button.setAttribute("aria-pressed", String(!hide));
          this.draw();
        });
        return button;
      }));
    }

    // ---- values under the pointer -----------------------------------------------------------------------------

    read(x) {
      this.mark.replaceChildren();
      const at = x === null ? null : this.nearest(x);
      this.cursor = at;
      if (at === null) {
        this.readout.textContent = "";
        return;
      }
      const across = this.x(at);
      shape(this.mark, "line", { class: "cursor", x1: across, x2: across, y1: TOP, y2: HEIGHT - BOTTOM });
      const words = [];
      for (const each of this.shown.filter(isNamed)) {
        for (const y of this.valuesAt(each, at)) {
          shape(this.mark, "circle", { cx: across, cy: this.y(y), r: 3.5, fill: `var(--${each.colour})` });
          words.push(`${each.name} ${this.data.y.unit === "number" ? digits(y) : UNITS[this.data.y.unit](y)}`);
        }
      }
      this.readout.textContent = `${this.position(at)}: ${words.join(", ")}`;
    }

    position(x) {
      const { unit, label } = this.data.x;
      if (this.data.time) return `at ${digits(x)} s`;
      return unit === "number" ? `${label.split(";")[0] || "x"} ${digits(x)}` : UNITS[unit](x);
    }

    valuesAt(series, x) {
      if (series.kind === "stairs") {
        const bin = series.y.findIndex((_, i) => x >= series.x[i] && x < series.x[i + 1]);
        return bin < 0 ? [] : [series.y[bin]];
      }
      if (!hasPoints(series)) return [];
      if (series.kind === "points") return series.y.filter((y, i) => series.x[i] === x && y !== null);
      const i = series.step === "pre" ? series.x.findIndex((each) => each >= x) : series.x.findLastIndex((each) => each <= x);
      return i < 0 || series.y[i] === null ? [] : [series.y[i]];
    }
  }

  const stepped = (points, step) => {
    if (!step) return points;
    return points.flatMap(([x, y], i) => {
      const before = points[i - 1];
      if (!before) return [[x, y]];
      return step === "pre" ? [[before[0], y], [x, y]] : [[x, before[1]], [x, y]];
    });
  };

  // ---- charts that are read and zoomed together ----------------------------------------------------------------

  class Group {
    constructor(article) {
      this.plots = [];
      this.span = null;
      this.bar = element("p", { class: "zoom", hidden: "" });
      this.range = element("span");
      const back = element("button", { type: "button" }, "Show the whole run");
      back.addEventListener("click", () => this.zoom(null));
      this.bar.append(this.range, back);
      article?.querySelector(".charts").before(this.bar);
    }

    read(x, from) {
      for (const plot of this.plots) plot.read(x === null || plot === from || (plot.data.time && from?.data.time) ? x : null);
    }

    zoom(low, high) {
      this.span = low === null ? null : [low, high];
      this.bar.hidden = this.span === null;
      this.range.textContent = this.span ? `Time charts from ${digits(low)} to ${digits(high)} s ` : "";
      for (const plot of this.plots) if (plot.data.time) plot.draw();
    }
  }

  // ---- a second report ------------------------------------------------------------------------------------------

  const line = (name, x, y, more = {}) => ({ kind: "line", name, colour: "one", dash: "-", mark: "None", step: "", x, y, ...more });
  const COLOURS = ["one", "two", "three"];

  const tail = ({ count, histogram: { counts, edges } }) => {
    let below = 0;
    const x = [], y = [];
    counts.forEach((number, i) => {
      below += number;
      if (number) {
        x.push(count / Math.max(count - below, 0.5));
        y.push(Math.max(edges[i + 1], 1e-6));
      }
    });
    return [x, y];
  };

  // The charts of a report in JSON that can lie on those of this page.
  const chartsOf = (report) => {
    const found = [], until = report.traffic?.seconds ?? Infinity;
    const there = (report.windows ?? []).filter((w) => w.start + w.seconds / 2 < until);
    const add = (chart, series) => found.push({ article: titleOf(report), chart, series });
    const styled = (names, make) => names.map((name, i) => ({ ...make(name), colour: COLOURS[i], dash: LINES[i] }));
    if (there.length > 1) {
      const middle = there.map((w) => w.start + w.seconds / 2), start = there.map((w) => w.start);
      add("Percentiles over time", styled(["p50", "p95", "p99"], (name) => line(name, middle, there.map((w) => w[name]))));
      add("Rates", styled(["offered", "good"], (name) => line(name, start, there.map((w) => w[name] / w.seconds), { step: "post" })));
      add("Backlog", [line("backlog", middle, there.map((w) => w.backlog_peak ?? w.backlog))]);
      add("Lag of starts and stalls", [line("latest start", middle, there.map((w) => Math.max(w.lag_max, 1e-6)), { colour: "two" })]);
      const kept = there.filter((w) => w.rss !== null);
      add("Memory", [line("memory", kept.map((w) => w.start), kept.map((w) => w.rss))]);
    }
    const shown = ["response", "service", "lag"].filter((name) => report[name]?.histogram?.counts?.length);
    add("Percentiles", styled(shown, (name) => line(name, ...tail(report[name]), { step: "pre" })));
    return found;
  };
  const titleOf = (report) => {
    const given = Object.entries(report.parameters ?? {}).filter(([, value]) => value !== null).map(([name, value]) => `${name}=${value}`);
    const loop = report.mode === "open" || report.mode === "closed" ? " loop" : "";
    return `${report.mode}${loop}: ${report.name}${given.length ? `(${given.join(", ")})` : ""}`;
  };

  const read = (name, text) => {
    if (/\.html?$/i.test(name)) {
      const data = new DOMParser().parseFromString(text, "text/html").getElementById("plots");
      return JSON.parse(data.textContent);
    }
    return JSON.parse(text).reports.flatMap(chartsOf);
  };

  // Those of the same benchmark, or of the only one there is.
  const counterpart = (plot, others) => {
    const same = others.filter((other) => other.chart === plot.data.chart);
    const titles = new Set(others.map((other) => other.article));
    return same.find((other) => other.article === plot.data.article) ?? (titles.size === 1 ? same[0] : undefined);
  };

  const lay = (plots, others, name) => {
    let number = 0;
    for (const plot of plots) {
      const other = counterpart(plot, others);
      plot.overlay = (other?.series ?? [])
        .filter((each) => ["line", "points", "stairs"].includes(each.kind) && !(each.kind === "stairs" && each.fill))
        .map((each) => ({ ...each, name: isNamed(each) ? `${each.name} (${name})` : `_${name}`, dash: SECOND }));
      number += plot.overlay.length ? 1 : 0;
      plot.draw();
    }
    return number;
  };

  // ---- the page -------------------------------------------------------------------------------------------------

  const data = JSON.parse(document.getElementById("plots").textContent);
  const groups = new Map(), plots = [];
  document.querySelectorAll("figure[data-plot]").forEach((figure) => {
    const article = figure.closest("article");
    if (!groups.has(article)) groups.set(article, new Group(article));
    const number = Number(figure.dataset.plot), group = groups.get(article);
    const plot = new Plot(figure, { ...data[number], number }, group);
    group.plots.push(plot);
    plots.push(plot);
  });
  const redraw = () => plots.forEach((plot) => plot.draw());
  redraw();
  let width = window.innerWidth;
  window.addEventListener("resize", () => {
    if (window.innerWidth !== width) redraw();  // on a phone, scrolling changes the height alone
    width = window.innerWidth;
  });

  if (!plots.length) return;
  const bar = element("div", { class: "compare" });
  const file = element("input", { type: "file", accept: ".json,.html", id: "second", class: "hidden" });
  const label = element("label", { for: "second" }, "Compare with another report (JSON or HTML)");
  const remove = element("button", { type: "button", hidden: "" }, "Remove it");
  const said = element("output", { "aria-live": "polite" });
  bar.append(file, label, remove, said);
  document.querySelector("header").append(bar);
  const open = async (chosen) => {
    let number = 0, problem = "no chart of it fits this page";
    try {
      number = lay(plots, read(chosen.name, await chosen.text()), chosen.name);
    } catch {
      problem = "it is no report of aembed bench";
    }
    remove.hidden = number === 0;
    said.textContent = number ? `${chosen.name} lies on ${number} charts. ` : `${chosen.name}: ${problem}.`;
  };
  file.addEventListener("change", () => { if (file.files.length) open(file.files[0]); file.value = ""; });
  remove.addEventListener("click", () => { lay(plots, [], ""); remove.hidden = true; said.textContent = ""; });
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    if (event.dataTransfer.files.length) open(event.dataTransfer.files[0]);
  });
})();
