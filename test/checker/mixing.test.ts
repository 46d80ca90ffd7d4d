/** `mixup` and `cutmix` of the language: what rows become, whatever is drawn. */
import { beforeAll, describe, expect, test } from 'vitest';
import { checkProgram } from '../../src/checker/check.js';
import { memoryHost } from '../../src/checker/host.js';
import { createEngineUnderTest } from '../engine-under-test.js';
import type { Engine, HostTensor } from '../../src/runtime/engine/engine.js';
import { useDrawNames } from '../../src/runtime/engine/current.js';
import { drawLabel } from '../../src/runtime/trainer/step-context.js';
import { runClass } from './interpret.js';

let engine: Engine;
beforeAll(async () => {
  engine = await createEngineUnderTest();
  useDrawNames(drawLabel);
});

/** Steps, each with draws of its own. */
const drawn = [0, 1, 2, 3, 4, 5, 6, 7];

async function mixed(
  fn: string,
  at: number,
  input: string,
  x: HostTensor,
  y: HostTensor,
): Promise<{ readonly x: HostTensor; readonly y: HostTensor }> {
  const spec =
    `block Case on x: ${input}, y: f32[${y.shape.join(', ')}] -> f32[] {\n` +
    `  let both = ${fn}\n  return mean(both.x * both.x) + mean(both.y * both.y)\n}\n`;
  const { diagnostics, ir } = checkProgram('case.ztrain', memoryHost({ 'case.ztrain': spec }));
  expect(diagnostics.filter(({ severity }) => severity === 'error')).toEqual([]);
  if (ir === null) throw new Error('the spec has errors');
  const { locals } = await runClass(engine, ir, 'Case', new Map(), [x, y], 'train', at);
  const [rows, targets] = [locals.get('both_x'), locals.get('both_y')];
  if (rows === undefined || targets === undefined)
    throw new Error(`no rows among ${[...locals.keys()].join(', ')}`);
  return { x: rows, y: targets };
}

const unitRows = (size: number): HostTensor => ({
  dtype: 'f32',
  shape: [size, size],
  values: Float32Array.from({ length: size * size }, (_, at) => (at % (size + 1) === 0 ? 1 : 0)),
});

const lineOf = ({ values, shape }: HostTensor, row: number): number[] => {
  const width = values.length / (shape[0] ?? 1);
  return [...values.slice(row * width, (row + 1) * width)];
};

/** Of rows that each had a 1 at their own place: the part that is left of each, and whose rows the rest came from. */
function partsOf(targets: HostTensor): { readonly share: number; readonly partners: readonly number[] } {
  const size = targets.shape[0] ?? 0;
  const shares = new Set<number>();
  const partners = Array.from({ length: size }, (_, row) => {
    const line = lineOf(targets, row);
    expect(line.reduce((sum, value) => sum + value, 0)).toBeCloseTo(1, 5);
    const other = line.findIndex((value, place) => value > 1e-9 && place !== row);
    if (other >= 0) shares.add(Number((line[row] ?? 0).toFixed(5)));
    expect(line.filter((value) => value > 1e-9).length).toBeLessThanOrEqual(2);
    return other < 0 ? row : other;
  });
  expect(shares.size).toBeLessThanOrEqual(1);
  return { share: [...shares][0] ?? 1, partners };
}

describe('mixup', () => {
  test('adds to each row one of the same batch, all by one share, and mixes targets alike', async () => {
    const size = 12;
    const x: HostTensor = {
      dtype: 'f32',
      shape: [size, 2],
      values: Float32Array.from({ length: 2 * size }, (_, at) => at ** 2 / 10),
    };
    const shares: number[] = [];
    for (const at of drawn) {
      const found = await mixed('mixup(x, y, alpha = 0.8)', at, `f32[${size}, 2]`, x, unitRows(size));
      const { share, partners } = partsOf(found.y);
      expect([...partners].sort((a, b) => a - b)).toEqual(Array.from({ length: size }, (_, i) => i));
      for (let row = 0; row < size; row += 1) {
        const [own, other] = [lineOf(x, row), lineOf(x, partners[row] ?? 0)];
        lineOf(found.x, row).forEach((value, at) =>
          expect(value).toBeCloseTo(share * (own[at] ?? 0) + (1 - share) * (other[at] ?? 0), 3),
        );
      }
      shares.push(share);
    }
    expect(new Set(shares).size).toBe(drawn.length);
  });
});

describe('cutmix', () => {
  const [size, height, width] = [6, 9, 14];
  const x: HostTensor = {
    dtype: 'f32',
    shape: [size, height, width, 1],
    values: Float32Array.from(
      { length: size * height * width },
      (_, at) => 1 + Math.floor(at / (height * width)),
    ),
  };

  test('puts the same box of another image into each, and counts what is left of it', async () => {
    let cut = 0;
    for (const at of drawn) {
      const input = `f32[${size}, ${height}, ${width}, 1]`;
      const found = await mixed('cutmix(x, y, alpha = 1)', at, input, x, unitRows(size));
      const { share, partners } = partsOf(found.y);
      const moved = partners.findIndex((other, row) => other !== row);
      if (moved < 0) continue;
      const inside = lineOf(found.x, moved).map((value) => value !== moved + 1);
      const places = inside.flatMap((is, at) => (is ? [at] : []));
      const [ys, xs] = [places.map((at) => Math.floor(at / width)), places.map((at) => at % width)];
      const area = (Math.max(...ys) - Math.min(...ys) + 1) * (Math.max(...xs) - Math.min(...xs) + 1);
      // A box has no holes.
      expect(places).toHaveLength(places.length === 0 ? 0 : area);
      expect(share).toBeCloseTo(1 - places.length / (height * width), 5);
      for (let row = 0; row < size; row += 1)
        expect(lineOf(found.x, row)).toEqual(inside.map((is) => 1 + (is ? (partners[row] ?? 0) : row)));
      cut += places.length > 0 ? 1 : 0;
    }
    expect(cut).toBeGreaterThan(3);
  });
});

test.each([
  ['mixup(x, y, alpha = 0)', 'ZT3302'],
  ['mixup(x, y)', 'ZT2004'],
  ['cutmix(x, y, alpha = 1)', 'ZT3101'],
])('%s is refused', (fn, code) => {
  const spec = `block Case on x: f32[4, 3], y: f32[4, 2] -> f32[] {\n  let both = ${fn}\n  return mean(both.x)\n}\n`;
  const { diagnostics } = checkProgram('case.ztrain', memoryHost({ 'case.ztrain': spec }));
  expect(diagnostics.filter(({ severity }) => severity === 'error').map((each) => each.code)).toEqual([code]);
});
