import { expect, test } from 'vitest';
import { resolveParams } from '../../src/runtime/trainer/params.js';
import type { TrainerSpec } from '../../src/runtime/trainer/spec.js';

interface Odd {
  readonly constructor: number;
  readonly toString: number;
}

const param = (key: 'constructor' | 'toString') =>
  ({
    name: key,
    key,
    type: 'float',
    default: 4,
    doc: '',
    where: { text: `${key} > 0`, test: (all: object) => Object.values(all).every((each) => each > 0) },
  }) as const;

const spec = { name: 'odd', trainer: 'Odd', params: [param('constructor'), param('toString')] } as const;

test('a param may be called as a property that every object has', () => {
  const odd: Pick<TrainerSpec<Odd & object>, 'name' | 'trainer' | 'params'> = spec;
  expect(resolveParams(odd, {})).toMatchObject({
    values: { constructor: 4, toString: 4 },
    origins: { constructor: 'default' },
  });
  expect(resolveParams(odd, { constructor: 2 }).values.constructor).toBe(2);
  expect(() => resolveParams(odd, { constructor: -2 })).toThrow('constructor must keep constructor > 0');
});
