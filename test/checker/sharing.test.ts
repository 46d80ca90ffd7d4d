/** Optimizers that share a model, and weights that are frozen for a time. */
import { describe, expect, test } from 'vitest';
import type { IrNamed } from '../../src/checker/ir.js';
import { check, codesOf, found, only, specOf } from './training-spec.js';

const two = (first: string, second: string) => ({
  optimizer: `optimizer a = adam { of = Net ${first} }\noptimizer b = adam { of = Net ${second} }`,
  train:
    'step train(batch in train_set) { update a, b { minimize mean(softmax_cross_entropy(Net(batch.image), batch.label)) } }',
});

describe('match and except of an optimizer', () => {
  test.each([
    ['match = ["hidden.*"]', 'match = ["head.*"]'],
    ['match = ["hidden.*"]', 'except = ["hidden.*"]'],
    ['match = ["**.weight"] except = ["head.weight"]', 'match = ["**.bias", "head.weight"]'],
    ['match = "hidden.*"', 'match = "head.*"'],
    ['match = ["hidden.*"] group g { match = ["**.bias"] weight_decay = 0.1 }', 'match = ["head.*"]'],
  ])('%s and %s: each weight has one owner', (first, second) => {
    expect(codesOf(two(first, second))).toEqual([]);
  });

  test('a weight of two owners is told with its name', () => {
    const one = only(two('match = ["hidden.*", "head.bias"]', 'match = ["head.*"]'));
    expect(one).toMatchObject({
      code: 'ZT4102',
      message: 'the weights of `Net` have two owners, `a` and `b`',
      notes: ['both own `head.bias`'],
    });
    expect(only(two('', 'match = ["head.*"]')).notes).toEqual(['both own `head.weight` and `head.bias`']);
  });

  test('a weight of no owner is told with its name', () => {
    const one = only(two('match = ["hidden.*"]', 'match = ["head.weight"]'));
    expect(one).toMatchObject({
      code: 'ZT4101',
      message: 'no optimizer owns `head.bias` of `Net`',
      notes: ['1 weight (10 numbers) would keep its random start'],
    });
    expect(codesOf({ optimizer: 'optimizer opt = adam { of = Net match = ["head.*"] }' })).toEqual([
      'ZT4101',
    ]);
  });

  test("patterns match weights of the models, and those of groups the optimizer's own", () => {
    expect(only(two('match = ["hiden.*"]', 'match = ["**"]'))).toMatchObject({
      code: 'ZT4110',
      at: '"hiden.*"',
      help: 'write `"hidden.*"`',
    });
    expect(only(two('match = ["**"]', 'except = ["**", "hed.*"]')).at).toBe('"hed.*"');
    const other = only(
      two('match = ["hidden.*"] group g { match = ["head.*"] lr = 0.1 }', 'match = ["head.*"]'),
    );
    expect(other).toMatchObject({ code: 'ZT4110', at: '"head.*"' });
    expect(codesOf({ optimizer: 'optimizer opt = adam { of = Net match = [1] }' })).toContain('ZT3203');
  });

  test('where a param says how often a layer is repeated, the run decides', () => {
    const model =
      'param depth: int = 3 where depth > 0\nmodel Net on image: f32[n, 8, 8, 1] -> f32[n, 10] { return image |> flatten() |> repeat depth as blocks { dense(64) as up } |> dense(10) as head }';
    expect(codesOf({ ...two('match = ["blocks.0.**"]', 'except = ["blocks.0.**"]'), model })).toEqual([]);
    expect(codesOf({ ...two('match = ["blocks.**"]', 'except = ["blocks.**"]'), model })).toEqual([]);
    expect(only({ ...two('match = ["blocks.**"]', 'match = ["**"]'), model }).code).toBe('ZT4102');
  });

  test('an optimizer made of another has its patterns, unless it says others', () => {
    const amended = (more: string) => ({
      ...two('', ''),
      optimizer: `optimizer a = adam { of = Net match = ["hidden.*"] }\noptimizer b = a { ${more} }`,
    });
    expect(codesOf(amended('match = ["head.*"]'))).toEqual([]);
    expect(codesOf(amended(''))).toEqual(['ZT4102', 'ZT4101']);
  });
});

describe('freeze', () => {
  const groups = (text: string) => ({
    optimizer: `optimizer opt = adam { of = Net ${text} }`,
    trainer: 'trainer Digits { epochs = 3 }',
  });
  test.each([
    'group low { match = ["hidden.*"] freeze = 2.epochs }',
    'group low { match = ["hidden.*"] freeze = 100.steps }',
    'group low { match = ["hidden.*"] freeze = 10.percent }',
    'group low { match = ["hidden.*"] freeze = rest }',
    'group low { match = ["hidden.*"] freeze = after(2.epochs) }',
    'group low { match = ["hidden.*"] freeze = after(50.percent, first = 10.steps) }',
    'freeze = after(100.steps, first = 1.epoch) group now { match = ["head.*"] freeze = 0.steps }',
    'freeze = 1.epoch group now { match = ["head.*"] freeze = 0.steps }',
    'group low { match = ["**"] except = ["head.*"] freeze = 0.5.epoch }',
  ])('%s', (text) => {
    expect(codesOf(groups(text))).toEqual([]);
  });

  test('a time as long as the run is refused, and so is one that is none', () => {
    const long = only(groups('group low { match = ["hidden.*"] freeze = 3.epochs }'));
    expect(long).toMatchObject({
      code: 'ZT4115',
      at: '3.epochs',
      message: '`freeze` lasts 3 epochs, and the run 135 steps',
    });
    expect(codesOf(groups('freeze = -1.steps'))).toEqual(['ZT3203']);
    expect(codesOf(groups('freeze = 2.minutes'))).toEqual(['ZT3202']);
    expect(codesOf(groups('freeze = 2'))).toEqual(['ZT3202']);
  });

  test.each([
    ['after(0.steps)', 'ZT3203', '0.steps'],
    ['after(-1.epochs)', 'ZT3203', '1.epochs'],
    ['after(1.5.steps)', 'ZT3203', '1.5.steps'],
    ['after(rest)', 'ZT3203', 'rest'],
    ['after(2.epochs, first = rest)', 'ZT3203', 'rest'],
    ['after(1.epoch, first = 45.steps)', 'ZT3203', '45.steps'],
    ['after(1.epoch, first = -1.steps)', 'ZT3203', '1.steps'],
    ['after(3.epochs)', 'ZT5020', '3.epochs'],
    ['after(2)', 'ZT3202', '2'],
    ['after(2.minutes)', 'ZT3202', '2.minutes'],
    ['after()', 'ZT2004', 'after()'],
    ['after(2.epochs, last = 1.epoch)', 'ZT2002', 'last'],
  ])('%s is refused: %s', (freeze, code, at) => {
    expect(only(groups(`group low { match = ["hidden.*"] freeze = ${freeze} }`))).toMatchObject({ code, at });
  });

  test('a length of none is named with what it is held against', () => {
    const none = only(groups('freeze = after(2.epochs, first = 2.epochs)'));
    expect(none).toMatchObject({
      message: '`first` of `after` is 2 epochs, less than 2 epochs expected',
      related: [['2.epochs', 'frozen again after 2 epochs']],
    });
    const late = only(groups('freeze = after(200.steps)'));
    expect(late.message).toBe(
      '`freeze` changes nothing: the run ends after 135 steps, before 200 steps are over',
    );
  });

  test('of all weights of an optimizer for the whole run trains nothing, and that is told', () => {
    const all = 'all weights of `opt` are frozen for the whole run: its updates change nothing';
    expect(only(groups('freeze = rest'))).toMatchObject({
      code: 'ZT5025',
      at: 'rest',
      message: all,
      notes: [],
    });
    const low = 'group low { match = ["hidden.*"] freeze = rest }';
    const two = only(groups(`${low} group high { match = ["head.*"] freeze = rest lr = 1e-4 }`));
    expect(two).toMatchObject({
      code: 'ZT5025',
      message: all,
      related: [['rest', 'and this freezes `head.weight` and `head.bias`']],
      notes: ['it freezes `hidden.weight` and `hidden.bias`'],
    });
    // The last group that says so decides, key by key.
    expect(codesOf(groups(`${low} group all { match = ["**"] freeze = rest }`))).toEqual([
      'ZT5020',
      'ZT5025',
    ]);
    for (const text of [
      `freeze = rest group head { match = ["head.bias"] freeze = none }`,
      `freeze = rest group head { match = ["head.*"] freeze = 1.epoch }`,
      `group all { match = ["**"] except = ["head.bias"] freeze = rest }`,
    ])
      expect(codesOf(groups(text))).toEqual([]);
    expect(codesOf(groups('freeze = rest group head { match = ["head.*"] lr = 1e-4 }'))).toEqual(['ZT5025']);
  });

  test('of an optimizer that amends another: told there, and of no optimizer that nothing updates', () => {
    const amending =
      'optimizer opt = adam { of = Net match = ["hidden.*"] freeze = rest }\noptimizer other = opt { match = ["head.*"] }';
    const update = (...names: readonly string[]): string =>
      `step train(batch in train_set) { update ${names.join(', ')} { minimize mean(softmax_cross_entropy(Net(batch.image), batch.label)) } }`;
    const frozen = (optimizer: string, ...names: readonly string[]) =>
      found({ optimizer, train: update(...names) }).filter(({ code }) => code === 'ZT5025');
    const base = { at: 'rest', message: expect.stringContaining('`opt`') as string, related: [] };
    expect(frozen(amending, 'opt')).toMatchObject([base]);
    const [, second = ''] = amending.split('\n');
    expect(frozen(amending, 'opt', 'other')).toMatchObject([
      base,
      {
        at: second,
        message: 'all weights of `other` are frozen for the whole run: its updates change nothing',
        related: [['rest', 'this freezes `head.weight` and `head.bias`']],
        notes: [],
      },
    ]);
    expect(
      frozen(amending.replace('"head.*"] }', '"head.*"] freeze = none }'), 'opt', 'other'),
    ).toMatchObject([base]);
    const partly = amending.replace('freeze = rest', 'group b { match = ["**.bias"] freeze = rest }');
    const own = 'group w { match = ["**.weight"] freeze = rest }';
    expect(frozen(partly.replace('"head.*"] }', `"head.*"] ${own} }`), 'opt', 'other')).toMatchObject([
      {
        at: 'rest',
        related: [['rest', 'and this freezes `head.bias`']],
        notes: ['it freezes `head.weight`'],
      },
    ]);
  });

  test('of blocks whose number a param sets: told where all are frozen, whatever the number', () => {
    const model =
      'param depth: int = 3 where depth > 0\nmodel Net on image: f32[n, 8, 8, 1] -> f32[n, 10] { return image |> flatten() |> repeat depth as blocks { dense(64) as up } |> dense(10) as head }';
    const codes = (text: string) => codesOf({ ...groups(text), model });
    const body = 'group body { match = ["blocks.**"] freeze = rest }';
    expect(codes(`${body} group head { match = ["head.*"] freeze = rest }`)).toEqual(['ZT5025']);
    expect(codes(`freeze = rest group one { match = ["blocks.1.**"] freeze = none }`)).toEqual([]);
    expect(codes('group one { match = ["blocks.1.**", "head.*"] freeze = rest }')).toEqual([]);
  });

  /** A model of ten blocks, each of which a group may freeze by itself. */
  const blocks =
    'model Net on image: f32[n, 8, 8, 1] -> f32[n, 10] { return image |> flatten() |> repeat 10 as blocks { dense(64) as up } |> dense(10) as head }';

  test('each time at which something is frozen is one more way through the train step', () => {
    const text = Array.from(
      { length: 8 },
      (_, i) =>
        `group g${i} { match = ["blocks.${i}.**"] freeze = after(${i + 20}.steps, first = ${i + 1}.steps) }`,
    ).join(' ');
    const all = found({ ...groups(text), model: blocks });
    expect(all.map(({ code, message }) => [code, message])).toEqual([
      ['ZT4111', 'there are 17 ways through `step train`, more than 16'],
    ]);
  });

  test('each time to thaw is one more way through the train step', () => {
    const text = Array.from(
      { length: 9 },
      (_, i) => `group g${i} { match = ["blocks.${i}.**"] freeze = ${i + 1}.steps }`,
    ).join(' ');
    const train =
      'step train(batch in train_set) { update opt { minimize mean(softmax_cross_entropy(Net(batch.image), batch.label)) } every 2.steps { metric a = mean(batch.image) } }';
    const ways = found({ ...groups(text), model: blocks, train }).map(({ code, message }) => [code, message]);
    expect(ways).toEqual([['ZT4111', 'there are 20 ways through `step train`, more than 16']]);
    expect(codesOf({ ...groups(text), model: blocks })).toEqual([]);
  });

  test('what a group leaves out is in the IR', () => {
    const { ir } = check(
      specOf(groups('match = ["**"] group low { match = ["**"] except = ["head.*"] freeze = 1.epoch }')),
    );
    const [optimizer] = ir?.trainer?.optimizers ?? [];
    expect(optimizer?.owns?.match.map(({ pattern }) => pattern)).toEqual(['**']);
    expect(optimizer?.groups[0]?.except.map(({ pattern }) => pattern)).toEqual(['head.*']);
  });
});

describe('none', () => {
  const optimizerOf = (optimizer: string) => {
    const [made] = check(specOf({ optimizer })).ir?.trainer?.optimizers ?? [];
    const none = (options: readonly IrNamed[] = []) =>
      options.flatMap(({ name, value }) => (value.kind === 'literal' && value.value === null ? [name] : []));
    return { of: none(made?.options), groups: made?.groups.map(({ options }) => none(options)) };
  };

  test('takes a clip back that the trainer has, and a freeze of the optimizer or of an earlier group', () => {
    const spec =
      'optimizer opt = adam { of = Net clip = none freeze = 10.steps group head { match = ["head.*"] freeze = none } }';
    expect(codesOf({ optimizer: spec })).toEqual([]);
    expect(optimizerOf(spec)).toEqual({ of: ['clip'], groups: [['freeze']] });
  });

  test('is nothing where there is nothing to take back', () => {
    expect(optimizerOf('optimizer opt = adam { of = Net freeze = none }')).toEqual({ of: [], groups: [] });
  });
});

describe('groups that take effect for no weight', () => {
  const groups = (text: string, more = {}) => ({
    optimizer: `optimizer opt = adam { of = Net ${text} }`,
    ...more,
  });

  test('for `except` leaves none', () => {
    expect(only(groups('group a { match = ["head.*"] except = ["**.bias", "**"] lr = 1e-4 }'))).toMatchObject(
      {
        code: 'ZT5020',
        at: '"**.bias"',
        message: '`group a` changes nothing: `except` leaves out all that `match` takes, 2 weights',
        related: [['"head.*"', 'taken here']],
      },
    );
    // A pattern that matches no weight is an error of its own.
    expect(codesOf(groups('group a { match = ["heed.*"] except = ["**"] lr = 1e-4 }'))).toEqual(['ZT4110']);
    expect(codesOf(groups('group a { match = ["**"] except = ["head.*"] lr = 1e-4 }'))).toEqual([]);
  });

  test('for later ones set the same, option by option', () => {
    const low = 'group low { match = ["hidden.*"] lr = 1e-4 weight_decay = 0.1 }';
    expect(only(groups(`${low} group all { match = ["**"] lr = 1e-5 }`))).toMatchObject({
      code: 'ZT5020',
      at: '1e-4',
      message:
        '`lr of group low` changes nothing: `all`, further down, sets it for all that this group takes, 2 weights',
      related: [['1e-5', 'the later one holds']],
      help: 'leave it out, or put the wider group, `all`, first',
    });
    // The order is right where the later one takes as much, or less.
    const wide = 'group wide { match = ["**"] except = ["head.*"] lr = 1e-5 }';
    for (const text of [
      `${wide} group low { match = ["hidden.*"] lr = 1e-4 }`,
      `${wide} ${wide.replace('wide', 'again')}`,
    ])
      expect(only(groups(text))).toMatchObject({ code: 'ZT5020', at: '1e-5', help: 'leave it out' });
    const apart = 'group w { match = ["**.weight"] lr = 1e-5 } group b { match = ["**.bias"] lr = 1e-6 }';
    expect(only(groups(`${low} ${apart}`))).toMatchObject({
      message: expect.stringContaining('`w` and `b`, further down, set it for all') as string,
      help: 'leave it out',
    });
    for (const later of [
      'group w { match = ["**.weight"] lr = 1e-5 }',
      'group all { match = ["**"] except = ["hidden.bias"] lr = 1e-5 }',
      'group all { match = ["**"] freeze = 1.epoch }',
    ])
      expect(codesOf(groups(`${low} ${later}`, { trainer: 'trainer Digits { epochs = 3 }' }))).toEqual([]);
    expect(codesOf(groups(`group all { match = ["**"] lr = 1e-5 } ${low}`))).toEqual([]);
  });

  test('of blocks whose number a param sets: only where it is so for any number', () => {
    const model =
      'param depth: int = 3 where depth > 0\nmodel Net on image: f32[n, 8, 8, 1] -> f32[n, 10] { return image |> flatten() |> repeat depth as blocks { dense(64) as up } |> dense(10) as head }';
    const all = 'group all { match = ["blocks.**"] lr = 1e-4 }';
    const codes = (text: string) => codesOf(groups(text, { model }));
    expect(codes(`${all} group one { match = ["blocks.1.**"] lr = 1e-5 }`)).toEqual([]);
    expect(codes(`group one { match = ["blocks.1.**"] lr = 1e-5 } ${all}`)).toEqual(['ZT5020']);
    expect(only(groups(`${all} group more { match = ["**"] lr = 1e-5 }`, { model })).message).toBe(
      '`lr of group all` changes nothing: `more`, further down, sets it for all that this group takes',
    );
  });

  test('are right where another optimizer amends them', () => {
    const optimizer =
      'optimizer a = adam { of = Net match = ["hidden.*"] group g { match = ["**.bias"] lr = 1e-4 } }\noptimizer b = a { match = ["head.*"] group all { match = ["**"] lr = 1e-5 } }';
    expect(codesOf({ ...two('', ''), optimizer })).toEqual([]);
  });
});
