/* Objects on images that no decision is about: a form below the picture keeps them, and shows while they are marked. */

import "../viewer.js";
import { Marks, kinds } from "../viewer/marks.js";

class ObjectMarks extends Marks {
  constructor(form, viewer) {
    const { element, view } = viewer;
    super(element, view, () => {
      form.elements.objects.value = JSON.stringify(view.regions.map(({ points, kind }) => ({ points, kind })));
    });
    this.form = form;
    this.use(this.palette.querySelector("button").dataset.kind);
    view.regions = JSON.parse(form.dataset.marked);
    if (view.regions.length) this.write();
  }

  others() {
    return [];
  }

  names() {
    return [kinds()];
  }

  show(shown) {
    super.show(shown);
    this.form.hidden = !shown;
  }
}

function begin() {
  for (const form of document.querySelectorAll("[data-marking]")) {
    const { viewer } = document.querySelector(`[data-viewer="${form.dataset.marking}"]`);
    viewer.mark(new ObjectMarks(form, viewer));
  }
}
begin();
document.addEventListener("page:shown", begin);
