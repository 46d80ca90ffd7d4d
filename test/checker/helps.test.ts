/** What a message advises, where a near name alone would lead astray. */
import { expect, test } from 'vitest';
import { checkProgram } from '../../src/checker/check.js';
import { memoryHost } from '../../src/checker/host.js';

const told = (data: string, layer: string) => {
  const text = `const width = 2
data train_set = ${data}
model Net on x: f32[n, 2, 2] -> f32[n, 2, 3] { return x |> ${layer} as out }
optimizer opt = sgd { of = Net lr = 0.1 }
step train(batch in train_set) { update opt { minimize mean(square(Net(stack([batch.x, batch.x], axis = 1)))) } }
trainer Rows { epochs = 1 }
`;
  const { diagnostics } = checkProgram('/a.ztrain', memoryHost({ '/a.ztrain': text }));
  return diagnostics.map(({ code, span, notes, help }) => [
    code,
    text.slice(span.start, span.end),
    notes,
    help,
  ]);
};
const columns = 'columns = { x: ["a", "b"] }';

test('a list of any length in a source that has none', () => {
  for (const [source, options] of [
    ['csv', `file = "rows.csv" ${columns}`],
    ['npz', 'file = "rows.npz"'],
  ] as const)
    expect(told(`${source} -> { ages: f32[len], x: f32[width] } { ${options} }`, 'lstm(3)')).toEqual([
      [
        'ZT2001',
        'len',
        [`a field of \`${source}\` has the same sizes in every row: numbers, consts or params`],
        'lists of any length are read from `jsonl`, or by an extern source',
      ],
    ]);
  expect(told(`csv -> { x: f32[width] } { file = "rows.csv" ${columns} }`, 'lstm(3)')).toEqual([]);
});

test('further inputs of a layer are among what it takes', () => {
  const rows = `csv -> { x: f32[width] } { file = "rows.csv" ${columns} }`;
  expect(told(rows, 'lstm(3, masc = 3)')).toMatchObject([['ZT2002', 'masc', undefined, 'write `mask`']]);
  expect(told(rows, 'lstm(3, zzz = 3)')).toMatchObject([
    ['ZT2002', 'zzz', undefined, expect.stringMatching(/it takes .*`units`.*`mask`/)],
  ]);
});
