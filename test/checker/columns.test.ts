import { expect, test } from 'vitest';
import { checkProgram } from '../../src/checker/check.js';
import { memoryHost } from '../../src/checker/host.js';

type Files = Readonly<Record<string, string>>;

const check = (columns: string, files: Files) => {
  const text = `data train_set = csv -> { x: f32[4], y: f32 } { file = "a.csv" columns = ${columns} batch = 8 }
model Net on x: f32[n, 4] -> f32[n, 1] { return x |> dense(1) as out }
optimizer opt = sgd { of = Net lr = 0.1 }
step train(batch in train_set) { update opt { minimize mean(square(Net(batch.x))) } }
trainer T { epochs = 1 }
`;
  const { diagnostics } = checkProgram('/p/a.ztrain', memoryHost({ ...files, '/p/a.ztrain': text }));
  return { text, diagnostics };
};

const helps = (columns: string, files: Files): readonly (string | null | undefined)[] =>
  check(columns, files).diagnostics.map(({ help }) => help);

const found = (columns: string, files: Files = {}): readonly string[] => {
  const { text, diagnostics } = check(columns, files);
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

test('the header of a file that is there is held against the record', () => {
  const file = (header: string): Readonly<Record<string, string>> => ({
    '/p/a.csv': `${header}\n1,2,3,4,5\n`,
  });
  expect(found('{ x: "part_*" }', file('part_1,part_2,part_3,part_4,y'))).toEqual([]);
  expect(found('{ x: ["a", "b", "c", "d"] }', file('\uFEFFa,"b",c , d,y'))).toEqual([]);
  expect(found('{ x: "part_*" }', file('part_1,part_2,part_3,part_4,z'))).toEqual([
    'ZT4208 `a.csv` has no column `y` @ "a.csv"',
  ]);
  expect(found('{ x: "part_*" }', file('part_1,part_2,b,c,y'))).toEqual([
    'ZT3102 the number of columns of `x` is 2, 4 expected @ "part_*"',
  ]);
  expect(found('{ x: "piece_*" }', file('part_1,part_2,part_3,part_4,y'))).toEqual([
    'ZT4208 `a.csv` has no column `piece_*` @ "piece_*"',
  ]);
  expect(helps('{ x: ["a", "b", "c", "d"] }', file('a;b;c;d;y'))).toEqual([
    'the separator seems to be ";": write `delimiter = ";"`',
  ]);
  expect(found('{ x: ["a", "b", "c", "d"] }', file('a,b,c,d,y,e,"b"'))).toEqual([
    'ZT4209 the header of `a.csv` names column `b` twice @ "a.csv"',
  ]);
  // A file without a whole header line, or that is no text, is the run's to judge.
  expect(found('{ x: "part_*" }', { '/p/a.csv': 'part_1' })).toEqual([]);
});
