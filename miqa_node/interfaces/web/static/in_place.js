/* A form that is sent without leaving the page; without scripts, or without the node, the browser sends it itself. */

const sending = new WeakSet();

/* The page that answers, its address, and whether the form was redirected to it; null if the browser sends it now. */
export async function send(form, submitter) {
  if (sending.has(form)) return null;
  sending.add(form);
  const address = submitter?.getAttribute("formaction") ?? form.getAttribute("action");
  try {
    const answer = await fetch(address, { method: "POST", body: new URLSearchParams(new FormData(form, submitter)) });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    return { page, address: answer.url, redirected: answer.redirected, ok: answer.ok };
  } catch {
    form.dataset.whole = "yes";
    form.requestSubmit(submitter);
    return null;
  } finally {
    sending.delete(form);
  }
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
