/**
 * Every kernel of the native engine, by cases: value and all gradients, eager, as a graph and under XLA, against the embedded
 * engine. Gradients stand against finite differences in `../runtime/gradients.test.ts`, which runs on this engine too.
 */
import { getKernel, getKernelsForBackend, registerKernel, unregisterKernel } from '@tensorflow/tfjs-core';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Engine, HostTensor } from '../../src/runtime/engine/engine.js';
import { hostPermutation } from '../../src/runtime/engine/philox.js';
import { kernels } from '../../src/runtime/engine/tensorflow/kernels.js';
import * as ops from '../../src/runtime/ops/index.js';
import type { Scalar, Tensor } from '../../src/runtime/tensor.js';
import { cases, operatorCases } from '../runtime/gradient-cases.js';
import { allEngines, clockAt, expectNear, f32, type AllEngines } from './all-engines.js';
import { valueCases, type ValueCase } from './value-cases.js';

/** Shares of the largest value. Eager and graph call the same kernels, XLA and WebAssembly add in other orders. */
const tolerance = { graph: 1e-5, xla: 2e-5, embedded: 2e-5 };

let engines: AllEngines;
/** Kernels that the cases called. */
const called = new Set<string>();

beforeAll(async () => {
  engines = await allEngines();
  for (const kernelName of Object.keys(kernels)) {
    const config = getKernel(kernelName, 'tensorflow');
    unregisterKernel(kernelName, 'tensorflow');
    registerKernel({
      ...config,
      kernelFunc: (call) => {
        called.add(kernelName);
        return config.kernelFunc(call);
      },
    });
  }
});

/** Distinct values in [-1.5, 1.5], shuffled. */
function spaced(name: string, sizes: readonly number[]): readonly Float32Array[] {
  const total = sizes.reduce((sum, size) => sum + size, 0);
  const values = Float32Array.from(hostPermutation(5, name, total), (at) => (3 * (at + 0.37)) / total - 1.5);
  let from = 0;
  return sizes.map((size) => values.slice(from, (from += size)));
}

const gradientCases: readonly ValueCase[] = Object.entries({ ...cases, ...operatorCases }).flatMap(
  ([name, list]) =>
    list.map(({ inputs, domain, run }, index) => {
      const label = `${name} ${index}`;
      const sizes = inputs.map((shape) => shape.reduce((product, size) => product * size, 1));
      const values = spaced(label, sizes).map((part) => part.map(domain ?? ((value) => value)));
      return { name: label, inputs: inputs.map((shape, i) => f32(shape, values[i] ?? [])), run };
    }),
);

/** The value, and its gradients by every input that has one. */
async function results(engine: Engine, { name, inputs, run }: ValueCase): Promise<readonly HostTensor[]> {
  const variables = inputs.map((input, i) => engine.variable(`${name}/x${i}`, input));
  const floats = variables.filter(({ dtype }) => dtype === 'f32');
  const step = engine.compile(name, () => {
    const { gradients, result } = engine.differentiate(() => {
      const out = run(...variables.map((variable) => variable.read()));
      // Another weight for each value, so that no two gradients are alike by accident.
      const ramp = (): Tensor =>
        ops.reshape(ops.mul(ops.cast(ops.range({ count: out.size }), { to: 'f32' }), 1 / out.size), {
          shape: out.shape,
        });
      const one: Scalar =
        out.dtype === 'float32' && floats.length > 0
          ? ops.sum<Scalar>(ops.mul(out, ops.add(ramp(), 0.5)))
          : ops.zeros<Scalar>({ shape: [] });
      return { objectives: [one], result: out };
    }, floats);
    return [result, ...(gradients[0] ?? []).flatMap((gradient) => gradient ?? [])];
  });
  try {
    return await step.run([], clockAt(1));
  } finally {
    step.dispose();
    for (const variable of variables) variable.dispose();
  }
}

const table = [...gradientCases, ...valueCases];

describe('eager, graph, XLA and embedded give the same', () => {
  test.each(table.map((one) => [one.name, one] as const))('%s', async (name, one) => {
    const eager = await results(engines.eager, one);
    expectNear(await results(engines.graph, one), eager, tolerance.graph, `${name}, graph for eager`);
    expectNear(await results(engines.xla, one), eager, tolerance.xla, `${name}, XLA for eager`);
    expectNear(
      eager,
      await results(engines.embedded, one),
      tolerance.embedded,
      `${name}, eager for embedded`,
    );
  });
});

test('the table is large, and each case has a name of its own', () => {
  expect(table.length).toBeGreaterThan(300);
  expect(new Set(table.map(({ name }) => name)).size).toBe(table.length);
});

test('every kernel of the native engine was called', () => {
  expect(Object.keys(kernels).filter((name) => !called.has(name))).toEqual([]);
});

test('every kernel that the runtime names is one of the native engine', () => {
  const source = fileURLToPath(new URL('../../src/runtime', import.meta.url));
  const files = readdirSync(source, { recursive: true, encoding: 'utf8' }).filter(
    // Kernels that others are made of on WebAssembly are none of the native engine's.
    (file) => file.endsWith('.ts') && !/engine.(kernels|tensorflow)|embedded|symbolic/.test(file),
  );
  expect(files.length).toBeGreaterThan(50);
  const registered = new Set(getKernelsForBackend('wasm').map(({ kernelName }) => kernelName));
  const named = new Set(
    files.flatMap((file) =>
      [...readFileSync(join(source, file), 'utf8').matchAll(/'([A-Z]\w+)'/g)].map(([, name]) => name ?? ''),
    ),
  );
  const needed = [...named].filter((name) => registered.has(name));
  expect(needed.length).toBeGreaterThan(50);
  expect(needed.filter((name) => name !== 'Identity' && !(name in kernels))).toEqual([]);
});
