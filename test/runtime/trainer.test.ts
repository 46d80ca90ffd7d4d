import { describe, expect, test } from 'vitest';
import { Control } from '../../src/runtime/trainer/control.js';
import { fit, type MetricsRecord } from '../../src/runtime/trainer/fit.js';
import { LineTrainer } from './tiny-trainer.js';

async function train(trainer: LineTrainer) {
  const { session } = await trainer.prepare({ kinds: ['train', 'validate'], dataRoot: '.' });
  const records: MetricsRecord[] = [];
  const result = await fit({
    session,
    addOns: [],
    control: new Control(),
    listener: {
      step: () => undefined,
      metrics: (record) => records.push(record),
      validating: () => undefined,
    },
    now: () => 0,
    limit: null,
  });
  return { session, records, result };
}

describe('the loop', () => {
  test('learns a line and measures it', async () => {
    const { records, result, session } = await train(new LineTrainer({ options: { epochs: 30 } }));
    expect(result.at.step).toBe(150);
    expect(result.metrics.get('validate.loss')).toBeLessThan(0.02);
    expect(records.filter(({ stage }) => stage === 'validate')).toHaveLength(30);
    await session.close();
  });
});
