/** `none`, where the prelude takes it: it says what leaving out says, or else it is in the emitted trainer. */
import { describe, expect, test } from 'vitest';
import { loadPrelude, settingList } from '../../src/checker/prelude.js';
import { emit, type EmittedFile } from '../../src/codegen/emit.js';
import { typecheck } from '../../src/codegen/typecheck.js';
import type { TypeExpr } from '../../src/parser/ast.js';
import { check, codesOf, specOf } from './training-spec.js';

const prelude = loadPrelude();

const takesNone = (type: TypeExpr): boolean =>
  type.kind === 'unionType'
    ? type.members.some(takesNone)
    : type.kind === 'namedType' && type.name.text === 'none';

const filesOf = async (parts: Parameters<typeof specOf>[0]): Promise<readonly EmittedFile[]> => {
  const { ir, diagnostics } = check(specOf(parts));
  expect(diagnostics.map(({ code, message }) => `${code} ${message}`)).toEqual([]);
  if (ir === null) throw new Error('no IR');
  return emit(ir, { compilerVersion: '0.1.0' });
};

const emitted = async (parts: Parameters<typeof specOf>[0]): Promise<string> =>
  (await filesOf(parts)).map((file) => file.text).join('');

/** Values for those options of an optimizer that a group or the trainer may have as well. */
const values: Readonly<Record<string, string>> = { freeze: '5.steps', clip: 'norm(1)' };
const optimizers = prelude.names('optimizer').flatMap((name) => prelude.find('optimizer', name) ?? []);
const trainer = prelude.find('trainer', 'options');

test('whatever takes `none` has it as its default', () => {
  const walked = prelude.all.flatMap((builtin) =>
    builtin.params
      .filter(({ type }) => takesNone(type))
      .map((param) => [`${builtin.name}.${param.name.text}`, param.value] as const),
  );
  expect(walked.length).toBeGreaterThan(80);
  expect(
    walked.filter(([, value]) => value?.kind !== 'ref' || value.name !== 'none').map(([name]) => name),
  ).toEqual([]);
});

describe.each(optimizers.map((each) => [each.name, each] as const))('%s', (name, builtin) => {
  const nullable = builtin.params.filter(({ type }) => takesNone(type)).map((param) => param.name.text);
  const grouped = nullable.filter((key) => settingList(builtin, 'grouped').includes(key));
  const shared = nullable.filter((key) => trainer?.params.some((param) => param.name.text === key));

  test('has a key of either kind', () => {
    expect([grouped, shared]).toEqual([['freeze'], ['clip']]);
  });
  test.each(grouped)(
    "a group's `%s = none` wins over what an earlier one says",
    async (key) => {
      const own = `of = Net lr = 0.1 ${key} = ${values[key] ?? ''}
      group body { match = ["**"] ${key} = ${values[key] ?? ''} } group head { match = ["head.*"] ${key} = none }`;
      const text = await emitted({ optimizer: `optimizer opt = ${name} { ${own} }` });
      expect(text).toContain(`{ name: 'head', match: ['head.*'], ${key}: null }`);
    },
    60_000,
  );
  test.each(shared)(
    "`%s = none` wins over the trainer's",
    async (key) => {
      const text = await emitted({
        optimizer: `optimizer opt = ${name} { of = Net lr = 0.1 ${key} = none }`,
        trainer: `trainer Digits { epochs = 1 ${key} = ${values[key] ?? ''} }`,
      });
      expect(text).toMatch(new RegExp(`\\blr: 0\\.1,\\s+${key}: null`));
    },
    60_000,
  );
});

test('an amending group takes back what the group of the base says', async () => {
  const text = await emitted({
    optimizer: `optimizer base = sgd { of = Net lr = 0.1 match = ["head.*"] freeze = 3.steps group g { match = ["head.bias"] freeze = 2.steps } }
      optimizer opt = base { of = Net match = ["hidden.*"] freeze = none group g { match = ["hidden.bias"] freeze = none } }`,
    train: `step train(batch in train_set) { update base, opt { minimize mean(softmax_cross_entropy(Net(batch.image), batch.label)) } }`,
  });
  expect(text).toContain("{ name: 'g', match: ['hidden.bias'], freeze: null }");
  expect(text.match(/freeze: units\.steps\(3\)/g)?.length).toBe(1);
});

test('TypeScript takes both', async () => {
  const files = await filesOf({
    optimizer:
      'optimizer opt = sgd { of = Net lr = 0.1 clip = none group g { match = ["**"] freeze = none } }',
  });
  expect((await typecheck(files, { folder: '/none' })).faults).toEqual([]);
}, 60_000);

test("the gradient's norm is a metric where the optimizer or the trainer clips by it", () => {
  const addon = 'addon early_stopping { monitor = min(train.grad_norm) patience = 1 stop_at = 0 }';
  const clipped = (optimizer: string, own: string): readonly string[] =>
    codesOf({
      optimizer: `optimizer opt = adam { of = Net ${optimizer} }`,
      trainer: `trainer Digits { epochs = 4 ${own} }`,
      addon,
    });
  expect(clipped('clip = norm(1)', '')).toEqual([]);
  expect(clipped('', 'clip = norm(1)')).toEqual([]);
  expect(clipped('clip = none', 'clip = norm(1)')).toEqual(['ZT4201']);
  expect(clipped('clip = value(1)', 'clip = norm(1)')).toEqual(['ZT4201']);
});
