import { execFileSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { didYouMean, editDistance, nearNames } from '../../src/values/near.js';
import { optionTable } from '../../src/values/options.gen.js';
import { showType } from '../../src/values/options.js';
import {
  findOption,
  parseOption,
  parseOverride,
  parseValue,
  showValue,
  UsageError,
} from '../../src/values/overrides.js';
import * as units from '../../src/values/units.js';

describe('overrides', () => {
  test('split at the first =', () => {
    expect(parseOverride('lr=3e-4')).toEqual({ path: ['lr'], text: '3e-4' });
    expect(parseOverride('trainer.epochs=2')).toEqual({ path: ['trainer', 'epochs'], text: '2' });
    expect(parseOverride('file=a=b')).toEqual({ path: ['file'], text: 'a=b' });
    for (const wrong of ['lr', '=3', 'a..b=1', '1a=2', 'a.=1', ''])
      expect(() => parseOverride(wrong)).toThrow(UsageError);
  });

  test.each([
    ['int', '60_000', 60000],
    ['int', '-3', -3],
    ['float', '3e-4', 3e-4],
    ['float', '1_0.5', 10.5],
    ['bool', 'true', true],
    ['string', 'a b', 'a b'],
    ['path', 'x/y', 'x/y'],
  ] as const)('%s reads %s', (kind, text, value) => {
    expect(parseValue('p', { kind }, text)).toBe(value);
  });

  test.each([
    ['int', '1.0'],
    ['int', '1e3'],
    ['int', '9007199254740993'],
    ['int', ''],
    ['int', '1__0'],
    ['float', '.5'],
    ['float', '1e999'],
    ['float', 'NaN'],
    ['float', '0x10'],
    ['bool', 'yes'],
    ['path', ''],
  ] as const)('%s refuses %j', (kind, text) => {
    expect(() => parseValue('p', { kind }, text)).toThrow(`p takes`);
  });

  test('quantities need a unit that fits, or none where only one does', () => {
    const type = { kind: 'quantity', units: ['steps', 'epochs'] } as const;
    expect(parseValue('every', type, '500.steps')).toEqual(units.steps(500));
    expect(parseValue('every', type, '0.25.epoch')).toEqual(units.epochs(0.25));
    expect(parseValue('every', type, 'none', true)).toBeNull();
    // As in a spec, also where there is one unit.
    expect(() => parseValue('prefetch', { kind: 'quantity', units: ['batches'] }, '20')).toThrow(
      'got "20"; write 20.batches',
    );
    expect(() => parseValue('every', type, '500')).toThrow(
      'every takes steps or epochs, e.g. 5.steps, got "500"',
    );
    expect(() => parseValue('every', type, '2.hours')).toThrow('every takes');
    expect(showType({ kind: 'quantity', units: ['bytes'] })).toBe('bytes, e.g. 25.MiB');
  });

  test('choices name the nearest', () => {
    const type = { kind: 'choice', choices: ['stop', 'skip', 'ignore'] } as const;
    expect(() => parseValue('on_nan', type, 'ignor')).toThrow(
      'one of "stop", "skip", "ignore", got "ignor"; did you mean ignore?',
    );
    expect(showValue('a')).toBe('"a"');
    expect(showValue(units.steps(3))).toBe('3 steps');
  });

  test('a summary is wanted, or how deep', () => {
    const summary = findOption('trainer', optionTable.get('trainer/options') ?? [], 'summary');
    const read = (text: string) => parseOption('trainer', summary, text);
    expect(['true', 'false', '1', '12'].map(read)).toEqual([true, false, 1, 12]);
    expect(() => read('0')).toThrow('trainer.summary must keep summary >= 1, got 0');
    for (const text of ['1.5', 'deep', 'none', ''])
      expect(() => read(text)).toThrow('trainer.summary takes true or false, or a whole number, got');
  });

  test('the prelude decides what may be set', () => {
    const trainer = optionTable.get('trainer/options') ?? [];
    expect(parseOption('trainer', findOption('trainer', trainer, 'epochs'), '2')).toBe(2);
    expect(parseOption('trainer', findOption('trainer', trainer, 'limit.test'), '0.batches')).toEqual(
      units.batches(0),
    );
    expect(() => parseOption('trainer', findOption('trainer', trainer, 'nodes'), '2')).toThrow(
      'not built yet',
    );
    expect(() => parseOption('trainer', findOption('trainer', trainer, 'devices'), '2')).toThrow(
      /not built yet|cannot be set/,
    );
    expect(() => parseOption('trainer', findOption('trainer', trainer, 'clip'), '1')).toThrow(
      'trainer.clip cannot be set at the command line',
    );
    const every = optionTable.get('addon/checkpoint')?.find(({ name }) => name === 'every');
    for (const text of ['-1.epochs', '0.steps']) {
      expect(() => every && parseOption('checkpoint', every, text)).toThrow(
        `checkpoint.every must be above 0, got ${text}`,
      );
    }
    expect(() => parseValue('units', { kind: 'int' }, '1e12')).toThrow('; write 1000000000000');
    expect(() => parseValue('units', { kind: 'int' }, '1.5')).toThrow(/got "1\.5"$/);
    expect(optionTable.get('data/csv')?.map(({ name }) => name)).toEqual([
      'file',
      'columns',
      'delimiter',
      'missing',
    ]);
    expect(() => findOption('trainer', trainer, 'epoch')).toThrow('did you mean epochs?');
    expect(() => findOption('trainer', trainer, 'zzz')).toThrow('it has epochs, steps');
  });

  test('the table is what the prelude says now', () => {
    execFileSync(process.execPath, ['scripts/generate-options.mjs', '--check']);
    expect(optionTable.get('addon/checkpoint')?.find(({ name }) => name === 'keep')).toMatchObject({
      limits: [{ operator: '>=', value: 1 }],
      where: 'keep >= 1',
      overridable: true,
    });
  });
});

describe('near names', () => {
  test('count slips', () => {
    expect(editDistance('epochs', 'epcohs')).toBe(1);
    expect(editDistance('', 'abc')).toBe(3);
    expect(nearNames('lr', ['rl', 'lamb', 'other'])).toEqual(['rl']);
    expect(didYouMean('epoch', ['epochs', 'epoch_end'])).toBe('; did you mean epochs or epoch_end?');
    expect(didYouMean('zebra', ['epochs'])).toBe('');
  });
});
