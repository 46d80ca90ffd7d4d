/** Numbers beside tensors of whole numbers: a fraction is not lost in silence. */
import { describe, expect, test } from 'vitest';
import { codesOf, only } from './training-spec.js';

const measured = (metric: string) => ({
  validate: `step validate(batch in test_set) every 1.epoch { metric a = ${metric} }`,
});

describe.each(['select(batch.label > 3, 0.5, batch.label)', 'select(batch.label > 3, batch.label, 0.5)'])(
  '%s',
  (code) => {
    test('is an error at the fraction', () => {
      expect(only(measured(`mean(${code})`))).toMatchObject({
        code: 'ZT3201',
        at: '0.5',
        help: 'write `cast(x, f32)`, if that is meant',
      });
    });
    test('and is none with whole numbers, or in f32', () => {
      expect(codesOf(measured(`mean(${code.replace('0.5', '5')})`))).toEqual([]);
      const cast = code.replace(/batch\.label(?! >)/, 'cast(batch.label, f32)');
      expect(codesOf(measured(`mean(${cast})`))).toEqual([]);
    });
  },
);

test('a number is no truth', () => {
  const shown = only(measured('mean(select(batch.label > 3, 1, batch.label == 2))'));
  expect([shown.code, shown.at]).toEqual(['ZT3201', '1']);
});

test.each(['max', 'min'])('%s of whole numbers and a fraction', (name) => {
  expect(only(measured(`mean(${name}(batch.label, 2.5))`))).toMatchObject({ code: 'ZT3201', at: '2.5' });
  expect(codesOf(measured(`mean(${name}(batch.label, 2))`))).toEqual([]);
  expect(codesOf(measured(`mean(${name}(cast(batch.label, f32), 2.5))`))).toEqual([]);
});
