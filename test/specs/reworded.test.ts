/** A run goes on after an edit of what its spec says about itself, in any of its files; after an edit of what it means it does not. */
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { check, compile } from '../../src/compiler.js';
import { lastWeights, openWorkplace, type Run, type Workplace } from './run-spec.js';

let place: Workplace;
let first: Run;
const at = (...path: readonly string[]): string => join(place.folder, ...path);
const edit = (file: string, change: (text: string) => string): void => {
  const before = readFileSync(at(file), 'utf8');
  const after = change(before);
  expect(after).not.toBe(before);
  writeFileSync(at(file), after);
};
const lengths = ['trainer.epochs=2', 'checkpoint.every=1.epoch', 'checkpoint.keep=5'];

beforeAll(async () => {
  place = openWorkplace();
  mkdirSync(at('parts'));
  writeFileSync(at('package.json'), '{}');
  writeFileSync(at('parts', 'shares.ztrain'), '/// Where the rate ends.\nconst share = 100\n');
  edit(
    'mpg.ztrain',
    (text) =>
      `import { share } from "parts/shares.ztrain"\n${text.replace('to = lr / 100', 'to = lr / share').replace(/^addon predictions.*$/m, '')}`,
  );
  first = await place.train(await place.build('mpg'), 'first', lengths);
  for (const [kept, path] of parts()) cpSync(path, kept, { recursive: true });
}, 120_000);
afterAll(() => place.remove());

/** What tests change, as it was at the end of the run, and where it is. */
const parts = (): readonly (readonly [string, string])[] => [
  [at('kept', 'run'), first.folder],
  [at('kept', 'mpg.ztrain'), at('mpg.ztrain')],
  [at('kept', 'parts'), at('parts')],
];
// Each test begins with the run and the files that it was made of.
beforeEach(() => {
  for (const [kept, path] of parts()) {
    rmSync(path, { recursive: true });
    cpSync(kept, path, { recursive: true });
  }
});

/** Goes on from a checkpoint: what the run says from then on. */
const goOn = async (program: string, step: string): Promise<string> => {
  const console = join(first.folder, 'console.log');
  const { length } = readFileSync(console, 'utf8');
  await place.call(program, ['--resume', join(first.folder, 'checkpoints', step)]);
  return readFileSync(console, 'utf8').slice(length);
};

test('comments and layout of the spec and of what it imports may be others', async () => {
  const whole = lastWeights(first);
  edit('mpg.ztrain', (text) => {
    const [head = '', ...rest] = text.split('\n').filter((line) => !/^\s*\/\//.test(line));
    return `// Cars.\n\n${head}\n${rest.map((line) => line.replace('{ epochs', '{  // short\r\n  epochs')).join('\n\n')}`;
  });
  edit('parts/shares.ztrain', (text) => text.replace('Where the rate ends', 'At the end'));
  const said = await goOn(await place.build('mpg'), 'step-00000010');
  expect(said).toContain('the spec has another text that means the same: comments or blank space');
  expect(said).toContain('goes on after step 10');
  expect(lastWeights(first).equals(whole)).toBe(true);
  const { spec } = JSON.parse(readFileSync(join(first.folder, 'run.json'), 'utf8'));
  expect(spec.files).toEqual(
    ['parts/shares.ztrain', 'mpg.ztrain'].map((path) => ({ path, text: readFileSync(at(path), 'utf8') })),
  );
});

test('a number of what it imports is a part of what it means', async () => {
  edit('parts/shares.ztrain', (text) => text.replace('100', '50'));
  await expect(goOn(await place.build('mpg'), 'step-00000020')).rejects.toMatchObject({
    code: 3,
    stderr: expect.stringMatching(
      /this run is another one:\n {2}parts\/shares\.ztrain: - const share = 100\n {2}parts\/shares\.ztrain: \+ const share = 50\n/,
    ),
  });
});

test('the digest in a trainer is that of the meaning, the other one that of the text', async () => {
  const digests = async (): Promise<readonly (string | undefined)[]> => {
    expect(check(at('mpg.ztrain')).diagnostics).toEqual([]);
    const { emitted } = await compile(at('mpg.ztrain'));
    const text = emitted?.find(({ trainer }) => trainer !== null)?.text ?? '';
    const of = (key: string): string | undefined =>
      new RegExp(`^    ${key}: '([0-9a-f]{64})',$`, 'm').exec(text)?.[1];
    return [of('sha256'), of('tokensSha256')];
  };
  const [text, tokens] = await digests();
  expect(tokens).toMatch(/^[0-9a-f]{64}$/);
  edit('parts/shares.ztrain', (before) => `${before}// the end\n`);
  const [reworded, same] = await digests();
  expect(reworded).not.toBe(text);
  expect(same).toBe(tokens);
  edit('parts/shares.ztrain', (before) => before.replace('100', '51'));
  expect((await digests())[1]).not.toBe(tokens);
});
