/** Steps that are more than one loss of one batch train alike on both engines: second derivatives, and parts of a shuffled batch. */
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openWorkplace, type Workplace } from '../specs/run-spec.js';

let place: Workplace;
beforeAll(() => {
  place = openWorkplace();
});
afterAll(() => place.remove());

type Line = Readonly<Record<string, unknown>>;

/** Trains a spec of `test/specs` on both engines and holds their figures against each other; gives those of one. */
async function train(spec: string, names: readonly string[]): Promise<readonly Line[]> {
  const text = fileURLToPath(new URL(`../specs/${spec}.ztrain`, import.meta.url));
  copyFileSync(text, join(place.folder, `${spec}.ztrain`));
  return trainOnBoth(spec, names);
}

/** The same of a shipped spec. */
async function trainOnBoth(
  spec: string,
  names: readonly string[],
  words: readonly string[] = [],
): Promise<readonly Line[]> {
  const program = await place.build(spec);
  const linesOf = async (engine: string): Promise<readonly Line[]> =>
    (await place.train(program, `${spec}-${engine}`, ['--engine', engine, ...words])).records;
  const [embedded, native] = [await linesOf('embedded'), await linesOf('tensorflow')];
  expect(native).toHaveLength(embedded.length);
  const found = embedded.flatMap((line, at) =>
    names.flatMap((name) => (name in line ? [[name, line[name], native[at]?.[name]] as const] : [])),
  );
  expect(found.length).toBeGreaterThan(25);
  for (const [name, one, other] of found) {
    const scale = Math.max(1, Math.abs(Number(one)));
    expect(Math.abs(Number(one) - Number(other)) / scale, `${name}: ${one} and ${other}`).toBeLessThan(1e-4);
  }
  return embedded;
}

const last = (lines: readonly Line[], stage: string, name: string): readonly number[] =>
  lines.filter((line) => line['stage'] === stage).map((line) => Number(line[name]));

test('a WGAN with gradient penalty: gradients get a length near 1', async () => {
  const lines = await train('wgan-gp', ['opt_d_loss', 'opt_g_loss', 'gap', 'slope']);
  const slopes = last(lines, 'validate', 'slope');
  const [first = 0, end = 0] = [slopes[0], slopes.at(-1)];
  expect(Math.abs(end - 1)).toBeLessThan(Math.abs(first - 1));
  expect(Math.abs(end - 1)).toBeLessThan(0.25);
}, 120_000);

test('sweeps over a shuffled batch in parts', async () => {
  const lines = await train('sweeps', ['loss', 'kl', 'accuracy']);
  expect(last(lines, 'validate', 'accuracy').at(-1)).toBeGreaterThan(0.93);
  // Before the first part of a batch nothing has moved: the mean over its parts has.
  expect(last(lines, 'train', 'kl').every((kl) => kl < 0)).toBe(true);
}, 120_000);

test('games that are played with the policy as it is, until rounding would choose another action', async () => {
  // An action is drawn where the policy says; where two engines differ by a rounding it may be another, and so all that follows. Up
  // to here none is: each harvest and each of its updates is the same.
  const words = ['trainer.steps=8', 'envs=4', 'horizon=32'];
  const lines = await trainOnBoth('ppo', ['actor_loss', 'critic_loss', 'kl', 'episode_return'], words);
  expect(new Set(last(lines, 'train', 'episode_return')).size).toBeGreaterThan(4);
}, 120_000);
