/**
 * Many cases in one step, so that compiling does not dominate: each case's value, its gradients, and what finite differences make
 * of them.
 */
import type { Engine, HostTensor } from '../../src/runtime/engine/engine.js';
import { hostPermutation } from '../../src/runtime/engine/philox.js';
import * as ops from '../../src/runtime/ops/index.js';
import type { Scalar, Tensor } from '../../src/runtime/tensor.js';
import { clockAt } from './all-engines.js';

export interface ValueCase {
  readonly name: string;
  readonly inputs: readonly HostTensor[];
  readonly run: (...inputs: Tensor[]) => Tensor;
}

/** A derivative by one element of an input, both ways. */
export interface Slope {
  readonly input: number;
  readonly at: number;
  readonly gradient: number;
  readonly differences: number;
}

/** What an engine makes of a case. */
export interface Found {
  /** The value, and its gradients by every input that has one. */
  readonly outputs: readonly HostTensor[];
  readonly slopes: readonly Slope[];
}

/** The step of a central difference, and how many elements of each input are moved. */
const h = 4e-3;
const moved = 4;

/** Another weight for each value, so that no two gradients are alike by accident. */
function objectiveOf(out: Tensor): Scalar {
  const ramp = ops.reshape<Tensor>(
    ops.mul(ops.cast(ops.range({ count: out.size }), { to: 'f32' }), 1 / out.size),
    { shape: out.shape },
  );
  return ops.sum<Scalar>(ops.mul<Tensor>(out, ops.add<Tensor>(ramp, 0.5)));
}

/** The same of values that were fetched, in 64 bits. */
function objectiveOn({ values }: HostTensor): number {
  return [...values].reduce((total, value, k) => total + value * (k / values.length + 0.5), 0);
}

/** Fails where one of them does; by halves it is found out which. */
export async function measure(
  engine: Engine,
  cases: readonly ValueCase[],
  differences: boolean,
): Promise<ReadonlyMap<string, Found | Error>> {
  try {
    return await measureTogether(engine, cases, differences);
  } catch (error) {
    const [only] = cases;
    if (only === undefined || cases.length === 1) {
      return new Map([[only?.name ?? '', error instanceof Error ? error : new Error(String(error))]]);
    }
    const half = Math.ceil(cases.length / 2);
    return new Map([
      ...(await measure(engine, cases.slice(0, half), differences)),
      ...(await measure(engine, cases.slice(half), differences)),
    ]);
  }
}

async function measureTogether(
  engine: Engine,
  cases: readonly ValueCase[],
  differences: boolean,
): Promise<ReadonlyMap<string, Found>> {
  const states = cases.map((one) => ({
    ...one,
    variables: one.inputs.map((input, i) => engine.variable(`${one.name}/x${i}`, input)),
  }));
  let counts: readonly number[] = [];
  const step = engine.compile('cases', () => {
    const made = states.map(({ variables, run }): readonly Tensor[] => {
      const floats = variables.filter(({ dtype }) => dtype === 'f32');
      const { gradients, result } = engine.differentiate(() => {
        const out = run(...variables.map((variable) => variable.read()));
        const differentiable = out.dtype === 'float32' && floats.length > 0;
        return {
          objectives: [differentiable ? objectiveOf(out) : ops.zeros<Scalar>({ shape: [] })],
          result: out,
        };
      }, floats);
      return [result, ...(gradients[0] ?? []).flatMap((gradient) => gradient ?? [])];
    });
    counts = made.map((outputs) => outputs.length);
    return made.flat();
  });
  /** Each case's outputs. */
  const runAll = async (): Promise<readonly (readonly HostTensor[])[]> => {
    const all = await step.run([], clockAt(1));
    let from = 0;
    return counts.map((count) => all.slice(from, (from += count)));
  };
  try {
    const outputs = await runAll();
    const places = cases.map(({ name, inputs }) =>
      differences
        ? inputs.flatMap(({ values }, input) =>
            [...hostPermutation(2, name, values.length).slice(0, moved)].map((at) => ({ input, at })),
          )
        : [],
    );
    const slopes: Slope[][] = cases.map(() => []);
    for (let turn = 0; turn < Math.max(...places.map((list) => list.length)); turn++) {
      // Every case is moved at once, each at a place of its own.
      const ends: { readonly sum: number; readonly x: number }[][] = cases.map(() => []);
      for (const delta of [h, -h]) {
        const xs = states.map(({ inputs, variables }, index) => {
          const place = places[index]?.[turn];
          const input = inputs[place?.input ?? 0];
          if (place === undefined || input === undefined) return 0;
          const values = Float32Array.from(input.values);
          values[place.at] = (values[place.at] ?? 0) + delta;
          variables[place.input]?.upload({ ...input, values });
          return values[place.at] ?? 0;
        });
        (await runAll()).forEach(([value], index) => {
          if (value !== undefined) ends[index]?.push({ sum: objectiveOn(value), x: xs[index] ?? 0 });
        });
      }
      states.forEach(({ inputs, variables }, index) => {
        const place = places[index]?.[turn];
        const [above, below] = ends[index] ?? [];
        if (place === undefined || above === undefined || below === undefined) return;
        const input = inputs[place.input];
        if (input !== undefined) variables[place.input]?.upload(input);
        slopes[index]?.push({
          ...place,
          gradient: outputs[index]?.[place.input + 1]?.values[place.at] ?? Number.NaN,
          differences: (above.sum - below.sum) / (above.x - below.x),
        });
      });
    }
    return new Map(
      cases.map(({ name }, index) => [name, { outputs: outputs[index] ?? [], slopes: slopes[index] ?? [] }]),
    );
  } finally {
    step.dispose();
    for (const { variables } of states) for (const variable of variables) variable.dispose();
  }
}
