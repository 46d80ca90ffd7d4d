/**
 * Every kernel and every gradient of the native engine, by cases: value and all gradients, eager, as a graph and under XLA, against
 * each other, the embedded engine and finite differences.
 */
import {
  getGradient,
  getKernel,
  getKernelsForBackend,
  registerGradient,
  registerKernel,
  unregisterGradient,
  unregisterKernel,
} from '@tensorflow/tfjs-core';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';
import { differentiableKernels } from '../../src/runtime/engine/gradients.js';
import { hostPermutation } from '../../src/runtime/engine/philox.js';
import { fusedKernels } from '../../src/runtime/engine/tensorflow/kernels-fused.js';
import { kernels } from '../../src/runtime/engine/tensorflow/kernels.js';
import { cases, operatorCases } from '../runtime/gradient-cases.js';
import { allEngines, expectNear, f32, type AllEngines } from './all-engines.js';
import { measure, type Found, type ValueCase } from './batched-cases.js';
import { fusedCases, fusedValueCases, secondOfFused } from './fused-cases.js';
import { valueCases } from './value-cases.js';

/** Shares of the largest value. Eager and graph call the same kernels, XLA and WebAssembly add in other orders. */
const tolerance = { graph: 1e-5, xla: 2e-5, embedded: 2e-5 };
/** Of the largest value of a gradient: a difference of f32 numbers over a step of 0.008 has about three digits. */
const differencesTolerance = 5e-3;
/** Of an input's gradients. One whose values are all smaller is held to this. */
const leastScale = 1e-3;

/** Cases in one step. */
const together = 40;

const modes = ['eager', 'graph', 'xla', 'embedded'] as const;
type Mode = (typeof modes)[number];

const nativeKernels = Object.keys({ ...kernels, ...fusedKernels });
/** Kernels that the cases called. */
const called = new Set<string>();
/** Gradients by kernel and input that could be asked for, and those that cases with finite differences did ask for. */
const gradientsSeen = new Set<string>();
const gradientsHeld = new Set<string>();
const kernelsHeld = new Set<string>();

/** Distinct values in [-1.5, 1.5], shuffled. */
function spaced(name: string, sizes: readonly number[]): readonly Float32Array[] {
  const total = sizes.reduce((sum, size) => sum + size, 0);
  const values = Float32Array.from(hostPermutation(5, name, total), (at) => (3 * (at + 0.37)) / total - 1.5);
  let from = 0;
  return sizes.map((size) => values.slice(from, (from += size)));
}

const gradientCases: readonly ValueCase[] = Object.entries({
  ...cases,
  ...operatorCases,
  ...fusedCases,
  ...secondOfFused,
}).flatMap(([name, list]) =>
  list.map(({ inputs, domain, run }, index) => {
    const label = `${name} ${index}`;
    const sizes = inputs.map((shape) => shape.reduce((product, size) => product * size, 1));
    const values = spaced(label, sizes).map((part) => part.map(domain ?? ((value) => value)));
    return { name: label, inputs: inputs.map((shape, i) => f32(shape, values[i] ?? [])), run };
  }),
);

const plainCases: readonly ValueCase[] = [...valueCases, ...fusedValueCases];
const table = [...gradientCases, ...plainCases];

function watchKernels(): void {
  for (const kernelName of nativeKernels) {
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
}

function watchGradients(held: () => boolean): void {
  for (const kernelName of differentiableKernels) {
    const config = getGradient(kernelName);
    unregisterGradient(kernelName);
    registerGradient({
      ...config,
      gradFunc: (dy, saved, attributes) => {
        if (held()) kernelsHeld.add(kernelName);
        const made = Object.entries(config.gradFunc(dy, saved, attributes));
        return Object.fromEntries(
          made.map(([input, make]) => {
            // The inputs of a join are numbered, and alike.
            const name = `${kernelName}.${kernelName === 'Concat' ? 'part' : input}`;
            gradientsSeen.add(name);
            const watched = () => {
              if (held()) gradientsHeld.add(name);
              return make();
            };
            return [input, watched];
          }),
        );
      },
    });
  }
}

function parts<T>(list: readonly T[], size: number): readonly (readonly T[])[] {
  return Array.from({ length: Math.ceil(list.length / size) }, (_, i) =>
    list.slice(i * size, (i + 1) * size),
  );
}

const found: Readonly<Record<Mode, Map<string, Found | Error>>> = {
  eager: new Map(),
  graph: new Map(),
  xla: new Map(),
  embedded: new Map(),
};

beforeAll(async () => {
  const engines: AllEngines = await allEngines();
  let held = false;
  watchKernels();
  watchGradients(() => held);
  for (const mode of modes) {
    for (const list of [gradientCases, plainCases]) {
      // The embedded engine is what others are held against: its own gradients have a test with finite differences.
      held = list === gradientCases && mode !== 'embedded';
      for (const part of parts(list, together)) {
        for (const [name, one] of await measure(engines[mode], part, held)) found[mode].set(name, one);
      }
    }
  }
}, 480_000);

function of(mode: Mode, name: string): Found {
  const one = found[mode].get(name);
  if (one === undefined || one instanceof Error) throw one ?? new Error(`${name} did not run on ${mode}`);
  return one;
}

describe('eager, graph, XLA and embedded give the same', () => {
  test.each(table.map(({ name }) => name))('%s', (name) => {
    const eager = of('eager', name).outputs;
    expectNear(of('graph', name).outputs, eager, tolerance.graph, `${name}, graph for eager`);
    expectNear(of('xla', name).outputs, eager, tolerance.xla, `${name}, XLA for eager`);
    expectNear(eager, of('embedded', name).outputs, tolerance.embedded, `${name}, eager for embedded`);
  });
});

describe('gradients are those of finite differences', () => {
  test.each(gradientCases.map(({ name, inputs }) => [name, inputs.length] as const))('%s', (name, inputs) => {
    for (const mode of ['eager', 'graph', 'xla'] as const) {
      const { outputs, slopes } = of(mode, name);
      expect(outputs).toHaveLength(1 + inputs);
      expect(new Set(slopes.map(({ input }) => input)).size).toBe(inputs);
      for (const { input, at, gradient, differences } of slopes) {
        const largest = Math.max(leastScale, ...[...(outputs[input + 1]?.values ?? [])].map(Math.abs));
        expect(
          Math.abs(gradient - differences) / Math.max(largest, Math.abs(differences)),
          `${name}, ${mode}, input ${input}, element ${at}: ${gradient} by the gradient, ${differences} by differences`,
        ).toBeLessThan(differencesTolerance);
      }
    }
  });
});

test('the table is large, and each case has a name of its own', () => {
  expect(gradientCases.length).toBeGreaterThan(200);
  expect(table.length).toBeGreaterThan(400);
  expect(new Set(table.map(({ name }) => name)).size).toBe(table.length);
});

test('every kernel of the native engine was called', () => {
  expect(nativeKernels.filter((name) => !called.has(name))).toEqual([]);
});

test('every gradient of the tables stood against finite differences, by each input', () => {
  expect(differentiableKernels.filter((name) => !kernelsHeld.has(name))).toEqual([]);
  expect(gradientsSeen.size).toBeGreaterThan(differentiableKernels.length);
  expect([...gradientsSeen].filter((name) => !gradientsHeld.has(name))).toEqual([]);
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
