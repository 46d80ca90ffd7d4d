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
  const value = found?.body.find((each) => each.kind === 'let' && each.name === 'out')?.value;
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

const agree = async (spec: ShapeCase, sizes: Sizes, numbers: Sizes): Promise<void> => {
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
    if (judged.errors.length > 0) continue;
    const made = await compute(judged, each.inputs, sizes);
    const where = `${text}${kind}: ${JSON.stringify(Object.fromEntries(sizes))}`;
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
};

describe('shapes are those of the runtime', () => {
  test.each(Object.entries(shapeCases))('%s', async (_name, spec) => {
    await fc.assert(
      fc.asyncProperty(drawn(sizeNames, 7), drawn(numberNames, 4), async (sizes, numbers) => {
        await agree(spec, sizes, numbers);
      }),
      { numRuns: 25 },
    );
  });
});
