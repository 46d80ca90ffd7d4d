/** The committed trainers are what their specs give: `ztrainc build --no-bundle specs` writes them anew. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { checkExterns, compile, compilerPath } from '../../src/compiler.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const specsIn = (folder: string): readonly string[] =>
  readdirSync(join(root, folder))
    .filter((name) => name.endsWith('.ztrain'))
    .map((name) => join(root, folder, name));

const specs = specsIn('specs');
const templates = readdirSync(join(root, 'templates')).flatMap((name) => specsIn(join('templates', name)));

const emittedOf = async (spec: string) => {
  const compiled = await compile(compilerPath(spec));
  const { emitted, folder } = compiled;
  expect(compiled.diagnostics).toEqual([]);
  if (emitted === null) throw new Error(`${spec} gives no trainer`);
  return { compiled, emitted, folder };
};

describe.each(specs.map((spec) => [basename(spec), spec] as const))('%s', (_name, spec) => {
  test('is what the committed trainer was made of', async () => {
    const { emitted, folder } = await emittedOf(spec);
    for (const file of emitted) {
      const committed = join(folder, file.fileName);
      expect(existsSync(committed) ? readFileSync(committed, 'utf8') : null, committed).toBe(file.text);
    }
  });
});

test('no committed trainer is left of a spec that is gone', () => {
  const names = (paths: readonly string[], ending: string): readonly string[] =>
    paths.map((path) => basename(path, ending)).sort();
  expect(names(readdirSync(join(root, 'specs', 'generated')), '.ts')).toEqual(names(specs, '.ztrain'));
});

describe.each(templates.map((spec) => [basename(spec), spec] as const))('the template %s', (_name, spec) => {
  test('compiles to a typed trainer', async () => {
    const { compiled, emitted, folder } = await emittedOf(spec);
    expect(await checkExterns(compiled, emitted, folder)).toEqual({ diagnostics: [], rest: [] });
  }, 60_000);
});
