/** Every gradient against central finite differences, and a case for every op of the prelude. */
import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, test } from 'vitest';
import { createEngineUnderTest } from '../engine-under-test.js';
import type { Engine, HostTensor } from '../../src/runtime/engine/engine.js';
import { hostPermutation, hostUniform } from '../../src/runtime/engine/philox.js';
import * as ops from '../../src/runtime/ops/index.js';
import type { Scalar, Tensor } from '../../src/runtime/tensor.js';
import { cases, operatorCases, type Case } from './gradient-cases.js';
import { nestedCases, secondCases } from './second-cases.js';

let engine: Engine;
beforeAll(async () => {
  engine = await createEngineUnderTest();
});

const clock = { seed: 1, step: 0, micro: 0, rowOffset: 0 };
const h = 4e-3;

/** Distinct values in [-1.5, 1.5], shuffled, each further than a step from 0 and from each other. */
function spaced(name: string, sizes: readonly number[]): readonly Float32Array[] {
  const total = sizes.reduce((sum, size) => sum + size, 0);
  const order = hostPermutation(5, name, total);
  const values = Float32Array.from(order, (place) => (3 * (place + 0.37)) / total - 1.5);
  let from = 0;
  return sizes.map((size) => values.slice(from, (from += size)));
}

async function check(name: string, { inputs, domain, run }: Case): Promise<void> {
  const sizes = inputs.map((shape) => shape.reduce((product, size) => product * size, 1));
  const values = spaced(name, sizes).map((part) => part.map(domain ?? ((value) => value)));
  const tensors: HostTensor[] = inputs.map((shape, i) => ({
    dtype: 'f32',
    shape,
    values: values[i] ?? new Float32Array(),
  }));
  const variables = tensors.map((tensor, i) => engine.variable(`x${i}`, tensor));
  const forward = engine.compile('forward', (given) => [run(...given)]);
  const [output] = await forward.run(tensors, clock);
  if (output === undefined) throw new Error('no output');
  const weights = hostUniform(9, name, output.values.length).map((value) => value + 0.5);
  const weightTensor: HostTensor = { dtype: 'f32', shape: output.shape, values: weights };
  const backward = engine.compile('backward', ([r]) => {
    const { gradients } = engine.differentiate(() => {
      const out = run(...variables.map((variable) => variable.read()));
      return { objectives: [ops.sum<Scalar>(r === undefined ? out : ops.mul(out, r))], result: null };
    }, variables);
    return variables.map((variable, i) => gradients[0]?.[i] ?? ops.zerosLike(variable.read()));
  });
  const found = await backward.run([weightTensor], clock);
  variables.forEach((variable) => variable.dispose());

  const objective = async (i: number, at: number, delta: number): Promise<readonly [number, number]> => {
    const moved = Float32Array.from(values[i] ?? []);
    moved[at] = (moved[at] ?? 0) + delta;
    const given = tensors.map((tensor, k) => (k === i ? { ...tensor, values: moved } : tensor));
    const [out] = await forward.run(given, clock);
    const sum = [...(out?.values ?? [])].reduce((total, value, k) => total + value * (weights[k] ?? 0), 0);
    return [sum, moved[at] ?? 0];
  };
  for (const [i, size] of sizes.entries()) {
    const scale = Math.max(1e-3, ...(found[i]?.values ?? []).map(Math.abs));
    for (const at of hostPermutation(2, name, size).slice(0, 12)) {
      const [above, right] = await objective(i, at, h);
      const [below, left] = await objective(i, at, -h);
      const numeric = (above - below) / (right - left);
      const exact = found[i]?.values[at] ?? Number.NaN;
      const error = Math.abs(numeric - exact) / Math.max(scale, Math.abs(numeric));
      expect(
        error,
        `${name}, input ${i}, element ${at}: ${numeric} by differences, ${exact} by the gradient`,
      ).toBeLessThan(5e-3);
    }
  }
}

function walk(table: Readonly<Record<string, readonly Case[]>>): void {
  for (const [name, list] of Object.entries(table)) {
    test.each(list.map((one, i) => [i, one] as const))(`${name} %i`, async (i, one) => {
      await check(`${name}${i}`, one);
    });
  }
}

describe('gradients of the prelude', () => {
  walk(cases);
});
describe('gradients of operators', () => {
  walk(operatorCases);
});
describe('gradients of gradients', () => {
  walk(secondCases);
  walk(nestedCases);
});

test('every differentiable declaration of the prelude has a case', () => {
  const prelude = readFileSync(new URL('../../grammar/prelude.ztrain', import.meta.url), 'utf8');
  // What runs on the host has no gradient; what is lowered has the gradient of what it becomes.
  const declared = [...prelude.matchAll(/^ {2}(?:fn|layer) (\w+)\((.*)$/gm)]
    .filter(
      ([line, , rest]) =>
        !/gradient = "none"|runs = "host"/.test(line) &&
        /tensor|f32\[|on \w+:/.test((rest ?? '').split('->')[0] ?? ''),
    )
    .map(([line, name]) => /lowered = "(\w+)"/.exec(line)?.[1] ?? name ?? '');
  expect(declared.length).toBeGreaterThan(60);
  expect(declared.filter((name) => !(name in cases))).toEqual([]);
});

test('a table does not name what is not there', () => {
  const prelude = readFileSync(new URL('../../grammar/prelude.ztrain', import.meta.url), 'utf8');
  expect(
    Object.keys(cases).filter((name) => !new RegExp(`^  (fn|layer) ${name}\\(`, 'm').test(prelude)),
  ).toEqual([]);
});

describe('where a gradient is not plain', () => {
  async function gradientOf(values: readonly number[], run: (x: Tensor) => Tensor): Promise<number[]> {
    const variable = engine.variable('x', {
      dtype: 'f32',
      shape: [values.length],
      values: Float32Array.from(values),
    });
    const step = engine.compile('probe', () => {
      const { gradients } = engine.differentiate(
        () => ({ objectives: [ops.sum<Scalar>(run(variable.read()))], result: null }),
        [variable],
      );
      return [gradients[0]?.[0] ?? ops.zerosLike(variable.read())];
    });
    const [found] = await step.run([], clock);
    variable.dispose();
    return [...(found?.values ?? [])];
  }

  test('steps let none through', async () => {
    for (const op of [ops.floor, ops.ceil, ops.round, ops.sign, ops.stopGradient]) {
      expect(await gradientOf([0.3, -1.2], (x) => op(x))).toEqual([0, 0]);
    }
    expect(await gradientOf([0.3, 1.2], (x) => ops.cast(ops.greater(x, 1), { to: 'f32' }))).toEqual([0, 0]);
  });

  test('ties of a maximum share it, a norm of 0 has none, a chosen branch keeps an infinite one out', async () => {
    expect(await gradientOf([2, 2, 1], (x) => ops.maxOf(x))).toEqual([0.5, 0.5, 0]);
    expect(await gradientOf([0, 0], (x) => ops.norm(x))).toEqual([0, 0]);
    const safe = await gradientOf([0, 4], (x) => {
      const above = ops.greater(x, 0);
      return ops.select(above, ops.sqrt(ops.select(above, x, 1)), 0);
    });
    expect(safe).toEqual([0, 0.25]);
  });

  test('large logits do not overflow', async () => {
    const found = await gradientOf([1000, -1000], (x) => ops.logSumExp(x));
    expect(found).toEqual([1, 0]);
    expect(await gradientOf([1000, -1000], (x) => ops.softplus(x))).toEqual([1, 0]);
  });
});
