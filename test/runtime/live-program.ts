/** Trains on two live sets until the second one is harvested for step 7, and is killed there. Bundled and started by `live-rescue.test.ts`. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { runFit } from '../../src/runtime/trainer/run.js';
import { broken, PairTrainer } from './pair-trainer.js';

const [, , runDir = ''] = process.argv;
Object.assign(broken, {
  side: 'right',
  index: 6,
  how: async (): Promise<void> => {
    // Checkpoints are written while training goes on.
    while (!existsSync(join(runDir, 'checkpoints', 'step-00000004'))) await wait(2);
    process.kill(process.pid, 'SIGKILL');
    await wait(60_000);
  },
});
await runFit(new PairTrainer({ params: {}, options: {} }), { stream: { write: () => undefined }, runDir });
