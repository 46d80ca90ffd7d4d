import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { checkExterns, compile, nodeHost } from '../../src/compiler.js';

const folder = mkdtempSync(join(tmpdir(), 'ztrain-externs-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const spec = `extern "./rows.ts" {
  data lines(file: path, width: int = 2) -> { x: f32[width] }
}
data train_set = lines { file = "rows.txt" batch = 4 }
model Net on x: f32[n, 2] -> f32[n, 1] { return x |> dense(1) as out }
optimizer opt = sgd { of = Net lr = 0.1 }
step train(batch in train_set) { update opt { minimize mean(square(Net(batch.x))) } }
trainer Lines { epochs = 1 }
`;

const source = (width: string): string => `import type { data } from 'ztrain/runtime';
export const lines = (options: { readonly file: string; readonly width: ${width} }): data.RowSource => ({
  length: options.file.length,
  read: (indices) => ({ x: new Float32Array(2 * indices.length) }),
});
`;

const faultsWith = async (width: string) => {
  const path = join(folder, 'lines.ztrain');
  writeFileSync(path, spec);
  writeFileSync(join(folder, 'rows.ts'), source(width));
  const compiled = await compile(path, { host: nodeHost });
  if (compiled.emitted === null) throw new Error(JSON.stringify(compiled.diagnostics));
  return checkExterns(compiled, compiled.emitted, compiled.folder);
};

test('an extern that disagrees is an error on the line that declares it', async () => {
  const { diagnostics, rest } = await faultsWith('string');
  expect(rest).toEqual([]);
  expect(diagnostics.map(({ code, span }) => [code, spec.slice(span.start, span.end)])).toEqual([
    ['ZT6001', 'lines'],
  ]);
  expect(diagnostics[0]?.message).toContain("Type 'number' is not assignable to type 'string'");
}, 60_000);

test('one that agrees is none', async () => {
  expect(await faultsWith('number')).toEqual({ diagnostics: [], rest: [] });
}, 60_000);
