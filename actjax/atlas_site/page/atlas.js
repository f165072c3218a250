// The atlas of a run: one module, no framework, no network. Data come as classic scripts that call atlasPut,
// because a page opened from a file may not import modules or fetch. Text becomes nodes, never markup.

const index = window.atlasData.index;
const main = document.querySelector("main");
const MINUS = "\u2212";
const STEP = 100; // rows of the table that are drawn at a time
const COLOURS = { trained: "var(--trained)", untrained: "var(--untrained)", input: "var(--input)" };

// ---- text and nodes ----------------------------------------------------------------------------------------

const number = (value, digits = 2) => {
  if (value === null || value === undefined || !Number.isFinite(value)) return "-";
  const text = value.toFixed(digits);
  return (Number(text) === 0 ? text.replace("-", "") : text).replace("-", MINUS);
};
const signed = (value, digits = 2) => (Number(number(value, digits)) > 0 ? "+" : "") + number(value, digits);
// With the digits that tell on which side of 0 each end lies, as the report writes it.
function interval(low, high) {
  if (!Number.isFinite(low) || !Number.isFinite(high)) return "";
  let digits = 2;
  while (digits < 4 && [low, high].some((end) => end !== 0 && Number(end.toFixed(digits)) === 0)) digits += 1;
  return `${number(low, digits)} to ${number(high, digits)}`;
}
const share = (value) => (value === null ? "-" : `${number(100 * value, 0)}%`);

function node(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value === true) made.setAttribute(key, "");
    else if (value !== false && value !== null) made.setAttribute(key, value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return made;
}

function drawn(name, attributes = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children.flat());
  return made;
}

const section = (title, ...body) => node("section", {}, node("h2", {}, title), ...body);
const note = (...words) => node("p", { class: "note" }, ...words);
const link = (hash, words) => node("a", { href: `#${hash}` }, words);

function table(headings, rows, caption) {
  const cells = (row, kind) =>
    row.map((cell, i) => node(kind, { class: headings[i].n ? "n" : null, scope: kind === "th" ? "col" : null }, cell));
  const head = node("thead", {}, node("tr", {}, cells(headings.map((h) => h.name), "th")));
  const body = node("tbody", {}, rows.map((row) => node("tr", {}, cells(row, "td"))));
  const frame = { class: "scroll", tabindex: "0", role: "region", "aria-label": caption };
  return node("div", frame, node("table", {}, head, body));
}

// ---- names and places --------------------------------------------------------------------------------------

const columns = index.columns;
const count = columns.neuron.length;
const anchor = (layer, neuron) => `${encodeURIComponent(index.layers[layer].name)}-${neuron}`;
const nameOf = (i) => `${index.layers[columns.layer[i]].name} / ${columns.neuron[i]}`;
const rowOf = (feature, row) => {
  const short = row.startsWith(feature) ? row.slice(feature.length).replace(/^[_ ]+/, "") : row;
  return short === "" ? feature : `${feature} ${short}`;
};
const follows = (i) =>
  columns.feature[i] < 0 ? "nothing: constant" : rowOf(index.features[columns.feature[i]].name, columns.row[i]);
const most = (i) =>
  columns.strong[i] < 0 ? "" : rowOf(index.features[columns.strong[i]].name, columns.strong_row[i]);
const viewOf = (i) => (columns.set[i] < 0 ? "" : index.sets[columns.set[i]].split(" ")[0]);
const places = new Map();
for (let i = 0; i < count; i++) places.set(anchor(columns.layer[i], columns.neuron[i]), i);

const loading = new Map();
function layerData(layer) {
  const key = `layer${layer}`;
  if (window.atlasData[key]) return Promise.resolve(window.atlasData[key]);
  if (!loading.has(key)) {
    const wait = new Promise((resolve, reject) => {
      const script = node("script", { src: `data/${key}.js` });
      script.onload = () => resolve(window.atlasData[key]);
      script.onerror = () => reject(new Error(`data/${key}.js is missing: make the atlas again`));
      document.head.append(script);
    });
    loading.set(key, wait);
  }
  return loading.get(key);
}

const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
// Bytes 0 to 254 over low to high; 255 is undefined.
const values = (coded) =>
  Array.from(bytes(coded.bytes), (b) => (b === 255 ? NaN : coded.low + (b / 254) * (coded.high - coded.low)));

// ---- sound -------------------------------------------------------------------------------------------------

const audio = new Audio();
let sounding = null;

function stop() {
  audio.pause();
  if (sounding) {
    sounding.frame?.classList.remove("playing");
    sounding.button.textContent = "\u25B6";
    sounding.button.setAttribute("aria-pressed", "false");
  }
  sounding = null;
}

function play(clip, button, frame, from = 0) {
  const again = sounding && sounding.button === button;
  if (again && from === 0) return stop();
  stop();
  sounding = { button, frame };
  button.textContent = "\u25A0";
  button.setAttribute("aria-pressed", "true");
  frame?.classList.add("playing");
  audio.src = `clips/${clip}.ogg`;
  audio.onloadedmetadata = () => (audio.currentTime = from * index.clip_seconds);
  audio.play().catch(() => stop());
  const move = () => {
    if (!sounding || sounding.button !== button) return;
    const cursor = frame?.querySelector(".cursor");
    if (cursor) cursor.style.left = `${(100 * audio.currentTime) / index.clip_seconds}%`;
    requestAnimationFrame(move);
  };
  move();
}
audio.addEventListener("ended", stop);

function playButton(clip, frame = () => null) {
  const words = `Play clip ${index.clips[clip].id}, ${index.clips[clip].label}`;
  const button = node("button", { class: "play", type: "button", "aria-label": words, "aria-pressed": "false" });
  button.textContent = "\u25B6";
  button.addEventListener("click", () => play(clip, button, frame()));
  return button;
}

// ---- the table of neurons ----------------------------------------------------------------------------------

const HEADINGS = [
  { name: "neuron", key: "place" },
  { name: "beyond the controls it follows", key: "feature" },
  { name: "view", key: "set" },
  { name: "score", key: "score", n: true },
  { name: "null (95 %)", key: "null_mean", n: true },
  { name: "max-T p", key: "p", n: true },
  { name: "untrained", key: "untrained", n: true },
  { name: "input", key: "input", n: true },
  { name: "gain", key: "gain", n: true },
  { name: "95 %", key: "gain_low", n: true },
  { name: "most of all it follows", key: "strong_score" },
  { name: "class: share, most for", key: "eta2" },
];
const GAIN = HEADINGS.findIndex((heading) => heading.key === "gain_low");
if (columns.loss) HEADINGS.splice(GAIN + 1, 0, { name: "loss without it", key: "loss", n: true });
const columnOf = (key) => (key === "place" ? null : columns[key]);
const DEFAULTS = { layer: "", feature: "", row: "", sign: "", class: "", beyond: "", sort: "gain", order: "down" };

function stateOf(hash) {
  const given = new URLSearchParams(hash.startsWith("?") ? hash.slice(1) : "");
  return Object.fromEntries(Object.entries(DEFAULTS).map(([key, value]) => [key, given.get(key) ?? value]));
}

function hashOf(state) {
  const changed = Object.entries(state).filter(([key, value]) => value !== DEFAULTS[key]);
  return `?${new URLSearchParams(changed)}`;
}

function chosen(state) {
  const layer = index.layers.findIndex((l) => l.name === state.layer);
  const feature = index.features.findIndex((f) => f.name === state.feature);
  const named = index.classes.indexOf(state.class);
  const kept = [];
  for (let i = 0; i < count; i++) {
    if (state.layer && columns.layer[i] !== layer) continue;
    // A neuron follows what it stands with beyond the controls, or what it follows most of all.
    if (state.feature) {
      const beyond = columns.feature[i] === feature && (!state.row || columns.row[i] === state.row);
      const strong = columns.strong[i] === feature && (!state.row || columns.strong_row[i] === state.row);
      if (!beyond && !strong) continue;
    }
    if (state.sign === "+" && !(columns.score[i] > 0)) continue;
    if (state.sign === "-" && !(columns.score[i] < 0)) continue;
    if (state.class && columns.class[i] !== named) continue;
    if (state.beyond && !(columns.gain_low[i] !== null && columns.gain_low[i] > 0)) continue;
    kept.push(i);
  }
  const by = columnOf(state.sort);
  const direction = state.order === "up" ? 1 : -1;
  const value = (i) => {
    if (!by) return i;
    if (state.sort === "feature") return follows(i);
    return by[i];
  };
  const compare = (a, b) => (typeof a === "string" ? a.localeCompare(b) : a - b);
  const keyed = kept.map((i) => [value(i), i]);
  // What is undefined stands last, whichever way the table is sorted.
  keyed.sort(([a, i], [b, j]) => {
    if (a === null || b === null) return (a === null) - (b === null) || i - j;
    return direction * compare(a, b) || i - j;
  });
  return keyed.map(([, i]) => i);
}

function nullOf(i) {
  const ends = interval(columns.null_low[i], columns.null_high[i]);
  return columns.null_mean[i] === null ? "-" : `${signed(columns.null_mean[i])} (${ends})`;
}

function neuronRow(i) {
  const cells = [
    link(anchor(columns.layer[i], columns.neuron[i]), nameOf(i)),
    follows(i),
    viewOf(i),
    signed(columns.score[i]),
    nullOf(i),
    number(columns.p[i], 3),
    signed(columns.untrained[i]),
    signed(columns.input[i]),
    signed(columns.gain[i]) + (columns.announced[i] ? " *" : ""),
    interval(columns.gain_low[i], columns.gain_high[i]),
    most(i) && `${most(i)} ${signed(columns.strong_score[i])}`,
    columns.class[i] < 0 ? share(columns.eta2[i]) : `${share(columns.eta2[i])} ${index.classes[columns.class[i]]}`,
  ];
  if (columns.loss) cells.splice(GAIN + 1, 0, signed(columns.loss[i], 3));
  return node("tr", {}, cells.map((cell, k) => node("td", { class: HEADINGS[k].n ? "n" : null }, cell)));
}

function select(name, words, options, state, change) {
  const box = node("select", { name }, node("option", { value: "" }, "any"));
  for (const [value, shown] of options) box.append(node("option", { value }, shown));
  box.value = state[name];
  box.addEventListener("change", () => change({ [name]: box.value }));
  return node("label", {}, words, box);
}

function showNeurons(hash) {
  let state = stateOf(hash);
  const body = node("tbody");
  const head = node("tr");
  const told = node("p", { class: "note", role: "status" });
  const more = node("button", { type: "button", class: "more" }, "Show more");
  const form = node("form", { onsubmit: (event) => event.preventDefault() });
  let rows = [];
  let shown = 0;

  const draw = (to) => {
    const part = document.createDocumentFragment();
    for (; shown < Math.min(to, rows.length); shown++) part.append(neuronRow(rows[shown]));
    body.append(part);
    more.hidden = shown >= rows.length;
  };
  const update = () => {
    rows = chosen(state);
    shown = 0;
    body.replaceChildren();
    draw(STEP);
    told.textContent = `${rows.length.toLocaleString("en")} of ${count.toLocaleString("en")} neurons`;
    head.replaceChildren(...HEADINGS.map((heading) => headingCell(heading, state, change)));
  };
  const change = (changes) => {
    if ("feature" in changes) changes.row = "";
    state = { ...state, ...changes };
    history.replaceState(null, "", `#${hashOf(state)}`);
    if ("feature" in changes) fill();
    update();
  };
  const fill = () => {
    const feature = index.features.find((f) => f.name === state.feature);
    const named = feature && feature.rows.length > 1 ? feature.rows.map((row) => [row, row]) : [];
    const beyond = node("input", { type: "checkbox", name: "beyond", checked: Boolean(state.beyond) });
    beyond.addEventListener("change", () => change({ beyond: beyond.checked ? "1" : "" }));
    const boxes = [
      select("layer", "layer", index.layers.map((l) => [l.name, l.name]), state, change),
      select("feature", "follows", index.features.map((f) => [f.name, f.name]), state, change),
      named.length ? select("row", "row", named, state, change) : null,
      select("sign", "sign", [["+", "rises with it"], ["-", "falls with it"]], state, change),
      index.classes.length ? select("class", "class", index.classes.map((c) => [c, c]), state, change) : null,
      node("label", { class: "check" }, beyond, "beyond controls"),
    ];
    const focused = document.activeElement?.name;
    form.replaceChildren(...boxes.filter(Boolean));
    if (focused) form.elements[focused]?.focus();
  };
  more.addEventListener("click", () => draw(shown + STEP));
  fill();
  update();
  const frame = { class: "scroll", tabindex: "0", role: "region", "aria-label": "All neurons" };
  main.replaceChildren(
    node("h1", {}, "Neurons"),
    node("details", {}, node("summary", {}, "How to read the table"), note(index.words.table)),
    form,
    told,
    node("div", frame, node("table", { id: "neurons" }, node("thead", {}, head), body)),
    more,
  );
}

function headingCell(heading, state, change) {
  const active = state.sort === heading.key;
  const arrow = active ? (state.order === "up" ? " \u2191" : " \u2193") : "";
  const next = active && state.order === "down" ? "up" : "down";
  const button = node("button", { type: "button" }, heading.name + arrow);
  button.addEventListener("click", () => {
    change({ sort: heading.key, order: next });
    document.querySelector(`th[data-key="${heading.key}"] button`)?.focus();
  });
  const sorted = active ? (state.order === "up" ? "ascending" : "descending") : "none";
  const attributes = { scope: "col", "aria-sort": sorted, class: heading.n ? "n" : null, "data-key": heading.key };
  return node("th", attributes, button);
}

// ---- one neuron --------------------------------------------------------------------------------------------

function sentence(i) {
  if (columns.feature[i] < 0) return "It has the same value on every clip: no score of it is defined.";
  const way = columns.score[i] < 0 ? "falls with" : "rises with";
  const view = index.sets[columns.set[i]];
  const words = [`It ${way} ${follows(i)} (${view}: ${signed(columns.score[i])}).`];
  if (columns.null_mean[i] !== null) {
    words.push(`By chance the score would be ${signed(columns.null_mean[i])}, and 95 % of the time within ` +
      `${interval(columns.null_low[i], columns.null_high[i])}; max-T p ${number(columns.p[i], 3)}.`);
  }
  if (most(i) && most(i) !== follows(i)) words.push(`Most of all it follows ${most(i)} (${signed(columns.strong_score[i])}).`);
  if (columns.gain[i] !== null) {
    const ends = interval(columns.gain_low[i], columns.gain_high[i]);
    const controls = [["strongest untrained unit", columns.untrained[i]], ["input", columns.input[i]]]
      .filter(([, value]) => value !== null)
      .map(([name, value], k) => `he ${name}${k ? "" : " has"} ${signed(value)}`).join(", t");
    words.push(`T${controls}: a gain of ${signed(columns.gain[i])}${ends ? ` (95 %: ${ends})` : ""}.`);
  }
  return words.join(" ");
}

function clipFigure(own, k, i) {
  const clip = own.clips[k];
  const layer = index.layers[columns.layer[i]];
  const about = index.clips[clip];
  const cursor = node("div", { class: "cursor" });
  const words = `${own.roles[k]}: mean activation ${number(own.activation[k], 3)}, ${about.label}`;
  const spectrogram = node("img", {
    src: `clips/${clip}.png`,
    alt: `Spectrogram of clip ${about.id}, low frequencies at the bottom, ${number(index.clip_seconds, 1)} seconds`,
    loading: "lazy",
  });
  const pictures = node("div", { class: "pictures" }, node("div", { class: "track" }, spectrogram));
  if (own.map) {
    const [left, right] = layer.span;
    const height = 100 * own.clips.length;
    const map = node("img", {
      src: own.map,
      alt: `Activation map of ${nameOf(i)} on this clip, brightest where it is most active`,
      style: `height: ${height}%; top: ${-100 * k}%`,
      loading: "lazy",
    });
    const box = node("div", { class: "sprite", style: `left: ${100 * left}%; width: ${100 * (right - left)}%` }, map);
    pictures.append(node("div", { class: "track map" }, box));
  }
  if (k === 0 && own.beside) {
    const { picture, feature, span: [from, to] } = own.beside;
    const words = `${index.features[feature].name} on this clip, first row at the bottom`;
    const image = node("img", { src: picture, alt: words, loading: "lazy" });
    const place = `left: ${100 * from}%; width: ${100 * (to - from)}%`;
    pictures.append(node("div", { class: "track map" }, node("div", { class: "sprite", style: place }, image)));
  }
  if (own.curves) pictures.append(curves(own, k, i));
  pictures.append(cursor);
  const button = playButton(clip, () => pictures);
  pictures.addEventListener("click", (event) => {
    const box = pictures.getBoundingClientRect();
    play(clip, button, pictures, Math.max(0.0001, (event.clientX - box.left) / box.width));
  });
  return node("figure", {}, node("figcaption", {}, button, node("span", {}, words)), pictures);
}

function curves(own, k, i) {
  const size = own.curves.points;
  const picture = drawn("svg", { viewBox: "0 0 300 60", preserveAspectRatio: "none", role: "img", width: "100%" });
  picture.append(drawn("title", {}, `Over time: the activation, averaged over frequency, and ${follows(i)}`));
  for (const [key, colour] of [["feature", "var(--untrained)"], ["activation", "var(--trained)"]]) {
    const all = bytes(own.curves[key].bytes).slice(k * size, (k + 1) * size);
    let path = "";
    let pen = "M";
    all.forEach((b, x) => {
      if (b === 255) return (pen = "M");
      path += `${pen}${((x + 0.5) * 300) / size},${57 - (b / 254) * 54}`;
      pen = "L";
    });
    const look = { d: path, fill: "none", stroke: colour, "stroke-width": 2, "vector-effect": "non-scaling-stroke" };
    picture.append(drawn("path", look));
  }
  return picture;
}

// The width of a drawing whose letters keep their size on a small screen.
const roomFor = (most) => Math.max(280, Math.min(most, main.clientWidth - 60));
const cut = (words, letters) => (words.length > letters ? `${words.slice(0, letters - 1)}\u2026` : words);

function profile(own, i, set) {
  const lines = own.profile.filter((row) => row.set === set);
  const width = roomFor(640), left = width < 500 ? 150 : 210, line = 26, height = lines.length * line + 24;
  const x = (value) => left + ((Math.max(-1, Math.min(1, value)) + 1) / 2) * (width - left - 60);
  const picture = drawn("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", width });
  picture.append(drawn("title", {}, `Scores of ${nameOf(i)} with its best row of every feature; the table below says the same`));
  lines.forEach((row, k) => {
    const y = k * line + 6;
    const name = rowOf(index.features[row.feature].name, row.row) + (row.given ? " (given)" : "");
    picture.append(drawn("text", { x: left - 8, y: y + 13, "text-anchor": "end" }, cut(name, left / 7.2)));
    if (row.null_mean !== null) {
      const [low, high] = [x(row.null_low), x(row.null_high)];
      picture.append(drawn("rect", { x: low, y, width: Math.max(high - low, 1), height: 18, fill: "var(--band)" }));
    }
    const [from, to] = [x(0), x(row.score)].sort((a, b) => a - b);
    picture.append(drawn("rect", { x: from, y: y + 4, width: Math.max(to - from, 1), height: 10, fill: COLOURS.trained }));
    for (const kind of ["untrained", "input"]) {
      if (row[kind] === null) continue;
      const at = x(Math.sign(row.score || 1) * Math.abs(row[kind]));
      const mark = kind === "untrained" ? `M${at},${y + 3}l6,6l-6,6l-6,-6z` : `M${at - 5},${y + 15}h10l-5,-12z`;
      picture.append(drawn("path", { d: mark, fill: "none", stroke: COLOURS[kind], "stroke-width": 2 }));
    }
    picture.append(drawn("text", { x: width - 52, y: y + 13 }, signed(row.score)));
  });
  picture.append(drawn("line", { class: "axis", x1: x(0), x2: x(0), y1: 0, y2: height - 20 }));
  for (const value of [-1, 0, 1]) {
    picture.append(drawn("text", { class: "muted", x: x(value), y: height - 4, "text-anchor": "middle" }, number(value, 0)));
  }
  const key = (colour, words) => node("span", {}, node("span", { class: "key", style: `background: ${colour}` }), words);
  const legend = note(
    key(COLOURS.trained, "this neuron"),
    " ",
    key("var(--band)", "95 % of its null"),
    " \u25C7 strongest untrained unit \u25B3 input; both drawn on the side of the score",
  );
  const headings = ["feature", "score", "null", "p", "before training", "untrained", "input"];
  const rows = lines.map((row) => [
    link(`feature:${encodeURIComponent(index.features[row.feature].name)}`, rowOf(index.features[row.feature].name, row.row)),
    signed(row.score), interval(row.null_low, row.null_high), number(row.p, 3), signed(row.twin),
    signed(row.untrained), signed(row.input),
  ]);
  const as = table(headings.map((name, k) => ({ name, n: k > 0 })), rows, "Scores with every feature");
  const folded = node("details", {}, node("summary", {}, "As a table"), as);
  return section(`Every feature, ${index.sets[set]}`, picture, legend, folded);
}

function scatter(own, i) {
  let x, y, words;
  const frames = Boolean(own.curves) && viewOf(i) === "frame";
  if (frames) {
    [x, y] = [values(own.curves.feature), values(own.curves.activation)];
    words = "frames of the clips above";
  } else if (own.feature_means) {
    [x, y] = [values(index.feature_means[own.feature_means]), values(own.means)];
    words = "the clips that have sounds";
  } else return null;
  const pairs = x.map((value, k) => [value, y[k]]).filter(([a, b]) => Number.isFinite(a) && Number.isFinite(b));
  if (!pairs.length) return null;
  const ends = (k) => [Math.min(...pairs.map((p) => p[k])), Math.max(...pairs.map((p) => p[k]))];
  const [[left, right], [low, high]] = [ends(0), ends(1)];
  const width = roomFor(390);
  const at = ([a, b]) => [52 + ((width - 70) * (a - left)) / (right - left || 1), 208 - (190 * (b - low)) / (high - low || 1)];
  const unit = index.features[columns.feature[i]].unit;
  const picture = drawn("svg", { viewBox: `0 0 ${width} 250`, role: "img", width });
  picture.append(drawn("title", {}, `Activation against ${follows(i)}, ${words}`));
  let path = "";
  for (const pair of pairs) path += "M" + at(pair).map((v) => v.toFixed(1)).join(",") + "h.01";
  const look = { d: path, stroke: COLOURS.trained, "stroke-width": 4, "stroke-linecap": "round", "stroke-opacity": 0.45 };
  picture.append(drawn("path", look));
  picture.append(drawn("path", { class: "axis", d: `M48,12V212H${width - 14}`, fill: "none" }));
  const text = (x0, y0, shown, side) =>
    picture.append(drawn("text", { x: x0, y: y0, "text-anchor": side, class: "muted" }, shown));
  const short = (v) => Number(v.toPrecision(3)).toLocaleString("en").replace("-", MINUS);
  text(52, 228, short(left), "start"); text(width - 18, 228, short(right), "end");
  text(44, 210, short(low), "end"); text(44, 22, short(high), "end");
  text(width / 2 + 20, 246, `${follows(i)}${unit ? ` (${unit})` : ""}`, "middle");
  const over = frames ? "frequency" : "the clip";
  return section("Activation against it", picture, note(`Upwards the activation, averaged over ${over}; ${words}.`));
}

function byClass(own, i) {
  if (!index.classes.length) return null;
  const means = values(own.means);
  const [low, high] = [Math.min(...means), Math.max(...means)];
  const width = roomFor(540), left = width < 460 ? 130 : 190, line = 22, height = index.classes.length * line + 6;
  const x = (value) => left + ((width - left - 12) * (value - low)) / (high - low || 1);
  const picture = drawn("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", width });
  const highest = columns.class[i] < 0 ? "" : `, highest for ${index.classes[columns.class[i]]}`;
  picture.append(drawn("title", {}, `Mean activation of each clip, one line a class${highest}`));
  index.classes.forEach((name, c) => {
    const mine = means.filter((value, b) => index.clips[b].classes.includes(c));
    const y = c * line + 4;
    const label = drawn("text", { x: left - 8, y: y + 13, "text-anchor": "end" }, cut(name, left / 8.4));
    picture.append(label);
    let path = "";
    for (const value of mine) path += `M${x(value).toFixed(1)},${y + 2}v13`;
    picture.append(drawn("path", { d: path, stroke: COLOURS.trained, "stroke-width": 2, "stroke-opacity": 0.4 }));
    if (mine.length) {
      const mean = mine.reduce((a, b) => a + b, 0) / mine.length;
      picture.append(drawn("path", { d: `M${x(mean)},${y}v18`, stroke: "var(--ink)", "stroke-width": 3 }));
    }
  });
  const told = `One stroke a clip, its mean activation from ${number(low, 3)} to ${number(high, 3)}; the thick ` +
    `stroke is the class's mean. ${share(columns.eta2[i])} of the variance lies between classes.`;
  return section("By class", picture, note(told));
}

function without(own, i) {
  const cut = own.ablation;
  if (!cut) return null;
  const rows = index.classes.map((name, c) => [name, signed(cut.outputs[c], 3), cut.twin ? signed(cut.twin.outputs[c], 3) : "-"]);
  const headings = ["output of class", "trained", "untrained twin"].map((name, k) => ({ name, n: k > 0 }));
  const words = `Set to its mean on the scored clips, the loss changes by ${signed(cut.loss, 4)} nats (95 %: ` +
    `${signed(cut.low, 4)} to ${signed(cut.high, 4)}) and ${number(cut.changed * 100, 1)} % of the clips are named otherwise.`;
  const twin = cut.twin ? ` In its untrained twin: ${signed(cut.twin.loss, 4)}.` : "";
  const outputs = table(headings, rows, "Change of each output");
  const parts = [
    node("p", {}, words + twin),
    node("details", {}, node("summary", {}, "Each class's output"), outputs),
  ];
  if (own.responses) {
    const lines = Object.entries(own.responses).map(([name, value]) => [name, signed(value.trained), signed(value.untrained)]);
    const names = ["changed in the sound", "response", "before training"].map((name, k) => ({ name, n: k > 0 }));
    const response = "Response to one change of the sound alone, in its own deviations between clips: half of " +
      "what changes from the least to the strongest dose.";
    parts.push(node("p", {}, response), table(names, lines, "Responses"));
  }
  return section("What it does", ...parts);
}

function showNeuron(i, data) {
  const own = data[columns.neuron[i]];
  const step = (to, words) =>
    to >= 0 && to < count
      ? link(anchor(columns.layer[to], columns.neuron[to]), words(nameOf(to)))
      : node("span");
  const entries = JSON.stringify({ neuron: nameOf(i), follows: follows(i), ...own }, null, 1);
  const json = URL.createObjectURL(new Blob([entries], { type: "application/json" }));
  const download = `${anchor(columns.layer[i], columns.neuron[i])}.json`;
  const metrics = table(
    [{ name: "compared by" }, { name: "with" }, { name: "score", n: true }],
    own.metrics.map((m) => [index.sets[m.set], m.whole ? "all rows" : "this row", signed(m.score)]),
    "Agreement of the metrics",
  );
  const near = own.nearest.map(([layer, neuron, r]) =>
    node("li", {}, link(anchor(layer, neuron), `${index.layers[layer].name} / ${neuron}`), `r ${signed(r)}`));
  const clips = own.clips.map((_, k) => clipFigure(own, k, i));
  const sets = [...new Set(own.profile.map((row) => row.set))].filter(
    (set) => set === columns.set[i] || !index.sets[set].startsWith("map"),
  );
  const how = "Click a picture to play from there.";
  const told = own.curves
    ? note("Blue: the activation, averaged over frequency; orange: the feature. Both are drawn from their least to " +
        `their largest value on these clips. ${how}`)
    : note(how);
  const beside = own.beside
    ? note(`Below the strongest clip's map: ${index.features[own.beside.feature].name}, which the maps resemble most ` +
        `(${index.sets[own.beside.set]}: ${signed(own.beside.score)}).`)
    : null;
  const parts = [
    node("div", { class: "step" }, step(i - 1, (name) => `\u2190 ${name}`), step(i + 1, (name) => `${name} \u2192`)),
    node("h1", {}, nameOf(i)),
    node("p", {}, sentence(i)),
    section("What drives it, most to least", told, beside, node("div", { class: "clips" }, clips)),
    ...sets.map((set) => profile(own, i, set)),
    node("div", { class: "two" }, scatter(own, i), byClass(own, i),
      own.metrics.length
        ? section("Do the metrics agree?", note(`The neuron and ${follows(i)} under each metric and view.`), metrics)
        : null,
      near.length ? section("Neurons most alike over clips", node("ul", { class: "chips" }, near)) : null),
    without(own, i),
    node("p", {}, node("a", { href: json, download }, "This neuron as JSON")),
  ];
  main.replaceChildren(...parts.filter(Boolean));
}

// ---- a feature, a class, about -----------------------------------------------------------------------------

function hear(i) {
  const clip = columns.top[i];
  const name = link(anchor(columns.layer[i], columns.neuron[i]), nameOf(i));
  return node("span", { style: "display: inline-flex; gap: 8px; align-items: center" }, clip < 0 ? "" : playButton(clip), name);
}

function showFeatures(name) {
  if (name === null) {
    const items = index.features.map((f) => {
      const followers = chosen({ ...DEFAULTS, feature: f.name }).length;
      return [link(`feature:${encodeURIComponent(f.name)}`, f.name), f.unit || "-", String(f.rows.length), String(followers)];
    });
    const headings = [{ name: "feature" }, { name: "unit" }, { name: "rows", n: true }, { name: "neurons that follow it", n: true }];
    return main.replaceChildren(node("h1", {}, "Features"), table(headings, items, "Features"));
  }
  const feature = index.features.find((f) => f.name === name);
  if (!feature) return showMissing(`the feature ${name}`);
  const rows = feature.best.map((line) => {
    const at = (place) => (place ? `${place.row} ${signed(place.score)}` : "-");
    const neurons = line.trained.map((place) =>
      node("li", {}, hear(places.get(anchor(line.layer, place.neuron))), at(place)));
    return [index.layers[line.layer].name, node("ul", { class: "chips" }, neurons), at(line.untrained)];
  });
  const given = feature.input ? `The input itself: ${feature.input.row} ${signed(feature.input.score)}.` : "The input was not scored.";
  main.replaceChildren(
    node("h1", {}, name),
    node("p", {}, `${feature.rows.length} rows${feature.unit ? `, in ${feature.unit}` : ""}. ${given} `,
      link(hashOf({ ...DEFAULTS, feature: name }), "The neurons that follow it")),
    note("The play button sounds the clip that drives the neuron most."),
    table([{ name: "layer" }, { name: "strongest neurons" }, { name: "strongest untrained", n: true }], rows, `Best neurons for ${name}`),
  );
}

function showClasses(name) {
  if (name === null) {
    const items = index.classes.map((c) => node("li", {}, link(`class:${encodeURIComponent(c)}`, c)));
    return main.replaceChildren(node("h1", {}, "Classes"), node("ul", { class: "chips" }, items));
  }
  const c = index.classes.indexOf(name);
  if (c < 0) return showMissing(`the class ${name}`);
  const rows = index.class_best[c].map((line) => [
    index.layers[line.layer].name,
    node("ul", { class: "chips" }, line.trained.map((place) =>
      node("li", {}, hear(places.get(anchor(line.layer, place.neuron))), signed(place.score)))),
    line.untrained === null ? "-" : signed(line.untrained),
  ]);
  const sounds = index.clips.map((clip, b) => [clip, b]).filter(([clip]) => clip.sound && clip.classes.includes(c)).slice(0, 8)
    .map(([clip, b]) => node("li", {}, playButton(b), clip.id));
  main.replaceChildren(
    node("h1", {}, name),
    note("How far the neuron's mean lies above that on other classes, in deviations between clips."),
    table([{ name: "layer" }, { name: "most for this class" }, { name: "strongest untrained", n: true }], rows, `Neurons for ${name}`),
    section("Clips", node("ul", { class: "chips" }, sounds)),
  );
}

function showAbout() {
  const facts = Object.entries(index.run).map(([key, value]) => [key, value]);
  main.replaceChildren(node("h1", {}, "About"), ...index.words.about.map((words) => node("p", {}, words)),
    table([{ name: "what" }, { name: "" }], facts, "The run"));
}

function showMissing(what) {
  main.replaceChildren(node("h1", {}, "Not here"), node("p", { class: "warning" }, `This atlas does not have ${what}.`), link("", "All neurons"));
}

// ---- from the address to a page ----------------------------------------------------------------------------

const decoded = (text) => {
  try { return decodeURIComponent(text); } catch { return text; }
};

async function show() {
  stop();
  const hash = location.hash.slice(1);
  const [kind, ...rest] = hash.split(":");
  const named = rest.length ? decoded(rest.join(":")) : null;
  let section0 = "neurons";
  let title = "Neurons";
  const left = () => location.hash.slice(1) !== hash; // while a layer's data came
  try {
    if (hash === "" || hash.startsWith("?")) showNeurons(hash);
    else if (kind === "features" || kind === "feature") { section0 = "features"; title = named ?? "Features"; showFeatures(named); }
    else if (kind === "classes" || kind === "class") { section0 = "classes"; title = named ?? "Classes"; showClasses(named); }
    else if (hash === "about") { section0 = "about"; title = "About"; showAbout(); }
    else {
      const place = places.get(hash) ?? places.get(anchorOf(hash));
      if (place === undefined) showMissing(`the neuron ${decoded(hash)}`);
      else {
        title = nameOf(place);
        const data = await layerData(columns.layer[place]);
        if (left()) return;
        showNeuron(place, data);
      }
    }
  } catch (error) {
    if (left()) return;
    main.replaceChildren(node("p", { class: "warning" }, String(error.message ?? error)));
  }
  document.title = `${title} - ${index.title}`;
  for (const a of document.querySelectorAll("nav a")) {
    if (a.dataset.page === section0) a.setAttribute("aria-current", "page");
    else a.removeAttribute("aria-current");
  }
  main.setAttribute("data-ready", hash);
  performance.mark("ready");
}

function anchorOf(hash) {
  const cut = hash.lastIndexOf("-");
  return `${encodeURIComponent(decoded(hash.slice(0, cut)))}-${hash.slice(cut + 1)}`;
}

window.addEventListener("hashchange", () => show().then(() => { main.focus({ preventScroll: true }); scrollTo(0, 0); }));
document.querySelector(".skip").addEventListener("click", (event) => { event.preventDefault(); main.focus(); });
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") stop();
});
show();
