/** What add-ons answer in a run on live data, which has no epochs. */
import { expect, test } from 'vitest';
import * as addons from '../../src/runtime/addons/index.js';
import type { AddOn, Answer, Hooks } from '../../src/runtime/addons/addon.js';
import { runFit } from '../../src/runtime/trainer/run.js';
import * as units from '../../src/values/units.js';
import { PairTrainer } from './pair-trainer.js';

const fit = (hooks: Hooks<Answer>, options = {}) => {
  class Answering extends PairTrainer {
    protected override configureAddOns(): readonly AddOn[] {
      const about = { kind: 'cutter', phase: 'trigger', owns: ['stop'] } as const;
      return [addons.extern(about, () => () => hooks, {})];
    }
  }
  return runFit(new Answering({ params: {}, options }), {
    stream: { write: () => undefined },
    runDir: null,
  });
};
const at = (step: number, answer: Answer) => (moment: { readonly step: number }) =>
  moment.step === step ? answer : undefined;

test.each(['stepEnd', 'measured'] as const)('end-epoch in %s is refused by name', async (hook) => {
  await expect(fit({ [hook]: at(2, 'end-epoch') })).rejects.toThrow(
    `add-on cutter failed in ${hook}: it answered 'end-epoch', and live data has no epochs; answer 'end-run' to end the run, or nothing`,
  );
});

test('end-epoch is refused where only max_time ends the run', async () => {
  await expect(
    fit({ stepEnd: at(2, 'end-epoch') }, { steps: null, maxTime: units.seconds(60) }),
  ).rejects.toThrow(/answered 'end-epoch'/);
});

test('end-run ends it at the step that was trained', async () => {
  const { reason, at: end } = await fit({ stepEnd: at(3, 'end-run') });
  expect({ reason, step: end.step }).toEqual({ reason: 'stopped', step: 3 });
});

test('max_time alone ends it', async () => {
  const { reason, at: end } = await fit({}, { steps: null, maxTime: units.seconds(0.2) });
  expect(reason).toBe('out-of-time');
  expect(end.step).toBeGreaterThan(0);
  expect(end.seconds).toBeGreaterThanOrEqual(0.2);
});
