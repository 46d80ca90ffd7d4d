/** The prelude promises only what is there: everything built has its export and its options, everything else is refused. */
import { tmpdir } from 'node:os';
import { describe, expect, test } from 'vitest';
import { loadPrelude, settingList, type Builtin } from '../../src/checker/prelude.js';
import { typecheck } from '../../src/codegen/typecheck.js';
import type { Item, TypeExpr } from '../../src/parser/ast.js';
import { contractOf } from './prelude-contract.js';
import { checkProgram } from '../../src/checker/check.js';
import { memoryHost } from '../../src/checker/host.js';
import { codesOf, specOf } from './training-spec.js';

const prelude = loadPrelude();

test('the runtime has every built-in with its options, and no others', async () => {
  const text = contractOf(prelude);
  const file = {
    name: 'contract',
    fileName: 'contract.ts',
    text,
    map: '{"version":3,"sources":[],"mappings":""}',
    trainer: null,
    specs: [],
  };
  const { faults } = await typecheck([file], { folder: tmpdir() });
  const lines = text.split('\n');
  expect(faults.map(({ line, message }) => `${lines[line - 1] ?? ''} // ${message}`)).toEqual([]);
}, 60_000);

/** A value that an attribute of this type takes. */
const sampleOf = (type: TypeExpr, value: Item['value'] = null): string => {
  if (value?.kind === 'bool') return String(!value.value);
  if (type.kind === 'literalType') return JSON.stringify(type.value);
  // The first of several types, but the last of several words: the first is the default.
  if (type.kind === 'unionType') {
    const words = type.members.every((member) => member.kind === 'literalType');
    return sampleOf(
      (words ? type.members.at(-1) : type.members.find((member) => member.kind !== 'literalType')) ?? type,
    );
  }
  const samples: Readonly<Record<string, string>> = {
    int: '2',
    float: '0.5',
    bool: 'true',
    string: '"x"',
    path: '"x"',
    batches: '2.batches',
    epochs: '2.epochs',
    steps: '2.steps',
    percent: '5.percent',
    time: '2.hours',
    record: '{ train: 80.percent, test: 20.percent }',
    strategy: '"ddp"',
  };
  const name = type.kind === 'namedType' ? type.name.text : type.kind;
  return samples[name] ?? '1';
};

const laterOf = (what: Builtin['what'], name: string): readonly (readonly [string, Item])[] => {
  const builtin = prelude.find(what, name);
  if (builtin === null) throw new Error(`no ${what} ${name}`);
  return settingList(builtin, 'later').flatMap((key) => {
    const param = builtin.params.find((each) => each.name.text === key);
    return param ? [[key, param] as const] : [];
  });
};

test.each(['"simple"', '"trace"', 'none'])('a profile may be %s', (profile) => {
  expect(codesOf({ trainer: `trainer Digits { epochs = 1 profile = ${profile} }` })).toEqual([]);
});

describe('what is declared and not built is refused, once', () => {
  test.each(laterOf('trainer', 'options'))('trainer, %s', (key, param) => {
    expect(
      codesOf({ trainer: `trainer Digits { epochs = 1 ${key} = ${sampleOf(param.type, param.value)} }` }),
    ).toEqual(['ZT4900']);
  });
  test.each(laterOf('data', 'options'))('a data set, %s', (key, param) => {
    const test_set = `data test_set = train_set { split = "test" shuffle = false ${key} = ${sampleOf(param.type, param.value)} }`;
    expect(codesOf({ test_set })).toEqual(['ZT4900']);
  });
  test.each(
    (['checkpoint', 'early_stopping'] as const).flatMap((name) =>
      laterOf('addon', name).map(([key, param]) => [name, key, param] as const),
    ),
  )('%s, %s', (name, key, param) => {
    const needed = name === 'early_stopping' ? 'monitor = min(validate.loss)' : '';
    expect(
      codesOf({ addon: `addon ${name} { ${needed} ${key} = ${sampleOf(param.type, param.value)} }` }),
    ).toEqual(['ZT4900']);
  });
  test.each(
    prelude.all
      .filter((each) => each.what === 'addon' && settingList(each, 'later').includes(each.name))
      .map((each) => each.name),
  )('the add-on %s', (name) => {
    expect(codesOf({ addon: `addon ${name} { }` })).toEqual(['ZT4900']);
  });

  test.each([
    ['2', 'ZT4900'],
    ['[0, 1]', 'ZT4900'],
    ['[0]', 'ZT4900'],
    ['0', 'ZT3302'],
    ['some', 'ZT4900'],
    ['any', 'ZT3302'],
  ])('devices = %s', (devices, code) => {
    const param = 'param some: int = 2 where some >= 1\nparam any: int = 0 where any >= 0 and any < 5';
    const model =
      'model Net on image: f32[n, 8, 8, 1] -> f32[n, 10] { return image |> flatten() |> dense(10, bias = some > any) as head }';
    expect(codesOf({ param, model, trainer: `trainer Digits { epochs = 1 devices = ${devices} }` })).toEqual([
      code,
    ]);
  });

  const externs = (item: string, use: Parameters<typeof specOf>[0]): readonly string[] => {
    const files = { 'own.ts': '', 'spec.ztrain': specOf({ ...use, param: `extern "./own.ts" { ${item} }` }) };
    return checkProgram('spec.ztrain', memoryHost(files)).diagnostics.map(({ code }) => code);
  };
  test.each([['trainer other()', {}]] as const)('extern %s', (item, use) => {
    expect(externs(item, {})).toEqual(['ZT4900']);
    expect(externs(item, use)).toEqual(['ZT4900']);
  });
});
