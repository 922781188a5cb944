"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const drift = data.drift, matrix = data.matrix, courses = data.courses; // courses: the words for two different ones
const $ = (id) => document.getElementById(id);

// ---- Making elements. All text from the images goes through el, which makes text nodes and nothing else.

// clean shows control characters, and those that turn the direction of writing, as escapes: the text report does the same.
const unsafe = /[\p{Cc}\p{Cf}\u2028\u2029\uFFFD]/u, unsafeAll = new RegExp(unsafe, "gu");
const clean = (s) => unsafe.test(s) ? s.replace(unsafeAll, (c) => "\\u" + c.codePointAt(0).toString(16).padStart(4, "0")) : s;
function el(tag, attributes, ...children) {
  const e = document.createElement(tag);
  if (typeof attributes === "string") e.className = attributes;
  else for (const k in attributes) if (attributes[k] !== undefined && attributes[k] !== false) e.setAttribute(k, clean(String(attributes[k])));
  fill(e, children);
  return e;
}
function fill(e, children) {
  for (const c of children.flat(Infinity)) if (c instanceof Node) e.append(c); else if (c || c === 0) e.append(clean(String(c)));
}

function on(e, type, f) { e.addEventListener(type, f); return e; }
const button = (attributes, f, ...children) => on(el("button", { type: "button", class: "btn", ...attributes }, ...children), "click", f);
const many = (n, one, more) => `${n} ${n === 1 ? one : more}`;
const short = (s, n) => s.length > n ? s.slice(0, n) + "…" : s;
const natural = new Intl.Collator("en", { numeric: true }).compare;
function groupBy(list, f) {
  const groups = new Map();
  for (const x of list) if (groups.has(f(x))) groups.get(f(x)).push(x); else groups.set(f(x), [x]);
  return groups;
}

function bytes(n) {
  if (!n) return "size not known";
  const units = ["B", "kB", "MB", "GB", "TB"];
  let i = 0;
  for (; n >= 999.5 && i < units.length - 1; i++) n /= 1000;
  return (i ? n.toPrecision(3).replace(/^(\d+)\..*$/, (all, whole) => whole.length >= 3 ? whole : all) : n) + " " + units[i];
}

// last sets off the part of a source's name by which people know it.
function last(name) {
  const i = name.replace(/\/+$/, "").lastIndexOf("/") + 1;
  return [el("span", "dim", name.slice(0, i)), el("b", "", name.slice(i))];
}
const lastText = (name) => name.replace(/\/+$/, "").split(/[/]/).pop() || name;

// ---- Levels, in the order in which they are shown, and the signs that go with their colours.

const levels = { major: "●●●", minor: "●●○", patch: "●○○", build: "~", removed: "−", added: "+", moved: "⇄", missing: "–", setting: "≠" };
const rank = (level) => Object.keys(levels).indexOf(level);
const kinds = ["pip", "conda", "r", "npm", "python", "labextension", "serverextension", "kernelspec", "deb", "setting"];
const names = { pip: "Python package", conda: "conda package", r: "R package", npm: "node package", python: "Python", labextension: "JupyterLab extension",
  serverextension: "Jupyter server extension", kernelspec: "kernel", deb: "Debian package", setting: "setting" };
const words = { missing: "not in all", setting: "settings" };
if (courses) Object.assign(words, { added: "only in " + courses.b, removed: "only in " + courses.a });
const sign = (s) => el("span", { class: "sym", "aria-hidden": "true" }, s);
const pill = (level) => el("span", "lv " + level, sign(levels[level]), words[level] || level);
const kindBadge = (kind) => el("span", "kind", kind);

// ---- The state of the page, which the address holds.

const state = { view: "", q: "", level: new Set(), kind: new Set(), why: new Set(), env: "", layer: "", sort: "", ref: "", heat: "", pkg: new Set() };
const encode = (s) => encodeURIComponent(s).replace(/%(2F|40|3A)/g, decodeURIComponent);
function decode(s) { try { return decodeURIComponent(s); } catch { return s; } }
function address() {
  const parts = [];
  for (const [k, v] of Object.entries(state)) {
    const text = v instanceof Set ? [...v].map(encode).join(",") : encode(v);
    if (text) parts.push(k + "=" + text);
  }
  return "#" + parts.join("&");
}
function readAddress() {
  for (const k in state) if (state[k] instanceof Set) state[k].clear(); else state[k] = "";
  for (const part of location.hash.slice(1).split("&")) {
    const [k, v = ""] = part.split(/=(.*)/s);
    if (!Object.hasOwn(state, k)) continue;
    if (state[k] instanceof Set) v.split(",").filter(Boolean).forEach((s) => state[k].add(decode(s)));
    else state[k] = decode(v);
  }
}

// remember writes the address: not at every key, since browsers allow that only so often.
let pending = 0;
function remember() { clearTimeout(pending); pending = setTimeout(writeAddress, 200); }
function writeAddress() {
  clearTimeout(pending);
  if (address() !== (location.hash || "#")) history.replaceState(null, "", address());
}
const filters = ["q", "level", "kind", "why", "env", "layer"];
const filtered = () => filters.some((k) => state[k].size || state[k].length);
function clearFilters() { for (const k of filters) if (state[k] instanceof Set) state[k].clear(); else state[k] = ""; }

// ---- Items: what the table has a row for.

// give adds what every item has: a key for the address, and the text that is searched.
function give(items) {
  const pairs = groupBy(items, (it) => it.kind + "/" + it.name), seen = new Map();
  for (const it of items) {
    it.key = it.kind + "/" + it.name;
    if (pairs.get(it.key).length > 1 && it.where) it.key += "@" + it.where;
    const n = (seen.get(it.key) || 0) + 1;
    seen.set(it.key, n);
    if (n > 1) it.key += "~" + n;
    it.hay = [it.kind, it.name, it.where, ...it.words].join("\n").toLowerCase();
  }
  const plain = (a, b) => a < b ? -1 : a > b ? 1 : 0; // which is quicker than natural, and the text report's order
  items.sort((x, y) => kinds.indexOf(x.kind) - kinds.indexOf(y.kind) || rank(x.level) - rank(y.level) || plain(x.name, y.name) || plain(x.where, y.where));
  items.forEach((it, i) => it.at = i);
  return items;
}

function driftItems() {
  const crowded = new Set();
  for (const [kind, list] of groupBy(drift.packages, (c) => c.kind)) if (new Set(list.map((c) => c.where)).size > 1) crowded.add(kind);
  return give(drift.packages.map((c) => {
    const level = c.level || c.change, why = !c.cause ? "other" : c.cause.asked ? "asked" : "followed";
    return { c, tree: treeOf(c), kind: c.kind, name: c.name, where: c.where, level, levels: c.was ? [level, "moved"] : [level], why, showWhere: crowded.has(c.kind), layer: c.layer,
      breaches: (drift.breaches || []).filter((b) => b.kind === c.kind && b.name === c.name && (b.where || "") === c.where),
      grows: moreBytes(c), words: [...licences(c), versionText(c.a, c.aDetail), versionText(c.b, c.bDetail), level, c.change, why, causeText(c.cause), c.was ? "moved " + c.was.kind + " " + c.was.name + " " + c.was.where : "",
        c.event ? eventText(c.event) : "", ...(c.brings || []).map((b) => b.kind + " " + b.name)] };
  }));
}

// moreBytes is by how much a change makes the image larger, in bytes; undefined where that is not known.
function moreBytes(c) {
  const size = (v, about) => v == null ? 0 : about && about.size || undefined, n = size(c.b, c.bAbout) - size(c.a, c.aAbout);
  return Number.isNaN(n) ? undefined : n;
}
const leastBytes = 10000; // fewer say nothing
const moreText = (n) => n === undefined || Math.abs(n) < leastBytes ? "" : (n < 0 ? "−" : "+") + bytes(Math.abs(n));
const licences = (c) => [c.aAbout, c.bAbout].map((about) => about && about.license || "");
const link = (about, k) => about && /^https?:\/\//.test(about[k] || "") ? about[k] : "";
const away = (address) => address ? el("a", { href: address, rel: "noreferrer noopener", target: "_blank" }, address) : "";

// treeOf is the environment, or the tree of node packages, that is new or gone with a package.
function treeOf(c) {
  const where = (c.where + "/").split("/node_modules/")[0].replace(/\/$/, "");
  const root = c.kind === "npm" ? where + "/node_modules" : where;
  return (drift.trees || []).find((t) => t.where === root && t.change === c.change);
}

function matrixItems() {
  const item = (row, kind, level) => ({ row, kind, name: row.name, where: row.where || "", words: row.values.map((v) => v || ""),
    level, levels: [level], why: "" });
  return give([...matrix.packages.map((r) => item(r, r.kind, r.level || "missing")), ...matrix.config.map((r) => item(r, "setting", "setting"))]);
}
function matches(it) {
  return (!it.tree || treesOpen || filtered()) && (!state.level.size || it.levels.some((l) => state.level.has(l))) && (!state.kind.size || state.kind.has(it.kind)) && (!state.why.size || state.why.has(it.why)) &&
    (!state.env || it.where === state.env) && (!state.layer || short12(it.layer) === state.layer) && needles.every((n) => it.hay.includes(n));
}
let needles = [], treesOpen = false;
const short12 = (digest) => (digest || "").replace(/^sha256:/, "").slice(0, 12);

// ---- Words for what a drift holds.

// eventText is a history entry without what builders wrap it in. Thousands of packages share one.
const events = new Map();
function eventText(event) {
  if (!events.has(event)) events.set(event, unwrapped(event));
  return events.get(event);
}
const unwrapped = (event) => event.replace(/^RUN (\|\d+ [^]*? )?(\/\w+)*\/\w*sh( -o \w+| -\w+)* /, "RUN ").replace(/^(\/\w+)*\/sh -c #\(nop\)\s*/, "").replace(/\s*# buildkit\s*$/, "");
const oneLine = (s) => s.trim().replace(/\s*\n\s*/g, " ⏎ ");
const place = (c) => c.file + (c.line ? ":" + c.line : "");
const shortPlace = (c) => place(c).split("/").slice(-2).join("/");

function detailText(d, other) {
  if (!d) return "";
  const same = (k) => other && other[k] === d[k];
  return [d.commit && "@" + d.commit.slice(0, 7), d.build && !same("build") && " " + d.build, d.channel && !same("channel") && ` (${d.channel})`, d.state && ` (${d.state})`].filter(Boolean).join("");
}
const versionText = (v, d) => v == null ? "" : v + detailText(d);
function causeText(c) {
  if (!c) return "";
  if (c.base) return "the base image";
  return [c.file && place(c) + ":", (c.chain || []).join(" → "), c.why && `(${c.why})`, c.need === "hard" && "hard pin"].filter(Boolean).join(" ");
}

// wordDiff marks the words that differ (a path is one word): both sides as lists of nodes. Where nothing is alike there is nothing to point out.
function wordDiff(a, b) {
  const split = (s) => s.match(/[\p{L}\p{N}._+~!@%/-]+|[^\p{L}\p{N}._+~!@%/-]/gu) || [];
  const x = split(a), y = split(b);
  let from = 0, end = 0;
  while (from < x.length && from < y.length && x[from] === y[from]) from++;
  while (end < x.length - from && end < y.length - from && x[x.length - 1 - end] === y[y.length - 1 - end]) end++;
  const kept = common(x.slice(from, x.length - end), y.slice(from, y.length - end));
  if (!from && !end && !kept.some(([i]) => /\w/.test(x[i]))) return [[a], [b]];
  const side = (list, mark, k) => {
    const out = [list.slice(0, from).join("")];
    let at = from;
    for (const pair of [...kept.map((p) => from + p[k]), list.length - end]) {
      if (pair > at) out.push(el(mark, "", list.slice(at, pair).join("")));
      if (pair < list.length - end) out.push(list[pair]);
      at = pair + 1;
    }
    return [...out, list.slice(list.length - end).join("")];
  };
  return [side(x, "del", 0), side(y, "ins", 1)];
}

// common is a longest common subsequence, as pairs of indices; of very long lists none, since that would take too long.
function common(x, y) {
  if (x.length * y.length > 2e6) return [];
  const w = y.length + 1, best = new Uint32Array((x.length + 1) * w), out = [];
  for (let i = x.length - 1; i >= 0; i--) for (let j = y.length - 1; j >= 0; j--)
    best[i * w + j] = x[i] === y[j] ? best[(i + 1) * w + j + 1] + 1 : Math.max(best[(i + 1) * w + j], best[i * w + j + 1]);
  for (let i = 0, j = 0; i < x.length && j < y.length;)
    if (x[i] === y[j]) out.push([i++, j++]); else if (best[(i + 1) * w + j] >= best[i * w + j + 1]) i++; else j++;
  return out;
}

// ---- What changed at a glance.

function headline() {
  const s = drift.summary, parts = [], n = drift.packages.length, followed = items.filter((it) => it.why === "followed").length, asked = items.filter((it) => it.why === "asked").length;
  const count = (list) => (list || []).length;
  const add = (n, one, more) => { if (n) parts.push([n, n === 1 ? one : more]); };
  if (asked) {
    add(asked, "pin changed", "pins changed");
    add(followed, "package followed", "packages followed");
    add(n - asked - followed, "other change", "other changes");
  } else add(n, "package differs", "packages differ");
  add(count(drift.renames), "environment moved", "environments moved");
  add(s.config, "setting differs", "settings differ");
  add(count(drift.damages), "damaged file", "damaged files");
  add(count(drift.breaches), "breach of the policy", "breaches of the policy");
  const rest = s.config + count(drift.renames) + count(drift.damages) + count(drift.breaches);
  if (asked && parts.length <= 2 && asked + followed === n && !rest) parts.push(["", "nothing else"]);
  return parts;
}

function countsText() {
  const s = drift.summary, by = ["major", "minor", "patch", "build"].filter((l) => (s.levels || {})[l]).map((l) => `${s.levels[l]} ${l}`);
  const kinds = Object.entries(s.kinds || {}).sort((x, y) => y[1] - x[1] || (x[0] < y[0] ? -1 : 1)).map(([k, n]) => `${n} ${k}`);
  return `${kinds.length > 1 ? kinds.join(", ") + ": " : ""}${s.changed} changed${by.length ? ` (${by.join(", ")})` : ""}, ${s.added} added, ${s.removed} removed${s.moved ? `; ${s.moved} of them moved` : ""}`;
}
function showHeadline(parts) {
  parts.forEach(([n, text], i) => fill($("headline"), [i && !parts[i - 1][1].endsWith(" ") ? "; " : "", n === "" ? "" : el("b", "", n), n === "" ? "" : " ", text]));
}
const note = (tone, what, ...text) => el("li", tone, el("span", "what", what), el("p", "", ...text));
const toPackage = (it, text) => it ? el("a", { href: "#pkg=" + encode(it.key) }, text) : el("b", "", text);
const reasoned = (why) => why ? [" ", el("span", "reason", why)] : [];

// driftNotes are the lines of the text report that follow its headline, what matters most first.
function driftNotes() {
  const out = (drift.breaches || []).map((b) =>
    note("breach", "✗ policy", toPackage(items.find((it) => it.breaches.includes(b)), short(b.message, 300)), reasoned(b.why), el("span", "dim", " " + shortPlace(b))));
  for (const u of drift.unverified || []) out.push(note("hard", "! not verified", `${u.layers} ${u.layers === 1 ? "layer" : "layers"} of `, el("code", "", short(u.image, 200)),
    ", not compressed and not hashed: sizes and ends were looked at, and the order as far as names tell it; --read-layers hashes all"));
  for (const t of drift.trees || []) {
    const show = el("button", { type: "button", class: "btn" }, "Show them");
    on(show, "click", () => { treesOpen = true; refresh(); });
    out.push(note("moved", courses ? words[t.change] : t.change === "added" ? "+ new" : "- gone", el("code", "", short(t.where, 200)), ` ${courses ? "is " + words[t.change] : t.change === "added" ? "is new" : "is gone"}, with ${t.packages} ${t.packages === 1 ? "package" : "packages"} `, show));
  }
  for (const it of items) {
    const c = it.c;
    if (!c.cause || !c.cause.asked || c.cause.need !== "hard") continue;
    const change = c.change === "changed" ? [": ", versionText(c.a, c.aDetail), courses ? " | " : " → ", versionText(c.b, c.bDetail)] : [` ${words[c.change] || c.change}: `, versionText(c.b ?? c.a, c.bDetail || c.aDetail)];
    out.push(note("hard", "! hard pin", toPackage(it, short(c.name, 120)), el("span", "mono", change.map((s) => short(s, 120))), reasoned(c.cause.lost || c.cause.why)));
  }
  for (const s of drift.config) if (s.name === "cmd" || s.name === "entrypoint") {
    const [a, b] = wordDiff(s.a ?? "nothing", s.b ?? "nothing");
    out.push(note("launch", "▶ launch", `the launch command ${courses ? "differs" : "is another"}: `, el("code", "", a), courses ? " | " : " → ", el("code", "", b)));
  }
  for (const name of data.untold || []) out.push(note("", "not told", "an older driftpin built ", el("code", "", short(name, 200)), ": sizes and licences of its packages are told with --read-layers"));
  if (data.sizes) out.push(note("", "size", data.sizes));
  if (data.downgrades) out.push(note("", "▼ older", data.downgrades));
  for (const line of data.licenses || []) out.push(note("", "licence", line));
  for (const r of drift.renames || []) out.push(note("moved", "⇄ elsewhere", "the environment ", el("code", "", short(r.from, 200)), " is ", el("code", "", short(r.to, 200)), `${courses ? " in " + courses.b : " now"}, with ${r.packages} of its packages`));
  return out;
}

// showNotes shows the first, and folds the rest.
function showNotes(list) {
  const shown = list.length > 9 ? 7 : list.length;
  $("notes").replaceChildren(...list.slice(0, shown));
  if (shown === list.length) return;
  $("more").hidden = false;
  $("more").firstElementChild.textContent = `${list.length - shown} more of these`;
  $("more").lastElementChild.replaceChildren(...list.slice(shown));
}

function showTiles(list) {
  for (const level of list) {
    const n = items.filter((it) => it.levels.includes(level)).length;
    const tile = el("button", { type: "button", class: "tile " + level, "data-filter": "level:" + level, "aria-pressed": "false" }, el("b", "", n), el("span", "", sign(levels[level]), words[level] || level));
    tile.disabled = !n;
    $("tiles").append(tile);
    if (n && level !== "moved") $("stripe").append(Object.assign(el("i", level), { style: `flex: ${n} 1 0` }));
  }
  $("tiles").hidden = $("stripe").hidden = !items.length;
}

// facet fills a group with a button for each value, if there are several.
function facet(group, name, values) {
  if (values.length > 1) for (const [value, label, n] of values) group.append(el("button", { type: "button", class: "btn", "data-filter": name + ":" + value, "aria-pressed": "false" }, label, el("small", "", n)));
}

function showFacets() {
  const count = (k, list) => list.map((v) => [v, v, items.filter((it) => it[k] === v).length]).filter(([, , n]) => n);
  facet($("kinds"), "kind", count("kind", kinds));
  if (drift) facet($("whys"), "why", count("why", ["asked", "followed", "other"]).map(([v, , n]) => [v, { asked: "Pins", followed: "Followed", other: "Other" }[v], n]));
  const envs = [...groupBy(items.filter((it) => it.where), (it) => it.where)].sort((x, y) => natural(x[0], y[0]));
  $("env").hidden = envs.length < 2;
  $("env").append(el("option", { value: "" }, "All environments"));
  // The value is set apart from el, which would clean it.
  for (const [where, list] of envs) $("env").append(Object.assign(el("option", "", `${short(where, 90)} (${list.length})`), { value: where }));
}

// ---- The table.

const table = { columns: [], rows: [], row: null, detail: null, drawn: 0, later: 0 };
const chunk = 40; // rows a tbody: the browser lays out only those that can be seen
function heads() {
  const tr = el("tr", { role: "row" });
  for (const col of table.columns) {
    const by = state.sort.replace(/^-/, "") === col.id, sort = !by ? "none" : state.sort[0] === "-" ? "descending" : "ascending";
    const b = on(el("button", { type: "button", "data-sort": col.id, "aria-label": col.label || col.name }, col.head ? col.head() : col.name), "click", () => sortBy(col.id));
    tr.append(el("th", { role: "columnheader", scope: "col", "aria-sort": sort, class: col.class }, b));
  }
  return el("thead", { role: "rowgroup" }, tr);
}

// sortBy goes round: up, down, and the order of the text report.
function sortBy(id) {
  state.sort = state.sort === id ? "-" + id : state.sort === "-" + id ? "" : id;
  refresh();
  document.querySelector(`[data-sort="${CSS.escape(id)}"]`).focus();
}
function sorted(list) {
  const col = table.columns.find((c) => c.id === state.sort.replace(/^-/, "")), turn = state.sort[0] === "-" ? -1 : 1;
  return col ? list.sort((x, y) => turn * col.compare(x, y) || x.at - y.at) : list;
}
function draw() {
  needles = state.q.toLowerCase().split(/\s+/).filter(Boolean);
  table.rows = sorted(items.filter(matches));
  $("table").replaceChildren(heads());
  table.drawn = 0;
  more(6);
  rove(table.rows.includes(table.current) ? table.current : table.rows[0]);
  $("none").hidden = table.rows.length > 0;
  $("none").textContent = items.length ? "Nothing matches." : "No package differs.";
}

// more draws rows that are still to come: some at once, and a few at a time when there is time, so that nobody waits for thousands.
function more(chunks) {
  clearTimeout(table.later);
  for (; chunks > 0 && table.drawn < table.rows.length; chunks--, table.drawn += chunk) {
    const body = el("tbody", { role: "rowgroup" });
    for (const it of table.rows.slice(table.drawn, table.drawn + chunk)) body.append(...rowsOf(it));
    $("table").append(body);
  }
  if (table.drawn < table.rows.length) table.later = setTimeout(more, 0, 6);
}

// rowsOf makes an item's rows when they are wanted first.
function rowsOf(it) {
  if (!it.tr) {
    it.button = el("button", { type: "button", class: "open", tabindex: it === table.current ? "0" : "-1", "aria-expanded": "false" }, el("span", "clamp", it.name));
    it.tr = table.row(it);
    it.tr.item = it;
  }
  const open = state.pkg.has(it.key);
  if (open && !it.more) {
    it.more = el("tr", { class: "detail", role: "row" }, el("td", { role: "cell", colspan: table.columns.length }, table.detail(it)));
    it.more.item = it;
  }
  it.tr.classList.toggle("opened", open);
  it.button.setAttribute("aria-expanded", open);
  return open ? [it.tr, it.more] : [it.tr];
}

function toggle(it) {
  if (!state.pkg.delete(it.key)) state.pkg.add(it.key);
  if (it.more && !state.pkg.has(it.key)) it.more.remove();
  const rows = rowsOf(it);
  if (rows[1]) it.tr.after(rows[1]);
  rove(it);
  remember();
}

// rove makes one row the one that Tab leads to; j, k and arrows lead to the others.
function rove(it) {
  if (table.current) table.current.button.tabIndex = -1;
  table.current = it;
  if (it) it.button.tabIndex = 0;
}
function move(by) {
  const here = document.activeElement.closest("#table tr"), i = table.rows.indexOf(here && here.item);
  const it = table.rows[i < 0 ? 0 : Math.max(0, Math.min(table.rows.length - 1, i + by))];
  if (!it) return;
  if (!it.tr?.isConnected) more(Infinity);
  rove(it);
  it.button.focus({ preventScroll: true });
  it.tr.scrollIntoView({ block: "nearest" });
}

// refresh shows what the state says.
function refresh() {
  if ($("search").value !== state.q) $("search").value = state.q;
  for (const b of document.querySelectorAll("[data-filter]")) {
    const [, name, value] = b.dataset.filter.match(/^(\w+):(.*)$/s);
    b.setAttribute("aria-pressed", state[name].has(value));
  }
  $("env").value = state.env;
  $("clear").hidden = !filtered();
  $("layer").hidden = !state.layer;
  $("layer").textContent = clean(`Layer ${state.layer} ×`);
  draw();
  const all = items.length, n = table.rows.length;
  $("shown").textContent = n === all ? `${all} shown` : `${n} of ${all} shown`;
  showView(state.view);
  remember();
}

// find is the item that an address means; the environment may be left out.
const find = (key) => items.find((it) => it.key === key) || items.find((it) => it.kind + "/" + it.name === key);

// settle scrolls to a row, and again while rows on the way turn out to be higher than thought.
function settle(tr, times) {
  tr.scrollIntoView({ block: "start" });
  if (times > 0) requestAnimationFrame(() => settle(tr, times - 1));
}

// goTo opens the packages that the address names, and leads to the first.
function goTo() {
  const wanted = [...state.pkg], found = wanted.map(find).filter(Boolean);
  state.pkg = new Set(found.map((it) => it.key));
  if (found[0] && !matches(found[0])) clearFilters();
  if (found[0]) state.view = "";
  refresh();
  if (found[0]) {
    more(Infinity);
    rove(found[0]);
    found[0].button.focus({ preventScroll: true });
    found[0].tr.classList.add("flash");
    settle(found[0].tr, 6);
  } else if (wanted.length) $("shown").textContent = clean(`${short(wanted[0], 80)} is not among these`);
}

// ---- A drift's rows.

const cell = (name, ...children) => el("td", { role: "cell", class: name }, ...children);
const markNames = { "▲": "newer", "▼": "older", "+": "added", "−": "removed", "~": "another build", "⇄": "moved" };
if (courses) Object.assign(markNames, { "+": words.added, "−": words.removed });
function markOf(c) {
  if (c.change !== "changed") return c.change === "added" ? "+" : "−";
  if (c.level === "build") return c.was ? "⇄" : "~";
  return c.down ? "▼" : "▲";
}
function driftRow(it) {
  const c = it.c, mark = markOf(c);
  return el("tr", { role: "row", class: "row " + it.level, "data-key": it.key },
    cell("mark", el("span", { title: markNames[mark], "aria-hidden": "true" }, mark), el("span", "unseen", markNames[mark])),
    cell("name", el("div", "", kindBadge(c.kind), it.button, it.showWhere && c.where ? el("span", "where clamp", c.where) : "", c.platform ? el("span", "where", "on " + c.platform) : "")),
    cell("ver", el("div", "clamp", versions(c))),
    cell("level", it.levels.map(pill)),
    cell("size num", moreText(it.grows)),
    cell("why", el("div", c.cause || c.was ? "clamp" : "clamp one", why(it))));
}

// versions sets off what differs of two versions from what they begin with alike.
function versions(c) {
  if (c.change === "added") return [el("b", "", c.b), el("span", "dim", detailText(c.bDetail))];
  if (c.change === "removed") return [c.a, el("span", "dim", detailText(c.aDetail))];
  if (c.was && versionText(c.a, c.aDetail) === versionText(c.b, c.bDetail)) return [el("b", "", c.b), el("span", "dim", detailText(c.bDetail))];
  let n = 0;
  while (n < c.a.length && c.a[n] === c.b[n]) n++;
  while (n > 0 && n < Math.max(c.a.length, c.b.length) && /\w/.test(c.a[n - 1])) n--;
  return [el("span", "same", c.a.slice(0, n)), c.a.slice(n), el("span", "dim", detailText(c.aDetail, c.bDetail)), el("span", "dim", courses ? " | " : " → "),
    el("span", "same", c.b.slice(0, n)), el("b", "", c.b.slice(n)), el("span", "dim", detailText(c.bDetail, c.aDetail))];
}

function why(it) {
  const c = it.c, out = [];
  if (it.breaches.length) out.push(el("span", "badge bad", "✗ policy"));
  if (c.cause && c.cause.need === "hard") out.push(el("span", "badge", "! hard pin"));
  if (c.was) out.push(`was ${c.was.kind} ${c.was.name}${c.was.where && c.was.where !== c.where ? " in " + c.was.where : ""} `);
  if (c.cause) out.push(...causeNodes(c));
  else if (c.event) out.push(el("span", "dim", c.change === "removed" && !courses ? "was in the layer " : "layer "), short(oneLine(eventText(c.event)), 160));
  return out;
}
function causeNodes(c) {
  const cause = c.cause, chain = cause.chain || [];
  if (cause.base) return ["the base image"];
  const text = cause.gone ? "pinned there alone" : cause.asked ? (courses ? "pinned" : "pin " + c.change) + (chain.length > 1 ? "; " + chain.join(" → ") : "") : chain.join(" → ");
  return [text, cause.file ? el("span", { class: "dim", title: place(cause) }, " " + shortPlace(cause)) : "", ...reasoned(cause.why)];
}

// facts makes a list of terms and what there is to say of them; what is empty is left out.
const facts = (list) => el("dl", "facts", list.filter(([, ...v]) => v.flat().some(Boolean)).flatMap(([term, ...v]) => [el("dt", "", term), el("dd", "", ...v)]));

function driftDetail(it) {
  const c = it.c, cause = c.cause;
  const all = (v, d) => v == null ? "not there" : [el("code", "", v), ...[["commit", d?.commit], ["build", d?.build], ["channel", d?.channel], ["state", d?.state]].flatMap(([k, x]) => x ? [el("span", "dim", `  ${k} `), el("code", "", x)] : [])];
  return [facts([
    ["package", names[c.kind] || c.kind, " ", el("b", "", c.name)],
    ["environment", c.where],
    ["platform", c.platform || ""],
    ["in " + short(lastText(drift.a), 60), all(c.a, c.aDetail)],
    ["in " + short(lastText(drift.b), 60), all(c.b, c.bDetail)],
    ["size", [c.aAbout, c.bAbout].some((about) => about && about.size) ? [c.aAbout, c.bAbout].map((about, i) => [c.a, c.b][i] == null ? "not there" : bytes(about && about.size)).join(courses ? " | " : " → ") : ""],
    ["licence", licences(c).some(Boolean) ? [...new Set(licences(c).filter(Boolean))].join(courses ? " | " : " → ") : ""],
    ["changelog", away(link(c.bAbout, "changes") || link(c.aAbout, "changes"))],
    ["project", away(link(c.bAbout, "home") || link(c.aAbout, "home"))],
    ["moved from", c.was ? `${names[c.was.kind] || c.was.kind} ${c.was.name}${c.was.where ? " in " + c.was.where : ""}` : ""],
    ["policy", it.breaches.map((b) => el("div", "", "✗ " + b.message, reasoned(b.why), el("span", "dim", " " + place(b))))],
    ["why", cause ? cause.base ? courses ? "the base images differ" : "it came with another base image" : el("ul", "steps", (cause.chain || []).map((n) => el("li", "", n))) : ""],
    ["asked for at", cause && cause.file ? [el("code", "", place(cause)), cause.asked && !courses ? ": this pin changed" : ""] : ""],
    ["reason", cause ? [cause.why, cause.lost ? ` (of the pin ${courses ? "in " + courses.a : "that went"}: ${cause.lost})` : "", cause.need ? ` (${cause.need === "hard" ? "hard: the course does not work without it" : cause.need === "solver" ? "there only so that resolving succeeds" : "wanted"})` : ""] : ""],
    ["brings", (c.brings || []).map((b) => el("div", "", kindBadge(b.kind), b.name + " ", el("code", "", b.a ?? "not there", courses ? " | " : " → ", b.b ?? "not there")))],
    ["layer", c.event ? eventLines(c.event) : "", c.layer ? el("div", "dim", el("code", "", c.layer), " ", layerLink(c.layer)) : ""],
  ]), el("p", "", button({ class: "link" }, (e) => copy(e.target, "#pkg=" + encode(it.key)), "Copy a link to this package"))];
}

const eventLines = (event) => eventText(event).trim().split("\n").map((line) => el("div", "mono", line.replace(/\t/g, "    ") || " "));
function layerLink(id) {
  const n = items.filter((it) => it.layer === id).length;
  return n > 1 ? button({ class: "link" }, () => showLayer(id), `all ${n} changes of this layer`) : "";
}
function showLayer(id) {
  clearFilters();
  state.layer = short12(id);
  state.view = "";
  refresh();
  $("tabs").scrollIntoView();
}
const markOrder = Object.keys(markNames);
const driftColumns = [
  { id: "mark", name: "", label: "direction", compare: (x, y) => markOrder.indexOf(markOf(x.c)) - markOrder.indexOf(markOf(y.c)) },
  { id: "package", name: "package", compare: (x, y) => natural(x.name, y.name) },
  { id: "version", name: courses ? courses.a + " | " + courses.b : "was → is", compare: (x, y) => natural(x.c.b ?? x.c.a, y.c.b ?? y.c.a) },
  { id: "level", name: "level", compare: (x, y) => rank(x.level) - rank(y.level) },
  { id: "size", name: "size", class: "num", compare: (x, y) => (x.grows || 0) - (y.grows || 0) },
  { id: "why", name: "why", compare: (x, y) => natural(x.c.cause?.file || "~", y.c.cause?.file || "~") || (x.c.cause?.line || 0) - (y.c.cause?.line || 0) || natural(x.c.event || "~", y.c.event || "~") },
];

// ---- A matrix's rows.

const letter = (i) => i < 26 ? String.fromCharCode(65 + i) : letter(Math.floor(i / 26) - 1) + letter(i % 26);

// reference is the value that a row's others are compared with: the most frequent, the first of those; or one image's.
function reference(row) {
  if (state.ref !== "") return row.values[Number(state.ref)] ?? null;
  const counts = new Map();
  for (const v of row.values) if (v != null) counts.set(v, (counts.get(v) || 0) + 1);
  return [...counts].reduce((best, x) => x[1] > best[1] ? x : best, [null, 0])[0];
}
const release = (v) => {
  const [, epoch, rest] = v.match(/^(?:(\d+)[!:])?v?(.*)$/s);
  return [epoch || "0", ...rest.toLowerCase().split(/[.\-_+~]/)];
};

// apart says how far a value is from another, and whether it is newer. That is an estimate by parts of versions, and never wider than what the report says of the row.
function apart(it, was, is) {
  if (is == null) return was == null ? ["", 0] : ["absent", 0];
  if (was == null) return ["added", 0];
  if (is === was || it.row.values.length && it.level === "missing") return ["", 0];
  if (it.kind === "setting") return ["other", 0];
  const [a, b] = [was, is].map((v) => release(v.split(" ")[0])), size = Math.max(a.length, b.length);
  for (let i = 0; i < size; i++) {
    const d = natural(b[i] || "0", a[i] || "0");
    if (d) return [["major", "major", "minor", "patch"][Math.max(Math.min(i, 3), rank(it.level) + 1)] || it.level, d];
  }
  return ["build", 0];
}

function matrixRow(it) {
  const ref = reference(it.row);
  return el("tr", { role: "row", class: "row " + it.level, "data-key": it.key },
    el("td", { role: "rowheader", class: "first name" }, el("div", "", kindBadge(it.kind), it.button, it.where ? el("span", "where clamp", it.where) : "")),
    it.row.values.map((v) => matrixCell(it, ref, v)),
    cell("level", it.levels.map(pill)));
}
function matrixCell(it, ref, v) {
  const [level, direction] = apart(it, ref, v);
  const times = { major: 3, minor: 2, patch: 1 }[level] || 0;
  if (v == null) return el("td", { role: "cell", class: "cell absent" }, sign("–"), el("span", "unseen", "not there"));
  const signs = times ? (direction > 0 ? "▲" : "▼").repeat(times) : { build: "~", other: "≠", added: "+" }[level] || "";
  const said = level === "" ? "" : ` ${level}${times ? direction > 0 ? ", newer" : ", older" : ""}`;
  return el("td", { role: "cell", class: "cell " + level, title: v }, el("span", "text", short(v, 120)), " ", sign(signs), said ? el("span", "unseen", said) : "");
}
function matrixDetail(it) {
  const by = groupBy(it.row.values.map((v, i) => ({ v, i })), (x) => x.v);
  return facts([
    ["what", names[it.kind] || it.kind, " ", el("b", "", it.name)],
    ["environment", it.where],
    ...[...by].map(([v, list]) => [v == null ? "not in" : el("code", "", v), list.map(({ i }) => el("div", "", el("b", "", letter(i)), " ", matrix.images[i].name))]),
  ]);
}
// tails are the ends by which images can be told apart in narrow columns: without what all names begin with alike, and of long ones the end.
function tails(names) {
  const most = 18;
  let n = 0;
  while (names.length > 1 && names.every((s) => n < s.length && s[n] === names[0][n])) n++;
  while (n > 0 && /[\p{L}\p{N}]/u.test(names[0][n - 1])) n--;
  return names.map((s) => s.length <= most ? s : n > 0 && s.length - n < most ? "…" + s.slice(n) : "…" + s.slice(1 - most));
}
function matrixColumns() {
  const ends = tails(matrix.images.map((c) => lastText(c.name)));
  const far = (it, i) => { const [l, d] = apart(it, reference(it.row), it.row.values[i]); return l === "" ? 99 : l === "absent" ? 50 : rank(l) * 2 + (d > 0 ? 1 : 0); };
  return [
    { id: "package", name: "package", class: "first", compare: (x, y) => natural(x.name, y.name) },
    ...matrix.images.map((c, i) => ({ id: letter(i), name: letter(i), class: "col", label: `${letter(i)} ${c.name}: differing first`, compare: (x, y) => far(x, i) - far(y, i),
      head: () => [letter(i), el("small", { class: "clamp", title: c.name }, ends[i])] })),
    { id: "level", name: "level", compare: (x, y) => rank(x.level) - rank(y.level) },
  ];
}

// pairs tells for each two images how many packages differ.
function pairs() {
  const n = matrix.images.length, counts = matrix.images.map((_, i) => matrix.images.map((_, j) => items.filter((it) => it.kind !== "setting" && apart(it, it.row.values[i], it.row.values[j])[0]).length));
  const most = Math.max(1, ...counts.flat());
  const head = el("tr", "", el("td", ""), matrix.images.map((_, i) => el("th", { scope: "col" }, letter(i))));
  const rows = counts.map((row, i) => el("tr", "", el("th", { scope: "row" }, letter(i)), row.map((x, j) => Object.assign(el("td", "", i === j ? "–" : x), { style: `--far: ${x / most}` }))));
  return el("div", "box", el("h2", "", "Packages that differ between two images"), el("table", "pairs", head, rows));
}
function imageTable() {
  const head = el("tr", "", ["letter", "image", "packages", "nowhere else", "size"].map((t, i) => el("th", { scope: "col", class: i > 1 ? "num dim" : "dim" }, t)));
  return el("div", "box", el("h2", "", "Images"), el("table", "images", head, matrix.images.map((c, i) => el("tr", "", el("th", { scope: "row" }, letter(i)), el("td", { title: c.digest }, el("span", "mono clamp", last(c.name))),
    el("td", "num", c.packages), el("td", "num", c.alone), el("td", "num", c.size ? bytes(c.size) : "–")))));
}
function redrawMatrix() {
  for (const it of items) it.tr = it.more = null;
  document.body.classList.toggle("heat", state.heat === "1");
  $("heat").setAttribute("aria-pressed", state.heat === "1");
  $("ref").value = state.ref;
  refresh();
}

// ---- Settings, files and layers.

function showSettings() {
  const rank = (s) => ["entrypoint", "cmd", "user", "working-dir"].indexOf(s.name);
  const list = [...drift.config].sort((x, y) => (rank(y) >= 0) - (rank(x) >= 0) || natural(x.name, y.name));
  const value = (tone, mark, name, nodes) => el("div", "value " + tone, el("span", "", mark, el("span", "unseen", name)), el("span", "", nodes));
  for (const s of list) {
    const [a, b] = s.a != null && s.b != null ? wordDiff(s.a, s.b) : [[s.a ?? ""], [s.b ?? ""]];
    document.querySelector(".settings").append(el("li", { "data-setting": s.name }, el("h3", "clamp", s.name),
      s.a != null ? value("removed", "−", courses ? courses.a + ": " : "was ", a) : el("div", "dim", courses ? "not set in " + courses.a : "was not set"),
      s.b != null ? value("added", "+", courses ? courses.b + ": " : "is ", b) : el("div", "dim", courses ? "not set in " + courses.b : "is not set any more")));
  }
}

function showFiles() {
  const head = el("tr", "", ["what", "file", "package"].map((t) => el("th", { scope: "col" }, t)));
  const rows = drift.damages.map((d) => el("tr", "", el("td", "", el("span", "lv " + (d.what === "missing" ? "removed" : "minor"), d.what === "missing" ? "− missing" : "~ changed")), el("td", "mono", d.path), el("td", "", d.package)));
  $("panel-files").append(el("div", "box", el("table", "list", el("thead", "", head), el("tbody", "", rows))));
}
const sum = (list) => list.reduce((n, l) => n + l.size, 0);

function showLayers() {
  const { a, b } = drift.layers, panel = $("panel-layers"), fresh = b.filter((l) => !l.shared), unknown = [...a, ...b].some((l) => !l.size);
  const lead = !fresh.length ? "All layers of the second are in the first." : ["Whoever has the first fetches ", el("b", "", many(fresh.length, "layer", "layers")), ` for the second`,
    sum(fresh) ? [", ", el("b", "", bytes(sum(fresh)))] : "", "; ", el("b", "", many(b.length - fresh.length, "layer", "layers")), " of it", sum(b) - sum(fresh) ? [", ", el("b", "", bytes(sum(b) - sum(fresh))), ","] : "", " are in both."];
  panel.append(el("p", "lead", lead, unknown ? el("span", "dim", " Sizes of some layers are not known.") : ""));
  const scale = Math.max(weights(a).total, weights(b).total);
  panel.append(stack("a", drift.a, a, scale), stack("b", drift.b, b, scale), el("p", "legend", el("span", "", el("i", "key shared"), "in both"),
    el("span", "", el("i", "key removed"), "only in the first"), el("span", "", el("i", "key added"), "only in the second"), el("span", "", "sizes as stored, the lowest layer on the left")));
  panel.append(layerTable(a, b));
}

// weights are widths: of layers whose size is not known that of a middling one.
function weights(list) {
  const known = list.map((l) => l.size).filter(Boolean).sort((x, y) => x - y), middle = known[known.length >> 1] || 1;
  const each = list.map((l) => l.size || middle);
  return { each, total: each.reduce((x, y) => x + y, 0) };
}

function stack(side, name, list, scale) {
  const w = weights(list), segs = el("div", { class: "segs", role: "toolbar", "aria-label": `Layers of ${name}` });
  list.forEach((l, i) => {
    const text = `${i + 1} of ${list.length}: ${bytes(l.size)}, ${l.shared ? "in both" : "only here"}. ${short(oneLine(eventText(l.event || "no history entry")), 400)}`;
    const seg = el("button", { type: "button", class: `${l.shared ? "shared" : side}${l.size ? "" : " unknown"}`, "aria-label": text, tabindex: i ? "-1" : "0" });
    seg.style.flexGrow = w.each[i] / w.total;
    on(on(seg, "pointerenter", () => showTip(seg, text)), "pointerleave", hideTip);
    on(on(seg, "focus", () => showTip(seg, text)), "blur", hideTip);
    on(seg, "click", () => pickLayer(l.diffID));
    segs.append(seg);
  });
  segs.style.width = Math.max(4, 100 * w.total / scale) + "%";
  on(segs, "keydown", (e) => walk(e, [...segs.children]));
  return el("div", "stack", el("p", "", el("span", "mono clamp", last(name)), el("span", "dim num", `${many(list.length, "layer", "layers")}, ${sum(list) ? bytes(sum(list)) : "sizes not known"}`)), segs);
}

// walk moves the focus among things of which Tab reaches one.
function walk(e, list) {
  const step = { ArrowRight: 1, ArrowLeft: -1, Home: -list.length, End: list.length }[e.key];
  if (!step) return;
  const i = Math.max(0, Math.min(list.length - 1, list.indexOf(document.activeElement) + step));
  list.forEach((x, k) => x.tabIndex = k === i ? 0 : -1);
  list[i].focus();
  e.preventDefault();
}
function pickLayer(id) {
  const row = [...document.querySelectorAll("#panel-layers tbody tr")].find((tr) => tr.layer === id);
  document.querySelectorAll("#panel-layers tr.on").forEach((tr) => tr.classList.remove("on"));
  if (!row) return;
  row.classList.add("on");
  row.scrollIntoView({ block: "center" });
}

// merged lists the layers of both as they were built: those of the first alone before the next that both have.
function merged(a, b) {
  const out = [];
  let i = 0;
  const upTo = (id) => { while (i < a.length && a[i].diffID !== id) { if (!a[i].shared) out.push([a[i], "a"]); i++; } };
  for (const l of b) {
    if (l.shared && a.slice(i).some((x) => x.diffID === l.diffID)) upTo(l.diffID);
    out.push([l, l.shared ? "both" : "b"]);
  }
  upTo("");
  return out;
}

function layerTable(a, b) {
  const list = merged(a, b), most = Math.max(1, ...list.map(([l]) => l.size)), tones = { a: ["removed", "−", "first"], b: ["added", "+", "second"], both: ["shared", "=", "both"] };
  const rows = list.map(([l, side]) => {
    const [tone, mark, word] = tones[side], n = side === "both" ? 0 : items.filter((it) => it.layer === l.diffID).length;
    const bar = el("i", "sizebar");
    bar.style.width = 7 * l.size / most + "rem";
    const tr = el("tr", tone, el("td", "mark", mark + " ", el("span", "", word)), el("td", "size num", el("span", "", l.size ? bytes(l.size) : "not known"), bar),
      el("td", { title: l.diffID }, el("span", "clamp", l.event ? oneLine(eventText(l.event)) : "no history entry")), el("td", "num", n ? button({ class: "link" }, () => showLayer(l.diffID), many(n, "change", "changes")) : ""));
    tr.layer = l.diffID;
    tr.size = l.size;
    return tr;
  });
  const body = el("tbody", "", rows);
  const bySize = button({ "aria-pressed": "false" }, () => {
    const now = bySize.getAttribute("aria-pressed") !== "true";
    bySize.setAttribute("aria-pressed", now);
    body.replaceChildren(...(now ? [...rows].sort((x, y) => y.size - x.size) : rows));
  }, "Largest first");
  const head = el("tr", "", ["in", "size", "history entry", "packages"].map((t, i) => el("th", { scope: "col", class: i === 3 ? "num" : "" }, t)));
  return el("div", "", el("p", "group", bySize), el("div", "box layers", el("table", "list", el("thead", "", head), body)));
}

function showTip(at, text) {
  const tip = $("tip"), r = at.getBoundingClientRect();
  tip.textContent = clean(text);
  tip.hidden = false;
  tip.style.left = Math.max(8, Math.min(r.left, innerWidth - tip.offsetWidth - 8)) + "px";
  tip.style.top = (r.bottom + 8 + tip.offsetHeight > innerHeight ? r.top - tip.offsetHeight - 8 : r.bottom + 8) + "px";
}
function hideTip() { $("tip").hidden = true; }

// ---- Tabs, the theme, links and keys.

function showTabs(list) {
  for (const [id, name, n] of list) {
    const tab = el("button", { type: "button", role: "tab", id: "tab-" + id, "data-view": id, "aria-controls": "panel-" + id }, name, el("small", "", n));
    on(tab, "click", () => { state.view = id === "packages" && items.length ? "" : id; showView(state.view); remember(); });
    $("tabs").append(tab);
    const panel = $("panel-" + id);
    panel.setAttribute("role", "tabpanel");
    panel.setAttribute("aria-labelledby", "tab-" + id);
  }
  on($("tabs"), "keydown", (e) => { walk(e, [...$("tabs").children]); if (e.defaultPrevented) document.activeElement.click(); });
  $("tabs").hidden = list.length < 2;
  for (const panel of document.querySelectorAll(".panel:not([role])")) panel.remove();
}

function showView(id) {
  const tabs = [...$("tabs").children], chosen = tabs.find((t) => t.dataset.view === id) || tabs[items.length || tabs.length < 2 ? 0 : 1];
  for (const tab of tabs) {
    tab.setAttribute("aria-selected", tab === chosen);
    tab.tabIndex = tab === chosen ? 0 : -1;
    $("panel-" + tab.dataset.view).hidden = tab !== chosen;
  }
}

const themes = ["auto", "light", "dark"];
const wishes = matchMedia("(prefers-color-scheme: dark)");
let theme = "auto";
try { theme = themes.find((t) => t === localStorage.getItem("driftpin-theme")) || "auto"; } catch { /* no storage, no memory */ }
function showTheme() {
  document.documentElement.dataset.theme = theme === "auto" ? wishes.matches ? "dark" : "light" : theme;
  $("theme").textContent = { auto: "◐ Auto", light: "○ Light", dark: "● Dark" }[theme];
  $("theme").setAttribute("aria-label", `Colours: ${theme}. Change them`);
}
function nextTheme() {
  theme = themes[(themes.indexOf(theme) + 1) % themes.length];
  try { localStorage.setItem("driftpin-theme", theme); } catch { /* as above */ }
  showTheme();
}

async function copy(from, hash) {
  writeAddress();
  const link = location.href.replace(/#.*/s, "") + (hash || address());
  try { await navigator.clipboard.writeText(link); } catch { // not allowed here: the old way
    const field = document.body.appendChild(Object.assign(el("textarea", ""), { value: link }));
    field.select();
    document.execCommand("copy");
    field.remove();
  }
  const was = from.textContent;
  if (was !== "Copied ✓") setTimeout(() => from.textContent = was, 1500);
  from.textContent = "Copied ✓";
}

function escape() {
  if (!$("tip").hidden) return hideTip();
  if (state.q) state.q = ""; else clearFilters();
  if (document.activeElement === $("search")) $("search").blur();
  refresh();
}

function onKey(e) {
  if (e.ctrlKey || e.metaKey || e.altKey || $("help").open) return;
  const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(e.target.tagName), inTable = e.target.closest("#table tbody");
  if (e.key === "Escape") return escape();
  if (typing) { if (e.target.id === "search" && e.key === "ArrowDown") { e.preventDefault(); move(1); } return; }
  const act = { "/": () => { state.view = ""; showView(""); $("search").focus(); $("search").select(); }, "?": () => $("help").showModal(), j: () => move(1), k: () => move(-1) };
  if (inTable) Object.assign(act, { ArrowDown: act.j, ArrowUp: act.k });
  if (!act[e.key]) return;
  e.preventDefault();
  if (e.key === "j" || e.key === "k") showView(state.view = "");
  act[e.key]();
}

function onClick(e) {
  const filter = e.target.closest("[data-filter]");
  if (filter) {
    const [, name, value] = filter.dataset.filter.match(/^(\w+):(.*)$/s);
    if (!state[name].delete(value)) state[name].add(value);
    state.view = "";
    return refresh();
  }
  const tr = e.target.closest("#table .row");
  const marked = getSelection(); // a click that marked text is none that opens
  if (tr && (marked.isCollapsed || !marked.containsNode(tr, true))) toggle(tr.item);
}

// ---- And go.

function startDrift() {
  const between = courses ? "and" : "→";
  document.title = clean(`driftpin: ${short(lastText(drift.a), 60)} ${between} ${short(lastText(drift.b), 60)}`);
  const known = drift.sources ? (s) => el("span", "dim", [s.digest ? " " + s.digest.slice(0, 19) : "", s.created ? " of " + s.created : "", s.size ? ", " + bytes(s.size) : ""]) : () => "";
  document.body.classList.toggle("sized", items.some((it) => moreText(it.grows)));
  fill($("sources"), [el("span", "clamp", last(drift.a), known(drift.sources?.a)), el("span", "arrow", between), el("span", "clamp", last(drift.b), known(drift.sources?.b))]);
  const parts = headline();
  if (courses) $("headline").textContent = courses.headline;
  else if (parts.length) showHeadline(parts); else $("headline").textContent = "no drift";
  if (items.length) $("counts").textContent = courses ? courses.counts : countsText();
  showTiles(["major", "minor", "patch", "build", "added", "removed", "moved"]);
  showNotes(driftNotes());
  Object.assign(table, { columns: driftColumns, row: driftRow, detail: driftDetail });
  const tabs = [["packages", "Packages", items.length]];
  if (drift.config.length) { tabs.push(["settings", "Settings", drift.config.length]); showSettings(); }
  if (drift.layers) { tabs.push(["layers", "Layers", drift.layers.a.length + drift.layers.b.length]); showLayers(); }
  if ((drift.damages || []).length) { tabs.push(["files", "Damaged files", drift.damages.length]); showFiles(); }
  showTabs(tabs);
}

function startMatrix() {
  const s = matrix.summary, n = matrix.images.length;
  document.title = `driftpin: ${n} images`;
  if (items.length) showHeadline([[n, "images: "], [s.differing, "packages in different versions"], [s.missing, "not in all"], [s.same, "the same in all"], [s.config, "settings differ"]]);
  else $("headline").textContent = `${n} images, no drift: ${s.same} packages are the same in all`;
  showTiles(["major", "minor", "patch", "build", "missing", "setting"]);
  $("two").hidden = false;
  $("two").append(imageTable(), pairs());
  $("table").style.setProperty("--n", n);
  $("ref").append(el("option", { value: "" }, "against the majority"), ...matrix.images.map((c, i) => el("option", { value: i }, `against ${letter(i)} ${short(lastText(c.name), 40)}`)));
  $("ref").hidden = $("heat").hidden = $("legend").hidden = false;
  const say = (tone, s, text) => el("span", "lv " + tone, sign(s), text);
  fill($("legend"), [el("span", "", "no colour: the same"), say("major", "▲▲▲", "major"), say("minor", "▲▲", "minor"), say("patch", "▲", "patch"), say("build", "~", "build"), say("added", "+", "there only"), say("other", "≠", "other setting"), el("span", "", "▲ newer ▼ older – not there")]);
  on($("ref"), "change", () => { state.ref = $("ref").value; redrawMatrix(); });
  on($("heat"), "click", () => { state.heat = state.heat ? "" : "1"; redrawMatrix(); });
  Object.assign(table, { columns: matrixColumns(), row: matrixRow, detail: matrixDetail });
  showTabs([["packages", "Packages and settings", items.length]]);
}

const items = drift ? driftItems() : matrixItems();
document.getElementById("plain")?.remove(); // the same for those who have no scripts
document.body.className = drift ? "drift" : "matrix";
for (const e of document.querySelectorAll("header, main, footer")) e.hidden = false;
showTheme();
readAddress();
if (!items.length && !(drift && (drift.config.length || drift.layers || drift.damages))) $("panel-packages").parentElement.hidden = true;
(drift ? startDrift : startMatrix)();
showFacets();
for (const [mark, text] of Object.entries(markNames)) fill($("signs"), [el("dt", "", mark), el("dd", "", text)]);

on(wishes, "change", showTheme);
on($("theme"), "click", nextTheme);
on($("copy"), "click", () => copy($("copy")));
on($("keys"), "click", () => $("help").showModal());
on($("clear"), "click", () => { clearFilters(); refresh(); $("search").focus(); });
on($("layer"), "click", () => { state.layer = ""; refresh(); });
on($("env"), "change", () => { state.env = $("env").value; refresh(); });
on($("search"), "input", () => { state.q = $("search").value; refresh(); });
on(document, "keydown", onKey);
on(document, "click", onClick);
on(document, "scroll", hideTip);
on($("table"), "focusin", (e) => { const tr = e.target.closest("tbody tr"); if (tr && tr.item !== table.current) rove(tr.item); });
on(window, "hashchange", () => { readAddress(); if (matrix) redrawMatrix(); goTo(); });
on(window, "beforeprint", () => { more(Infinity); for (const d of document.querySelectorAll("details")) d.open = true; });
new ResizeObserver(() => document.documentElement.style.setProperty("--bar", $("bar").offsetHeight + "px")).observe($("bar"));
if (matrix) redrawMatrix();
goTo();
