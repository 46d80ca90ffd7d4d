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

  test('give an add-on the name that the spec does', async () => {
    const ir = digits();
    const { trainer } = ir;
    const named =
      trainer === null
        ? ir
        : {
            ...ir,
            trainer: {
              ...trainer,
              addons: trainer.addons.map((addon) =>
                addon.name === 'checkpoint' ? { ...addon, label: 'often' } : addon,
              ),
            },
          };
    const [file] = await emit(named, options);
    expect(file?.text).toMatch(/addons\.named\(\s*'often',\s*addons\.checkpoint\(\{ keep: 3/);
  });
});
