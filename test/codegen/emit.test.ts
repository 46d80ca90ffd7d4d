import { describe, expect, test } from 'vitest';
import { emit } from '../../src/codegen/emit.js';
import { digits, gan, gpt } from './examples.js';

const options = { compilerVersion: '0.1.0' };

describe('emitted trainers', () => {
  test.each([
    ['digits', digits],
    ['gan', gan],
    ['gpt', gpt],
  ])('%s', async (name, ir) => {
    const files = await emit(ir(), options);
    for (const file of files)
      await expect(file.text).toMatchFileSnapshot(`__snapshots__/${name}/${file.fileName}.txt`);
  });

  test('are the same for the same program', async () => {
    const ir = gan();
    expect(await emit(ir, options)).toEqual(await emit(structuredClone(ir), options));
  });
});
