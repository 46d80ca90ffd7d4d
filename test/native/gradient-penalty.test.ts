/** A loss that is made of a gradient trains alike on both engines: each update goes through second derivatives. */
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openWorkplace, type Workplace } from '../specs/run-spec.js';

let place: Workplace;
beforeAll(() => {
  place = openWorkplace();
  const spec = fileURLToPath(new URL('../specs/wgan-gp.ztrain', import.meta.url));
  copyFileSync(spec, join(place.folder, 'wgan-gp.ztrain'));
});
afterAll(() => place.remove());

test('a WGAN with gradient penalty has equal losses, and gradients of a length near 1', async () => {
  const program = await place.build('wgan-gp');
  const linesOf = async (engine: string): Promise<readonly Readonly<Record<string, unknown>>[]> =>
    (await place.train(program, engine, ['--engine', engine])).records;
  const [embedded, native] = [await linesOf('embedded'), await linesOf('tensorflow')];
  expect(native).toHaveLength(embedded.length);
  const names = ['opt_d_loss', 'opt_g_loss', 'gap', 'slope'];
  const found = embedded.flatMap((line, at) =>
    names.flatMap((name) => (name in line ? [[name, line[name], native[at]?.[name]] as const] : [])),
  );
  expect(found.length).toBeGreaterThan(40);
  for (const [name, one, other] of found) {
    const scale = Math.max(1, Math.abs(Number(one)));
    expect(Math.abs(Number(one) - Number(other)) / scale, `${name}: ${one} and ${other}`).toBeLessThan(1e-4);
  }
  const slopes = embedded.filter(({ stage }) => stage === 'validate').map(({ slope }) => Number(slope));
  const [first = 0, last = 0] = [slopes[0], slopes.at(-1)];
  expect(Math.abs(last - 1)).toBeLessThan(Math.abs(first - 1));
  expect(Math.abs(last - 1)).toBeLessThan(0.25);
}, 120_000);
