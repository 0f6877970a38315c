/* The display of a room: asks for its face after every change, says when the node is gone, and can make a sound. */

import { say } from "../words.js";

const main = document.getElementById("now");
const connection = document.getElementById("connection");
const sound = document.getElementById("sound");
const { now, live, acknowledge, csrf, patienceMs } = document.body.dataset;
const TONES_HZ = { green: [880], amber: [660, 660], red: [440, 330, 440] };

let heard = Date.now();
let audio = null;

function isConnected(yes) {
  if (yes) heard = Date.now();
  // The clock of the site, as everything else here: whoever set up the screen may have given it another zone.
  const { offsetS, zone } = main.querySelector("[data-light]").dataset;
  const at = `${new Date(heard + Number(offsetS) * 1000).toISOString().slice(11, 19)} ${zone}`;
  document.getElementById("heard").textContent = at;
  document.getElementById("stale").textContent = yes ? "" : ` ${say("Last heard from it at {at}.", { at })}`;
  connection.hidden = yes;
  document.body.classList.toggle("lost", !yes);
}

async function refresh() {
  try {
    const answer = await fetch(now, { cache: "no-store" });
    if (!answer.ok) throw new Error(String(answer.status));
    const before = main.querySelector("[data-light]").dataset;
    const [light, at] = [before.light, before.at];
    const face = await answer.text();
    const isOpen = main.querySelector(".folded")?.open;
    main.innerHTML = face;
    main.querySelector(".folded")?.toggleAttribute("open", isOpen ?? false);
    isConnected(true);
    const after = main.querySelector("[data-light]").dataset;
    if (after.light !== light || after.at !== at) play(after.light);
  } catch {
    isConnected(false);
  }
}

function play(light) {
  if (!audio || sound.getAttribute("aria-pressed") !== "true") return;
  (TONES_HZ[light] || []).forEach((pitch, i) => {
    const tone = audio.createOscillator();
    const volume = audio.createGain();
    tone.frequency.value = pitch;
    volume.gain.value = 0.15;
    tone.connect(volume).connect(audio.destination);
    tone.start(audio.currentTime + i * 0.25);
    tone.stop(audio.currentTime + i * 0.25 + 0.18);
  });
}

sound.addEventListener("click", () => {
  const on = sound.getAttribute("aria-pressed") !== "true";
  sound.setAttribute("aria-pressed", String(on));
  sound.textContent = on ? say("Sound on") : say("Sound off");
  audio ??= new AudioContext(); // browsers allow it only after somebody touched the page
});

/* One press says that somebody in the room has seen it; every display of the room then knows. */
main.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-acknowledge]");
  if (!button) return;
  button.disabled = true;
  try {
    await fetch(acknowledge, { method: "POST", body: new URLSearchParams({ at: button.dataset.acknowledge, csrf }) });
  } finally {
    refresh();
  }
});

function listen() {
  const source = new EventSource(live);
  source.addEventListener("changed", refresh);
  source.addEventListener("still", () => isConnected(true));
  source.addEventListener("error", () => {
    isConnected(false);
    if (source.readyState === EventSource.CLOSED) setTimeout(listen, 2000); // refused: the browser would not come back
  });
}

listen();
setInterval(() => {
  if (Date.now() - heard > Number(patienceMs)) refresh(); // no message for too long: look whether the node is there
}, 1000);
setInterval(refresh, 60000); // an exposure that is too old goes away
