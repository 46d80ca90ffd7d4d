/**
 * What the checker says of a shape is what the runtime makes of it: every op and layer at random sizes, once with numbers
 * in the signature and once with names.
 */
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { checkProgram } from '../../src/checker/check.js';
import { memoryHost } from '../../src/checker/host.js';
import type { Ir, IrType } from '../../src/checker/ir.js';
import { createEmbeddedEngine } from '../../src/runtime/engine/embedded.js';
import type { Engine, HostTensor } from '../../src/runtime/engine/engine.js';
import { evaluateText } from './dims-text.js';
import { runClass, valuesFor } from './interpret.js';
import { shapeCases, type ShapeCase } from './shape-cases.js';

let engine: Engine;
beforeAll(async () => {
  engine = await createEmbeddedEngine();
});

type Sizes = ReadonlyMap<string, number>;

const sizeNames = [...'nabchw'];
const numberNames = [...'ksij'];

const replaced = (text: string, numbers: Sizes, names: readonly string[]): string =>
  text.replace(/\b[a-z]\b/g, (name) => (names.includes(name) ? String(numbers.get(name)) : name));

const blockOf = ({ inputs, expr }: ShapeCase): string =>
  `block Case on ${inputs.map((type, at) => `${'xy'[at] ?? ''}: ${type}`).join(', ')} -> f32[] {\n` +
  `  let out = ${expr}\n  return mean(cast(out, f32))\n}\n`;

interface Judged {
  readonly errors: readonly string[];
  readonly type: Extract<IrType, { kind: 'tensor' }> | null;
  readonly ir: Ir | null;
}

const judge = (spec: string): Judged => {
  const { diagnostics, ir } = checkProgram('case.ztrain', memoryHost({ 'case.ztrain': spec }));
  const errors = diagnostics.filter(({ severity }) => severity === 'error');
  const found = ir?.modules.at(-1)?.classes.at(-1);
  const value = found?.body.flatMap((each) =>
    each.kind === 'let' && each.name === 'out' ? [each.value] : [],
  )[0];
  return {
    errors: errors.map(({ code, message }) => `${code} ${message}`),
    type: value?.type.kind === 'tensor' ? value.type : null,
    ir,
  };
};

const dtypeOf = (type: string): HostTensor['dtype'] => {
  const found = (['f32', 'i32', 'u8', 'bool'] as const).find((dtype) => type.startsWith(dtype));
  if (found === undefined) throw new Error(`no element type in ${type}`);
  return found;
};

const shapeOfType = (type: string, sizes: Sizes): readonly number[] => {
  const inner = type.slice(type.indexOf('[') + 1, -1).trim();
  return inner === '' ? [] : inner.split(',').map((size) => evaluateText(size)(sizes));
};

/** What the runtime makes of a case: the shape and element type, or why not. */
const compute = async (
  { ir }: Judged,
  inputs: readonly string[],
  sizes: Sizes,
): Promise<{ readonly shape: readonly number[]; readonly dtype: string } | { readonly error: string }> => {
  if (ir === null) throw new Error('the spec has errors');
  const given = inputs.map((type) => valuesFor(dtypeOf(type), shapeOfType(type, sizes)));
  try {
    const { locals } = await runClass(engine, ir, 'Case', sizes, given);
    const out = locals.get('out');
    if (out === undefined) throw new Error('no `out`');
    return { shape: out.shape, dtype: out.dtype };
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) };
  }
};

const drawn = (names: readonly string[], most: number) =>
  fc
    .tuple(...names.map(() => fc.integer({ min: 1, max: most })))
    .map((numbers): Sizes => new Map(names.map((name, at) => [name, numbers[at] ?? 1])));

/** The device has no bytes and no truth of its own: both come back as whole numbers. */
const sameType = (said: string, made: string): boolean =>
  said === made || (made === 'i32' && said === 'u8') || (said === 'bool' && made === 'bool');

/** Whether the spec was accepted with numbers in its signature. */
const agree = async (
  spec: ShapeCase,
  sizes: Sizes,
  numbers: Sizes,
): Promise<{ readonly numbers: boolean; readonly names: boolean }> => {
  const accepted = { numbers: true, names: true };
  const fixed = { ...spec, expr: replaced(spec.expr, numbers, numberNames) };
  const concrete = {
    inputs: fixed.inputs.map((type) => replaced(type, sizes, sizeNames)),
    expr: replaced(fixed.expr, sizes, sizeNames),
  };
  for (const [kind, each] of [
    ['numbers', concrete],
    ['names', fixed],
  ] as const) {
    const text = blockOf(each);
    const judged = judge(text);
    if (judged.errors.length > 0) {
      accepted[kind] = false;
      continue;
    }
    const made = await compute(judged, each.inputs, sizes);
    const where = `${text}${kind}: ${JSON.stringify(Object.fromEntries(sizes))}`;
    if (!accepted.numbers && !('error' in made)) {
      throw new Error(`refused with numbers, and the runtime computes it with names\n${where}`);
    }
    if (judged.type === null) throw new Error(`no type of out\n${where}`);
    // A size with a name may be one that only the run knows to be wrong.
    if ('error' in made && kind === 'names') continue;
    if ('error' in made) throw new Error(`accepted, and then: ${made.error}\n${where}`);
    const said = judged.type.shape.map((size) => evaluateText(size)(sizes));
    expect(made.shape, where).toEqual(said);
    expect(sameType(judged.type.dtype, made.dtype), `${judged.type.dtype} ${made.dtype}\n${where}`).toBe(
      true,
    );
  }
  return accepted;
};

const of = (names: readonly string[], numbers: readonly number[]): Sizes =>
  new Map(names.map((name, at) => [name, numbers[at] ?? 1]));

const fitting: [Sizes, Sizes][] = [
  [of(sizeNames, [2, 4, 6, 2, 5, 7]), of(numberNames, [2, 2, 1, 3])],
  [of(sizeNames, [2, 3, 3, 3, 6, 6]), of(numberNames, [3, 2, 2, 1])],
  [of(sizeNames, [1, 1, 1, 1, 1, 1]), of(numberNames, [1, 1, 1, 1])],
];

describe('shapes are those of the runtime', () => {
  test.each(Object.entries(shapeCases))('%s', async (_name, spec) => {
    const accepted = { numbers: 0, names: 0 };
    await fc.assert(
      fc.asyncProperty(drawn(sizeNames, 7), drawn(numberNames, 4), async (sizes, numbers) => {
        const found = await agree(spec, sizes, numbers);
        if (found.numbers) accepted.numbers += 1;
        if (found.names) accepted.names += 1;
      }),
      // The first examples are fitting ones for each case: a case that is never accepted would say nothing.
      { numRuns: 25, examples: fitting },
    );
    expect(accepted.numbers).toBeGreaterThan(0);
    expect(accepted.names > 0).toBe(spec.onlyNumbers !== true);
  });
});

/** A block's body over `f32` inputs, and what it gives. */
const typeOf = (types: readonly string[], body: string): string => {
  const names = [...'xyz'].slice(0, types.length);
  const judged = judge(
    `param p: int = 3 where p > 0\n` +
      `block Case on ${types.map((type, at) => `${names[at] ?? ''}: ${type}`).join(', ')} -> f32[] {\n` +
      `  let out = ${body}\n  return mean(cast(out, f32)) + p\n}\n`,
  );
  if (judged.errors.length > 0) return judged.errors.map((error) => error.slice(0, 6)).join(' ');
  return judged.type === null ? 'no type' : `${judged.type.dtype}[${judged.type.shape.join(', ')}]`;
};

describe('a broadcast', () => {
  test.each([
    // Only a 1 that is written in the text broadcasts.
    [['f32[n, a]', 'f32[n, 1]'], 'x + y', 'f32[n, a]'],
    [['f32[n, 1]', 'f32[n, a]'], 'x + y', 'f32[n, a]'],
    [['f32[n, a]', 'f32[1, a]'], 'x + y', 'f32[n, a]'],
    [['f32[n, a]', 'f32[n, m]'], 'x + y', 'ZT3102'],
    [['f32[n, a]', 'f32[n, a - 1]'], 'x + y', 'ZT3102'],
    [['f32[n, 2]', 'f32[n, 3]'], 'x + y', 'ZT3102'],
    // (n) against (n, 1) would be n by n.
    [['f32[n]', 'f32[n, 1]'], 'x + y', 'ZT3101'],
    [['f32[n, 1]', 'f32[n]'], 'x - y', 'ZT3101'],
    [['f32[n]', 'f32[n, 1]'], 'squared_error(x, y)', 'ZT3101'],
    [['f32[n, 1]', 'f32[n]'], 'huber(x, y)', 'ZT3101'],
    [['f32[n, 1]', 'f32[n]'], 'sigmoid_cross_entropy(x, y)', 'ZT3101'],
    [['f32[n, 1]', 'f32[n, a]'], 'absolute_error(x, y)', 'ZT3102'],
    [['f32[n, a]', 'f32[a]'], 'x + y', 'f32[n, a]'],
    [['f32[n, a]', 'f32[n]'], 'x + y', 'ZT3102'],
    [['f32[n, n]', 'f32[n]'], 'x + y', 'f32[n, n]'],
    [['f32[n, a]'], 'x + 1', 'f32[n, a]'],
    [['i32[n]'], 'x + 1.5', 'ZT3201'],
    [['f32[n]', 'i32[n]'], 'x + y', 'ZT3201'],
  ])('of %s: %s', (types, body, expected) => {
    expect(typeOf(types, body)).toBe(expected);
  });
});

describe('sizes that follow from others', () => {
  test.each([
    [['f32[n, h, w, c]'], 'max_pool(x, 2)', 'f32[n, floor(h / 2), floor(w / 2), c]'],
    [['f32[n, h, w, c]'], 'avg_pool(x, 2, padding = "same")', 'f32[n, ceil(h / 2), ceil(w / 2), c]'],
    [['f32[h]', 'f32[n, 2 * h, 4, c]'], 'max_pool(y, 2)', 'f32[n, h, 2, c]'],
    [['f32[n, 7, 7, c]'], 'max_pool(x, 3, stride = 2)', 'f32[n, 3, 3, c]'],
    [['f32[n, h, w, c]'], 'x |> conv2d(p, kernel = 3) as c1', 'f32[n, h - 2, w - 2, p]'],
    [
      ['f32[n, h, w, c]'],
      'x |> conv2d_transpose(8, kernel = 4, stride = 2, padding = "same") as c1',
      'f32[n, 2 * h, 2 * w, 8]',
    ],
    [
      ['f32[n, h, w, c]'],
      'x |> conv2d_transpose(8, kernel = 3, stride = 2) as c1',
      'f32[n, 2 * h + 1, 2 * w + 1, 8]',
    ],
    [['f32[n, 2, 2, c]'], 'x |> conv2d(4, kernel = 3) as c1', 'ZT3102'],
    [['f32[n, a, b]'], 'flatten(x)', 'f32[n, a * b]'],
    [['f32[n, a, b]'], 'reshape(x, [n, b, a])', 'f32[n, b, a]'],
    [['f32[n, a, b]'], 'reshape(x, [n, a + b])', 'ZT3103'],
    [['f32[n, a]', 'f32[n, b]'], 'concat([x, y, x])', 'f32[n, 2 * a + b]'],
    [['f32[n, a]', 'f32[n, a]'], 'stack([x, y], axis = 1)', 'f32[n, 2, a]'],
    [['f32[n, t]'], 'x[:, 1:]', 'f32[n, t - 1]'],
    [['f32[n, t]'], 'x[:, :-1] + x[:, 1:]', 'f32[n, t - 1]'],
    [['f32[n, 3]'], 'x[:, 1:5]', 'ZT3102'],
    [['f32[n, 3]'], 'x[:, -5:]', 'ZT3102'],
    [['f32[n, 3]'], 'x[:, 2:2]', 'ZT3102'],
    [['f32[b]', 'f32[n, 6 * b]'], 'y |> dense(p) as d', 'f32[n, p]'],
    [['f32[n, 1, m, k]', 'f32[n, h, k, m]'], 'x @ y', 'ZT3102'],
    [['f32[n, m, k]', 'f32[k, j]'], 'x @ y', 'f32[n, m, j]'],
  ])('%s: %s', (types, body, expected) => {
    expect(typeOf(types, body)).toBe(expected);
  });
});
