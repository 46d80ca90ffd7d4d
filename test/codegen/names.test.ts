import { describe, expect, test } from 'vitest';
import { camel, createNames, createPropertyNames, instanceOf, pascal } from '../../src/codegen/names.js';
import { parseSize } from '../../src/values/size-text.js';

describe('names', () => {
  test.each([
    ['to_image', 'toImage'],
    ['batch_size', 'batchSize'],
    ['_private', 'private'],
    ['__proto__', 'proto'],
    ['__', 'blank'],
    ['x1_2', 'x12'],
    ['_1', '_1'],
    ['W', 'W'],
  ])('%s → %s', (from, to) => {
    expect(camel(from)).toBe(to);
  });

  test.each([
    ['Generator', 'generator'],
    ['GPT', 'gpt'],
    ['GPTSmall', 'gptSmall'],
    ['MLP2', 'mlp2'],
  ])('an instance of %s is called %s', (from, to) => {
    expect(instanceOf(from)).toBe(to);
  });

  test('a class of a layer', () => {
    expect(pascal('conv2d_transpose')).toBe('Conv2dTranspose');
  });

  test('anything but a name is refused', () => {
    for (const text of ['', 'a b', 'a-b', 'a;', 'é', '1a', 'a\n'])
      expect(() => camel(text)).toThrow('not a name');
  });

  test('two things never share an identifier', () => {
    const scope = createNames(['ops']);
    expect(scope.declare('a', camel('to_image'))).toBe('toImage');
    expect(scope.declare('b', camel('toImage'))).toBe('toImage2');
    expect(scope.declare('a', camel('to_image'))).toBe('toImage');
    expect(scope.declare('c', 'ops')).toBe('ops2');
    expect(scope.declare('d', 'class')).toBe('class_');
    expect(scope.child().declare('e', 'toImage')).toBe('toImage3');
  });

  test('properties may be any word, and are apart from each other', () => {
    const scope = createPropertyNames();
    expect(['data', 'images', 'class', 'Tensor'].map((name) => scope.declare(name, name))).toEqual([
      'data',
      'images',
      'class',
      'Tensor',
    ]);
    expect(scope.declare('other', 'data')).toBe('data2');
  });
});

describe('sizes as text', () => {
  test('are read with the usual precedence', () => {
    expect(parseSize('context + 2 * h')).toEqual({
      kind: 'binary',
      op: '+',
      left: { kind: 'name', name: 'context' },
      right: {
        kind: 'binary',
        op: '*',
        left: { kind: 'number', value: 2 },
        right: { kind: 'name', name: 'h' },
      },
    });
    expect(parseSize('floor((t + 1) / 2)')).toMatchObject({ kind: 'call', fn: 'floor' });
  });

  test('anything else is refused', () => {
    for (const text of ['', 'a +', 'a b', '(a', 'a; b', '"x"'])
      expect(() => parseSize(text)).toThrow('not a size');
  });
});
