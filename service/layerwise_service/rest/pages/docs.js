// What the page gains by JavaScript: a search, links into closed parts, command lines that follow the forms, and
// forms that send requests to this service. Texts are set as text, never as HTML.
"use strict";

const MOST_SHOWN = 200_000; // characters of an answer; more of them make a browser slow

function element(name, text, attributes = {}) {
  const made = Object.assign(document.createElement(name), attributes);
  made.textContent = text;
  return made;
}

function addressOf(form) {
  let path = form.dataset.path;
  const query = new URLSearchParams();
  for (const input of form.querySelectorAll("input[data-in]")) {
    const { name } = input.dataset; // not `name`: a field of that name would hide a property of the form
    const value = input.value.trim();
    if (input.dataset.in === "path") {
      path = path.replace(`{${name}}`, value ? encodeURIComponent(value) : name.toUpperCase());
    } else if (value && input.dataset.list === "repeated") {
      for (const each of value.split(",")) query.append(name, each.trim());
    } else if (value) {
      query.append(name, value);
    }
  }
  return query.size ? `${path}?${query}` : path;
}

function contentTypeOf(form) {
  const choice = form.querySelector(".content-type")?.selectedOptions[0];
  return choice && { name: choice.textContent, isFile: "file" in choice.dataset };
}

const quoted = (word) => `'${word.replaceAll("'", `'\\''`)}'`;

function commandLine(form) {
  const { method } = form.dataset;
  const type = contentTypeOf(form);
  const accept = form.querySelector(".accept")?.value;
  const words = ["curl", "-s"];
  if (method !== "GET" && !(method === "POST" && type)) words.push("-X", method);
  words.push(quoted(location.origin + addressOf(form)));
  if (accept && accept !== "application/json") words.push("-H", quoted(`Accept: ${accept}`));
  if (type?.name === "multipart/form-data") {
    words.push("-F", "file=@FILE");
  } else if (type) {
    words.push("-H", quoted(`Content-Type: ${type.name}`));
    if (type.isFile) words.push("--data-binary", "@FILE");
    else words.push("-d", quoted(form.querySelector("textarea").value));
  }
  return words.join(" ");
}

function refresh(form) {
  const type = contentTypeOf(form);
  if (type) {
    form.querySelector(".text").hidden = type.isFile;
    form.querySelector(".file").hidden = !type.isFile;
  }
  form.parentElement.querySelector(".curl code").textContent = commandLine(form);
}

function requestOf(form) {
  const options = { method: form.dataset.method, headers: {} };
  const accept = form.querySelector(".accept")?.value;
  if (accept) options.headers.Accept = accept;
  const type = contentTypeOf(form);
  if (!type) return options;
  const file = form.querySelector("input[type=file]").files[0];
  if (type.isFile && !file) throw new Error("choose a file first");
  if (type.name === "multipart/form-data") {
    options.body = new FormData();
    options.body.append("file", file);
  } else {
    options.headers["Content-Type"] = type.name;
    options.body = type.isFile ? file : form.querySelector("textarea").value;
  }
  return options;
}

function asText(text, type) {
  if (!type.includes("json")) return text;
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

async function shownAnswer(answer, milliseconds) {
  const type = answer.headers.get("Content-Type") ?? "";
  const body = await answer.blob();
  const line = `${answer.status} ${answer.statusText}, ${type || "no body"}, ${body.size.toLocaleString("en")} bytes, ${milliseconds} ms`;
  const parts = [element("p", line, { className: answer.ok ? "" : "failed" })];
  if (/json|^text\//.test(type)) {
    const text = asText(await body.text(), type);
    parts.push(element("pre", text.slice(0, MOST_SHOWN)));
    if (text.length > MOST_SHOWN) parts.push(element("p", "… and more"));
  }
  if (body.size) parts.push(element("a", "Save the answer", { href: URL.createObjectURL(body), download: "answer" }));
  return parts;
}

async function send(form) {
  const output = form.querySelector("output");
  const button = form.querySelector("button");
  const { method } = form.dataset;
  const address = addressOf(form);
  if (method === "DELETE" && !confirm(`DELETE ${address}?`)) return;
  button.disabled = true;
  for (const old of output.querySelectorAll("a")) URL.revokeObjectURL(old.href);
  try {
    const start = performance.now();
    const answer = await fetch(address, requestOf(form));
    output.replaceChildren(...(await shownAnswer(answer, Math.round(performance.now() - start))));
  } catch (error) {
    output.replaceChildren(element("p", `Not sent: ${error.message}`, { className: "failed" }));
  } finally {
    button.disabled = false;
  }
}

function search(text) {
  const words = text.toLowerCase().split(/\s+/);
  for (const item of document.querySelectorAll(".operation, .schema")) {
    const about = item.querySelector("summary").textContent.toLowerCase();
    item.hidden = !words.every((word) => about.includes(word));
  }
  for (const group of document.querySelectorAll(".group")) {
    group.hidden = !group.querySelector(".operation:not([hidden])");
  }
}

function openTarget() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target?.tagName === "DETAILS") target.open = true;
  target?.scrollIntoView();
}

// The examples name a model of this service, if it has one.
async function nameModel() {
  const answer = await fetch("/api/models?page_size=1");
  const model = answer.ok ? (await answer.json()).models[0]?.name : undefined;
  if (!model) return;
  for (const form of document.querySelectorAll("form.try")) {
    for (const input of form.querySelectorAll('input[data-name="model"][data-in="path"]')) input.value = model;
    const body = form.querySelector("textarea");
    if (body) body.value = body.value.replace(/("model": )"iris"/, (_, key) => key + JSON.stringify(model));
    refresh(form);
  }
}

for (const form of document.querySelectorAll("form.try")) {
  form.hidden = false;
  form.addEventListener("input", () => refresh(form));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send(form);
  });
  refresh(form);
}
document.getElementById("search").hidden = false;
document.querySelector("#search input").addEventListener("input", (event) => search(event.target.value));
addEventListener("hashchange", openTarget);
openTarget();
nameModel().catch(() => {}); // the examples stay as they are
