import { expect, test } from 'vitest';
import { checkProgram } from '../../src/checker/check.js';
import { memoryHost } from '../../src/checker/host.js';

const found = (columns: string): readonly string[] => {
  const text = `data train_set = csv -> { x: f32[4], y: f32 } { file = "a.csv" columns = ${columns} batch = 8 }
model Net on x: f32[n, 4] -> f32[n, 1] { return x |> dense(1) as out }
optimizer opt = sgd { of = Net lr = 0.1 }
step train(batch in train_set) { update opt { minimize mean(square(Net(batch.x))) } }
trainer T { epochs = 1 }
`;
  const { diagnostics } = checkProgram('/p/a.ztrain', memoryHost({ '/p/a.ztrain': text }));
  return diagnostics.map(
    ({ code, message, span }) => `${code} ${message} @ ${text.slice(span.start, span.end)}`,
  );
};

test('columns name fields of the record, as many as each has values', () => {
  expect(found('{ x: ["a", "b", "c", "d"], y: "k" }')).toEqual([]);
  expect(found('{ x: "part_*" }')).toEqual([]);
  expect(found('{ x: ["part_*", "d"] }')).toEqual([]);
  expect(found('{ x: ["a", "b", "c"] }')).toEqual([
    'ZT3102 the number of columns of `x` is 3, 4 expected @ ["a", "b", "c"]',
  ]);
  expect(found('{ z: "k" }')).toEqual(['ZT2003 no field `z` in the rows of `csv` @ "k"']);
});
