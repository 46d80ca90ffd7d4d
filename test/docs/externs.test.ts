/** The page about TypeScript of one's own: each example agrees with its declaration, and its TypeScript is without a fault. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { typecheck } from '../../src/codegen/typecheck.js';
import { checkExterns, compile, nodeHost } from '../../src/compiler.js';
import { blocksOf, readPage, root } from './markdown.js';

const folder = mkdtempSync(join(tmpdir(), 'ztrain-page-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const blocks = blocksOf(readPage('docs/externs.md'));
const sources = blocks.flatMap(({ language, options, text }) => {
  const file = options.get('file');
  return language === 'ts' && file !== undefined ? [{ file, text }] : [];
});
const specs = blocks.filter(({ language }) => language === 'ztrain');

test('every kind has an example', () => {
  const declared = specs.flatMap(
    ({ text }) => text.match(/^ {2}(metric|optimizer|schedule|layer|model) /gm) ?? [],
  );
  expect([...new Set(declared.map((word) => word.trim()))].sort()).toEqual([
    'layer',
    'metric',
    'model',
    'optimizer',
    'schedule',
  ]);
});

test.each(sources)(
  '$file is what its spec declares',
  async ({ file, text }) => {
    const spec = specs.find((block) => block.text.includes(`extern "./${file}"`));
    if (spec === undefined) throw new Error(`no spec declares ${file}`);
    const preamble = readFileSync(
      join(root, 'test/docs/preambles', `${spec.options.get('with') ?? ''}.ztrain`),
      'utf8',
    );
    const place = '// the example';
    const whole = preamble.includes(place)
      ? preamble.replace(place, () => spec.text)
      : `${preamble}\n${spec.text}`;
    const path = join(folder, file.replace('.ts', '.ztrain'));
    writeFileSync(path, whole);
    writeFileSync(join(folder, file), text);
    const compiled = await compile(path, { host: nodeHost });
    if (compiled.emitted === null) throw new Error(JSON.stringify(compiled.diagnostics, null, 1));
    expect(await checkExterns(compiled, compiled.emitted, compiled.folder)).toEqual({
      diagnostics: [],
      rest: [],
    });
    const own = {
      name: file,
      fileName: file,
      text,
      map: '{"version":3,"sources":[],"mappings":""}',
      trainer: null,
      specs: [],
    };
    const { faults } = await typecheck([own], { folder });
    expect(faults.map(({ line, message }) => `${line}: ${message}`)).toEqual([]);
  },
  60_000,
);
