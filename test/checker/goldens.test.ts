/**
 * Small specs and what becomes of them: the tree, the IR and the trainer of good ones, the diagnostics of bad ones, which
 * stand at their own end. `UPDATE_GOLDENS=1 npx vitest run test/checker/goldens.test.ts` accepts what is made now.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { checkProgram } from '../../src/checker/check.js';
import { memoryHost } from '../../src/checker/host.js';
import { emit } from '../../src/codegen/emit.js';
import { typecheck } from '../../src/codegen/typecheck.js';
import { parse } from '../../src/parser/parse.js';
import { renderDiagnostic } from '../../src/parser/render.js';
import { createSource } from '../../src/parser/source.js';

const folder = fileURLToPath(new URL('goldens', import.meta.url));
const updating = process.env['UPDATE_GOLDENS'] === '1';

const specsIn = (kind: string): readonly string[] =>
  readdirSync(join(folder, kind))
    .filter((name) => name.endsWith('.ztrain'))
    .map((name) => name.slice(0, -'.ztrain'.length));

const matchesFile = (path: string, text: string): void => {
  if (updating) {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
    return;
  }
  expect(text, path).toBe(existsSync(path) ? readFileSync(path, 'utf8') : null);
};

/** Places and the text itself change with each letter; what is meant does not. */
const left = new Set(['span', 'opSpan', 'id', 'text', 'doc', 'kind']);

/** A tree as indented lines: kind first, short values beside it. */
const outline = (value: unknown, indent = ''): string => {
  if (Array.isArray(value))
    return value.map((each) => `\n${indent}-${outline(each, `${indent}  `)}`).join('');
  if (typeof value !== 'object' || value === null) return ` ${JSON.stringify(value)}`;
  const fields = Object.entries(value).filter(([key, each]) => !left.has(key) && !isEmpty(each));
  const kind = 'kind' in value ? ` ${String(value.kind)}` : '';
  const name = 'text' in value && String(value.text).length < 40 ? ` ${JSON.stringify(value.text)}` : '';
  const plain = fields.filter(([, each]) => typeof each !== 'object');
  const deep = fields.filter(([, each]) => typeof each === 'object');
  return (
    kind +
    name +
    plain.map(([key, each]) => ` ${key}=${JSON.stringify(each)}`).join('') +
    deep.map(([key, each]) => `\n${indent}${key}:${outline(each, `${indent}  `)}`).join('')
  );
};

const isEmpty = (value: unknown): boolean =>
  value === null || value === undefined || (Array.isArray(value) && value.length === 0);

describe.each(specsIn('good'))('%s', (name) => {
  const fileName = `${name}.ztrain`;
  const text = readFileSync(join(folder, 'good', fileName), 'utf8');
  const checked = checkProgram(fileName, memoryHost({ [fileName]: text }));
  const golden = (ending: string): string => join(folder, 'good', name, ending);

  test('has no errors', () => {
    expect(checked.diagnostics.map((each) => `${each.code} ${each.message}`)).toEqual([]);
  });
  test('is the same tree', () => {
    const { spec } = parse(createSource(0, fileName, text));
    matchesFile(golden('ast.txt'), `${outline(spec).trim()}\n`);
  });
  test('is the same IR', () => {
    matchesFile(golden('ir.txt'), `${outline(checked.ir).trim()}\n`);
  });
  test('is the same trainer, and typed', async () => {
    if (checked.ir === null) throw new Error('no IR');
    const files = await emit(checked.ir, { compilerVersion: '0.1.0' });
    for (const file of files) matchesFile(golden(`${file.fileName}.txt`), file.text);
    const { faults } = await typecheck(files, { folder: join(folder, 'generated') });
    expect(faults.map(({ message, line }) => `${line}: ${message}`)).toEqual([]);
  }, 60_000);
});

const mark = '\n// ---- what the compiler says of it\n';

describe('the diagnostics at the end of', () => {
  test.each(specsIn('bad'))('%s', (name) => {
    const fileName = `${name}.ztrain`;
    const path = join(folder, 'bad', fileName);
    const [spec = ''] = readFileSync(path, 'utf8').split(mark);
    const { diagnostics, files } = checkProgram(fileName, memoryHost({ [fileName]: `${spec}\n` }));
    expect(diagnostics.length).toBeGreaterThan(0);
    const rendered = diagnostics.map((each) => renderDiagnostic(each, files, { color: false })).join('\n');
    const comment = rendered
      .trimEnd()
      .split('\n')
      .map((line) => `// ${line}`.trimEnd())
      .join('\n');
    matchesFile(path, `${spec.trimEnd()}\n${mark}${comment}\n`);
  });
});
