// What the OHIF viewer shows in its viewport, read from its own services: the masks that it decoded and on which images,
// the annotations that it made of a report, the text that it drew, the messages to its user, its canvas.
() => {
  const { viewportGridService, segmentationService, displaySetService } = window.services;
  const { cornerstone, cornerstoneTools } = window;
  const id = [...viewportGridService.getState().viewports.keys()][0];
  // Thumbnails have a rendering engine too, and either may be the first.
  const viewport = cornerstone.getRenderingEngines().flatMap((engine) => engine.getViewports()).find((v) => v.id === id);
  const uid = (imageId) => cornerstone.metaData.get("instance", imageId)?.SOPInstanceUID ?? null;
  // OHIF sometimes loads annotations after its last drawing and then waits for any zoom or scroll to draw them.
  viewport?.render();

  const shownIds = segmentationService.getSegmentationRepresentations(id).map((r) => r.segmentationId);
  const segmentations = segmentationService.getSegmentations().filter((s) => shownIds.includes(s.segmentationId));
  const masks = [];
  for (const imageId of segmentations.flatMap((s) => s.representationData?.Labelmap?.imageIds ?? [])) {
    const image = cornerstone.cache.getImage(imageId);
    const values = image?.voxelManager.getScalarData() ?? [];
    const sums = new Map(); // number of the segment: [pixels, sum of rows, sum of columns]
    for (let i = 0; i < values.length; i++) {
      if (!values[i]) continue;
      const sum = sums.get(values[i]) ?? [0, 0, 0];
      sum[0] += 1;
      sum[1] += Math.floor(i / image.columns);
      sum[2] += i % image.columns;
      sums.set(values[i], sum);
    }
    for (const [segment, [pixels, rows, columns]] of sums)
      masks.push({ segment, image: uid(image.referencedImageId), pixels, row: rows / pixels, column: columns / pixels });
  }

  const current = viewport?.getCurrentImageId?.();
  let canvas = null;
  if (current && viewport.viewportStatus === "rendered") {
    const { imageData } = viewport.getImageData();
    const at = (column, row) => [...viewport.worldToCanvas(imageData.indexToWorld([column, row, 0]))];
    // Where the first pixel, the next one along its row and the next one along its column lie on the canvas.
    canvas = { png: viewport.getCanvas().toDataURL("image/png"), origin: at(0, 0), right: at(1, 0), down: at(0, 1) };
  }

  // Each outline of the report in columns and rows of its image.
  const outline = (annotation) => Object.values(annotation.data.renderableData ?? {}).flat().map((points) =>
    points.map((point) => [...cornerstone.utilities.worldToImageCoords(annotation.metadata.referencedImageId, point)]));
  const sets = displaySetService.getActiveDisplaySets();
  const here = viewportGridService.getDisplaySetsUIDsForViewport(id) ?? [];
  const reports = cornerstoneTools.annotation.state.getAllAnnotations().filter((a) => a.metadata.toolName.startsWith("DICOMSR"));
  return {
    series: sets.filter((d) => here.includes(d.displaySetInstanceUID)).map((d) => Number(d.SeriesNumber)),
    modalities: [...new Set(sets.map((d) => d.Modality))].sort(),
    image: current ? uid(current) : null,
    canvas,
    segments: segmentations.flatMap((s) => Object.values(s.segments).filter(Boolean).map((one) => [one.segmentIndex, one.label])),
    masks,
    labels: reports.map((a) => (a.data?.labels ?? []).map((l) => `${l.label}=${l.value}`)),
    outlines: reports.map((a) => ({ image: uid(a.metadata.referencedImageId), points: outline(a) })),
    drawn: document.querySelector('[data-cy="viewport-pane"]')?.innerText.replace(/\s+/g, " ") ?? "",
    messages: [...document.querySelectorAll("[data-sonner-toast]")].map((e) => e.innerText.replace(/\s+/g, " ")),
  };
}
