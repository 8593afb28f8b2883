// Shows the API's document. Everything is read from this server, and all that is shown is put in as text.
"use strict";

const at = (id) => document.getElementById(id);

// make builds an element. What it holds is text, elements, or nothing.
function make(name, attributes, ...inside) {
  const e = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) e.setAttribute(key, value);
  e.append(...inside.filter((v) => v !== undefined && v !== null && v !== ""));
  return e;
}

// inline turns `code` and **strong** into elements.
function inline(text) {
  return text.split(/(`[^`]+`|\*\*[^*]+\*\*)/).map((part) => {
    if (part.length > 2 && part.startsWith("`")) return make("code", {}, part.slice(1, -1));
    if (part.length > 4 && part.startsWith("**")) return make("strong", {}, part.slice(2, -2));
    return part;
  });
}

const paragraphs = (text) => (text || "").trim().split(/\n\s*\n/).filter(Boolean).map((p) => make("p", {}, ...inline(p.replace(/\s+/g, " "))));

// viewer reads one document.
function viewer(doc) {
  // resolve follows references within the document.
  const resolve = (v) => (v && v.$ref ? resolve(v.$ref.slice(2).split("/").reduce((o, key) => o[key], doc)) : v || {});

  // typeOf names a schema in a line.
  function typeOf(schema) {
    const named = schema && schema.$ref ? schema.$ref.split("/").pop() : "";
    const s = resolve(schema);
    if (s.type === "array") return "[" + typeOf(s.items) + "]";
    if (named) return named;
    const limits = s.enum ? ": " + s.enum.join(", ") : "";
    return (s.type || "any") + (s.format ? " (" + s.format + ")" : "") + limits + (s.default !== undefined ? ", " + JSON.stringify(s.default) + " unless given" : "");
  }

  // fieldRows lists what an object has, one row a field.
  function fieldRows(schema) {
    const s = resolve(schema);
    const object = s.type === "array" ? resolve(s.items) : s;
    return Object.entries(object.properties || {}).map(([name, field]) =>
      row(make("code", {}, name), typeOf(field), (object.required || []).includes(name) ? "always" : "", ...inline(resolve(field).description || "")));
  }

  function row(name, type, need, ...about) {
    return make("tr", {}, make("td", {}, name), make("td", {}, type), make("td", {}, need), make("td", {}, ...about));
  }

  function rows(title, head, list) {
    if (list.length === 0) return [];
    const top = make("tr", {}, ...head.map((h) => make("th", { scope: "col" }, h)));
    return [make("h3", {}, title), make("table", {}, make("thead", {}, top), make("tbody", {}, ...list))];
  }

  function contents(content) {
    return Object.entries(content || {}).flatMap(([media, c]) => {
      const example = c.example === undefined ? [] : [make("pre", { tabindex: "0" }, typeof c.example === "string" ? c.example : JSON.stringify(c.example, null, 2))];
      const fields = c.schema ? rows(media + ", " + typeOf(c.schema), ["Field", "Type", "There", ""], fieldRows(c.schema)) : [];
      return [...(fields.length ? fields : [make("p", { class: "soft" }, media)]), ...example];
    });
  }

  // curl is a line to paste.
  function curl(method, path, op, parameters) {
    const query = parameters.filter((p) => p.in === "query" && p.required).map((p) => p.name + "=" + encodeURIComponent(p.example ?? "…"));
    const filled = path.replace(/\{([^}]+)\}/g, (all, name) => {
      const p = parameters.find((one) => one.name === name);
      return encodeURIComponent(p && p.example !== undefined ? p.example : name.toUpperCase());
    });
    const body = op.requestBody && resolve(op.requestBody).content["application/json"];
    const data = body ? " \\\n  -H 'Content-Type: application/json' -d '" + JSON.stringify(body.example ?? {}).replaceAll("'", "'\\''") + "'" : "";
    const verb = method === "get" ? "" : method === "head" ? "-I " : "-X " + method.toUpperCase() + " ";
    return "curl " + verb + (op["x-who"] === "anyone" ? "" : "-u alice ") + "'" + location.origin + filled + (query.length ? "?" + query.join("&") : "") + "'" + data;
  }

  function fill(details, method, path, op, shared) {
    const parameters = [...(shared || []), ...(op.parameters || [])].map(resolve);
    const rights = [].concat(op["x-right"] || []).join(", ");
    const wider = [].concat(op["x-wider"] || []).join(", ");
    details.append(
      ...paragraphs(op.description),
      make("p", { class: "soft" }, "For: " + op["x-who"] + (rights && rights !== "none" ? " · needs " + rights : "") + (wider ? " · more with " + wider : "")),
      ...rows("Parameters", ["Name", "Type", "In", ""], parameters.map((p) =>
        row(make("code", {}, p.name), typeOf(p.schema), p.in + (p.required ? ", required" : ""), ...inline(p.description || "")))),
      ...(op.requestBody ? [make("h3", {}, "Body"), ...contents(resolve(op.requestBody).content)] : []),
      make("h3", {}, "Try it"), make("pre", { tabindex: "0" }, curl(method, path, op, parameters)),
      make("h3", {}, "Answers"),
      ...Object.entries(op.responses).flatMap(([status, r]) => {
        const about = resolve(r);
        const good = status < "400";
        return [make("p", {}, make("strong", {}, status), " ", ...inline((about.description || "").trim())), ...(good ? contents(about.content) : [])];
      }));
  }

  // operation is a line that opens. What is in it is made when it is looked at.
  function operation(method, path, op, shared) {
    const details = make("details", { class: "operation", id: op.operationId },
      make("summary", {}, make("span", { class: "method " + method }, method.toUpperCase()), make("code", {}, path), make("span", { class: "said" }, op.summary)));
    details.dataset.words = [method, path, op.summary, op.operationId, ...(op.tags || []), ...[].concat(op["x-right"] || [])].join(" ").toLowerCase();
    details.addEventListener("toggle", () => { if (details.open) fill(details, method, path, op, shared); }, { once: true });
    return details;
  }

  // groups returns the sections of the page, one a tag.
  function groups() {
    const byTag = new Map(doc.tags.map((tag) => [tag.name, []]));
    for (const [path, item] of Object.entries(doc.paths)) {
      for (const method of ["get", "head", "post", "put", "patch", "delete"]) {
        if (item[method]) byTag.get(item[method].tags[0]).push(operation(method, path, item[method], item.parameters));
      }
    }
    return doc.tags.map((tag) => make("section", { id: "tag-" + tag.name }, make("h2", {}, tag.name), make("p", { class: "soft" }, ...inline(tag.description || "")), ...byTag.get(tag.name)));
  }
  return { about: () => paragraphs(doc.info.description), groups };
}

// narrow shows the operations that have all the words.
function narrow(text) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const section of document.querySelectorAll("section")) {
    let any = false;
    for (const op of section.querySelectorAll(".operation")) {
      op.hidden = !words.every((word) => op.dataset.words.includes(word));
      any = any || !op.hidden;
      shown += op.hidden ? 0 : 1;
    }
    section.hidden = !any;
  }
  at("about").hidden = words.length > 0;
  at("state").textContent = shown + (shown === 1 ? " operation" : " operations");
}

// follow opens the operation that the address names.
function follow() {
  const op = at(decodeURIComponent(location.hash.slice(1)));
  if (op && op.classList.contains("operation")) op.open = true;
  if (op) op.scrollIntoView();
}

async function start() {
  const answer = await fetch(document.body.dataset.document);
  if (!answer.ok) throw new Error("the server answered " + answer.status);
  const doc = await answer.json();
  const v = viewer(doc);
  at("about").append(...v.about());
  at("operations").append(...v.groups());
  at("tags").append(...doc.tags.map((tag) => make("a", { href: "#tag-" + tag.name }, tag.name)));
  narrow("");
  at("filter").addEventListener("input", (e) => narrow(e.target.value));
  addEventListener("hashchange", follow);
  at("operations").addEventListener("toggle", (e) => { if (e.target.open) history.replaceState(null, "", "#" + e.target.id); }, true);
  follow();
}

start().catch((err) => { at("state").textContent = "The document can't be shown: " + err.message; });
