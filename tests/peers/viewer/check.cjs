// Opens one study in the OHIF viewer, shows one series of it, and prints what the viewer holds as one line of JSON.
//
//   NODE_PATH=…/node_modules node check.cjs VIEWER_URL STUDY_UID SERIES_NUMBER SCREENSHOT.png
//
// The viewer is the judge, so everything is read from its own services: the segmentation that it decoded, the
// annotations that it made of a report, the text that it drew, the messages that it showed to the user.

const { chromium } = require("playwright-core");

const [VIEWER, STUDY, SERIES_NUMBER, SCREENSHOT] = process.argv.slice(2);
const READY_MS = 120000; // the viewer and the image
const SHOWN_MS = 20000; // the object, once asked for
const BROWSER = process.env.CHROMIUM || "/usr/bin/chromium";
const FLAGS = [
  "--headless",
  "--no-sandbox",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--use-angle=swiftshader", // WebGL without a graphics card
  "--enable-unsafe-swiftshader",
  "--ignore-gpu-blocklist",
];

async function main() {
  const browser = await chromium.launch({ executablePath: BROWSER, args: FLAGS });
  try {
    const page = await browser.newPage({ viewport: { width: 1400, height: 900 } });
    const seen = watch(page);
    await guard(page, seen);
    await page.goto(`${VIEWER}/viewer?StudyInstanceUIDs=${STUDY}`, { waitUntil: "domcontentloaded", timeout: READY_MS });
    await page.waitForFunction(imageIsRendered, null, { timeout: READY_MS });
    await openSeries(page, Number(SERIES_NUMBER));
    const state = await settle(page);
    await page.screenshot({ path: SCREENSHOT });
    const crashed = seen.errors.some((e) => /Error Boundary/.test(e)) || state.messages.some((m) => /went wrong/i.test(m));
    console.log(JSON.stringify({ ...state, crashed, errors: seen.errors.slice(0, 5), outside: seen.outside }));
  } finally {
    await browser.close();
  }
}

function watch(page) {
  const seen = { errors: [], outside: [] };
  page.on("console", (m) => /Error Boundary/.test(m.text()) && seen.errors.push(m.text().slice(0, 300)));
  page.on("pageerror", (e) => seen.errors.push(String(e.message).slice(0, 300)));
  return seen;
}

// Nothing may leave this machine; whatever tries is noted and refused.
async function guard(page, seen) {
  await page.addInitScript(() => localStorage.setItem("shownTours", '["basicViewerTour"]'));
  await page.route("**/*", (route) => {
    const url = new URL(route.request().url());
    if (!/^https?:$/.test(url.protocol) || url.hostname === "127.0.0.1") return route.continue();
    seen.outside.push(url.href);
    return route.abort();
  });
}

function imageIsRendered() {
  const engine = window.cornerstone?.getRenderingEngines?.()[0];
  return (engine?.getViewports?.() ?? []).some((v) => v.getImageIds?.().length && v.viewportStatus === "rendered");
}

// Thumbnails of images and of objects without one have different markup; both show the series number.
async function openSeries(page, number) {
  const thumbnails = page.locator('[data-cy^="study-browser-thumbnail"]');
  const wanted = thumbnails.filter({ hasText: new RegExp(`S:${number}\\b`) }).first();
  await wanted.waitFor({ timeout: SHOWN_MS });
  await wanted.dblclick();
}

// Reading goes on until two readings in a row agree and something is shown, or time is up.
async function settle(page) {
  let before = "";
  const end = Date.now() + SHOWN_MS;
  for (;;) {
    await page.waitForTimeout(500);
    // OHIF sometimes loads annotations after its last drawing and then waits for any zoom or scroll to draw them.
    await page.evaluate(() => window.cornerstone.getRenderingEngines().forEach((engine) => engine.render()));
    const state = await page.evaluate(readState).catch((e) => ({ messages: [String(e.message)], segments: [], labels: [], drawn: "" }));
    const now = JSON.stringify(state);
    const shown = state.segments.length > 0 || (state.labels.length > 0 && state.drawn.includes(state.labels[0][0]?.split("=")[0]));
    if ((shown && now === before) || Date.now() > end) return { ...state, shown };
    before = now;
  }
}

function readState() {
  const { viewportGridService, segmentationService, displaySetService } = window.services;
  const viewport = [...viewportGridService.getState().viewports.keys()][0];
  const shownIds = segmentationService.getSegmentationRepresentations(viewport).map((r) => r.segmentationId);
  const segments = segmentationService.getSegmentations().filter((s) => shownIds.includes(s.segmentationId)).flatMap((s) => {
    const sums = new Map(); // segment number: [pixels, sum of rows, sum of columns]
    for (const id of s.representationData?.Labelmap?.imageIds ?? []) {
      const image = window.cornerstone.cache.getImage(id);
      const values = image?.voxelManager.getScalarData() ?? [];
      for (let i = 0; i < values.length; i++) {
        if (!values[i]) continue;
        const sum = sums.get(values[i]) ?? [0, 0, 0];
        sum[0] += 1;
        sum[1] += Math.floor(i / image.columns);
        sum[2] += i % image.columns;
        sums.set(values[i], sum);
      }
    }
    return Object.values(s.segments).filter(Boolean).map((segment) => {
      const [pixels, rows, columns] = sums.get(segment.segmentIndex) ?? [0, 0, 0];
      return { number: segment.segmentIndex, label: segment.label, pixels, row: rows / pixels, column: columns / pixels };
    });
  });
  const annotations = window.cornerstoneTools.annotation.state.getAllAnnotations().filter((a) => a.metadata.toolName.startsWith("DICOMSR"));
  return {
    displaySets: displaySetService.getActiveDisplaySets().map((d) => d.Modality),
    segments,
    labels: annotations.map((a) => (a.data?.labels ?? []).map((l) => `${l.label}=${l.value}`)),
    drawn: document.querySelector('[data-cy="viewport-pane"]')?.innerText.replace(/\s+/g, " ") ?? "",
    messages: [...document.querySelectorAll("[data-sonner-toast]")].map((e) => e.innerText.replace(/\s+/g, " ")),
  };
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
