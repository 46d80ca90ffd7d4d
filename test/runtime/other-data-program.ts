/** Makes a batch of the trainer with other data in a worker, which imports this file as well, and says what became of it. */
import { isMainThread } from 'node:worker_threads';
import { RowWorkers } from '../../src/runtime/data/row-workers.js';
import { rowWorkerStart } from '../../src/runtime/trainer/row-worker-start.js';
import { OtherTrainer, trainerOf, type Own } from './other-data-trainer.js';

export { OtherTrainer };

/** The numbers of a batch that a worker makes for a trainer with this data; `module` is what the worker imports. */
export async function batchInWorker(given: Partial<Own>, module: string): Promise<readonly number[]> {
  const trainer = trainerOf(given);
  const workers = new RowWorkers(1, rowWorkerStart(trainer, { trainer: 'Other', module }, '/'));
  try {
    const set = trainer.dataSets().get('counted');
    const open = await set?.open({ root: '/', seed: 1, label: 'counted', workers });
    if (open?.inWorkers !== true) throw new Error('no worker prepares it');
    const { tensors } = await open.batch(0, 1);
    await open.close();
    return tensors.flatMap(({ values }) => [...values]);
  } finally {
    await workers.close();
  }
}

const [, , words = ''] = process.argv;
if (isMainThread && words.startsWith('{')) {
  const said = await batchInWorker(JSON.parse(words), import.meta.url).catch(String);
  process.stdout.write(typeof said === 'string' ? said : said.join(' '));
}
