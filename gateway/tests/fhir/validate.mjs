// Says of each bundle in a folder whether it is FHIR R4, by two who do not know us: HL7's JSON schema, and the structure
// definitions and value sets as the package fhir has them.
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import Schema from '@asymmetrik/fhir-json-schema-validator';
import pkg from 'fhir';

const [schema, fhir] = [new Schema(), new pkg.Fhir()];
const folder = process.argv[2];
let wrong = 0;
const files = readdirSync(folder).sort();
for (const file of files) {
  const bundle = JSON.parse(readFileSync(join(folder, file)));
  const found = schema.validate(bundle).map((error) => `${error.dataPath} ${error.message}`);
  // The schema of a bundle says of its resources that they are one of all; each by itself says more.
  for (const { resource } of bundle.entry) {
    found.push(...schema.validate(resource).map((error) => `${error.dataPath} ${error.message}`));
    const { messages } = fhir.validate(resource, { errorOnUnexpected: true });
    found.push(...messages.filter(({ severity }) => severity === 'error' || severity === 'fatal')
      .map(({ location, message }) => `${location} ${message}`));
  }
  if (found.length > 0) {
    wrong += 1;
    console.log(`${file}: ${[...new Set(found)].join('; ')}`);
  }
}
console.log(`${files.length} bundles, ${wrong} wrong`);
process.exit(files.length > 0 && wrong === 0 ? 0 : 1);
