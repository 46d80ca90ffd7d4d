/** Add-ons of a spec in TypeScript: their options arrive typed, and secrets are in no file. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterAll, afterEach, expect, test } from 'vitest';
import { env, extern, max, metric, type Secret, type Start } from '../../src/runtime/addons/index.js';
import { LineTrainer, setup } from './tiny-trainer.js';

const folder = mkdtempSync(join(tmpdir(), 'ztrain-extern-'));
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});
afterEach(() => {
  delete process.env['ZTRAIN_TEST_HOOK'];
});
const quiet = { isTTY: false, columns: 80, write: () => true };

const told: string[] = [];
const notify = (options: {
  readonly hook: Secret;
  readonly more?: readonly Secret[];
  readonly when: 'best' | 'end';
}): Start => {
  told.push('made');
  return (host) => ({
    fitEnd: ({ step }) => {
      told.push(`${step} ${options.when} ${options.hook.reveal()}`);
      host.report(`${String(options.hook)} ${JSON.stringify(options)}`);
    },
    state: () => ({ hook: options.hook.toJSON() }),
  });
};

class Notified extends LineTrainer {
  protected override configureAddOns() {
    const about = { kind: 'notify', phase: 'dependent', owns: ['hook'] } as const;
    const hook = env('ZTRAIN_TEST_HOOK');
    return [extern(about, notify, { hook, more: [hook], when: 'end' })];
  }
}

const filesIn = (path: string): readonly string[] =>
  readdirSync(path, { recursive: true, encoding: 'utf8' })
    .map((name) => join(path, name))
    .filter((file) => statSync(file).isFile());

test('a secret that is set reaches the add-on, and no file', async () => {
  told.length = 0;
  process.env['ZTRAIN_TEST_HOOK'] = 'open-sesame';
  const runDir = join(folder, 'set');
  await new Notified(setup({}, { epochs: 1 })).fit({ runDir, stream: quiet });
  expect(told).toEqual(['made', '5 end open-sesame']);
  const files = filesIn(runDir);
  expect(files.length).toBeGreaterThan(4);
  for (const file of files) expect(readFileSync(file, 'latin1')).not.toContain('open-sesame');
  expect(readFileSync(join(runDir, 'console.log'), 'utf8')).toContain('env("ZTRAIN_TEST_HOOK")');
});

test.each([undefined, ''])('one that is %j ends the run before anything is written', async (value) => {
  told.length = 0;
  if (value !== undefined) process.env['ZTRAIN_TEST_HOOK'] = value;
  const runDir = join(folder, 'missing');
  const run = new Notified(setup({}, { epochs: 1 })).fit({ runDir, stream: quiet });
  await expect(run).rejects.toThrow(
    'the environment variable ZTRAIN_TEST_HOOK is not set; set it where the run starts',
  );
  expect(told).toEqual([]);
  expect(readdirSync(folder)).not.toContain('missing');
});

test('shown, printed or made JSON a secret is its name', () => {
  process.env['ZTRAIN_TEST_HOOK'] = 'open-sesame';
  const secret = env('ZTRAIN_TEST_HOOK');
  for (const text of [String(secret), JSON.stringify({ secret }), inspect(secret, { depth: 9 })])
    expect(text).not.toContain('sesame');
  expect(secret.reveal()).toBe('open-sesame');
});

test('a metric is a name, with or without what is better', () => {
  expect(metric('validate.loss')).toEqual({ mode: null, metric: 'validate.loss' });
  expect(max('validate.loss')).toEqual({ mode: 'max', metric: 'validate.loss' });
});
