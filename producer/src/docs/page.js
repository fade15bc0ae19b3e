// Shows /openapi.json and sends what is in the form. Text reaches the page through textContent only.
"use strict";

const byId = (id) => document.getElementById(id);

function element(tag, text, ...children) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  made.append(...children);
  return made;
}

function table(heads, rows) {
  const cells = (tag, texts) => element("tr", undefined, ...texts.map((text) => element(tag, text)));
  return element(
    "table",
    undefined,
    element("thead", undefined, cells("th", heads)),
    element("tbody", undefined, ...rows.map((row) => cells("td", row))),
  );
}

function curl() {
  const body = byId("body").value.replaceAll("'", "'\\''");
  byId("curl").textContent =
    `curl -X POST ${location.host}/send-message -H 'Content-Type: application/json' -d '${body}'`;
}

async function send(event) {
  event.preventDefault();
  const answer = byId("answer");
  answer.textContent = "Sending ...";
  try {
    const response = await fetch("/send-message", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: byId("body").value,
    });
    const text = await response.text();
    let shown = text;
    try {
      shown = JSON.stringify(JSON.parse(text), null, 2);
    } catch {
      // shown unchanged
    }
    answer.textContent = `${response.status} ${response.statusText}\n${shown}`;
  } catch (error) {
    answer.textContent = `No answer: ${error.message}`;
  }
}

const typeOf = (schema) => {
  if (schema.$ref) return schema.$ref.split("/").pop();
  const type = [schema.type ?? "any"].flat().join(" or ");
  return schema.items ? `${type} of ${typeOf(schema.items)}` : type;
};

function fields(name, schema) {
  const required = schema.required ?? [];
  const rows = Object.entries(schema.properties ?? {}).map(([field, of]) => [
    field,
    typeOf(of),
    required.includes(field) ? "yes" : "no",
    of.description ?? "",
  ]);
  return [element("h4", name), table(["Field", "Type", "Required", "Meaning"], rows)];
}

async function show() {
  const document_ = await (await fetch("/openapi.json")).json();
  byId("title").textContent = `${document_.info.title} ${document_.info.version}`;
  byId("description").textContent = document_.info.description;
  const shown = [];
  for (const [path, methods] of Object.entries(document_.paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      shown.push(element("h3", `${method.toUpperCase()} ${path}`));
      shown.push(element("p", operation.description ?? operation.summary ?? ""));
      const rows = Object.entries(operation.responses).map(([status, response]) => [status, response.description]);
      shown.push(table(["Status", "Meaning"], rows));
    }
  }
  for (const [name, schema] of Object.entries(document_.components.schemas)) shown.push(...fields(name, schema));
  byId("operations").replaceChildren(...shown);
  const topic = document_.components.schemas.Message.properties.topic.example;
  byId("body").value = JSON.stringify({ topic, value: "hello" });
  curl();
}

byId("form").addEventListener("submit", send);
byId("body").addEventListener("input", curl);
curl();
show().catch((error) => {
  byId("operations").textContent = `/openapi.json cannot be shown: ${error.message}`;
});
