/* A form that is sent without leaving the page; without scripts, or without the node, the browser sends it itself. */

const sending = new WeakSet();

/* The page that answers, its address, and whether the form was redirected to it; null if the browser sends it now. */
export async function send(form, submitter) {
  if (sending.has(form)) return null;
  sending.add(form);
  const address = submitter?.getAttribute("formaction") ?? form.getAttribute("action");
  try {
    const body = new URLSearchParams(new FormData(form, submitter));
    const answer = await fetch(address, { method: "POST", body, headers: { accept: "text/html" } });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (!page.querySelector("main")) throw new TypeError("That is no page of the node.");
    return { page, address: answer.url, redirected: answer.redirected, ok: answer.ok };
  } catch {
    sendWhole(form, submitter);
    return null;
  } finally {
    sending.delete(form);
  }
}

/* Let the browser send the form: a refusal has a page of its own. */
export function sendWhole(form, submitter) {
  form.dataset.whole = "yes";
  form.requestSubmit(submitter);
}

/* Show the main part of a page that was fetched. Scripts hear `page:shown` and begin with what is there now. */
export function show({ page, address }) {
  for (const part of page.querySelectorAll("head script[src], head link[rel=stylesheet]")) {
    const name = part.src ? "src" : "href";
    if (document.querySelector(`[${name}="${CSS.escape(part.getAttribute(name))}"]`)) continue;
    const copy = document.createElement(part.localName);
    for (const { name: key, value } of part.attributes) copy.setAttribute(key, value);
    document.head.append(copy);
  }
  for (const one of page.querySelectorAll("noscript")) one.remove(); // a parsed page has its fields, which nobody sees
  document.title = page.title;
  document.querySelector("main").replaceWith(document.adoptNode(page.querySelector("main")));
  const { pathname, search } = new URL(address);
  history[here === pathname + search ? "replaceState" : "pushState"]({}, "", address);
  here = pathname + search;
  htmx.process(document.querySelector("main"));
  document.dispatchEvent(new Event("page:shown"));
}

let here = location.pathname + location.search;
/* Back and forward load the page that the browser's history names. */
addEventListener("popstate", () => { if (here !== location.pathname + location.search) location.reload(); });
