/** Transfer learning as its page says it: one spec trains layers, the next begins with them, frozen at first. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readSafetensors } from '../../src/runtime/checkpoint/safetensors.js';
import { lastWeights, openWorkplace, type Run, type Workplace } from './run-spec.js';

let place: Workplace;
beforeAll(() => {
  place = openWorkplace();
});
afterAll(() => place.remove());

const backboneOf = (weights: Buffer, root: string): ReadonlyMap<string, readonly number[]> =>
  new Map(
    [...readSafetensors(weights).tensors].flatMap(([name, { values }]) =>
      name.startsWith(root) && !name.includes('head')
        ? [[name.slice(root.length), [...values].map(Number)] as const]
        : [],
    ),
  );

test('layers of digits tell odd from even with few labels, frozen at first', async () => {
  const digits = await place.train(await place.build('digits'), 'digits', ['trainer.epochs=8']);
  const program = await place.build('transfer');
  const first = `first=${digits.folder}`;

  // Five epochs of nine steps: the layers are those of the digits' best checkpoint, whatever the head does.
  const frozen = await place.train(program, 'frozen', [
    first,
    'trainer.epochs=6',
    'trainer.limit.train=1.batches',
  ]);
  const whole = await place.train(program, 'whole', [first]);
  expect(whole.best.get('validate.accuracy')).toBeGreaterThanOrEqual(0.955);

  // The same without the layers has learned less from the same rows.
  const text = readFileSync(join(place.folder, 'transfer.ztrain'), 'utf8');
  const own = text
    .replace(/addon pretrained \{[^}]*\}\n/, '')
    .replace(/\/\/\/ The run that[^\n]*\nparam first[^\n]*\n/, '')
    .replace('freeze = 5.epochs', '')
    .replace('falling / 10', 'falling');
  expect(own).not.toContain('pretrained');
  writeFileSync(join(place.folder, 'scratch.ztrain'), own);
  const scratch = await place.train(await place.build('scratch'), 'scratch', []);
  expect(whole.best.get('validate.accuracy') ?? 0).toBeGreaterThan(
    scratch.best.get('validate.accuracy') ?? 1,
  );

  const checkpoints = join(digits.folder, 'checkpoints');
  const best = readFileSync(join(checkpoints, 'best'), 'utf8').trim();
  const trained = backboneOf(readFileSync(join(checkpoints, best, 'model.safetensors')), 'Classifier.');
  expect([...trained.keys()].sort()).toEqual(
    ['conv1', 'conv2', 'hidden'].flatMap((layer) => [`${layer}.bias`, `${layer}.weight`]),
  );
  const moved = (run: Run): number =>
    Math.max(
      ...[...backboneOf(lastWeights(run), 'Parity.backbone.')].flatMap(([name, values]) =>
        values.map((value, i) => Math.abs(value - (trained.get(name)?.[i] ?? Number.NaN))),
      ),
    );
  // One step after the thaw moves each weight by at most the rate of the layers, a tenth of the head's.
  expect(moved(frozen)).toBeGreaterThan(0);
  expect(moved(frozen)).toBeLessThan(2e-3);
  expect(moved(whole)).toBeGreaterThan(2e-3);
}, 300_000);
