/** Loops of steps that feed back: what is known of a turn's number, and where values may be put. */
import { describe, expect, test } from 'vitest';
import { check, specOf } from './training-spec.js';

const spec = (step: string, fn = extend): string =>
  specOf({
    param: 'param context: int = 9 where context > 4',
    train_set: 'data train_set = jsonl -> { tokens: i32[context] } { file = "t.jsonl" batch = 4 }',
    test_set: '',
    model:
      'model Net on tokens: i32[b, t] -> f32[b, t, 12] { return tokens |> embedding(12, 8) as embed |> dense(12) as head }',
    train: `${fn}\nstep train(batch in train_set) { update opt { minimize mean(softmax_cross_entropy(Net(batch.tokens[:, :-1]), batch.tokens[:, 1:])) } }`,
    validate: `step predict(batch in train_set) { return { text: ${step} } }`,
  });
const extend =
  'fn extend(tokens: i32[b, l], at: int where at >= 1 and at < l) -> i32[b, l] = put(tokens, choose(Net(tokens)[:, at - 1]), at = at, axis = 1)';
const found = (text: string): readonly (readonly [string, string])[] =>
  check(text).diagnostics.map(({ code, message }) => [code, message] as const);

describe('generation', () => {
  test.each([
    'batch.tokens |> repeat at in 4..context { extend(at) }',
    'batch.tokens |> repeat at in 1..5 { extend(at) }',
    'batch.tokens |> repeat at in 1..context { extend(at) } |> repeat at in 2..4 { extend(at) }',
  ])('%s', (step) => {
    expect(found(spec(step))).toEqual([]);
  });
  test('one turn too many is shown', () => {
    const [first] = found(spec('batch.tokens |> repeat at in 4..context + 1 { extend(at) }'));
    expect(first?.[0]).toBe('ZT3302');
    expect(found(spec('batch.tokens |> repeat at in 0..context { extend(at) }'))[0]?.[0]).toBe('ZT3302');
  });
  test('what a function demands of its arguments holds in its body, and no more', () => {
    const loose = extend.replace('at >= 1 and at < l', 'at >= 1');
    expect(found(spec('batch.tokens |> repeat at in 4..context { extend(at) }', loose))).toEqual([
      ['ZT3302', '`at` of `put` is at, but `at < l` must hold'],
    ]);
  });
  test.each([
    ['put(batch.tokens, batch.tokens, at = 0, axis = 1)', 'ZT3101'],
    ['put(batch.tokens, argmax(Net(batch.tokens))[:, 0], at = 0, axis = 2)', 'ZT3107'],
    ['put(batch.tokens, Net(batch.tokens)[:, 0, 0], at = 0, axis = 1)', 'ZT3201'],
    ['put(batch.tokens, batch.tokens[0], at = 0, axis = 1)', 'ZT3102'],
  ])('%s', (step, code) => {
    expect(found(spec(step)).map(([each]) => each)).toContain(code);
  });
  test('a temperature of 0 draws nothing', () => {
    const cold = extend.replace('at - 1])', 'at - 1], temperature = 0)');
    expect(found(spec('batch.tokens |> repeat at in 4..context { extend(at) }', cold))[0]?.[0]).toBe(
      'ZT3302',
    );
  });
});
