/**
 * The compiler on specs that somebody is in the middle of writing: whatever is deleted, doubled, swapped or mistyped, it
 * answers soon, points into the files, and what it lets through is a typed trainer.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { checkProgram, type Checked } from '../../src/checker/check.js';
import { memoryHost } from '../../src/checker/host.js';
import { emit, type EmittedFile } from '../../src/codegen/emit.js';
import { typecheck } from '../../src/codegen/typecheck.js';

// The same cases each time; another seed is for a search by hand: FUZZ_SEED=… npx vitest run test/checker/fuzz.test.ts
fc.configureGlobal({ seed: Number(process.env['FUZZ_SEED'] ?? 20261122) });

const folder = fileURLToPath(new URL('../../specs', import.meta.url));
const texts = new Map(
  readdirSync(folder)
    .filter((name) => name.endsWith('.ztrain') || name.endsWith('.ts'))
    .map((name) => [name, readFileSync(join(folder, name), 'utf8')] as const),
);
const names = [...texts.keys()].filter((name) => name.endsWith('.ztrain'));

const tokenPattern =
  /"(?:[^"\\\n]|\\.)*"|\/\/[^\n]*|[A-Za-z_]\w*|\d[\d_]*(?:\.\d+)?(?:e-?\d+)?|\|>|->|\*\*|[<>=!]=|\s+|./gs;

type Change = (tokens: string[], at: number, other: number) => void;

const numbers = ['0', '1', '2', '-1', '3', '7', '0.5', '1e9', '999999999999', '65536'];

const changes: readonly Change[] = [
  (tokens, at) => void tokens.splice(at, 1),
  (tokens, at) => void tokens.splice(at, 0, tokens[at] ?? ''),
  (tokens, at, other) => {
    [tokens[at], tokens[other]] = [tokens[other] ?? '', tokens[at] ?? ''];
  },
  (tokens, at, other) => void tokens.splice(at, 1, tokens[other] ?? ''),
  // Numbers are where most specs differ: the next number in the text, or what stands where no number is.
  (tokens, at, other) => {
    const found = tokens.findIndex((token, index) => index >= at && /^\d/.test(token));
    if (found >= 0) tokens[found] = numbers[other % numbers.length] ?? '0';
  },
  // A name for another name of the spec: the hardest to tell from what is meant.
  (tokens, at, other) => {
    const isName = (token: string): boolean => /^[A-Za-z_]/.test(token);
    const found = tokens.findIndex((token, index) => index >= at && isName(token));
    const others = tokens.filter(isName);
    if (found >= 0) tokens[found] = others[other % others.length] ?? 'x';
  },
  (tokens, at, other) => void tokens.splice(Math.min(at, other), Math.abs(at - other) % 12),
];

interface Mutant {
  readonly name: string;
  readonly text: string;
}

const mutant = (kinds: readonly Change[] = changes): fc.Arbitrary<Mutant> =>
  fc
    .tuple(
      fc.constantFrom(...names),
      fc.array(fc.tuple(fc.nat(kinds.length - 1), fc.nat(), fc.nat()), { minLength: 1, maxLength: 3 }),
    )
    .map(([name, edits]) => {
      const tokens = (texts.get(name) ?? '').match(tokenPattern) ?? [];
      const list = [...tokens];
      for (const [kind, at, other] of edits) {
        if (list.length > 0) kinds[kind]?.(list, at % list.length, other % list.length);
      }
      return { name, text: list.join('') };
    });

const checkMutant = ({ name, text }: Mutant): Checked =>
  checkProgram(name, memoryHost(Object.fromEntries([...texts, [name, text]])));

describe('a spec with mistakes', () => {
  test('is answered soon, with places inside its files', () => {
    fc.assert(
      fc.property(mutant(), (each) => {
        const started = performance.now();
        const { diagnostics, files, ir } = checkMutant(each);
        expect(performance.now() - started).toBeLessThan(2000);
        const lengths = new Map(files.map((file) => [file.id, file.text.length]));
        for (const { code, message, span, related = [], fix } of diagnostics) {
          expect(message, code).not.toMatch(/undefined|\[object|NaN/);
          const spans = [
            span,
            ...related.map((one) => one.span),
            ...(fix?.edits ?? []).map((one) => one.span),
          ];
          for (const { file, start, end } of spans) {
            expect(start, code).toBeGreaterThanOrEqual(0);
            expect(end, code).toBeGreaterThanOrEqual(start);
            expect(end, code).toBeLessThanOrEqual(lengths.get(file) ?? -1);
          }
        }
        expect(ir === null).toBe(diagnostics.some(({ severity }) => severity === 'error'));
      }),
      { numRuns: 600, interruptAfterTimeLimit: 12_000 },
    );
  }, 40_000);
});

test('what is let through is emitted and typed', async () => {
  const accepted = new Map<string, Checked>();
  // Changes of numbers and names are those that a checker may well accept.
  for (const each of fc.sample(mutant(changes.slice(3, 6)), { numRuns: 1500 })) {
    if (accepted.size >= 20) break;
    const checked = checkMutant(each);
    if (checked.ir?.trainer) accepted.set(each.text, checked);
  }
  expect(accepted.size).toBeGreaterThanOrEqual(10);
  const emitted: EmittedFile[] = [];
  const specs: string[] = [];
  for (const [text, { ir }] of accepted) {
    if (ir === null) continue;
    // Each in one file of its own: what the mutants import is all alike.
    for (const file of await emit(ir, { compilerVersion: '0.1.0' })) {
      const number = specs.length;
      const own = file.trainer === null ? file.fileName : `mutant${number}.ts`;
      if (!emitted.some(({ fileName }) => fileName === own)) emitted.push({ ...file, fileName: own });
    }
    specs.push(text);
  }
  const { faults } = await typecheck(emitted, { folder: join(folder, 'generated') });
  const first = faults[0];
  const number = Number(/mutant(\d+)/.exec(first?.file ?? '')?.[1]);
  expect(first, `${specs[number] ?? ''}`).toBeUndefined();
}, 60_000);

describe('what changes like these have found', () => {
  const digits = texts.get('digits.ztrain') ?? '';
  const gpt = texts.get('gpt.ztrain') ?? '';
  const dcgan = texts.get('dcgan.ztrain') ?? '';
  test.each([
    ['a size divided by nothing', dcgan, 'ceil(w / 2)', 'ceil(w / 0)', ['ZT3203']],
    [
      'a constant made of a param',
      digits,
      'data train_set',
      'const rows = batch_size\ndata train_set',
      ['ZT3206'],
    ],
    ['a schedule times a unit', digits, 'over = 30.steps', 'over = 30.steps * warm', ['ZT3204']],
    ['a schedule compared before the run', digits, 'shuffle = true', 'shuffle = warm > 1', ['ZT3204']],
    ['a schedule that starts from itself', digits, 'warmup(to = lr,', 'warmup(to = warm,', ['ZT3203']],
    [
      'a default axis that is not there',
      digits,
      'argmax(logits) ==',
      'argmax(0.5 * mean(logits)) ==',
      ['ZT3107'],
    ],
    ['an input that has lost its element type', dcgan, 'z: f32[n, latent]', 'z: [n, latent]', ['ZT1001']],
    [
      'a condition of a param that is a number',
      digits,
      'where batch_size > 0',
      'where batch_size',
      ['ZT3203'],
    ],
    ['a fact that makes sizes uneven', gpt, 'dim % heads == 0,', 'dim % heads == 1,', ['ZT3104', 'ZT3109']],
  ])('%s', (_what, text, from, to, codes) => {
    expect(text).toContain(from);
    const { diagnostics } = checkMutant({ name: 'mutant.ztrain', text: text.replace(from, to) });
    expect([...new Set(diagnostics.map(({ code }) => code))].sort()).toEqual(codes);
    // On the spec's own text, never in the prelude's.
    expect(diagnostics.every(({ span }) => span.file === 0)).toBe(true);
  });
});
