/** What the carts of ppo.ztrain take back from a checkpoint. */
import { expect, test } from 'vitest';
import { LiveRandom } from '../../src/runtime/data/live-random.js';
import { rollouts } from '../../specs/cartpole.js';

const horizon = 3;
const { signal } = new AbortController();
const source = (envs = 2) =>
  rollouts({
    policy: (rows) => Promise.resolve(new Float32Array(2 * rows)),
    value: (rows) => Promise.resolve(new Float32Array(rows)),
    envs,
    horizon,
    gamma: 0.99,
    lambda: 0.95,
  });
const harvest = (from: ReturnType<typeof source>, index: number) =>
  from.harvest({ rows: 2 * horizon, index, random: new LiveRandom(1, 'play', index), signal });

test('carts go on where they were', async () => {
  const whole = source();
  expect(whole.state?.()).toEqual([]);
  await harvest(whole, 0);
  const kept = whole.state?.() ?? null;
  expect(kept).toHaveLength(2);
  const again = source();
  again.restore?.(kept);
  expect(again.state?.()).toEqual(kept);
  expect(await harvest(again, 1)).toEqual(await harvest(whole, 1));
});

const cart = { state: [0, 0.1, 0.2, 0.3], steps: 4 };
test.each([
  ['no list', { carts: [] }, 'a list of carts is expected, got {"carts":[]}'],
  ['too few', [cart], '2 carts are expected (envs), got 1'],
  ['too many', [cart, cart, cart], '2 carts are expected (envs), got 3'],
  ['no cart', [cart, 1], 'cart 1 is expected as 4 finite numbers and its steps, 0 to 499, got 1'],
  ['three numbers', [{ ...cart, state: [0, 0, 0] }, cart], 'cart 0 is expected as 4'],
  ['five numbers', [{ ...cart, state: [0, 0, 0, 0, 0] }, cart], 'cart 0 is expected as 4'],
  ['NaN', [cart, { ...cart, state: [0, Number.NaN, 0, 0] }], 'cart 1 is expected as 4'],
  ['a text', [cart, { ...cart, state: [0, '1', 0, 0] }], 'cart 1 is expected as 4'],
  ['half a step', [cart, { ...cart, steps: 0.5 }], 'cart 1 is expected as 4'],
  ['an episode that is over', [cart, { ...cart, steps: 500 }], 'cart 1 is expected as 4'],
])('what are no carts is refused: %s', (_, kept, message) => {
  expect(() => source().restore?.(kept)).toThrow(message);
});
