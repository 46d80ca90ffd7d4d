/** A spec of which a declaration does not parse: the mistakes of the others are told all the same, and nothing that only follows. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { checkProgram } from '../../src/checker/check.js';
import { memoryHost } from '../../src/checker/host.js';
import { check, found, specOf } from './training-spec.js';

const codesAt = (parts: Parameters<typeof found>[0]): readonly (readonly [string, string])[] =>
  found(parts).map(({ code, at }) => [code, at]);

const broken =
  'model Net on image: f32[n, 8, 8, 1] -> f32[n, 10] { return image |> flatten( |> dense(10) as head }';

describe('mistakes of other declarations', () => {
  test('are told beside one that does not parse: names, shapes, options', () => {
    const wrong =
      'model Wrong on image: f32[n, 8, 8, 1] -> f32[n, 10] { return image |> flatten() |> dense(11) as head }';
    expect(
      codesAt({
        test_set: 'data test_set = train_set { splt = "test" }',
        model: `${broken}\n${wrong}`,
        schedule: 'schedule s { warmup(to = peak, over = 3.epochs) }',
        trainer: 'trainer Digits { epochs = 1 sed = 1 }',
      }),
    ).toEqual([
      ['ZT2002', 'splt'],
      ['ZT1002', '('],
      ['ZT3105', 'image |> flatten() |> dense(11) as head'],
      ['ZT2001', 'peak'],
      ['ZT2002', 'sed'],
    ]);
  });

  test('of a file that is imported, and of one that imports', () => {
    const files = {
      'spec.ztrain': `import { Good, Broken } from "./blocks.ztrain"\nblock Uses() on x: f32[n, 4] -> f32[n, 5] { return x |> Good() as g }\nblock Sees() on x: f32[n, 4] -> f32[n, 5] { return x |> Broken() as b }`,
      'blocks.ztrain':
        'block Broken() on x: f32[n, 4] -> f32[n, 4 { return x }\nblock Good() on x: f32[n, 4] -> f32[n, 4] { return x }\nblock Off() on x: f32[n, 4] -> f32[n, 3] { return x }',
    };
    const { diagnostics, ir } = checkProgram('spec.ztrain', memoryHost(files));
    const shown = diagnostics.map(({ code, span }) => [code, span.file]);
    // `Uses` has `Good` from an import that may bring in less than it says.
    expect(shown).toEqual([
      ['ZT1002', 1],
      ['ZT3105', 1],
    ]);
    expect(ir).toBeNull();
  });

  test('one that has a wrong character is judged by that alone', () => {
    const off = 'const units = 16 § 2\nconst more = units + true\nconst other = 1 + true';
    expect(codesAt({ param: off })).toEqual([
      [expect.stringMatching(/^ZT1/), '§'],
      ['ZT3204', '1 + true'],
    ]);
  });
});

describe('what follows from a declaration that is missing is not told', () => {
  const learning = 'optimizer opt = adam { of = Net lr = lr }';
  test.each([
    ['its name is known', { param: 'param lr: float = = 3e-3', optimizer: learning }],
    [
      'its name has a wrong character',
      {
        param: 'param learning-rate: float = 3e-3',
        optimizer: learning.replace('lr = lr', 'lr = learning-rate'),
      },
    ],
    ['its name is not there', { param: 'param : float = 3e-3', optimizer: learning }],
    ['its name stands behind what is wrong', { param: 'param = lr: float = 3e-3', optimizer: learning }],
    ['its line is taken for a comment', { param: '# param lr: float = 3e-3', optimizer: learning }],
    [
      'its line is in a string without an end',
      { param: 'param a: string = "x param lr: float = 3e-3', optimizer: learning },
    ],
    ['its word is wrong', { param: 'parm lr: float = 3e-3', optimizer: learning }],
    ['it only looks whole', { param: 'param lr: float = 3e-3 where lr 0 > 1', optimizer: learning }],
    ['its condition goes on behind what is wrong', { param: 'param lr: float = 1e-2 where lr data > 0' }],
    ['its end is taken for a comment', { param: 'const smooth = 1\nassert smooth > 0 and smooth # > 1' }],
    [
      'its end stands on a line of its own',
      { param: 'const size = 2\n  = = 2', optimizer: `${learning} a = size` },
    ],
    [
      'its word is that of another kind',
      { addon: 'addon trainer checkpoint { keep = 1 best = min(validate.loss) }' },
    ],
    ['its first line is not there: an optimizer', { optimizer: '  of = Net\n  lr = 1e-3\n}' }],
    ['its first line is not there: data', { test_set: '  split = "test"\n  batch = 128\n}' }],
    [
      'its first line is not there: a model',
      { model: '  return image |> flatten() |> dense(10) as head\n}' },
    ],
    [
      'its first line is not there, and the end of the one before',
      {
        block: 'block First on x: f32[n, 4] -> f32[n, 4] {\n  return x',
        model: '  return image |> flatten() |> dense(10) as head\n}',
      },
    ],
    [
      'its name has run into what follows: a step',
      {
        validate: 'step validatebatch in test_set) every 1.epoch { metric loss = 1.0 }',
        addon: 'addon early_stopping { monitor = min(validate.loss) patience = 1 }',
      },
    ],
    [
      'its name has run into what follows: a function',
      {
        param: 'fn boundx: float) -> float = min(x, 1)\nconst most = bound(2.0)',
      },
    ],
    [
      'its name has run into what follows: a block',
      {
        block: 'block Flatx: f32[n, 8, 8, 1] -> f32[n, 64] { return x |> flatten() }',
        model:
          'model Net on image: f32[n, 8, 8, 1] -> f32[n, 10] { return image |> Flat() as flat |> dense(10) as head }',
      },
    ],
    [
      'its name is in a comment',
      { model: 'model // Net on image:\n  f32[n, 8, 8, 1] -> f32[n, 10] { return image }' },
    ],
    ['nothing is imported', { param: 'import { } from "./rates.ztrain"', optimizer: learning }],
    [
      'the library has another of its name',
      { param: 'param : float = 3e-3', optimizer: learning.replace('lr = lr', 'lr = first') },
    ],
    ['a model', { model: broken }],
    ['data, and what amends it', { train_set: 'data train_set = digits { batch = 32 shuffle = = true }' }],
    [
      'the train step',
      {
        train: 'step train(batch in train_set) { update opt { minimize } }',
        addon: 'addon early_stopping { monitor = min(train.loss) patience = 1 }',
      },
    ],
    [
      'a validation',
      {
        validate: 'step validate(batch in test_set) every { metric loss = 1 }',
        addon: 'addon early_stopping { monitor = min(validate.loss) patience = 1 }',
      },
    ],
    ['the trainer', { trainer: 'trainer Digits { epochs 3 }' }],
    [
      'it is opened and not closed',
      {
        model:
          'model Net on image: f32[n, 8, 8, 1] -> f32[n, 10] { return image |> flatten() |> dense(10) as head',
      },
    ],
  ] as const)('%s', (_, parts) => {
    const codes = check(specOf(parts)).diagnostics.map(({ code }) => code);
    expect(codes.length).toBeGreaterThan(0);
    expect(codes.filter((code) => !code.startsWith('ZT1'))).toEqual([]);
  });
});

// Another seed is for a search by hand: FUZZ_SEED=… npx vitest run test/checker/partly-read.test.ts
fc.configureGlobal({ seed: Number(process.env['FUZZ_SEED'] ?? 20261127) });

const folder = fileURLToPath(new URL('../../specs', import.meta.url));
const texts = new Map(
  readdirSync(folder)
    .filter((name) => name.endsWith('.ztrain') || name.endsWith('.ts'))
    .map((name) => [name, readFileSync(join(folder, name), 'utf8')] as const),
);
const tokenPattern =
  /"(?:[^"\\\n]|\\.)*"|\/\/[^\n]*|[A-Za-z_]\w*|\d[\d_]*(?:\.\d+)?(?:e-?\d+)?|\|>|->|\*\*|[<>=!]=|\s+|./gs;
const strays = [...'(){}["=x§-.#', 'data', 'fn', 'trainer', '|>', '//', 'as', 'in'];

/** One edit of a text that is right, at a place of it. */
const edits: Readonly<Record<string, (text: string, place: number, stray: string) => string>> = {
  'a token too many': (text, place, stray) =>
    atToken(text, place, (token, next) => [` ${stray} `, token, next]),
  'a token too few': (text, place) => atToken(text, place, (_, next) => [' ', next]),
  'another token': (text, place, stray) => atToken(text, place, (_, next) => [` ${stray} `, next]),
  'a token and the space behind it too few': (text, place) =>
    atToken(text, place, (_, next) => (next.trim() === '' ? [] : [next])),
  'no space between two tokens': (text, place) =>
    atToken(text, place, (token, next) => [token, next.trim() === '' ? '' : next]),
  'a line too few': (text, place) => withoutLines(text, place, 1),
  'some lines too few': (text, place) => withoutLines(text, place, 2 + (place % 3)),
};

/** A text in which others stand for the token at this place and what is behind it. */
function atToken(
  text: string,
  place: number,
  change: (token: string, next: string) => readonly string[],
): string {
  const tokens = [...(text.match(tokenPattern) ?? [])];
  const solid = tokens.flatMap((token, index) => (/^(?:\s|\/\/)/.test(token) ? [] : [index]));
  const at = solid[place % solid.length] ?? 0;
  const [token = '', next = ''] = tokens.slice(at, at + 2);
  tokens.splice(at, 2, ...change(token, next));
  return tokens.join('');
}

function withoutLines(text: string, place: number, count: number): string {
  const lines = text.split('\n');
  lines.splice(place % lines.length, count);
  return lines.join('\n');
}

test('one edit of a spec that is right: told where it is, and nothing else is', () => {
  const names = [...texts.keys()].filter((name) => name.endsWith('.ztrain'));
  let syntax = 0;
  fc.assert(
    fc.property(
      fc.constantFrom(...names),
      fc.constantFrom(...Object.keys(edits)),
      fc.nat(),
      fc.constantFrom(...strays),
      (name, edit, place, stray) => {
        const text = edits[edit]?.(texts.get(name) ?? '', place, stray) ?? '';
        const { diagnostics, ir } = checkProgram(
          name,
          memoryHost(Object.fromEntries([...texts, [name, text]])),
        );
        const codes = diagnostics.flatMap(({ code, severity }) => (severity === 'error' ? [code] : []));
        const isSyntax = codes.some((code) => code.startsWith('ZT1'));
        if (!isSyntax) return;
        syntax += 1;
        expect(ir).toBeNull();
        expect(codes.filter((code) => !code.startsWith('ZT1'))).toEqual([]);
      },
    ),
    { numRuns: 200 },
  );
  expect(syntax).toBeGreaterThan(100);
}, 120_000);
