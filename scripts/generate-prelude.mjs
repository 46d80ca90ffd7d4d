// Writes src/checker/prelude.gen.ts: the text of grammar/prelude.ztrain, so that the bundled compiler needs no file.
// `--check` exits 1 when it is stale.
import { readFileSync, writeFileSync } from 'node:fs';
import { format } from 'prettier';

const root = new URL('..', import.meta.url);
const target = new URL('src/checker/prelude.gen.ts', root);
const text = readFileSync(new URL('grammar/prelude.ztrain', root), 'utf8');
const options = {
  ...JSON.parse(readFileSync(new URL('.prettierrc.json', root), 'utf8')),
  parser: 'typescript',
};
const output = await format(
  `/** Generated from grammar/prelude.ztrain by \`node scripts/generate-prelude.mjs\`. Do not edit. */\nexport const preludeText = [\n${text
    .split('\n')
    .map((line) => JSON.stringify(line).replaceAll('\u2028', '\\u2028').replaceAll('\u2029', '\\u2029'))
    .join(',\n')},\n].join('\\n');\n`,
  options,
);
if (process.argv.includes('--check')) {
  let current = '';
  try {
    current = readFileSync(target, 'utf8');
  } catch {
    // absent is stale
  }
  if (current !== output) {
    console.error('src/checker/prelude.gen.ts is stale: run `node scripts/generate-prelude.mjs`');
    process.exit(1);
  }
} else {
  writeFileSync(target, output);
}
