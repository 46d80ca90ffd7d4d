import { expect, test } from 'vitest';
import { nearest } from '../../src/parser/nearest.js';

test.each([
  ['modle', ['model', 'module', 'mode'], ['model', 'mode', 'module']],
  ['aug', ['augment', 'argmax'], ['augment']],
  ['SoftMax', ['softmax'], ['softmax']],
  ['batchnorm', ['batch_norm', 'layer_norm'], ['batch_norm']],
  ['xyz', ['relu', 'dense'], []],
  ['', ['a'], []],
  ['a', ['b', 'cc', 'ab', 'A'], ['A', 'ab']],
  ['lr', ['lr'], []],
  ['dense', ['dens', 'denes', 'ense', 'dennse', 'dance'], ['denes', 'dennse', 'dens']],
])('%s', (name, candidates, expected) => {
  expect(nearest(name, candidates)).toEqual(expected);
});

test('long names cost nothing', () => {
  expect(nearest('x'.repeat(1e6), ['x'])).toEqual([]);
});
