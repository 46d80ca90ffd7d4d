/** Files of thousands of one thing: what is linear takes a second or two here, what is quadratic takes minutes. */
import { expect, test } from 'vitest';
import { checkProgram } from '../../src/checker/check.js';
import { memoryHost } from '../../src/checker/host.js';

const many = (count: number, line: (index: number) => string): string =>
  Array.from({ length: count }, (_, index) => line(index)).join('\n');

const trained = (declarations: string, statements = ''): string => `
data rows = digits { split = "train" batch = 32 map row -> { x: cast(row.image, f32), y: row.label } }
model Net on x: f32[n, 8, 8, 1] -> f32[n, 10] { return x |> flatten() |> dense(10) as head }
optimizer opt = sgd { of = Net lr = 0.1 }
${declarations}
step train(batch in rows) {
  ${statements}
  update opt { minimize mean(softmax_cross_entropy(Net(batch.x), batch.y)) }
}
trainer GrownTrainer { epochs = 2 }
`;

const codesOf = (text: string): readonly string[] =>
  checkProgram('/grown.ztrain', memoryHost({ '/grown.ztrain': text })).diagnostics.map(({ code }) => code);

const count = 20_000;

test.each([
  ['params', trained(many(count, (index) => `param p${index}: int = 1`)), 'ZT5002', count],
  [
    'params with conditions',
    trained(many(count, (index) => `param p${index}: int = 2 where p${index} > 1`)),
    null,
    0,
  ],
  [
    'lets',
    trained(
      '',
      many(count, (index) => `let v${index} = batch.x * 2.0`),
    ),
    'ZT5002',
    count,
  ],
  ['unknown names', trained(many(count, (index) => `const c${index} = nope${index}`)), 'ZT2001', count],
  [
    'schedules',
    trained(
      many(
        5_000,
        (index) => `schedule s${index} { warmup(to = 0.1, over = 9.epochs) cosine(to = 0.01, over = rest) }`,
      ),
    ),
    'ZT4202',
    5_000,
  ],
])('%s', { timeout: 60_000 }, (_name, text, code, times) => {
  const codes = codesOf(text);
  expect(codes.filter((each) => each === code)).toHaveLength(times);
  expect(codes.every((each) => each === code || (code === 'ZT4202' && each === 'ZT5002'))).toBe(true);
});

test('a pipe too long to be walked is refused', () => {
  const pipe = ' |> relu()'.repeat(20_000);
  expect(codesOf(`model Net on x: f32[n, 4] -> f32[n, 4] { return x${pipe} }`)).toEqual(['ZT1032']);
});

test.each([
  [
    'functions that call one another twice',
    `fn g0(x: f32[n]) -> f32[n] = x
${many(24, (index) => `fn g${index + 1}(x: f32[n]) -> f32[n] = g${index}(x) + g${index}(x)`)}`,
  ],
  [
    'turns in turns',
    'model Net on x: f32[n, 4] -> f32[n, 4] { return x |> repeat 1000 as a { repeat 1000 as b { dense(4) as c } } }',
  ],
])('%s are refused before they become too many', { timeout: 60_000 }, (_name, text) => {
  expect(codesOf(text)).toEqual(['ZT3113']);
});

test('blocks that use one another twice are refused before they have too many weights', () => {
  const uses = many(
    40,
    (index) =>
      `block B${index + 1} on x: f32[n, 4] -> f32[n, 4] { return (x |> B${index}() as a) + (x |> B${index}() as b) }`,
  );
  expect(codesOf(`block B0 on x: f32[n, 4] -> f32[n, 4] { return x |> dense(4) as a }\n${uses}`)).toEqual([
    'ZT3113',
  ]);
});

test.each([
  ['consts', many(count, (index) => `const c${index} = c${index + 1} + 1`) + `\nconst c${count} = 1`],
  [
    'data sets',
    many(count, (index) => `data d${index} = d${index + 1} { batch = 16 }`) +
      `\ndata d${count} = digits { split = "train" batch = 32 }`,
  ],
])('%s, each made of the next, end in an error', (_name, declarations) => {
  expect(codesOf(trained(declarations))).toEqual(['ZT1032']);
});

test('a long chain of lets is no deep one', () => {
  const lets = many(5_000, (index) => `let v${index + 1} = v${index} * 2.0`);
  expect(codesOf(trained('', `let v0 = batch.x\n${lets}\nmetric size = mean(v5000)`))).toEqual([]);
});
