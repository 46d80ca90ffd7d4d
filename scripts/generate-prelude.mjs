// Writes src/checker/prelude.gen.ts: the text of grammar/prelude.ztrain, so that the bundled compiler needs no file.
// `--check` exits 1 when it is stale.
import { readFileSync } from 'node:fs';
import { writeGenerated } from './generated-file.mjs';

const prelude = readFileSync(new URL('../grammar/prelude.ztrain', import.meta.url), 'utf8');
const lines = prelude
  .split('\n')
  .map((line) => JSON.stringify(line).replaceAll('\u2028', '\\u2028').replaceAll('\u2029', '\\u2029'));
const text = `/** Generated from grammar/prelude.ztrain by \`node scripts/generate-prelude.mjs\`. Do not edit. */
export const preludeText = [
${lines.join(',\n')},
].join('\\n');
`;
await writeGenerated('generate-prelude.mjs', [
  { path: 'src/checker/prelude.gen.ts', text, parser: 'typescript' },
]);
