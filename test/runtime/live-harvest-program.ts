/** A program that trains on two live sets, of which one fails in a way of its own. Bundled and started by `live-harvest.test.ts`. */
import { setTimeout as wait } from 'node:timers/promises';
import { main } from '../../src/runtime/main.js';
import { broken, PairTrainer, wrong } from './pair-trainer.js';

const [, , how = '', ...words] = process.argv;
if (how.startsWith('not closed')) wrong.close = 'the server does not answer';
const waits: Readonly<Record<string, () => Promise<void>>> = {
  /** Nothing settles it, and nothing else is to come. */
  stuck: () => new Promise<void>(() => undefined),
  /** Says that it has begun, and goes on for longer than a test lasts, whatever it is told. */
  slow: async () => {
    process.stdout.write('harvesting\n');
    await wait(600_000);
  },
  'not closed, failed': () => Promise.reject(new Error('the game is over')),
};
const chosen = waits[how];
if (chosen !== undefined) Object.assign(broken, { side: 'right', index: 5, how: chosen });
process.exitCode = await main(PairTrainer, words);
