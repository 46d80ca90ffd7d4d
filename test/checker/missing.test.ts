/** Values that may be missing: what may be computed of them, what the code is, and where a value must be put in first. */
import { describe, expect, test } from 'vitest';
import { checkProgram } from '../../src/checker/check.js';
import { memoryHost } from '../../src/checker/host.js';
import { emit, type EmittedFile } from '../../src/codegen/emit.js';
import { typecheck } from '../../src/codegen/typecheck.js';

const record =
  '{ a: f32 | missing, v: f32[3] | missing, b: f32, k: "x" | "y" | "z" | missing, lit: bool | missing, i: i32 | missing, y: f32 }';

const spec = (x: string, more = ''): string => `
param wide: bool = true
data rows = csv -> ${record} { file = "a.csv" columns = { v: ["v1", "v2", "v3"] } batch = 8 }
${more}
data train_set = rows { map row -> { x: ${x}, y: row.y } }
model Net on x: f32[n, 3] -> f32[n] { return x |> dense(1) as out |> squeeze(axis = -1) }
optimizer opt = sgd { of = Net lr = if wide then 0.1 else 0.2 }
step train(batch in train_set) { update opt { minimize mean(square(Net(batch.x) - batch.y)) } }
trainer T { epochs = 1 }
`;

const check = (text: string) => checkProgram('main.ztrain', memoryHost({ 'main.ztrain': text }));

const found = (text: string): readonly string[] =>
  check(text).diagnostics.map(
    ({ code, message, span }) => `${code} ${message} @ ${text.slice(span.start, span.end)}`,
  );

/** Each is three numbers, whatever is missing, and what of it must stand in the code. */
const fine = {
  'a field of three': ['fill(row.v, 0)', /ops\.select\(row\.v\.missing, 0, row\.v\.value\)/],
  'what is computed element by element': [
    'fill(log(row.v) * 2 - row.b, 0)',
    /ops\.select\(\s*row\.v\.missing,\s*0,\s*ops\.sub\(ops\.mul\(ops\.log\(row\.v\.value\), 2\)/,
  ],
  'two that may be missing, of other axes': [
    'fill(row.v * row.a, 0)',
    /ops\.or.*row\.v\.missing.*row\.a\.missing/s,
  ],
  'a number that widens': ['fill(stack([row.b, row.b, row.b]) + row.a, 0)', /ops\.noneMissing/],
  'a stack of both': [
    'fill(stack([row.a, row.b, row.y]), -1)',
    /ops\.stack<Tensor2D>\(\[row\.a\.missing, ops\.noneMissing\(row\.b\), ops\.noneMissing\(row\.y\)\]/,
  ],
  'a part': ['concat([fill(row.v[1:], 0), stack([row.b])])', /row\.v\.missing, \[null, \[1, null\]\]/],
  'the mask': ['cast(is_missing(row.v), f32)', /ops\.cast<Tensor2D>\(row\.v\.missing, \{ to: 'f32' \}\)/],
  'classes of a choice': ['one_hot(fill(row.k, 0))', /classes: 3/],
  'a truth': [
    'stack([cast(fill(row.lit, false), f32), cast(fill(row.lit, true), f32), row.b])',
    /ops\.and\(row\.lit\.value, ops\.not\(row\.lit\.missing\)\).*ops\.or\(row\.lit\.value, row\.lit\.missing\)/s,
  ],
  'a whole number': [
    'cast(stack([fill(row.i, 7), fill(row.i, 1), fill(row.i, 2)]), f32)',
    /row\.i\.missing, 7/,
  ],
  'a branch': ['fill(if wide then row.v else row.v * 2, 0)', /wide \? row\.v\.missing : row\.v\.missing/],
  'a branch of which one side is there': [
    'fill(if wide then row.v else stack([row.b, row.b, row.b]), 0)',
    /ops\.noneMissing\(/,
  ],
  'a comparison and its opposite': [
    'cast(fill(not (row.v > 0), false), f32)',
    /ops\.not\(.*ops\.greater\(row\.v\.value, 0\)/s,
  ],
  'a filling of its own axes': [
    'fill(row.v, stack([row.b, row.b, row.y]))',
    /ops\.select\(\s*row\.v\.missing/,
  ],
} as const;

describe('what may be missing', () => {
  test('is computed with, and is typed', async () => {
    const files: EmittedFile[] = [];
    for (const [index, [name, [x, has]]] of Object.entries(fine).entries()) {
      const { ir, diagnostics } = check(spec(x));
      expect(
        diagnostics.map(({ message }) => message),
        name,
      ).toEqual([]);
      if (ir === null) continue;
      for (const file of await emit(ir, { compilerVersion: '0.1.0' })) {
        expect(file.text, name).toMatch(has);
        files.push({ ...file, fileName: `case${index}.ts` });
      }
    }
    const { faults } = await typecheck(files, { folder: '/missing' });
    expect(faults).toEqual([]);
  }, 60_000);

  test.each([
    ['softmax(row.v)', 'ZT3207 this value may be missing, and `softmax` needs it @ row.v'],
    ['row.v @ row.v', 'ZT3207 one side may be missing, and `@` needs it @ row.v @ row.v'],
    ['sum(row.v)', 'ZT3207 this value may be missing, and `sum` needs it @ row.v'],
    ['one_hot(row.k)', 'ZT3207 this value may be missing, and `one_hot` needs it @ row.k'],
    [
      'fill(row.b, 0)',
      'ZT3203 `x` of `fill` is f32 (one number), a value that may be missing expected @ row.b',
    ],
    [
      'cast(is_missing(row.b), f32)',
      'ZT3203 `x` of `is_missing` is f32 (one number), a value that may be missing expected @ row.b',
    ],
    ['fill(row.i, 0.5)', 'ZT3203 `value` of `fill` is a float, an int, as i32 holds expected @ 0.5'],
    ['fill(row.lit, 1)', 'ZT3203 `value` of `fill` is an int, `true` or `false` expected @ 1'],
    ['fill(row.a, row.i)', 'ZT3207 this value may be missing, and `fill` needs it @ row.i'],
    [
      'fill(row.a, stack([row.b]))',
      'ZT3203 `value` of `fill` is f32[1], f32[], as `x` is, or one number expected @ stack([row.b])',
    ],
    ['row.v |> repeat 2 { relu() }', 'ZT3207 this value may be missing, and `repeat` needs it @ row.v'],
    ['one_hot(cast(row.b, i32))', 'ZT2004 `one_hot` needs argument `classes` @ one_hot(cast(row.b, i32))'],
  ])('%s is refused where it stands', (x, message) => {
    expect(found(spec(x))).toEqual([message]);
  });

  test('a function takes only what is there', () => {
    expect(found(spec('half(row.v)', 'fn half(x: f32[3]) -> f32[3] = x / 2'))).toEqual([
      'ZT3207 this value may be missing, and `half` needs it @ row.v',
    ]);
  });

  test('no step reads it, and the message says what to write', () => {
    const text = spec('row.v');
    expect(found(text)).toEqual(['ZT3207 `batch.x` may be missing, and a step needs it @ batch.x']);
    expect(check(text).diagnostics[0]?.help).toBe('put a value in its place in `map`: `x: fill(row.x, 0)`');
  });

  test('figures of what is known are measured, and nothing else is made of them', async () => {
    const measured = (figure: string) =>
      spec(
        'fill((row.v - seen.mu) / seen.mu, 0)',
        `step measure as seen(batch in rows) { metric mu = ${figure} }`,
      );
    for (const [figure, code] of [
      ['mean(batch.v, axis = 0)', "how: 'mean', of: batch.v.value, axis: [0], missing: batch.v.missing"],
      [
        'mean(batch.v, weight = expand_dims(batch.b, axis = 1), axis = 0)',
        'of: batch.v.value, axis: [0], weight: ops.expandDims<Tensor2D>(batch.b, { axis: 1 }), missing: batch.v.missing',
      ],
      ['mean(log(batch.v), axis = 0)', 'of: ops.log(batch.v.value), axis: [0], missing: batch.v.missing'],
      [
        'mean(cast(is_missing(batch.v), f32), axis = 0)',
        "of: ops.cast<Tensor2D>(batch.v.missing, { to: 'f32' }), axis: [0] }",
      ],
    ] as const) {
      expect(found(measured(figure))).toEqual([]);
      const { ir } = check(measured(figure));
      const files = ir === null ? [] : await emit(ir, { compilerVersion: '0.1.0' });
      expect(files.map(({ text }) => text.replace(/\s+/g, ' ')).join('')).toContain(code);
    }
    expect(found(measured('mean(batch.v - mean(batch.v, axis = 0), axis = 0)'))).toEqual([
      'ZT3203 a figure of values that may be missing is computed with, alone in its `metric` expected @ mean(batch.v, axis = 0)',
    ]);
  });

  test('the first field of a batch may be one, and its rows are counted', async () => {
    const text = `
data rows = csv -> { a: f32 | missing, y: f32 } { file = "a.csv" batch = 8 }
step measure as seen(batch in rows) { metric mu = mean(batch.a * (1 / batch.size)) }
data train_set = rows { map row -> { x: stack([fill(row.a - seen.mu, 0)]), y: row.y } }
model Net on x: f32[n, 1] -> f32[n] { return x |> dense(1) as out |> squeeze(axis = -1) }
optimizer opt = sgd { of = Net lr = 0.1 }
step train(batch in train_set) { update opt { minimize mean(square(Net(batch.x) - batch.y)) } }
trainer T { epochs = 1 }
`;
    const { ir, diagnostics } = check(text);
    expect(diagnostics.map(({ message }) => message)).toEqual([]);
    const files = ir === null ? [] : await emit(ir, { compilerVersion: '0.1.0' });
    expect(files.map((file) => file.text).join('')).toMatch(/rows\.count\(batch\.a\.value\)/);
    expect((await typecheck(files, { folder: '/missing' })).faults).toEqual([]);
  }, 60_000);

  test('`idx` has none', () => {
    const data = 'data d = idx -> { image: u8[2, 2, 1] | missing, label: i32 } { images = "i" labels = "l" }';
    const text = `${data}\nstep test(b in d) { metric m = mean(cast(b.label, f32)) }\ntrainer T { epochs = 1 }`;
    const all = checkProgram('main.ztrain', memoryHost({ 'main.ztrain': text })).diagnostics;
    expect(all.map(({ code, message }) => `${code} ${message}`)).toContain(
      'ZT3203 field `image` is u8[2, 2, 1] | missing, a type without `missing` in `idx` expected',
    );
  });

  test('no class that may be missing shares rows out', () => {
    const text = spec('fill(row.v, 0)').replace('batch = 8', 'batch = 8 parts = folds(2) stratify = "k"');
    expect(found(text)).toEqual([
      'ZT3203 `stratify` is `k`, i32 (one number) | missing, a field of classes: i32, u8, bool or a choice of texts expected @ "k"',
    ]);
  });
});
