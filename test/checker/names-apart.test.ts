/** Which names may be the same, and which may not; what amends takes the rest of what it amends. */
import { expect, test } from 'vitest';
import { check, found, only, specOf } from './training-spec.js';

const net = 'on image: f32[n, 8, 8, 1] -> f32[n, 10] { return image |> flatten()';

test.each([
  ['a data set like a model', specOf().replaceAll('train_set', 'Net')],
  ['a step that reads data under another name', `${specOf()}\nstep test(b in test_set) = validate`],
])('%s is right', (_, spec) => {
  expect(check(spec).diagnostics).toEqual([]);
});

test.each([
  [{ param: 'param x: int = 3', block: 'fn f(x: f32[n]) -> f32[n] = x' }, 'x'],
  [{ param: 'param row: int = 3' }, 'row'],
  [{ param: 'param i: int = 3', model: `model Net ${net} |> repeat i in 2 as k { dense(10) as d } }` }, 'i'],
  [
    {
      model: `model Net ${net} |> repeat i in 2 as k { dense(9) as d |> repeat i in 2 as l { dense(10) as e } } }`,
    },
    'i',
  ],
])('%j hides a name', (parts, at) => {
  const all = found(parts).filter(({ code }) => code === 'ZT2010');
  expect(all.map((each) => each.at)).toEqual([at]);
});

test.each([
  'param norm: int = 3 where norm > 0',
  'const relu = 3',
  'schedule mean { constant(0.1, over = rest) }',
])('%s hides what is built in', (param) => {
  expect(found({ param }).map(({ code }) => code)).toContain('ZT5009');
});

test('a group that is amended keeps what is not said anew', () => {
  const { ir, diagnostics } = check(
    specOf({
      block: `model Other ${net} |> dense(10) as head }`,
      optimizer: `optimizer base = adam { of = Other group still { match = ["**.bias"] weight_decay = 0.5 } }
optimizer opt = base { of = Net group still { lr = 1e-4 } }`,
      train: `step train(batch in train_set) {
  update opt { minimize mean(softmax_cross_entropy(Net(batch.image), batch.label)) }
  update base { minimize mean(softmax_cross_entropy(Other(batch.image), batch.label)) }
}`,
    }),
  );
  expect(diagnostics).toEqual([]);
  const [group] = ir?.trainer?.optimizers[1]?.groups ?? [];
  expect(group?.match.map(({ pattern }) => pattern)).toEqual(['**.bias']);
  expect(group?.options.map(({ name }) => name)).toEqual(['weight_decay', 'lr']);
});

test('optimizers that are made of each other are one error', () => {
  const { code, at } = only({
    optimizer: 'optimizer opt = b { lr = 1e-3 }\noptimizer b = opt { lr = 1e-4 }',
  });
  expect([code, at]).toEqual(['ZT2006', 'b']);
});

test('a data set made of another has its rows', () => {
  const parts = { test_set: 'data test_set = train_set -> { z: f32 } { split = "test" }' };
  expect(found(parts).map(({ code, at }) => [code, at])).toEqual([['ZT2006', '{ z: f32 }']]);
});
