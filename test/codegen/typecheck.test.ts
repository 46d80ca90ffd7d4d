import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Ir } from '../../src/checker/ir.js';
import { emit } from '../../src/codegen/emit.js';
import { typecheck } from '../../src/codegen/typecheck.js';
import { digits, gan, gpt } from './examples.js';

const CORPUS = `
export const tokenWindows = ({ file, length }: { readonly file: string; readonly length: number }) => ({
  length: file.length,
  read: (indices: Int32Array) => ({ tokens: new Int32Array(indices.length * length) }),
});
`;

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ztrain-types-'));
  await mkdir(join(folder, 'generated'));
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

const check = async (ir: Ir) =>
  typecheck(await emit(ir, { compilerVersion: '0.1.0' }), { folder: join(folder, 'generated') });

describe('emitted trainers are typed without a fault', () => {
  test.each([
    ['digits', digits],
    ['gan', gan],
    ['gpt', gpt],
  ])(
    '%s',
    async (_, ir) => {
      await writeFile(join(folder, 'corpus.ts'), CORPUS);
      const { faults } = await check(ir());
      expect(faults).toEqual([]);
    },
    120_000,
  );
});

test('an extern that disagrees with its declaration is reported on the line of the spec', async () => {
  await writeFile(
    join(folder, 'corpus.ts'),
    CORPUS.replace('length: number', 'length: string').replace('* length', '* 2'),
  );
  const ir = gpt();
  const module = ir.modules[0];
  const extern = module?.externs[0];
  const item = extern?.items[0];
  if (module === undefined || extern === undefined || item === undefined)
    throw new Error('the example has an extern');
  const text = 'extern "./corpus.ts" {\n  data token_windows(file: path, length: int)\n}\n';
  const start = text.indexOf('data');
  const span = { file: 0, start, end: start + 4 };
  const { faults } = await check({
    ...ir,
    modules: [{ ...module, text, externs: [{ ...extern, items: [{ ...item, span }] }] }],
  });
  const onExtern = faults.filter((fault) => fault.spec?.line === 2);
  expect(onExtern.map((fault) => fault.spec)).toContainEqual({ path: '../gpt.ztrain', line: 2, column: 3 });
  expect(onExtern[0]?.message).toContain("Type 'number' is not assignable to type 'string'");
}, 120_000);

test('a call that the runtime does not have is a fault', async () => {
  const files = await emit(digits(), { compilerVersion: '0.1.0' });
  const broken = files.map((file) => ({ ...file, text: file.text.replace('ops.relu(', 'ops.rellu(') }));
  const { faults } = await typecheck(broken, { folder: join(folder, 'generated') });
  expect(faults.map((fault) => fault.message)).toEqual([expect.stringContaining("'rellu' does not exist")]);
}, 120_000);
