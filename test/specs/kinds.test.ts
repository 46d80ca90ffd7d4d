/** Fourteen kinds of specs are right, and their trainers typed. That they train, the same on both engines: `test/native/kinds.test.ts`. */
import { readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { typecheck } from '../../src/codegen/typecheck.js';
import { check, compile, type EmittedFile } from '../../src/compiler.js';
import { kinds, nameOf, openKinds } from './kinds/kinds.js';
import type { Workplace } from './run-spec.js';

let place: Workplace;
beforeAll(() => {
  place = openKinds();
});
afterAll(() => place.remove());

test('each spec of the folder is of a kind', () => {
  const written = readdirSync(fileURLToPath(new URL('kinds', import.meta.url))).filter((file) =>
    /\.ztrain$/.test(file),
  );
  const used = new Set(Object.values(kinds).map(({ spec }) => basename(spec)));
  expect(written.filter((file) => !used.has(file))).toEqual(['residual.ztrain']);
  expect(Object.keys(kinds)).toHaveLength(14);
});

test.each(Object.values(kinds))('$has', (kind) => {
  const { diagnostics } = check(join(place.folder, `${nameOf(kind)}.ztrain`));
  expect(diagnostics).toEqual([]);
});

test('their trainers are typed', async () => {
  const files = new Map<string, EmittedFile>();
  const generated = join(place.folder, 'generated');
  for (const kind of Object.values(kinds)) {
    const { emitted } = await compile(join(place.folder, `${nameOf(kind)}.ztrain`));
    if (emitted === null) throw new Error(`${nameOf(kind)} has errors`);
    for (const file of emitted) files.set(file.fileName, file);
  }
  // One of each kind, and what they import.
  expect(files.size).toBe(15);
  const { faults } = await typecheck([...files.values()], { folder: generated });
  expect(faults).toEqual([]);
}, 240_000);
