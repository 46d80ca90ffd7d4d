/** Fourteen kinds of specs, each compiled to an executable, trained on both engines, and compared: every line, count and weight. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { kinds, nameOf, openKinds } from '../specs/kinds/kinds.js';
import type { Run, Workplace } from '../specs/run-spec.js';
import { expectSameRun, whatIsLeft, type WholeRun } from './whole-runs.js';

let place: Workplace;
beforeAll(() => {
  vi.stubEnv('TOLD_TO', 'nobody');
  place = openKinds();
});
afterAll(() => {
  vi.unstubAllEnvs();
  place.remove();
});

/** What only one of the runs leaves. */
const after: Readonly<Record<string, (runs: readonly Run[], program: string) => void | Promise<void>>> = {
  'add-ons': (runs) => {
    for (const { folder, best } of runs) {
      const told = readFileSync(join(folder, 'told.txt'), 'utf8');
      expect(told).toMatch(/^nobody best @ada @grace: validate\.smooth\.accuracy is [\d.]+ after 9\n$/);
      expect(best.has('validate.smooth.accuracy')).toBe(true);
    }
  },
  'language model': async (runs, program) => {
    const texts: string[] = [];
    for (const { folder } of runs) {
      await place.call(program, ['predict', '--from', folder, '--engine', 'embedded']);
      texts.push(readFileSync(join(place.folder, 'written.jsonl'), 'utf8'));
    }
    expect(texts[0]?.trim().split('\n')).toHaveLength(3);
    expect(texts[0]).toContain('a rose');
    expect(texts[1]).toBe(texts[0]);
  },
};

/** A run without what its process and its device hold. */
async function modelsPart(folder: string): Promise<WholeRun> {
  const left = await whatIsLeft(folder);
  return { ...left, lines: left.lines.filter(({ stage }) => stage !== 'device_stats') };
}

test.each(Object.entries(kinds))(
  '%s',
  async (name, kind) => {
    const program = await place.build(nameOf(kind));
    const words = ['trainer.compile=graph', ...(kind.words ?? [])];
    const train = (engine: string): Promise<Run> =>
      place.train(program, `${nameOf(kind)}-${engine}`, ['--engine', engine, ...words]);
    const runs = [await train('embedded'), await train('tensorflow')];
    const [embedded, native] = await Promise.all(runs.map(({ folder }) => modelsPart(folder)));
    if (embedded === undefined || native === undefined) throw new Error('there are two runs');
    expect(embedded.lines.filter(({ stage }) => stage === 'train').length).toBeGreaterThan(2);
    expectSameRun(native, embedded, 1e-4);
    await after[name]?.(runs, program);
  },
  240_000,
);
